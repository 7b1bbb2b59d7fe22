// Runs the page's drawing without a page: `node drawing.mjs ROOT < asked.json`.
//
// Asked for: `sizes`; `cases`, each with genes and seed; `strokes`, the seed of random edits; `files`, their texts.
// Told: the terrain of each case; the terrains after each edit; an obstacle of each kind on the first terrain; and the
// refusal of each file, or null.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const root = process.argv[2], load = (path) => import(pathToFileURL(`${root}/${path}`));
const { expressed } = await load('experiments/page/obstacles.mjs');
const { Sketch } = await load('experiments/page/sketch.mjs');
const { RandomStream } = await load('experiments/page/stream.mjs');
const { readTerrain } = await load('experiments/page/terrain_file.mjs');
const { InputError } = await load('agents/wasm/walker.mjs');
const layout = JSON.parse(readFileSync(`${root}/agents/wasm/walker.json`));
const { sizes, cases, strokes, files } = JSON.parse(readFileSync(0));
const terrains = cases.map(({ genes, seed }) => expressed(genes, seed, sizes));

function edit(sketch, stream) {
  const kind = stream.choice(['draw', 'draw', 'stump', 'pit', 'stairs', 'remove', 'undo']), { ground } = sketch.terrain;
  const vertex = stream.integer(sketch.firstVertex - 1, ground.length), height = stream.uniform(0.1, 5);
  if (kind === 'undo') return sketch.undo();
  if (kind === 'remove') {
    const { obstacles } = sketch.terrain;
    return obstacles.length ? sketch.remove(stream.integer(0, obstacles.length)) : null;
  }
  if (kind !== 'draw') {
    const wanted = { height, gap: 2 * height, steps: stream.integer(1, 10), slope: stream.choice([1, -1]) };
    return sketch.place(kind, vertex, wanted);
  }
  const drawn = new Map(), last = Math.min(ground.length, vertex + stream.integer(1, 20));
  for (let i = vertex; i < last; i++) drawn.set(i, ground[i][1] + stream.uniform(-9, 9));
  return sketch.draw(sketch.state, drawn, stream.uniform(0.5, 12));
}

const edited = terrains.slice(0, 12).map((terrain, number) => {
  const sketch = new Sketch(sizes, layout, () => {}), stream = new RandomStream(strokes + number, 'strokes');
  sketch.begin(terrain, null, true, null);
  let numRefused = 0;
  const states = Array.from({ length: 25 }, () => {
    if (edit(sketch, stream)) numRefused += 1;
    return sketch.terrain;
  });
  while (sketch.canUndo) sketch.undo();
  return { states, numRefused, isBack: sketch.terrain === terrain };
});

const flat = new Sketch(sizes, layout, () => {});
flat.begin(terrains[0], null, true, null);
const placed = [
  ['stump', { height: 2 }], ['pit', { gap: 2.5 }], ['stairs', { height: 1, steps: 3, slope: -1 }],
].map(([kind, wanted]) => {
  flat.place(kind, 40, wanted);
  const { terrain } = flat;
  flat.undo();
  return terrain;
});

function refusal(text) {
  try {
    readTerrain(text, layout);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message;
  }
  return null;
}

process.stdout.write(JSON.stringify({ terrains, edited, placed, refusals: files.map(refusal) }));
