// One walker on one ground: who it is, what it did, and what the archive says of it.

import { byId, html, numberText, percentText } from './dom.mjs';
import { num, originText } from './data.mjs';
import { isGivenUp, recordEpisode } from './episode.mjs';

const ENDINGS = {
  FINISHED: 'reached the end', FELL: 'fell', TIMEOUT: 'out of time', DIVERGED: 'torn to pieces by the physics',
};

/** How an episode ended, in words. */
export const endingText = (outcome) =>
  isGivenUp(outcome) ? 'too fast for this physics: only Box2D goes on' : ENDINGS[outcome] ?? outcome;

/** Heights for the camera: the hull's, smoothed over a second, so that the picture does not shake. */
function smoothHeights({ bodies, length, numBodies }) {
  const heights = new Float32Array(length + 1), half = 25;
  let sum = 0, from = 0, to = 0;
  const at = (step) => bodies[step * numBodies * 3 + 1];
  for (let step = 0; step <= length; step++) {
    while (to <= Math.min(length, step + half)) sum += at(to++);
    while (from < step - half) sum -= at(from++);
    heights[step] = sum / (to - from);
  }
  return heights;
}

export class Lane {
  /**
   * @param archive the run
   * @param agent a row of its agents
   * @param nicheId whose ground
   * @param title why it is here, such as "first"; may be empty
   */
  constructor(archive, agent, nicheId, title = '') {
    this.archive = archive;
    this.agent = agent;
    this.nicheId = nicheId;
    this.title = title;
    this.tried = [];  // what became of other pushes
    this.record = null;
    this.error = null;
  }

  get terrain() { return this.archive.terrainOf(this.nicheId); }

  /** Whose ground it is, in words. */
  get groundText() { return `the ground of niche ${this.nicheId}`; }

  /** What says whose ground it is, and lets a reader choose another one: `onChange` is called with its niche. */
  groundBox(onChange) { return groundList(this.archive, this.nicheId, onChange); }

  get isHome() { return this.agent.niche_id === this.nicheId; }

  /** Run the episode. */
  walk(walker, push) {
    const { maxSteps } = this.archive.episodeOf(this.agent);
    this.push = push ?? this.terrain.push;
    try {
      this.record = recordEpisode(walker, this.terrain, this.archive.thetaOf(this.agent), this.push, maxSteps);
      this.record.heights = smoothHeights(this.record);
      this.error = null;
    } catch (error) {
      this.record = null;
      this.error = error.message;
    }
  }

  get length() { return this.record?.length ?? 0; }

  /** Whether the archive has recorded this very episode. */
  get isRecorded() { return this.isHome && Object.is(this.push, this.terrain.push); }

  /** What the archive says, beside what was found here. */
  proof() {
    if (!this.record || !this.isRecorded) return null;
    return {
      archived: num(this.agent.own_return), here: this.record.return,
      isEqual: this.archive.isArchived(this.agent, this.record),
    };
  }

  /** What happens at a step. */
  status(step) {
    if (this.error) return this.error;
    const { record } = this, now = Math.min(step, record.length), score = numberText(record.totals[now]);
    const time = `${(now / this.archive.world.layout.steps_per_second).toFixed(2)} s`;
    return now < record.length ? `${time}, return ${score}` : `${time}, return ${score}: ${endingText(record.outcome)}`;
  }
}

/** A walker on a ground that somebody drew. */
export class DrawnLane extends Lane {
  #terrain;

  constructor(archive, agent, terrain, title) {
    super(archive, agent, null, title);
    this.#terrain = terrain;
  }

  get terrain() { return this.#terrain; }

  get groundText() { return 'the drawn ground'; }

  groundBox() { return html('span', {}, this.groundText); }
}

/** An agent in a few words, for a list. */
export function agentText(archive, agent) {
  const rate = archive.rateByVersion.get(agent.version);
  const success = rate === undefined ? '' : `, success ${percentText(rate)}`;
  return `niche ${agent.niche_id}, iteration ${agent.iteration}${success} (${originText(agent)})`;
}

/** A list of all agents that the page holds, those of a niche first. */
export function agentList(archive, chosen, firstNiche, onChange) {
  const ids = [...archive.agentsOf.keys()].sort((a, b) => (b === firstNiche) - (a === firstNiche) || a - b);
  const groups = ids.map((id) => html('optgroup', { label: `niche ${id}` },
    ...archive.agentsOf.get(id).map((agent) => html('option', {
      value: agent.version, selected: agent.version === chosen.version,
    }, agentText(archive, agent)))));
  return html('select', { 'aria-label': 'agent', class: 'agent', onchange: ({ target }) =>
    onChange(archive.agentByVersion.get(Number(target.value))) }, ...groups);
}

/** A list of all grounds that the page holds. */
export function groundList(archive, chosen, onChange) {
  const options = Object.keys(archive.terrains).map((id) =>
    html('option', { value: id, selected: Number(id) === chosen }, `niche ${id}`));
  const change = ({ target }) => onChange(Number(target.value));
  return html('select', { 'aria-label': 'ground', onchange: change }, ...options);
}

/** Both numbers, and whether they are the same bits. */
export function proofText({ archived, here, isEqual }) {
  return isEqual ? `archived return ${archived}: the same here, bit for bit`
    : `not equal: archived return ${archived}, here ${here}`;
}

/** Say something to who cannot see the picture. */
export const announce = (text) => { byId('live').textContent = text; };
