// One walker in the WebAssembly module that Python's kernels are compiled to: same physics, same policies, same bits.
//
// `walker.wasm` and `walker.json` (the layout) are made by `python -m agents.wasm.build`. All places and sizes come from
// the layout. This file has no imports, so a page can hold it as it is.

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array };
const PAGE = 65536;

/** What a caller can get wrong; the message is one sentence. */
export class InputError extends Error {}

const isFloat32 = (value) => typeof value === 'number' && Number.isFinite(Math.fround(value));

/** Float32 numbers x0, y0, x1, y1, ... of a list of [x, y] pairs. */
function flat(name, pairs) {
  const isPair = (pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isFloat32);
  if (!Array.isArray(pairs) || !pairs.every(isPair)) {
    throw new InputError(`${name} must be a list of [x, y] pairs of finite float32 numbers`);
  }
  return Float32Array.from(pairs.flat());
}

/** The corners of a polygon as [x, y] pairs of float32 numbers. */
const corners = (points) => Array.from({ length: points.length / 2 }, (_, i) => [points[2 * i], points[2 * i + 1]]);

/** Signed area, m2, positive when the vertices go counter-clockwise. */
function areaOf([[x0, y0], ...others]) {
  let doubled = 0;
  for (let i = 0; i + 1 < others.length; i++) {
    const [xa, ya] = others[i], [xb, yb] = others[i + 1];
    doubled += (xa - x0) * (yb - y0) - (xb - x0) * (ya - y0);
  }
  return 0.5 * doubled;
}

/** The area, m2, that Box2D finds in float32: triangles from the origin, beginning at the rightmost, lowest vertex. */
export function areaInBox2D(points) {
  const ordered = areaOf(points) < 0 ? [...points].reverse() : points, f = Math.fround;
  let first = 0, area = 0;
  ordered.forEach(([x, y], i) => {
    const [bestX, bestY] = ordered[first];
    if (x > bestX || (x === bestX && y < bestY)) first = i;
  });
  for (let k = 0; k < ordered.length; k++) {
    const [xa, ya] = ordered[(first + k) % ordered.length], [xb, yb] = ordered[(first + k + 1) % ordered.length];
    area = f(area + f(0.5 * f(f(xa * yb) - f(ya * xb))));
  }
  return area;
}

/** Whether every vertex lies strictly on one side of every edge that it is not on. */
function isConvex(points, sign) {
  return points.every(([xa, ya], a) => {
    const b = (a + 1) % points.length, dx = points[b][0] - xa, dy = points[b][1] - ya;
    return points.every(([x, y], c) => c === a || c === b || sign * (dx * (y - ya) - dy * (x - xa)) > 0);
  });
}

function checkPolygon(name, points, { most_vertices: most, least_area: least }) {
  if (points.length < 3 || points.length > most) throw new InputError(`${name} must have 3 to ${most} vertices`);
  const area = areaOf(points), areas = [Math.abs(area), areaInBox2D(points)];
  if (!areas.every((each) => Number.isFinite(each) && each > least)) {
    throw new InputError(`${name} must have an area above ${least} m2, also in float32`);
  }
  if (!isConvex(points, Math.sign(area))) throw new InputError(`${name} must be strictly convex`);
}

/** Checks a terrain as Python's `Terrain` does: an object with ground, obstacles and push. */
export function checkedTerrain(terrain, layout) {
  if (terrain === null || typeof terrain !== 'object' || !Array.isArray(terrain.obstacles)) {
    throw new InputError('a terrain is an object with ground, obstacles and push, as Terrain.to_json writes it');
  }
  const ground = flat('ground', terrain.ground);
  if (ground.length < 4) throw new InputError('ground must have at least 2 vertices');
  for (let i = 2; i < ground.length; i += 2) {
    if (!(ground[i] > ground[i - 2])) throw new InputError('ground must have strictly increasing x');
  }
  const obstacles = terrain.obstacles.map((polygon, i) => flat(`obstacle ${i}`, polygon));
  obstacles.forEach((points, i) => checkPolygon(`obstacle ${i}`, corners(points), layout));
  if (!isFloat32(terrain.push)) throw new InputError('push must be a finite float32 number of newtons');
  return { ground, obstacles, push: terrain.push };
}

/** Checks a policy as far as it can be; kernels take its sizes as they are. */
function checkedPolicy(policy, kinds) {
  if (!kinds.includes(policy?.kind)) {
    throw new InputError(`the module knows the policies ${kinds.join(', ')}, not ${policy?.kind}`);
  }
  const { kind, shape, num_parameters, state_size, scratch_shape } = policy;
  const areSizes = (values) => Array.isArray(values) && values.every((value) => Number.isInteger(value) && value >= 0);
  if (![shape, scratch_shape, [num_parameters, state_size]].every(areSizes) || scratch_shape.length !== 2) {
    throw new InputError('a policy is an object as agents.wasm.policy_record gives it, with sizes from 0 on');
  }
  return { kind, shape: [...shape], num_parameters, state_size, scratch_shape: [...scratch_shape] };
}

/**
 * A walker on a terrain, with a policy or driven by hand.
 *
 *     const walker = await Walker.load(bytes, layout);
 *     walker.setPolicy(policy);                          // agents.wasm.policy_record
 *     const { return: score, length, outcome } = walker.episode(terrain, theta);
 *
 * or step by step, 1/50 s each (count time, not frames):
 *
 *     walker.setTerrain(terrain);
 *     walker.setTheta(theta);
 *     for (walker.reset(); walker.outcome === null; walker.step()) draw(walker.poses);
 */
export class Walker {
  #exports; #layout; #views; #block; #top;
  #terrain = null; #policy = null; #theta = null;
  #isLaid = false; #hasBegun = false;

  /**
   * A walker with an instance of its own.
   *
   * @param source the module's bytes, or a WebAssembly.Module that several walkers share
   * @param layout the object in walker.json
   */
  static async load(source, layout) {
    const made = await WebAssembly.instantiate(source, {});
    return new Walker(made instanceof WebAssembly.Instance ? made : made.instance, layout);
  }

  /** Use `load`. */
  constructor(instance, layout) {
    this.#exports = instance.exports;
    this.#layout = layout;
    this.#block = this.#exports.heap_base.value;
  }

  /** Take a terrain, as `Terrain.to_json` writes it; numbers are rounded to float32. */
  setTerrain(terrain) {
    this.#terrain = checkedTerrain(terrain, this.#layout);
    this.#isLaid = this.#hasBegun = false;
  }

  /** Take a policy: what `agents.wasm.policy_record` gives. Its theta has to be set next. */
  setPolicy(policy) {
    this.#policy = checkedPolicy(policy, this.#layout.policies);
    this.#theta = null;
    this.#isLaid = this.#hasBegun = false;
  }

  /** Take the policy's parameters, an array of numbers; they are rounded to float32. */
  setTheta(theta) {
    if (this.#policy === null) throw new InputError('call setPolicy before setTheta');
    const rounded = Float32Array.from(theta ?? []), num = this.#policy.num_parameters;
    if (rounded.length !== num || !rounded.every(Number.isFinite)) {
      throw new InputError(`theta must be ${num} finite float32 numbers for this policy`);
    }
    this.#theta = rounded;
    this.#isLaid = this.#hasBegun = false;
  }

  /**
   * Begin an episode with the step that every reset takes, without torque.
   *
   * @param push on the hull in that step, N; the terrain's own by default
   * @param maxSteps the time limit
   */
  reset(push = this.#terrain?.push, maxSteps = this.#layout.max_steps) {
    if (this.#terrain === null) throw new InputError('call setTerrain before reset');
    if (!isFloat32(push)) throw new InputError('push must be a finite float32 number of newtons');
    if (!Number.isInteger(maxSteps) || maxSteps < 1 || maxSteps > 0x7fffffff) {
      throw new InputError('maxSteps must be a whole number from 1 on');
    }
    if (!this.#isLaid) this.#lay();
    const views = this.#views;
    views.push[0] = push;
    views.max_steps[0] = maxSteps;
    this.#call('start');
    if (this.#theta !== null) this.#call(`begin_${this.#policy.kind}`);
    this.#call('step');
    this.#hasBegun = true;
  }

  /**
   * Take a step of 1/50 s.
   *
   * @param action 4 numbers, hip and knee of leg 1, then of leg 2; without them the policy acts
   */
  step(action = null) {
    if (!this.#hasBegun) throw new InputError('call reset before step');
    if (this.outcome !== null) throw new InputError('the episode is over: call reset before step');
    if (action !== null) {
      if (action.length !== this.#views.action.length || !Array.from(action).every(isFloat32)) {
        throw new InputError('an action has 4 finite float32 numbers');
      }
      this.#views.action.set(action);
    } else if (this.#theta !== null) {
      this.#call(`act_${this.#policy.kind}`);
    } else {
      throw new InputError('call setPolicy and setTheta before step, or give it an action');
    }
    this.#call('step');
  }

  /** A whole episode: its return, its length in steps, and how it ended. Without arguments, on what was set before. */
  episode(terrain = null, theta = null) {
    if (terrain !== null) this.setTerrain(terrain);
    if (theta !== null) this.setTheta(theta);
    this.reset();
    while (this.outcome === null) this.step();
    return { return: this.total, length: this.numSteps, outcome: this.outcome };
  }

  /** Null while the episode goes on; else FINISHED, FELL, TIMEOUT or DIVERGED, or SPUN or OVERFLOWED: given up. */
  get outcome() {
    const code = this.#seen.outcome[0];
    return code === 0 ? null : this.#layout.outcomes[code];
  }

  /** Steps taken since the reset. */
  get numSteps() { return this.#seen.num_steps[0]; }

  /** Of the latest step. */
  get reward() { return this.#seen.reward[0]; }

  /** The sum of all rewards since the reset. */
  get total() { return this.#seen.total[0]; }

  /** The 24 numbers that the walker senses: a copy, Float32Array. */
  get observation() { return this.#seen.observation.slice(); }

  /** How far each of the 10 rays reaches, as a part of its whole length; see the layout's lidar_rays. */
  get lidar() { return this.observation.subarray(this.#layout.first_ray); }

  /** The latest action: a copy, Float32Array. */
  get action() { return this.#seen.action.slice(); }

  /** Whether lower leg 1, and 2, touches. */
  get touching() { return this.#layout.touching.map((place) => this.#seen.world[place] !== 0); }

  /** x, y (m), angle (rad) and the three velocities of each body: Float32Array of 5 times 6 numbers. */
  get bodyState() {
    const { bodies, body_at: first, body_size: size, state_fields: fields } = this.#layout, world = this.#seen.world;
    return Float32Array.from(bodies.flatMap((_, body) => fields.map((field) => world[first + size * body + field])));
  }

  /** Where each body is, for drawing: its name, x, y (m), angle (rad), and vertices (m) in its own frame. */
  get poses() {
    const state = this.bodyState, num = this.#layout.state_fields.length;
    return this.#layout.bodies.map(({ name, vertices }, i) => {
      const [x, y, angle] = state.subarray(num * i, num * (i + 1));
      return { name, x, y, angle, vertices };
    });
  }

  get #seen() {
    if (!this.#hasBegun) throw new InputError('call reset first');
    return this.#views;
  }

  #call(name) { this.#exports[name](this.#block); }

  /** Put terrain and policy into memory, and make the tables of the terrain. */
  #lay() {
    const { ground, obstacles } = this.#terrain, layout = this.#layout, policy = this.#theta && this.#policy;
    const counts = obstacles.map((points) => points.length / 2), numPoints = counts.reduce((a, b) => a + b, 0);
    const columns = layout.polygon_columns + layout.vertex_columns * Math.max(0, ...counts);
    const numEdges = ground.length / 2 - 1, [rows, width] = policy?.scratch_shape ?? [0, 0];
    const tables = {
      ground_at: ['float32', ground.length, ground],
      edges_at: ['float32', numEdges * layout.edge_columns],
      points_at: ['float32', 2 * numPoints, obstacles.flatMap((points) => [...points])],
      point_counts_at: ['int64', counts.length, counts.map(BigInt)],
      polygons_at: ['float32', counts.length * columns],
      theta_at: ['float32', policy?.num_parameters ?? 0, policy ? this.#theta : []],
      shape_at: ['int64', policy?.shape.length ?? 0, (policy?.shape ?? []).map(BigInt)],
      state_at: ['float32', policy?.state_size ?? 0],
      scratch_at: ['float32', rows * width],
    };
    this.#top = this.#block + layout.block_size;
    const places = Object.entries(tables).map(([name, [kind, size]]) => [name, this.#allocate(kind, size)]);
    this.#grow();  // all views of memory die here, so they are made afterwards
    new Uint8Array(this.#exports.memory.buffer, this.#block).fill(0xff);  // what no kernel has written is NaN
    this.#views = this.#fields();
    for (const [name, at] of places) {
      const [kind, size, values] = tables[name];
      this.#views[name][0] = at;
      if (values) this.#view(kind, size, at).set(values);
    }
    const numbers = {
      num_edges: numEdges, num_polygons: counts.length, num_points: numPoints, polygon_columns: columns,
      num_parameters: tables.theta_at[1], shape_size: tables.shape_at[1], state_size: tables.state_at[1],
      scratch_rows: rows, scratch_columns: width,
    };
    for (const [name, value] of Object.entries(numbers)) this.#views[name][0] = value;
    this.#call('lay');
    this.#isLaid = true;
  }

  #allocate(kind, size) {
    const { alignment } = this.#layout, at = Math.ceil(this.#top / alignment) * alignment;
    this.#top = at + size * ARRAYS[kind].BYTES_PER_ELEMENT;
    return at;
  }

  #grow() {
    const { memory } = this.#exports, missing = this.#top - memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      memory.grow(Math.ceil(missing / PAGE));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new InputError('terrain and policy need more memory than the module can have');
    }
  }

  #view(kind, size, at) { return new ARRAYS[kind](this.#exports.memory.buffer, at, size); }

  #fields() {
    const views = {};
    for (const [name, { kind, size, at }] of Object.entries(this.#layout.fields)) {
      views[name] = this.#view(kind, size, this.#block + at);
    }
    return views;
  }
}
