// A whole episode at once, as typed arrays that can be played at any speed.

import { Walker } from '../../agents/wasm/walker.mjs';

const NUM_OBSERVED = 24;
const NUM_ACTIONS = 4;

/** An ending with which the engines would go on in Box2D, which a page does not have. */
export const isGivenUp = (outcome) => outcome === 'SPUN' || outcome === 'OVERFLOWED';

/**
 * Run an agent to its end and keep every step; step 0 is the reset.
 *
 * @param walker a Walker with a policy
 * @param terrain an object as Terrain.to_json writes it
 * @param theta Float32Array
 * @param push newtons; the terrain's own by default
 * @param maxSteps the time limit
 */
export function recordEpisode(walker, terrain, theta, push = terrain.push, maxSteps = 2000) {
  walker.setTerrain(terrain);
  walker.setTheta(theta);
  walker.reset(push, maxSteps);
  const numBodies = walker.poses.length, room = maxSteps + 1;
  const record = {
    push, length: 0, return: 0, outcome: null, numBodies,
    bodies: new Float32Array(room * numBodies * 3),  // x, y, angle
    observations: new Float32Array(room * NUM_OBSERVED),
    actions: new Float32Array(room * NUM_ACTIONS),
    rewards: new Float64Array(room),
    totals: new Float64Array(room),
    touches: new Uint8Array(room * 2),
  };
  const keep = (step) => {
    const state = walker.bodyState, each = state.length / numBodies;
    for (let body = 0; body < numBodies; body++) {
      for (let i = 0; i < 3; i++) record.bodies[(step * numBodies + body) * 3 + i] = state[body * each + i];
    }
    record.observations.set(walker.observation, step * NUM_OBSERVED);
    if (step > 0) record.actions.set(walker.action, step * NUM_ACTIONS);
    record.rewards[step] = step > 0 ? walker.reward : 0;
    record.totals[step] = walker.total;
    record.touches.set(walker.touching.map(Number), step * 2);
  };
  keep(0);
  while (walker.outcome === null) {
    walker.step();
    keep(walker.numSteps);
  }
  return Object.assign(record, { length: walker.numSteps, return: walker.total, outcome: walker.outcome });
}

/** Return, length, outcome and x where the hull ended (m) alone, several times as fast. */
export function runEpisode(walker, terrain, theta, push = terrain.push, maxSteps = 2000) {
  walker.setTerrain(terrain);
  walker.setTheta(theta);
  walker.reset(push, maxSteps);
  while (walker.outcome === null) walker.step();
  return { return: walker.total, length: walker.numSteps, outcome: walker.outcome, x: walker.bodyState[0] };
}
