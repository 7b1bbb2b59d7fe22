// Every pair that the page holds, run again and compared with the archive by bits.

import { html, svg, tip } from './dom.mjs';
import { num } from './data.mjs';

const CELL = 12;
/** Pairs that are fetched and run at once. */
const BATCH = 60;
const HEADINGS = ['niche', 'iteration', 'archived return', 'return here', 'steps', 'same bits'];

export class Proof {
  #archive; #worker; #parts; #marks = []; #onPick; #isRunning = false;

  /**
   * @param archive the run
   * @param worker an EpisodeWorker
   * @param box an empty element to fill
   * @param onPick called with an agent that was clicked
   */
  constructor(archive, worker, box, onPick) {
    this.#archive = archive;
    this.#worker = worker;
    this.#onPick = onPick;
    const button = html('button', { onclick: () => this.run() });
    const bar = html('progress', { value: 0, hidden: true });
    const text = html('p', { class: 'result', role: 'status' });
    const grid = html('div', {}), rows = html('tbody', {});
    const table = html('details', { hidden: true }, html('summary', {}, 'All numbers'),
      html('div', { class: 'scroll' }, html('table', {}, html('thead', {}, html('tr', {},
        ...HEADINGS.map((name) => html('th', {}, name)))), rows)));
    this.#parts = { button, bar, text, grid, rows, table };
    box.append(button, bar, text, grid, table);
    this.refresh();
  }

  /** Offer the pairs that are there now. */
  refresh() {
    if (this.#isRunning) return;
    this.#parts.button.textContent = `Prove it: run all ${this.#archive.agents.length} pairs again`;
  }

  /** Run all, in a worker, some at a time. */
  async run() {
    const { agents } = this.#archive, { button, bar, text, grid, rows, table } = this.#parts;
    let numDone = 0, numEqual = 0;
    button.disabled = this.#isRunning = true;
    bar.hidden = table.hidden = false;
    bar.max = agents.length;
    rows.replaceChildren();
    grid.replaceChildren(this.#makeGrid(agents));
    const begun = performance.now();
    const tell = (place, answer) => {
      const agent = agents[place], isEqual = Boolean(answer.result) && this.#archive.isArchived(agent, answer.result);
      numDone += 1;
      numEqual += isEqual;
      bar.value = numDone;
      this.#marks[place].setAttribute('class', isEqual ? 'good' : 'bad');
      this.#marks[place].answer = answer;
      rows.append(this.#row(agent, answer, isEqual));
      text.textContent = this.#sentence(agents.length, numDone, numEqual, (performance.now() - begun) / 1000);
    };
    try {
      for (let from = 0; from < agents.length; from += BATCH) await this.#runBatch(agents, from, tell);
    } catch (error) {
      text.textContent = `The proof stopped: ${error.message}`;
    }
    button.disabled = this.#isRunning = false;
    this.refresh();
  }

  /** Run the pairs from a place on; done when the last one is. */
  async #runBatch(agents, from, tell) {
    const batch = agents.slice(from, from + BATCH);
    await this.#archive.needGrounds(batch.map((agent) => agent.niche_id));
    const thetas = await this.#archive.thetasOf(batch);
    const episodes = batch.map((agent, i) => ({ ...this.#archive.episodeOf(agent), theta: thetas[i] }));
    let numDone = 0;
    await new Promise((done) => {
      this.#worker.run(episodes, (place, answer) => {
        tell(from + place, answer);
        if (++numDone === batch.length) done();
      });
    });
  }

  #sentence(total, numDone, numEqual, seconds) {
    if (numDone < total) return `${numDone} of ${total} run, ${numEqual} equal`;
    const all = numEqual === total ? `All ${total} are equal` : `${numEqual} of ${total} are equal`;
    return `${all}: return, length and ending, bit for bit, in ${seconds.toFixed(1)} s.`;
  }

  #row(agent, { result, error }, isEqual) {
    const cells = [agent.niche_id, agent.iteration, num(agent.own_return), result ? result.return : error,
      result ? `${agent.own_length} / ${result.length}` : agent.own_length, isEqual ? 'equal' : 'not equal'];
    return html('tr', { class: isEqual ? null : 'unequal' }, ...cells.map((text) => html('td', {}, String(text))));
  }

  /** A mark a pair, a row a niche. */
  #makeGrid(agents) {
    const ids = [...this.#archive.agentsOf.keys()].sort((a, b) => a - b), longest = Math.max(
      ...ids.map((id) => this.#archive.agentsOf.get(id).length));
    const [width, height] = [34 + longest * CELL, ids.length * CELL + 2];
    const place = new Map();
    ids.forEach((id, row) => this.#archive.agentsOf.get(id).forEach((agent, i) => {
      place.set(agent, [34 + i * CELL, row * CELL]);
    }));
    this.#marks = agents.map((agent) => {
      const [x, y] = place.get(agent);
      const mark = svg('rect', { x, y: y + 1, width: CELL - 2, height: CELL - 2, rx: 2, class: 'waiting' });
      mark.addEventListener('click', () => this.#onPick(agent));
      mark.addEventListener('pointermove', ({ clientX, clientY }) => tip.show(clientX, clientY,
        `niche ${agent.niche_id}, iteration ${agent.iteration}`, `archived ${num(agent.own_return)}`,
        mark.answer && `here ${mark.answer.result?.return ?? mark.answer.error}`, 'click to see it'));
      mark.addEventListener('pointerleave', () => tip.hide());
      return mark;
    });
    const labels = ids.map((id, row) => svg('text', { x: 28, y: row * CELL + 10, 'text-anchor': 'end' }, String(id)));
    return html('div', { class: 'scroll' }, svg('svg', {
      class: 'marks', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
      'aria-label': 'A mark for each pair',
    }, ...labels, ...this.#marks));
  }
}
