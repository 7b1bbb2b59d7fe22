// A terrain under the pen: what each stroke makes of it, and the way back. Every number is a float32.

import { checkedTerrain } from '../../agents/wasm/walker.mjs';
import { Course, expressed, layPit, layStairs, layStump, rounded } from './obstacles.mjs';

/** Heights stay within so many metres of the start pad's. */
const FARTHEST = 30;
const MOST_UNDONE = 200;
const near = Math.fround;

/** What places an obstacle of each kind, given its sizes in terrain steps. */
const PLACED = {
  stump: (course, { height }) => layStump(course, height),
  pit: (course, { gap }) => layPit(course, gap),
  stairs: (course, { height, slope, steps }) => layStairs(course, height, slope, steps),
};

const isInside = (points, x, y) => {
  const sides = points.map(([xa, ya], i) => {
    const [xb, yb] = points[(i + 1) % points.length];
    return (xb - xa) * (y - ya) - (yb - ya) * (x - xa);
  });
  return sides.every((side) => side >= 0) || sides.every((side) => side <= 0);
};

const leftOf = (points) => Math.min(...points.map(([x]) => x));
const lifted = (points, rise) => points.map(([x, y]) => [x, near(y + rise)]);

export class Sketch {
  #sizes; #layout; #earlier = []; #start = null; #isOpen = false;

  /**
   * @param sizes of `experiments/page/drawing.py`
   * @param layout the module's
   * @param onChange called after each change
   */
  constructor(sizes, layout, onChange) {
    this.#sizes = sizes;
    this.#layout = layout;
    this.onChange = onChange;
    this.state = null;
  }

  /** Ground, obstacles and push, as Terrain.to_json writes them. */
  get terrain() { return this.state.terrain; }

  /** Whether anything was changed since the start. */
  get isTouched() { return this.state !== this.#start; }

  get canUndo() { return this.#earlier.length > 0; }

  /**
   * Begin with a terrain; what was drawn before comes back by undo.
   *
   * @param terrain as Terrain.to_json writes it
   * @param knobs the genes, the seed, and a push that takes the place of the seed's, or null; null without genes
   * @param isMade whether these genes with this seed make it
   * @param nicheId whose terrain it is; null for nobody's
   */
  begin(terrain, knobs, isMade, nicheId) {
    this.#isOpen = false;
    if (this.state && this.isTouched) this.#remember();
    this.#start = this.state = { terrain, knobs, isMade, nicheId };
    this.onChange();
  }

  /** Back to what it began with; that can be undone. */
  reset() {
    if (this.isTouched) this.change(this.#start);
  }

  undo() {
    if (!this.canUndo) return;
    this.state = this.#earlier.pop();
    this.#isOpen = false;
    this.onChange();
  }

  /** Whether a change is under way that is not done. */
  get isOpen() { return this.#isOpen; }

  /** All changes until `close` are one for undo. */
  open() {
    this.#remember();
    this.#isOpen = true;
  }

  close() {
    if (this.#isOpen && this.#earlier.at(-1) === this.state) this.#earlier.pop();
    this.#isOpen = false;
    this.onChange();
  }

  /**
   * Take a new state, unless its terrain is none.
   *
   * @returns null, or why it was not taken
   */
  change(state) {
    try {
      checkedTerrain(state.terrain, this.#layout);
    } catch (error) {
      return error.message;
    }
    this.#remember();
    this.state = state;
    this.onChange();
    return null;
  }

  /** Take what genes make with a seed, under its push or another one. */
  make(knobs) {
    const terrain = expressed(knobs.genes, knobs.seed, this.#sizes);
    if (knobs.push !== null) terrain.push = near(knobs.push);
    return this.change({ ...this.state, terrain, knobs, isMade: true });
  }

  setPush(push) {
    const knobs = this.state.knobs && { ...this.state.knobs, push };
    return this.change({ ...this.state, terrain: { ...this.terrain, push: near(push) }, knobs });
  }

  /** The number of the first vertex that may move: those before it are the start pad. */
  get firstVertex() {
    const { startpad, step } = this.#sizes, end = startpad * step + 1e-3;
    const first = this.terrain.ground.findIndex(([x]) => x > end);
    return first < 0 ? this.terrain.ground.length : first;
  }

  /** The vertex that is nearest to a place. */
  vertexAt(x) {
    const { ground } = this.terrain;
    let best = 0;
    ground.forEach(([px], i) => { if (Math.abs(px - x) < Math.abs(ground[best][0] - x)) best = i; });
    return best;
  }

  /**
   * Draw heights: the ground follows a pen, and its sides give way.
   *
   * @param base the state before the stroke
   * @param drawn the pen's height at each vertex that it passed: a Map
   * @param reach how far the sides give way, m
   */
  draw(base, drawn, reach) {
    const { ground, obstacles } = base.terrain, free = this.firstVertex, { height } = this.#sizes;
    const places = [...drawn.keys()].filter((i) => i >= free);
    if (!places.length) return null;
    const low = Math.min(...places), high = Math.max(...places);
    const bounded = (y) => near(Math.max(height - FARTHEST, Math.min(height + FARTHEST, y)));
    const side = (i, end) => {
      const away = Math.abs(ground[i][0] - ground[end][0]);
      return away < reach ? Math.cos((Math.PI * away) / (2 * reach)) ** 2 * (drawn.get(end) - ground[end][1]) : 0;
    };
    const moved = ground.map(([x, y], i) => {
      if (i < free) return [x, y];
      const wanted = i < low || i > high ? y + side(i, i < low ? low : high) : drawn.get(i) ?? y;
      return [x, wanted === y ? y : bounded(wanted)];
    });
    const rise = (x) => riseAt(ground, moved, x);
    return this.#changeTerrain({ ground: moved, obstacles: obstacles.map((p) => lifted(p, rise(leftOf(p)))) });
  }

  /** Whether the vertices lie where a generated course has them, so that obstacles fit. */
  get isOnGrid() {
    const { step } = this.#sizes, least = 1e-4;
    return this.terrain.ground.every(([x], i) => x <= i * step + least && x > (i - 1) * step - least);
  }

  /**
   * An obstacle as the generator lays it, at a vertex; the ground beyond goes on from its end.
   *
   * @returns the new ground and obstacles, of which the last `numNew` are new
   */
  placed(kind, vertex, wanted) {
    const { ground, obstacles } = this.terrain, sizes = this.#sizes;
    const course = new Course(sizes, ground.slice(0, vertex));
    course.y = ground[vertex][1];
    PLACED[kind](course, wanted);
    course.addVertex(course.y);
    const laid = rounded(course.ground).slice(0, ground.length), fresh = course.obstacles.map(rounded);
    const end = laid.length - 1, rise = laid[end][1] - ground[end][1], first = laid[vertex][0], last = laid[end][0];
    const kept = obstacles.filter((points) => leftOf(points) < first - 1e-3 || leftOf(points) >= last - 1e-3)
      .map((points) => (leftOf(points) < first ? points : lifted(points, rise)));
    return {
      ground: [...laid, ...lifted(ground.slice(end + 1), rise)], obstacles: [...kept, ...fresh], numNew: fresh.length,
    };
  }

  place(kind, vertex, wanted) {
    const { ground, obstacles } = this.placed(kind, vertex, wanted);
    return this.#changeTerrain({ ground, obstacles });
  }

  /** The number of the obstacle at a place, the last that was laid there; -1 if there is none. */
  obstacleAt(x, y) { return this.terrain.obstacles.findLastIndex((points) => isInside(points, x, y)); }

  remove(number) { return this.#changeTerrain({ obstacles: this.terrain.obstacles.toSpliced(number, 1) }); }

  #changeTerrain(parts) {
    const terrain = { ...this.terrain, ...parts };
    return this.change({ ...this.state, terrain, isMade: false });
  }

  #remember() {
    if (this.#isOpen) return;
    this.#earlier.push(this.state);
    if (this.#earlier.length > MOST_UNDONE) this.#earlier.shift();
  }
}

/** How far the ground rose at a place between two states of it. */
function riseAt(before, after, x) {
  const next = before.findIndex(([px]) => px >= x);
  const rise = (i) => after[i][1] - before[i][1];
  if (next <= 0) return rise(next < 0 ? before.length - 1 : 0);
  const part = (x - before[next - 1][0]) / (before[next][0] - before[next - 1][0]);
  return rise(next - 1) + part * (rise(next) - rise(next - 1));
}
