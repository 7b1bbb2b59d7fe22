// The terrains that genes make, as Python makes them (environments/terrain/generation.py, genes.py): the same bits.
//
// All sizes come from Python with the page: `experiments/page/drawing.py`.

import { areaInBox2D } from '../../agents/wasm/walker.mjs';
import { RandomStream } from './stream.mjs';

/** Points as float32 numbers. */
export const rounded = (points) => points.map((point) => point.map(Math.fround));

/** A course while it is being laid, from left to right, in float64. */
export class Course {
  /**
   * @param sizes of `experiments/page/drawing.py`
   * @param ground vertices that are there already
   */
  constructor(sizes, ground = []) {
    this.sizes = sizes;
    this.ground = [...ground];
    this.obstacles = [];
    this.y = ground.length ? ground.at(-1)[1] : sizes.height;
    this.velocity = 0;
  }

  /** Where the next vertex lies. */
  get x() { return this.ground.length * this.sizes.step; }

  /** Go on with the ground to that height. */
  addVertex(y) { this.ground.push([this.x, y]); }

  /** Put an obstacle there, unless it is too low to matter or would make Box2D assert. */
  addRectangle(left, top, width, height) {
    const right = left + width, bottom = top - height, { least_height: least, least_area: area } = this.sizes;
    const corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
    if (height >= least && areaInBox2D(rounded(corners)) > area) this.obstacles.push(corners);
  }
}

/** A rectangle that stands on the ground; its height in terrain steps. */
export function layStump(course, steps) {
  const { step, stump_width: width } = course.sizes, height = steps * step;
  course.addRectangle(course.x, course.y + height, width * step, height);
  course.addVertex(course.y);
}

/** Two walls sunk in the ground, which dips under them; the gap between them in terrain steps. */
export function layPit(course, gap) {
  const { step, pit_wall: wall, pit_depth, least_gap: least } = course.sizes;
  const reach = wall + gap, depth = pit_depth * step, startX = course.x;
  for (const left of [startX, startX + reach * step]) course.addRectangle(left, course.y, wall * step, depth);
  course.addVertex(course.y);
  for (let i = 0; i < Math.ceil(reach); i++) course.addVertex(course.y - depth);
  const endX = startX + (reach + wall) * step;
  course.ground.push([Math.max(endX, course.ground.at(-1)[0] + least), course.y]);
}

/** A flight of steps, up (slope 1) or down (-1); the height of each in terrain steps. */
export function layStairs(course, steps, slope, numSteps) {
  const { step, stair_width: wide } = course.sizes, height = steps * step, width = wide * step;
  const startX = course.x, startY = course.y;
  for (let i = 0; i < numSteps; i++) {
    course.addRectangle(startX + i * width, startY + i * height * slope, width, height);
  }
  course.addVertex(startY);
  for (let i = 0; i < numSteps * wide; i++) {
    course.y = startY + Math.floor(i / wide) * height * slope - (slope === -1 ? height : 0);
    course.addVertex(course.y);
  }
}

/** What lays one obstacle of each group of genes: with what is drawn from the stream, in this order. */
const DRAWN = {
  stump_height: (course, stream, { stump_height: height }) => layStump(course, stream.uniform(...height)),
  pit_gap: (course, stream, { pit_gap: gap }) => layPit(course, stream.uniform(...gap)),
  stairs: (course, stream, { stair_height: height, stair_steps: [fewest, most] }) => {
    const steps = stream.uniform(...height), slope = stream.uniform() > 0.5 ? 1 : -1;
    layStairs(course, steps, slope, stream.integer(fewest, most + 1));
  },
};
/** A gene that a terrain has if it has the group. */
const FIRST_GENE = { stump_height: 'stump_height', pit_gap: 'pit_gap', stairs: 'stair_height' };

function layGrass(course, stream, roughness, numVertices) {
  const { height, damping, pull, startpad, scale } = course.sizes;
  for (let i = 0; i < numVertices; i++) {
    course.velocity = damping * course.velocity + pull * (Number(course.y < height) - Number(course.y > height));
    if (course.ground.length > startpad) course.velocity += stream.uniform(-1, 1) / scale;
    course.y += roughness * course.velocity;
    course.addVertex(course.y);
  }
}

/**
 * The terrain of some genes with a seed, as `ObstacleGenotype(**genes).express(seed)` makes it.
 *
 * @param genes the value of each by name; a number, an interval as [low, high], or null where absent
 * @param seed a whole number
 * @param sizes see Course
 */
export function expressed(genes, seed, sizes) {
  const course = new Course(sizes), stream = new RandomStream(seed, 'terrain'), { length, grass, startpad } = sizes;
  const kinds = sizes.kinds.filter((kind) => genes[FIRST_GENE[kind]]), roughness = genes.roughness ?? 0;
  layGrass(course, stream, roughness, startpad);
  while (course.ground.length < length) {
    if (kinds.length) DRAWN[stream.choice(kinds)](course, stream, genes);
    const numVertices = stream.integer(Math.floor(grass / 2), grass);
    course.addVertex(course.y);
    layGrass(course, stream, roughness, numVertices - 1);
  }
  const { greatest_push: most } = sizes;
  return {
    ground: rounded(course.ground.slice(0, length)), obstacles: course.obstacles.map(rounded),
    push: Math.fround(new RandomStream(seed, 'push').uniform(-most, most)),
  };
}
