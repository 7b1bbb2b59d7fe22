// The curves of the run: scores and success of every niche, ANNECS, and how complex its terrains are.

import { html, percentText } from './dom.mjs';
import { grouped, num } from './data.mjs';
import { Plot } from './plot.mjs';

const shortText = (value) => (Number.isFinite(value) ? String(+value.toPrecision(3)) : 'none');
const finite = (values) => values.filter(Number.isFinite);

/** From the least to the greatest value, with 0, and room above. */
function rangeOf(values) {
  const found = finite(values.flat());
  const high = Math.max(0, ...found.map((value) => value)), low = Math.min(0, ...found);
  return high > low ? [low, high + 0.06 * (high - low)] : [0, 1];
}

const TITLES = {
  score: 'Score of the niche’s agent', pushes: 'Success on its own ground under other pushes',
  seeds: 'Success on fresh seeds of its genes',
};

/** Fills a box with plots of every niche, which follow the selected one. */
export class NicheCurves {
  #archive; #box; #onSelect; #plots = new Map(); #selected = null;

  constructor(archive, box, onSelect) {
    this.#archive = archive;
    this.#box = box;
    this.#onSelect = onSelect;
    this.refresh();
  }

  /** Bring a niche's curves to the front. */
  select(id) {
    this.#selected = id;
    for (const plot of this.#plots.values()) plot.highlight(id);
  }

  /** Show what the archive holds now. */
  refresh() {
    const { scoresOf, world: { solved_return: solved, robust_rate: rate }, measured } = this.#archive;
    if (scoresOf.size) {
      const scores = this.#series(scoresOf, 'score'), ys = finite(scores.flatMap((one) => one.ys));
      const range = ys.length ? [Math.min(-100, ...downTo(ys)), Math.max(solved + 20, ...upTo(ys))] : [-100, 300];
      const lines = [{ value: solved, name: `solved from ${solved}` }];
      this.#show('score', { isCrowd: true, series: scores, range, lines });
    }
    for (const [set, word] of [['pushes', 'robust'], ['seeds', 'general']]) {
      const rates = grouped(measured.filter((one) => one.validation_set === set), 'niche_id');
      if (rates.size) this.#show(set, {
        isCrowd: true,
        series: this.#series(rates, 'rate'), range: [0, 1.02], text: percentText,
        lines: [{ value: rate, name: `${word} from ${percentText(rate)}` }],
      });
    }
  }

  #show(key, options) {
    const known = this.#plots.get(key);
    if (known) return known.update(this.#archive.env_steps, options);
    const plot = new Plot(TITLES[key], this.#archive.env_steps, options, this.#onSelect);
    plot.highlight(this.#selected);
    this.#plots.set(key, plot);
    return this.#box.append(plot.element);
  }

  #series(groups, value) {
    return [...groups].map(([id, rows]) => ({
      key: id, name: `niche ${id}`, class: 'niche-curve',
      xs: rows.map((row) => row.env_steps), ys: rows.map((row) => num(row[value])),
    }));
  }
}

/** The least of many values, as a list of one: a call takes no million arguments. */
const downTo = (values) => [values.reduce((a, b) => Math.min(a, b))];
const upTo = (values) => [values.reduce((a, b) => Math.max(a, b))];

/** The plots of the whole run, as elements. */
export function runCurves(archive) {
  return [...(archive.annecs ? [annecsPlot(archive)] : []), ...complexityPlots(archive)];
}

function complexityPlots(archive) {
  if (!archive.complexity) return [];
  const plots = [];
  for (const { title, unit, curves } of Object.values(archive.complexity.measures)) {
    const series = [['admitted_max', 'greatest admitted'], ['solved_max', 'greatest solved once'],
      ['admitted_median', 'median admitted'], ['solved_median', 'median solved once']].map(([key, name]) => ({
      key, name, isNamed: true, class: key.replace('_', ' '),
      xs: curves[key].env_steps, ys: curves[key].value.map(num),
      lower: curves[key].lower?.map(num), upper: curves[key].upper?.map(num),
    }));
    const own = rangeOf(series.map((one) => one.ys)), [low, high] = rangeOf(series.map((one) => one.upper ?? []));
    if (own[1] === 1 && series.every((one) => finite(one.ys).every((value) => value === 0))) continue;
    // The shadow's terrains may be as high as houses: its band is cut there.
    const range = [Math.min(own[0], low), Math.max(own[1], Math.min(high, 2.5 * own[1]))];
    plots.push(new Plot(`${title[0].toUpperCase()}${title.slice(1)}, ${unit}`, archive.env_steps, {
      series, range, isStepped: true, text: shortText,
    }).element);
  }
  return plots;
}

function annecsPlot(archive) {
  const { annecs } = archive, names = {
    annecs_paper: 'passed and solved once (paper)', annecs_robust: 'passed and robustly solved',
    annecs_released: 'by the released code',
  };
  const series = Object.entries(names).map(([key, name]) => ({
    key, name, isNamed: true, class: key.replace('_', '-'), xs: annecs.env_steps, ys: annecs[key].map(num),
  })).filter((one) => finite(one.ys).length);
  const unknown = 'ANNECS is unknown: its niches were not judged by all agents.';
  if (!series.length) return html('p', { class: 'note' }, unknown);
  return new Plot('ANNECS: novel environments created and solved', archive.env_steps, {
    series, range: rangeOf(series.map((one) => one.ys)), isStepped: true, text: shortText,
  }).element;
}
