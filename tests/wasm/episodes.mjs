// Runs walker.mjs as a page does: `node episodes.mjs FOLDER < asked.json`, where FOLDER has walker.mjs, .wasm and .json.
//
// Asked for: `cases`, each with terrain, policy, theta (base64 of float32) and max_steps; `terrains`, to be checked.
// Told: of each case return (base64 of float64), length, outcome, and base64 of all numbers of all steps; the refusal of
// each terrain, or null; and what misuse is answered with.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const { Walker, InputError } = await import(pathToFileURL(`${folder}/walker.mjs`));
const layout = JSON.parse(readFileSync(`${folder}/walker.json`));
const module = await WebAssembly.compile(readFileSync(`${folder}/walker.wasm`));
const asked = JSON.parse(readFileSync(0));

const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');

function floats(text) {
  const bytes = Buffer.from(text, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function refusal(action) {
  try {
    action();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message;
  }
  return null;
}

function run(walker, { terrain, policy, theta, max_steps: maxSteps }) {
  const numbers = [], rewards = [];
  const note = () => {
    numbers.push(...walker.bodyState, ...walker.touching.map(Number), ...walker.observation, ...walker.action);
    rewards.push(walker.reward);
  };
  walker.setTerrain(terrain);
  walker.setPolicy(policy);
  walker.setTheta(floats(theta));
  walker.reset(undefined, maxSteps);
  note();
  while (walker.outcome === null) {
    walker.step();
    note();
  }
  const { total, numSteps: length, outcome } = walker;
  return {
    return: base64(Float64Array.of(total)), length, outcome,
    numbers: base64(Float32Array.from(numbers)), rewards: base64(Float64Array.from(rewards)),
  };
}

// One walker for all: its memory grows and its tables move between them.
const walker = await Walker.load(module, layout);
const cases = asked.cases.map((each) => run(walker, each));
const { terrain, policy, theta } = asked.cases[0];
walker.setPolicy(policy);
const again = walker.episode(terrain, floats(theta));
const poses = walker.poses;

const fresh = await Walker.load(module, layout);
const misuse = [
  () => fresh.reset(),
  () => fresh.setTheta([1, 2]),
  () => fresh.setPolicy({ kind: 'oracle' }),
  () => fresh.outcome,
  () => { fresh.setTerrain(terrain); fresh.step(); },
  () => { fresh.reset(); fresh.step(); },
  () => fresh.step([0, 0, 0]),
  () => fresh.step([0, NaN, 0, 0]),
  () => fresh.reset(NaN),
  () => fresh.reset(0, 0.5),
  () => { fresh.setPolicy(policy); fresh.setTheta([1, 2]); },
  () => walker.step(),
  () => fresh.setTheta(null),
  () => fresh.setPolicy({ ...policy, state_size: -8 }),
  () => fresh.setPolicy({ ...policy, shape: null }),
  () => { fresh.setPolicy({ ...policy, scratch_shape: [2 ** 20, 2 ** 20] }); fresh.setTheta(floats(theta)); fresh.reset(); },
].map(refusal);
fresh.setPolicy(policy);
fresh.reset(0);
fresh.step([0, 0.5, 0, -0.5]);

process.stdout.write(JSON.stringify({
  cases, again, poses, misuse, byHand: [...fresh.action], lidar: base64(fresh.lidar),
  refusals: asked.terrains.map((each) => refusal(() => fresh.setTerrain(each))),
}));
