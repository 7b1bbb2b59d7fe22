// "Draw a terrain": the sketch, who can cross it, and the file.

import { byId, html } from './dom.mjs';
import { Easel } from './easel.mjs';
import { GeneSliders, Slider } from './genes.mjs';
import { DrawnLane, announce, groundList } from './lane.mjs';
import { expressed } from './obstacles.mjs';
import { Player } from './player.mjs';
import { Ranking } from './ranking.mjs';
import { Sketch } from './sketch.mjs';
import { commandFor, fileText, isProvable, readTerrainFile } from './terrain_file.mjs';

const FILE_NAME = 'terrain.json';
const MOST_SEED = 999_999_999;
/** The walkers begin anew so long after the last change, ms. */
const PAUSE = 180;
const KEYS_HELP = 'Drag the ground, or choose a vertex by ← and → and move it by ↑ and ↓ (with Shift: farther). Enter '
  + 'places an obstacle, Delete removes one, Ctrl+Z undoes. The strip below moves the view.';

const textOf = ({ ground, obstacles, push }) => JSON.stringify([ground, obstacles, push]);

export class Drawing {
  #archive; #layout; #sketch; #easel; #sliders = null; #player; #ranking; #lanes = []; #parts = {};
  #timer = null; #walked;

  /**
   * @param archive the run
   * @param walker a Walker with the run's policy
   * @param crowd who tries the agents
   * @param box an empty element to fill
   * @param nicheId whose terrain it begins with
   */
  constructor(archive, walker, crowd, box, nicheId) {
    this.#archive = archive;
    this.#layout = archive.world.layout;
    this.#sketch = new Sketch(archive.drawing.sizes, this.#layout, () => {});
    const easel = html('div', {}), genes = html('div', { class: 'genes' }), stage = html('div', { id: 'drawn-player' });
    const list = html('div', {}), note = html('p', { class: 'note', role: 'alert' });
    this.#parts.note = note;
    this.#ranking = new Ranking(archive, crowd, list, {
      terrain: () => this.#sketch.terrain, rank: () => this.#mark(), choose: (agents) => this.#choose(agents),
    });
    box.append(this.#bar(), easel, note, html('p', { class: 'how', id: 'easel-keys' }, KEYS_HELP),
      html('div', { class: 'workshop' },
        html('div', { class: 'crossing' }, this.#ranking.head, stage, list),
        html('div', { class: 'making' }, this.#genesBox(genes), this.#fileBox())));
    this.#start(archive.terrainOf(nicheId) ? nicheId : Number(Object.keys(archive.terrains)[0]));
    this.#easel = new Easel(this.#sketch, this.#layout.finish_x, easel, (text) => { note.textContent = text; });
    this.#player = new Player(archive, walker, stage, (wish) => this.#change(wish));
    this.#sketch.onChange = () => this.#changed();
    this.#useTool('heights');
    this.#changed();
    this.#walk(false);
  }

  /** Begin with a niche's terrain, unless something was drawn. */
  follow(nicheId) {
    if (!this.#sketch.isTouched) this.begin(nicheId);
  }

  /** Begin with a niche's terrain. */
  begin(nicheId) {
    if (this.#archive.terrainOf(nicheId)) this.#start(nicheId);
  }

  /** Draw again: colours have changed. */
  refresh() {
    this.#easel.refresh();
    this.#player.refresh();
  }

  #start(nicheId) {
    const { genes, made, absent, sizes } = this.#archive.drawing, terrain = this.#archive.terrainOf(nicheId);
    const own = made[nicheId], knobs = genes && { genes: own?.genes ?? absent, seed: own?.seed ?? 0, push: null };
    const isMade = Boolean(own) && textOf(expressed(own.genes, own.seed, sizes)) === textOf(terrain);
    const first = this.#archive.latestAgent(nicheId);
    if (first) this.#lanes = [new DrawnLane(this.#archive, first, terrain, '')];
    this.#parts.note.textContent = '';
    this.#sketch.begin(terrain, knobs, isMade, nicheId);
  }

  /** Everything follows the sketch. */
  #changed() {
    const { knobs, terrain, isMade, nicheId } = this.#sketch.state;
    const { from, undo, reset, seed, push, origin } = this.#parts;
    const begun = nicheId === null ? 'a file' : `niche ${nicheId}`;
    from.value = nicheId ?? '';
    undo.disabled = !this.#sketch.canUndo;
    reset.disabled = !this.#sketch.isTouched;
    if (knobs) {
      this.#sliders.show(knobs.genes);
      seed.value = knobs.seed;
    }
    push.values = [terrain.push];
    origin.textContent = isMade ? 'The terrain is what these genes make with this seed. Sizes are in terrain steps of '
      + `${this.#archive.drawing.sizes.step.toFixed(2)} m.`
      : `The terrain was drawn, beginning with ${begun}. A gene or the seed makes a new one; undo brings it back.`;
    this.#easel.refresh();
    if (this.#walked === terrain) return;
    this.#ranking.age();
    this.#easel.mark([]);
    this.#tellFile();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#walk(true), PAUSE);
  }

  /** Let the chosen agents walk on the terrain as it is. */
  #walk(isPlaying) {
    clearTimeout(this.#timer);
    const { terrain } = this.#sketch;
    if (this.#sketch.isOpen) return;
    this.#walked = terrain;
    this.#lanes = this.#lanes.map(({ agent }) => {
      const rank = this.#ranking.rankOf(agent);
      return new DrawnLane(this.#archive, agent, terrain, rank ? `rank ${rank}` : '');
    });
    this.#player.show(this.#lanes, null, isPlaying && !matchMedia('(prefers-reduced-motion: reduce)').matches);
    this.#ranking.mark(this.#lanes.map((lane) => lane.agent));
    this.#mark();
    this.#tellFile();
  }

  #choose(agents) {
    if (!agents.length) return;
    this.#lanes = agents.map((agent) => new DrawnLane(this.#archive, agent, this.#sketch.terrain, ''));
    this.#walk(true);
    announce(this.#lanes.map((lane) => `niche ${lane.agent.niche_id}: ${lane.status(lane.length)}`).join('; '));
  }

  /** What a reader asks of the lanes. */
  #change({ place, agent, remove }) {
    const agents = this.#lanes.map((lane) => lane.agent);
    if (remove !== undefined) this.#choose(agents.toSpliced(remove, 1));
    if (agent) this.#choose(agents.with(place, agent));
  }

  #mark() {
    const agents = this.#lanes.map((lane) => lane.agent);
    this.#easel.mark(this.#ranking.order.filter(({ result }) => result).map(({ agent, result }) => ({
      x: result.x, lane: agents.includes(agent) ? agents.indexOf(agent) : null,
    })));
  }

  #bar() {
    const { limits, sizes } = this.#archive.drawing, metres = ([value]) => `${(value * sizes.step).toFixed(2)} m`;
    this.#parts.from = groundList(this.#archive, null, (id) => this.begin(id));
    this.#parts.undo = html('button', { onclick: () => this.#sketch.undo() }, 'undo');
    this.#parts.reset = html('button', { onclick: () => this.#sketch.reset() }, 'reset');
    const size = (name, least, greatest, step, value, tell) => {
      const slider = new Slider(name, { least, greatest, step }, 1, tell, () => this.#useTool());
      slider.values = [value];
      return slider;
    };
    const slope = html('select', { 'aria-label': 'direction', onchange: () => this.#useTool() },
      html('option', { value: 1 }, 'up'), html('option', { value: -1 }, 'down'));
    const tools = {
      heights: { reach: size('reach', 0.5, 12, 0.5, 3, ([value]) => `${value} m`) },
      stump: { height: size('height', 0.1, limits.stump_height, 0.1, 2, metres) },
      pit: { gap: size('gap', 0.1, limits.pit_gap, 0.1, 3, metres) },
      stairs: {
        height: size('height of a step', 0.1, limits.stair_height, 0.1, 1, metres),
        steps: size('steps', 1, limits.stair_steps, 1, 4, ([value]) => String(value)), slope,
      },
      remove: {},
    };
    this.#parts.tools = tools;
    const choices = Object.keys(tools).map((kind) => html('label', {}, html('input', {
      type: 'radio', name: 'tool', value: kind, checked: kind === 'heights', onchange: () => this.#useTool(kind),
    }), html('span', {}, kind)));
    this.#parts.sizes = html('div', { class: 'sizes' });
    return html('div', { class: 'controls tools' },
      html('label', {}, 'begin with ', this.#parts.from),
      html('div', { class: 'segments', role: 'radiogroup', 'aria-label': 'tool' }, ...choices),
      this.#parts.sizes, html('span', { class: 'buttons' }, this.#parts.undo, this.#parts.reset));
  }

  #useTool(kind = this.#parts.kind) {
    const tool = this.#parts.tools[kind];
    const value = (part) => (part instanceof Slider ? part.values[0] : Number(part.value));
    const sizes = Object.fromEntries(Object.entries(tool).map(([name, part]) => [name, value(part)]));
    if (kind !== this.#parts.kind) {
      this.#parts.kind = kind;
      this.#parts.sizes.replaceChildren(...Object.values(tool).map((part) => part.element ?? part));
    }
    this.#easel.take({ kind, reach: sizes.reach ?? 0, wanted: sizes });
  }

  #genesBox(box) {
    const { genes, why, sizes } = this.#archive.drawing, most = sizes.greatest_push;
    const make = (some) => { this.#sketch.open(); this.#sketch.make({ ...this.#sketch.state.knobs, ...some }); };
    const close = () => this.#sketch.close();
    this.#parts.origin = html('p', { class: 'how' });
    const push = new Slider('push', { least: -most, greatest: most, step: 0.05 }, 1,
      ([value]) => `${value.toFixed(2).replace('-', '−')} N`,
      ([value]) => { this.#sketch.open(); this.#sketch.setPush(value); }, close);
    this.#parts.push = push;
    if (!genes) return html('div', {}, html('h3', {}, 'Push'), html('p', { class: 'how' }, why), push.element);
    this.#sliders = new GeneSliders(genes, box, { change: (values) => make({ genes: values }), close });
    const seed = html('input', {
      type: 'number', min: 0, max: MOST_SEED, step: 1, 'aria-label': 'seed', onchange: () => {
        const wanted = Math.round(Math.max(0, Math.min(MOST_SEED, Number(seed.value) || 0)));
        make({ seed: wanted, push: null });
        close();
      },
    });
    this.#parts.seed = seed;
    const another = () => { make({ seed: Math.floor(Math.random() * 1e6), push: null }); close(); };
    return html('div', {}, html('h3', {}, 'Genes'), this.#parts.origin, box,
      html('div', { class: 'group' }, push.element),
      html('div', { class: 'controls' }, html('label', {}, 'seed ', seed),
        html('button', { onclick: another }, 'another seed')));
  }

  #fileBox() {
    const { told, command } = this.#parts = {
      ...this.#parts, told: html('p', { class: 'how' }), command: html('code', { class: 'command' }),
    };
    const input = html('input', {
      type: 'file', accept: '.json,application/json', class: 'unseen', tabindex: -1, 'aria-label': 'a terrain file',
      onchange: () => this.#import(input),
    });
    return html('div', {}, html('h3', {}, 'File'),
      html('div', { class: 'controls' }, html('button', { onclick: () => this.#save() }, 'save the terrain'),
        html('button', { onclick: () => input.click() }, 'open a terrain file'), input), told, command);
  }

  /** What the file says of a walk, and how to confirm it. */
  #tellFile() {
    const [lane] = this.#lanes, { told, command } = this.#parts;
    const isKnown = lane?.terrain === this.#sketch.terrain && isProvable(lane);
    command.hidden = !isKnown;
    told.textContent = isKnown ? `The file also holds the walk of niche ${lane.agent.niche_id}’s agent: return `
      + `${lane.record.return}, ${lane.length} steps. This confirms it, RUN being this run’s folder:`
      : 'The file holds the terrain alone: nobody’s walk on it is known here.';
    if (isKnown) command.textContent = commandFor(FILE_NAME);
  }

  #save() {
    if (this.#walked !== this.#sketch.terrain) this.#walk(false);
    const text = fileText(this.#sketch.state, this.#lanes[0] ?? null);
    const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
    html('a', { href: address, download: FILE_NAME }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  async #import(input) {
    const [file] = input.files, { note } = this.#parts;
    if (!file) return;
    try {
      const terrain = await readTerrainFile(file, this.#layout);
      note.textContent = '';
      this.#sketch.begin(terrain, this.#sketch.state.knobs, false, null);
    } catch (error) {
      note.textContent = `This file is no terrain that can be shown: ${error.message}.`;
    }
    input.value = '';
  }
}

/** Fill the section when a reader comes near, and not before. */
export function openDrawing(archive, walker, crowd, currentNiche) {
  const section = byId('drawing');
  let drawing = null;
  const make = () => { drawing ??= new Drawing(archive, walker, crowd, byId('drawing-room'), currentNiche()); };
  const watcher = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    watcher.disconnect();
    make();
  }, { rootMargin: '300px' });
  watcher.observe(section);
  return {
    follow: (id) => drawing?.follow(id),
    refresh: () => drawing?.refresh(),
    show: (id) => {
      make();
      drawing.begin(id);
      section.scrollIntoView();
    },
  };
}
