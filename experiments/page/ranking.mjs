// All agents that the page holds tried on one terrain, beside the page, and ranked.

import { html, numberText } from './dom.mjs';
import { originText } from './data.mjs';
import { isGivenUp } from './episode.mjs';
import { endingText } from './lane.mjs';
import { EpisodeWorker } from './worker.mjs';

const MOST_CHOSEN = 4;
/** Agents that are fetched at once. */
const AT_ONCE = 60;
const COLUMNS = ['', 'niche', 'iteration', 'gets to', 'return', 'ends'];

/** Several workers that share a list of episodes; each takes the next one when it is done. */
export class Crowd {
  #workers; #turn = 0;

  /** See EpisodeWorker; there are as many workers as the reader's processor can bear beside the page. */
  constructor(source, world, wasm, onFailure) {
    const size = Math.max(1, (navigator.hardwareConcurrency || 2) - 1);
    this.#workers = Array.from({ length: size }, () => new EpisodeWorker(source, world, wasm, onFailure));
  }

  get size() { return this.#workers.length; }

  /**
   * Run episodes, and forget those that are still waiting from before. Done when all are, or when others are asked for.
   *
   * @param count how many
   * @param episodeAt gives a promise of that at a place; asked for one place after the other
   * @param onResult as for EpisodeWorker
   */
  async run(count, episodeAt, onResult) {
    const turn = ++this.#turn;
    let next = 0;
    const feed = async (worker) => {
      while (turn === this.#turn && next < count) {
        const place = next++, episode = await episodeAt(place);
        const answer = await new Promise((done) => { worker.run([episode], (_, found) => done(found)); });
        if (turn === this.#turn) onResult(place, answer);
      }
    };
    await Promise.all(this.#workers.map(feed));
  }

  /** Run nothing more. */
  stop() { this.#turn++; }
}

/** How far a walker got: the end is farther than any place; what the page's physics gives up comes last. */
function distanceOf({ result }) {
  if (!result || isGivenUp(result.outcome)) return -Infinity;
  return result.outcome === 'FINISHED' ? Infinity : result.x;
}

/** Better first. A difference of equal infinities is no number, and counts as none. */
const byDistance = (a, b) => distanceOf(b) - distanceOf(a) || (b.result?.return ?? 0) - (a.result?.return ?? 0)
  || a.agent.version - b.agent.version;

export class Ranking {
  #archive; #crowd; #agents = []; #numFirst = 0; #answers = []; #chosen = []; #parts; #on;
  #request = null; #begun = 0; #isStale = true; #walking = null;

  /**
   * @param archive the run
   * @param crowd who runs the episodes
   * @param box an empty element to fill
   * @param on { terrain: gives it; rank: called after each change of the order; choose: called with agents }
   */
  constructor(archive, crowd, box, on) {
    this.#archive = archive;
    this.#crowd = crowd;
    this.#on = on;
    const rows = html('tbody', {}), text = html('p', { class: 'result', role: 'status' });
    const button = html('button', { class: 'main', onclick: () => this.run() }, 'Who can cross it?');
    const bar = html('progress', { value: 0, hidden: true });
    const table = html('div', { class: 'scroll', hidden: true }, html('table', { class: 'ranking' },
      html('thead', {}, html('tr', {}, ...COLUMNS.map((name) => html('th', {}, name)))), rows));
    this.#parts = { rows, text, button, bar, table };
    this.head = html('div', { class: 'ask' }, button, bar, text);
    box.append(table);
  }

  /** All answers so far, best first. */
  get order() { return this.#answers; }

  /** The place of an agent in that order, from 1; null if it has none. */
  rankOf(agent) {
    const place = this.#isStale ? -1 : this.#answers.findIndex((entry) => entry.agent === agent);
    return place < 0 ? null : place + 1;
  }

  /** Mark the agents that walk, in the order of their lanes. */
  mark(agents) {
    this.#chosen = agents;
    for (const { agent, row } of this.#answers) {
      const place = agents.indexOf(agent);
      row.className = place < 0 ? '' : `lane-${place}`;
      row.querySelector('input').checked = place >= 0;
    }
  }

  /** The terrain has changed: what is shown is of another one. */
  age() {
    if (this.#isStale) return;
    this.#crowd.stop();
    this.#isStale = true;
    const { bar, text, table } = this.#parts;
    bar.hidden = true;
    table.classList.add('stale');
    if (!table.hidden) text.textContent = 'The terrain has changed since: ask again.';
  }

  /** Try all that there are now. */
  async run() {
    const { bar, text, table } = this.#parts;
    this.#agents = byPromise(distinct(this.#archive.agents));
    this.#numFirst = new Set(this.#agents.map((agent) => agent.niche_id)).size;
    this.#answers = [];
    this.#isStale = false;
    this.#walking = null;
    this.#begun = performance.now();
    table.classList.remove('stale');
    bar.hidden = table.hidden = false;
    bar.max = this.#agents.length;
    this.#refresh();
    const answers = this.#answers;
    try {
      await this.#crowd.run(bar.max, this.#episodes(), (place, answer) => this.#add(this.#agents[place], answer));
    } catch (error) {
      if (answers !== this.#answers) return;
      this.age();
      text.textContent = `Not all could be tried: ${error.message}`;
    }
  }

  /** What gives the episodes of all agents on the terrain, one after the other; agents that are not here are fetched. */
  #episodes() {
    const terrain = this.#on.terrain(), agents = this.#agents;
    let thetas = null;
    return async (place) => {
      const i = place % AT_ONCE;
      if (i === 0) thetas = this.#archive.thetasOf(agents.slice(place, place + AT_ONCE));
      const theta = (await thetas)[i];
      return { terrain, theta, maxSteps: agents[place].max_steps };
    };
  }

  #add(agent, answer) {
    const entry = { agent, ...answer };
    entry.row = this.#row(entry);
    this.#answers.push(entry);
    this.#parts.bar.value = this.#answers.length;
    if (this.#answers.length === this.#agents.length) this.#finish();
    else if (this.#answers.length === this.#numFirst) this.#letBestWalk();
    else this.#refresh();
  }

  #finish() {
    const seconds = (performance.now() - this.#begun) / 1000, { bar, text } = this.#parts;
    bar.hidden = true;
    const count = this.#answers.filter(({ result }) => result?.outcome === 'FINISHED').length;
    const total = this.#answers.length, workers = this.#crowd.size === 1 ? 'one worker' : `${this.#crowd.size} workers`;
    text.textContent = `${count || 'None'} of ${total} ${count === 1 ? 'crosses' : count ? 'cross' : 'crosses'} it, `
      + `found by ${workers} in ${seconds.toFixed(1)} s.`;
    this.#letBestWalk();
  }

  #letBestWalk() {
    this.#answers.sort(byDistance);
    this.#show();
    const best = this.#answers[0].agent;
    if (this.#walking !== best) this.#on.choose([best]);
    this.#walking = best;
  }

  /** Show the order, once a frame at most. */
  #refresh() {
    this.#request ??= requestAnimationFrame(() => {
      this.#request = null;
      if (this.#isStale) return;
      this.#answers.sort(byDistance);
      const { text } = this.#parts, total = this.#agents.length;
      if (this.#answers.length < total) text.textContent = `${this.#answers.length} of ${total} tried`;
      this.#show();
    });
  }

  #show() {
    this.#answers.forEach(({ row }, i) => { row.cells[0].querySelector('span').textContent = i + 1; });
    this.#parts.rows.replaceChildren(...this.#answers.map(({ row }) => row));
    this.#on.rank();
  }

  #row(entry) {
    const { agent, result, error } = entry, far = result ? Math.max(0, result.x) : 0;
    const isUnknown = !result || isGivenUp(result.outcome), { finish_x: finish } = this.#archive.world.layout;
    const toggle = () => this.#on.choose(this.#chosen.includes(agent)
      ? this.#chosen.filter((other) => other !== agent) : [...this.#chosen, agent].slice(-MOST_CHOSEN));
    const name = `niche ${agent.niche_id}, iteration ${agent.iteration}`;
    const bar = html('i', { class: result?.outcome === 'FINISHED' ? 'far end' : 'far' });
    bar.style.setProperty('--far', `${Math.min(100, (100 * far) / finish)}%`);
    return html('tr', {},
      html('td', {}, html('input', { type: 'checkbox', 'aria-label': `let ${name} walk`, onchange: toggle }),
        html('span', {})),
      html('td', {}, html('button', {
        class: 'plain', title: originText(agent), 'aria-label': `let only ${name} walk`,
        onclick: () => this.#on.choose([agent]),
      }, String(agent.niche_id))),
      html('td', {}, String(agent.iteration)),
      html('td', {}, bar, html('span', {}, isUnknown ? 'unknown' : `${far.toFixed(1)} m`)),
      html('td', {}, isUnknown ? '' : numberText(result.return)),
      html('td', {}, error ?? endingText(result.outcome)));
  }
}

/** Agents with other parameters or another time limit than any before them. */
function distinct(agents) {
  const seen = new Map();
  for (const agent of agents) {
    const key = `${agent.theta} ${agent.max_steps}`;
    if (!seen.has(key)) seen.set(key, agent);
  }
  return [...seen.values()];
}

/** The last agent of each niche before the others, since these are the likely ones. */
function byPromise(agents) {
  const last = new Map(agents.map((agent) => [agent.niche_id, agent]));
  return [...last.values(), ...agents.filter((agent) => last.get(agent.niche_id) !== agent)];
}
