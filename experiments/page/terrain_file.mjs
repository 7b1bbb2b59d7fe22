// Terrains as files, which `poet` takes and writes. One that comes in may come from anyone.

import { checkedTerrain, InputError } from '../../agents/wasm/walker.mjs';
import { isGivenUp } from './episode.mjs';

/** The most that a file may have: bytes, vertices of the ground, obstacles; metres and newtons either way. */
const MOST = { bytes: 4 * 2 ** 20, vertices: 10_000, obstacles: 1_000, metres: 10_000, newtons: 1_000 };
const OWN_KEYS = ['ground', 'obstacles', 'push'];
const OTHER_KEYS = ['genotype', 'terrain_seed', 'walk'];

/** Whether the page can say what `poet` would find: not where its physics gave up. */
export const isProvable = (lane) => Boolean(lane?.record) && !isGivenUp(lane.record.outcome);

/**
 * The text of a file.
 *
 * @param state of a Sketch
 * @param lane who walks on this very terrain, or null
 */
export function fileText({ terrain: { ground, obstacles, push }, isMade, knobs }, lane) {
  const made = isMade && knobs.push === null ? { genotype: knobs.genes, terrain_seed: knobs.seed } : {};
  const walk = isProvable(lane) ? { walk: walkOf(lane) } : {};
  return `${JSON.stringify({ ground, obstacles, push, ...made, ...walk })}\n`;
}

function walkOf({ agent, record, archive }) {
  return {
    version: agent.version, niche_id: agent.niche_id, max_steps: archive.episodeOf(agent).maxSteps,
    return: record.return, length: record.length, outcome: record.outcome.toLowerCase(),
  };
}

/** The command that does the walk of a file again, in this physics and in Box2D, and compares. */
export const commandFor = (file) => `poet replay RUN --terrain ${file} --verify`;

const isPoint = (point) => Array.isArray(point) && point.length === 2
  && point.every((value) => typeof value === 'number' && Math.abs(value) <= MOST.metres);

function checkPoints(name, points, most) {
  if (!Array.isArray(points) || points.length > most || !points.every(isPoint)) {
    throw new InputError(`${name} must be a list of at most ${most} pairs [x, y] of numbers within `
      + `${MOST.metres} m`);
  }
}

/**
 * The terrain in a file.
 *
 * @param text what is in it
 * @param layout the module's
 * @throws InputError with one sentence that says what is wrong
 */
export function readTerrain(text, layout) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new InputError('it is no JSON');
  }
  if (found === null || typeof found !== 'object' || Array.isArray(found)) {
    throw new InputError(`it must be a JSON object with ${OWN_KEYS.join(', ')}`);
  }
  const unknown = Object.keys(found).find((key) => !OWN_KEYS.includes(key) && !OTHER_KEYS.includes(key));
  if (unknown !== undefined) {
    const shown = unknown.slice(0, 40).replace(/[^ -~]/g, '?');
    throw new InputError(`it has the key "${shown}", which no terrain has`);
  }
  const missing = OWN_KEYS.find((key) => !Object.hasOwn(found, key));
  if (missing) throw new InputError(`it lacks the key ${missing}`);
  const { ground, obstacles, push } = found;
  checkPoints('ground', ground, MOST.vertices);
  if (!Array.isArray(obstacles) || obstacles.length > MOST.obstacles) {
    throw new InputError(`obstacles must be a list of at most ${MOST.obstacles} polygons`);
  }
  obstacles.forEach((points, i) => checkPoints(`obstacle ${i}`, points, layout.most_vertices));
  if (typeof push !== 'number' || Math.abs(push) > MOST.newtons) {
    throw new InputError(`push must be a number within ${MOST.newtons} N`);
  }
  const near = (points) => points.map((point) => point.map(Math.fround));
  const terrain = { ground: near(ground), obstacles: obstacles.map(near), push: Math.fround(push) };
  checkedTerrain(terrain, layout);
  return terrain;
}

/** The terrain in a file that a reader chose. */
export async function readTerrainFile(file, layout) {
  if (file.size > MOST.bytes) throw new InputError(`it has more than ${MOST.bytes / 2 ** 20} MB`);
  return readTerrain(await file.text(), layout);
}
