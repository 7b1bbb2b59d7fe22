// Several runs over cumulative env-steps: curves overlaid, a colour for each arm.

import { byId, countText, html, percentText } from './dom.mjs';
import { num, unpack } from './data.mjs';
import { Plot } from './plot.mjs';
import { Server, repeat } from './live.mjs';

/** Colours that the style sheet has for arms; more arms begin again with a dashed line. */
const NUM_COLOURS = 6;
const whole = (value) => (Number.isFinite(value) ? String(Math.round(value)) : 'unknown');
const parts = (value) => (Number.isFinite(value) ? value.toFixed(2) : 'unknown');

/** Title, key, how a value is said, and whether the greatest value is known beforehand. */
const PLOTS = [
  ['Niches admitted', 'admitted', whole],
  ['Niches solved once', 'solved', whole],
  ['Niches robustly solved, so far', 'robust', whole],
  ['Success of active niches under other pushes, mean', 'success', percentText, 1],
  ['Hardest terrain admitted, conditions met in parts', 'hardest', parts],
  ['Hardest terrain robustly solved', 'hardest_robust', parts],
  ['ANNECS: passed and solved once (paper)', 'annecs', whole],
  ['ANNECS: passed and robustly solved', 'annecs_robust', whole],
];

const armClass = (arm) => `arm-${arm % NUM_COLOURS}${arm >= NUM_COLOURS ? ' dashed' : ''}`;

class Overview {
  #runs = []; #plots = new Map();

  /** Show the runs as they are now. */
  show({ arms, runs }) {
    this.#runs = runs;
    const shown = runs.filter((run) => run.curves), end = Math.max(1, ...shown.map((run) => run.env_steps));
    byId('lead').textContent = `${runs.length} runs, ${arms.length} ${arms.length === 1 ? 'arm' : 'arms'}.`;
    byId('runs').replaceChildren(this.#table(arms));
    for (const [title, key, text, most] of PLOTS) {
      const series = shown.map((run) => ({
        key: runs.indexOf(run), name: run.name, class: armClass(run.arm),
        xs: run.curves[key]?.env_steps ?? [], ys: (run.curves[key]?.value ?? []).map(num),
      }));
      const values = series.flatMap((one) => one.ys).filter(Number.isFinite);
      if (values.some((value) => value > 0)) this.#draw(key, title, end, {
        series, text, isStepped: key !== 'success', isEnded: true, range: [0, 1.04 * (most ?? Math.max(...values))],
      });
    }
  }

  #draw(key, title, end, options) {
    const known = this.#plots.get(key);
    if (known) return known.update(end, options);
    const plot = new Plot(title, end, options, (place) => { location.href = this.#runs[place].address; });
    this.#plots.set(key, plot);
    return byId('curves').append(plot.element);
  }

  #table(arms) {
    const heads = ['run', 'arm', 'iteration', 'env-steps', 'niches', 'active', ''];
    const rows = this.#runs.map((run, place) => html('tr', {
      onpointerenter: () => this.#front(place), onpointerleave: () => this.#front(null),
    }, html('td', { class: 'text' }, html('i', { class: `swatch ${armClass(run.arm)}` }),
      html('a', { href: run.address }, run.name)),
    html('td', { class: 'text' }, arms[run.arm]),
    ...(run.error ? [html('td', { class: 'text', colspan: 5 }, run.error)] : [
      ...[String(run.iteration), countText(run.env_steps), String(run.niches), String(run.active)].map((text) =>
        html('td', {}, text)),
      html('td', { class: 'text' }, run.state),
    ])));
    return html('table', {},
      html('thead', {}, html('tr', {}, ...heads.map((text, i) => html('th', { class: i < 2 ? 'text' : null }, text)))),
      html('tbody', {}, ...rows));
  }

  #front(place) {
    for (const plot of this.#plots.values()) plot.highlight(place);
  }
}

async function openOverview() {
  const overview = new Overview(), server = new Server();
  overview.show(JSON.parse(new TextDecoder().decode(await unpack(byId('data')))));
  document.documentElement.dataset.state = 'ready';
  const say = (sentence) => { byId('state').textContent = sentence; };
  repeat(async () => {
    overview.show(await server.curves());
    say('');
  }, say);
}

openOverview().catch((error) => {
  byId('lead').textContent = `This page cannot be shown: ${error.message}`;
  throw error;
});
