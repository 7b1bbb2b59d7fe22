// The tree of terrains over time: the way into the page.

import { countText, html, numberText, percentText, set, svg, tip } from './dom.mjs';
import { num } from './data.mjs';
import { SHADE_KEY, levelClass, shadeOf } from './colours.mjs';
import { TreeView, niceTicks } from './tree_view.mjs';

const THUMBNAIL = { width: 240, height: 44 };
/** More arcs than this cannot be told apart; the newest are shown. */
const MOST_ARCS = 1500;
/** With more, and rows as thin as hairs, only those of the selected niche are shown. */
const MOST_ARCS_OF_ALL = 300;
const FILTERS = {
  all: ['all niches', () => true],
  active: ['active at the end', (niche) => niche.retired === null],
  retired: ['retired', (niche) => niche.retired !== null],
  robust: ['robustly solved now', (niche, archive) => archive.isRobust(niche)],
  weak: ['not robustly solved', (niche, archive) => !archive.isRobust(niche)],
};

/** A terrain drawn small; heights are enlarged. */
export function thumbnail(terrain, { width, height } = THUMBNAIL) {
  const ground = terrain.ground, first = ground[0], last = ground.at(-1);
  const deepest = Math.max(0.6, ...ground.map(([, y]) => Math.abs(y - first[1])));
  const x = (v) => (((v - first[0]) / (last[0] - first[0])) * width).toFixed(1);
  const y = (v) => (height * 0.55 - ((v - first[1]) / deepest) * height * 0.42).toFixed(1);
  const path = (points) => points.map((p) => `${x(p[0])} ${y(p[1])}`).join('L');
  return svg('svg', { class: 'thumbnail', viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' },
    svg('path', { class: 'ground', d: `M${path(ground)}L${width} ${height}L0 ${height}Z` }),
    svg('path', { class: 'obstacle', d: terrain.obstacles.map((points) => `M${path(points)}Z`).join('') }));
}

export class Tree {
  #archive; #onSelect; #view; #svg; #groups = new Map(); #arcs = []; #layers; #axis; #selected = null; #box;
  #time = 'env_steps'; #colour = 'success'; #filter = 'all'; #hasArcs = true; #levels; #drag = null;

  /**
   * @param archive the run
   * @param box an empty element to fill
   * @param onSelect called with a niche's id
   */
  constructor(archive, box, onSelect) {
    this.#archive = archive;
    this.#onSelect = onSelect;
    this.#box = box;
    if (!archive.measured.length) this.#colour = 'class';
    this.#levels = this.#knownLevels();
    this.#view = new TreeView(archive.env_steps, archive.niches.length);
    this.#svg = svg('svg', { class: 'tree', role: 'listbox', 'aria-label': 'Phylogeny: niches by time of admission' });
    this.#box.append(this.#controls(), this.#svg, this.#key());
    this.#make();
    this.#add();
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(this.#box);
    this.#resize();
  }

  /** Mark a niche as the one that is shown. */
  select(id) {
    const before = this.#selected ?? 0;
    this.#selected = id;
    for (const one of new Set([before, id])) if (this.#groups.has(one)) this.#place(this.#groups.get(one));
    this.#drawArcs();
  }

  /** Show what the archive has got since; what was zoomed, filtered and selected stays so. */
  grow() {
    const { niches } = this.#archive, levels = this.#knownLevels();
    if (levels.length !== this.#levels.length) {
      this.#levels = levels;
      this.#box.querySelector('.filter').replaceChildren(...this.#filterOptions());
      this.#box.querySelector('.key').replaceWith(this.#key());
    }
    this.#view.grow(this.#end(), niches.length);
    this.#add();
    this.#resize();
  }

  #knownLevels() {
    const found = new Set(this.#archive.niches.map((niche) => niche.level));
    return this.#archive.levels.filter((level) => found.has(level));
  }

  #end() { return this.#time === 'env_steps' ? this.#archive.env_steps : this.#archive.iteration; }

  /** Put everything where it belongs now. */
  draw() {
    let branches = '';
    for (const entry of this.#groups.values()) {
      const { niche } = entry, parent = this.#archive.nicheById.get(niche.parent_id);
      if (parent) {
        const x = this.#view.x(this.#span(niche)[0]).toFixed(1);
        branches += `M${x} ${this.#view.y(parent.row).toFixed(1)}V${this.#view.y(niche.row).toFixed(1)}`;
      }
      this.#place(entry);
    }
    set(this.#layers.branches, { d: branches });
    this.#drawArcs();
    this.#drawAxis();
  }

  /** Put a niche where it belongs, if that is to be seen. */
  #place(entry) {
    const { niche, group, bars, node } = entry, view = this.#view, y = view.y(niche.row);
    const isSeen = y > -20 && y < view.height + 20, isSelected = niche.id === this.#selected;
    group.toggleAttribute('hidden', !isSeen);
    set(group, { tabindex: niche.id === (this.#selected ?? 0) ? 0 : -1, 'aria-selected': isSelected });
    if (!isSeen) return;
    const isIn = FILTERS[this.#filter] ?? this.#levelFilter(), thick = Math.max(2, Math.min(13, view.rowHeight * 0.6));
    const radius = Math.max(1.5, Math.min(9, view.rowHeight * 0.42)), [begin, end] = this.#span(niche);
    group.classList.toggle('filtered', !isIn[1](niche, this.#archive));
    group.classList.toggle('selected', isSelected);
    this.#drawBars(niche, bars, y, thick);
    const colour = this.#colour === 'class' ? levelClass(niche, this.#archive.levels) : 'plain';
    set(node, { cx: view.x(begin), cy: y, r: radius, class: `node ${colour}` });
    // Where rows are as thin as hairs, what nobody could see is left out: there may be thousands.
    this.#detail(entry, 'frame', isSelected || view.rowHeight > 4, {
      x: view.x(begin) - 3, y: y - thick / 2 - 3,
      width: Math.max(6, view.x(end) - view.x(begin) + 6), height: thick + 6,
    });
    this.#detail(entry, 'label', radius >= 7, { x: view.x(begin), y: y + 3.2 });
  }

  #detail(entry, name, isShown, attributes) {
    if (!isShown) {
      entry[name]?.remove();
      entry[name] = null;
      return;
    }
    if (!entry[name]) {
      entry[name] = name === 'frame' ? svg('rect', { class: 'frame', rx: 5 })
        : svg('text', { class: 'id', 'text-anchor': 'middle' }, String(entry.niche.id));
      entry.group[name === 'frame' ? 'prepend' : 'append'](entry[name]);
    }
    set(entry[name], attributes);
  }

  #span(niche) {
    const isSteps = this.#time === 'env_steps';
    const end = isSteps ? niche.retired_env_steps ?? this.#archive.env_steps : niche.retired ?? this.#archive.iteration;
    return [isSteps ? niche.created_env_steps : niche.created, end];
  }

  #levelFilter() { return [this.#filter, (niche) => niche.level === this.#filter]; }

  /** Bars by class are whole; by success they have a shade for each measurement until the next. */
  #drawBars(niche, bars, y, thick) {
    const view = this.#view, [begin, end] = this.#span(niche);
    bars.forEach(({ rect, from, to, rate }) => {
      const a = Math.max(begin, from?.[this.#time] ?? begin), b = to ? to[this.#time] : end;
      rect.setAttribute('class', this.#colour === 'class' ? levelClass(niche, this.#archive.levels) : shadeOf(rate));
      set(rect, { x: view.x(a), y: y - thick / 2, width: Math.max(0.5, view.x(b) - view.x(a)), height: thick });
    });
  }

  /** Where thousands would hide the tree, those of the selected niche alone. */
  #drawArcs() {
    const view = this.#view, isCrowded = this.#arcs.length > MOST_ARCS_OF_ALL && view.rowHeight < 4;
    for (const { transfer, group, path, dot } of this.#arcs) {
      const [source, target] = [transfer.source_id, transfer.target_id].map((id) => this.#archive.nicheById.get(id));
      const x = view.x(transfer[this.#time]), [a, b] = [view.y(source.row), view.y(target.row)];
      const isMine = [transfer.source_id, transfer.target_id].includes(this.#selected);
      group.toggleAttribute('hidden', !this.#hasArcs || (isCrowded && !isMine));
      if (isCrowded && !isMine) continue;
      group.setAttribute('class', isMine ? 'arc mine' : 'arc');
      set(path, { d: `M${x} ${a}Q${x + 8 + 0.18 * Math.abs(b - a)} ${(a + b) / 2} ${x} ${b}` });
      set(dot, { cx: x, cy: b, r: isMine ? 3 : 2 });
    }
  }

  #drawAxis() {
    const view = this.#view, low = view.left * view.end, high = low + view.end / view.zoom;
    const bottom = view.height - view.pad.bottom;
    const ticks = niceTicks(low, high, Math.max(2, view.plotWidth / 110)).map((tick) => svg('g', {},
      svg('line', { x1: view.x(tick), x2: view.x(tick), y1: view.pad.top, y2: bottom, class: 'grid' }),
      svg('text', { x: view.x(tick), y: bottom + 14, 'text-anchor': 'middle' }, countText(tick))));
    const name = this.#time === 'env_steps' ? 'env-steps' : 'iterations';
    this.#axis.replaceChildren(...ticks,
      svg('text', { x: view.width - 4, y: view.height - 3, 'text-anchor': 'end', class: 'axis-name' }, name));
  }

  #make() {
    const clip = svg('clipPath', { id: 'tree-clip' }, svg('rect', {}));
    this.#axis = svg('g', { class: 'axis' });
    this.#layers = { branches: svg('path', { class: 'branch' }), niches: svg('g', {}), arcs: svg('g', {}) };
    const inside = svg('g', { 'clip-path': 'url(#tree-clip)' }, ...Object.values(this.#layers));
    this.#svg.append(svg('defs', {}, clip), this.#axis, inside);
  }

  /** Elements for what has none yet, and bars anew where there are more measurements. */
  #add() {
    for (const niche of this.#archive.niches) {
      const entry = this.#groups.get(niche.id) ?? this.#addNiche(niche);
      const measured = this.#archive.pushesOf.get(niche.id) ?? [];
      if (entry.bars.length && entry.numMeasured === measured.length) continue;
      for (const { rect } of entry.bars) rect.remove();
      entry.numMeasured = measured.length;
      entry.bars = this.#bars(niche, measured);
      entry.node.before(...entry.bars.map(({ rect }) => rect));
      entry.group.setAttribute('aria-label', this.#spoken(niche));
    }
    const known = this.#arcs.at(-1)?.transfer, { transfers } = this.#archive;
    for (const transfer of transfers.slice(Math.max(transfers.indexOf(known) + 1, transfers.length - MOST_ARCS))) {
      const path = svg('path', {}), dot = svg('circle', {}), group = svg('g', {}, path, dot);
      this.#arcs.push({ transfer, group, path, dot });
      this.#layers.arcs.append(group);
    }
    for (const { group } of this.#arcs.splice(0, this.#arcs.length - MOST_ARCS)) group.remove();
  }

  #addNiche(niche) {
    const node = svg('circle', {}), group = svg('g', { class: 'niche', role: 'option' }, node);
    const entry = { niche, group, bars: [], numMeasured: 0, node, frame: null, label: null };
    this.#groups.set(niche.id, entry);
    this.#layers.niches.append(group);
    this.#listenTo(niche, group);
    return entry;
  }

  #bars(niche, mine) {
    const rates = mine.length && mine[0].iteration <= niche.created ? mine : [null, ...mine];
    return rates.map((row, i) => ({
      rect: svg('rect', {}), from: row, to: rates[i + 1] ?? null, rate: row?.rate ?? NaN,
    }));
  }

  #spoken(niche) {
    const success = Number.isNaN(num(niche.pushes_now)) ? '' : `, success ${percentText(num(niche.pushes_now))}`;
    const level = niche.level ? `, ${niche.level}` : '';
    return `Niche ${niche.id}${level}${success}, ${niche.genes}`;
  }

  #listenTo(niche, group) {
    group.addEventListener('click', () => this.#onSelect(niche.id));
    group.addEventListener('pointermove', (event) => this.#tell(niche, event.clientX, event.clientY));
    group.addEventListener('pointerleave', () => tip.hide());
    group.addEventListener('focus', () => this.#reveal(niche));
    group.addEventListener('keydown', (event) => this.#onKey(event, niche));
  }

  #tell(niche, x, y) {
    const terrain = this.#archive.terrainOf(niche.id);
    tip.show(x, y, `Niche ${niche.id}${niche.level ? `, ${niche.level}` : ''}`, niche.genes,
      terrain && thumbnail(terrain),
      `success under other pushes: ${percentText(num(niche.pushes_admission))} at admission, `
        + `${percentText(num(niche.pushes_now))} now`,
      `score: ${numberText(num(niche.admission_score))} at admission, ${numberText(num(niche.last_score))} now`,
      `iterations ${niche.created} to ${niche.retired ?? this.#archive.iteration}`
        + `${niche.retired === null ? ', active' : ', retired'}; ${countText(niche.env_steps)} env-steps`,
      `children: ${niche.children}; agents that came: ${niche.transfers_in}, that left: ${niche.transfers_out}`);
  }

  /** Up and down go by rows, left to the parent, right to the youngest child. */
  #onKey(event, niche) {
    const byRow = (row) => this.#archive.niches.find((other) => other.row === row);
    const next = {
      ArrowUp: () => byRow(niche.row - 1),
      ArrowDown: () => byRow(niche.row + 1),
      ArrowLeft: () => this.#archive.nicheById.get(niche.parent_id),
      ArrowRight: () => this.#archive.niches.findLast((other) => other.parent_id === niche.id),
      Home: () => byRow(0),
      End: () => byRow(this.#archive.niches.length - 1),
    }[event.key];
    if (next) {
      event.preventDefault();
      const found = next();
      if (!found) return;
      this.#reveal(found);
      this.#groups.get(found.id).group.focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#onSelect(niche.id);
    }
  }

  #reveal(niche) {
    if (this.#view.reveal(this.#span(niche)[0], niche.row)) this.draw();
  }

  #listen() {
    this.#svg.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey) return;  // without a key the wheel scrolls the page
      event.preventDefault();
      const { left, top } = this.#svg.getBoundingClientRect();
      this.#zoom(1.0015 ** -event.deltaY, event.clientX - left, event.clientY - top);
    }, { passive: false });
    this.#svg.addEventListener('pointerdown', (event) => { this.#drag = [event.clientX, event.clientY]; });
    window.addEventListener('pointerup', () => { this.#drag = null; });
    this.#svg.addEventListener('pointermove', (event) => {
      if (!this.#drag || this.#view.zoom === 1 || event.buttons === 0) return;
      this.#view.pan(event.clientX - this.#drag[0], event.clientY - this.#drag[1]);
      this.#drag = [event.clientX, event.clientY];
      tip.hide();
      this.draw();
    });
    this.#svg.addEventListener('keydown', ({ key }) => {
      if (key === '+' || key === '-') this.#zoom(key === '+' ? 1.4 : 1 / 1.4);
      if (key === '0') this.#zoom(0);
    });
  }

  #zoom(factor, x = this.#view.width / 2, y = this.#view.height / 2) {
    if (factor === 0) this.#view.reset();
    else this.#view.zoomAt(factor, x, y);
    this.draw();
  }

  #controls() {
    const redraw = () => this.draw();
    const pick = (label, values, onPick, chosen = null) => html('label', {}, `${label} `,
      html('select', { onchange: ({ target }) => { onPick(target.value); redraw(); } },
        ...values.map(([value, text]) => html('option', { value, selected: value === chosen }, text))));
    return html('div', { class: 'controls' },
      pick('colour', [['success', 'success over time'], ['class', 'class of terrain']], (value) => {
        this.#colour = value;
        this.#box.querySelector('.key').replaceWith(this.#key());
      }, this.#colour),
      html('label', {}, 'show ', html('select', {
        class: 'filter', onchange: ({ target }) => { this.#filter = target.value; redraw(); },
      }, ...this.#filterOptions())),
      pick('over', [['env_steps', 'env-steps'], ['iteration', 'iterations']], (value) => {
        this.#time = value;
        this.#view.setEnd(this.#end());
      }),
      html('label', {}, html('input', {
        type: 'checkbox', checked: true, onchange: ({ target }) => { this.#hasArcs = target.checked; redraw(); },
      }), ' transfers'),
      html('span', { class: 'buttons' },
        html('button', { title: 'Zoom in (+, or Ctrl and wheel)', onclick: () => this.#zoom(1.6) }, '+'),
        html('button', { title: 'Zoom out (-)', onclick: () => this.#zoom(1 / 1.6) }, '−'),
        html('button', { title: 'Show everything (0)', onclick: () => this.#zoom(0) }, 'all')));
  }

  #filterOptions() {
    const filters = Object.entries(FILTERS).map(([key, [text]]) => [key, text]);
    return [...filters, ...this.#levels.map((level) => [level, level])].map(([value, text]) =>
      html('option', { value, selected: value === this.#filter }, text));
  }

  #key() {
    const classes = this.#levels.map((level) => [levelClass({ level }, this.#archive.levels), level]);
    const entries = this.#colour === 'success' ? SHADE_KEY : classes;
    const what = this.#colour === 'success' ? 'success under pushes that it was not trained on: ' : '';
    return html('p', { class: 'key' }, what,
      ...entries.map(([name, text]) => html('span', {}, html('i', { class: name }), text)),
      html('span', {}, html('i', { class: 'arc-key' }), 'agent moved (dot: where to)'));
  }

  #resize() {
    const width = this.#box.clientWidth, rows = this.#archive.niches.length;
    const height = Math.round(Math.max(170, Math.min(rows * 22 + 44, 640)));
    if (width === 0) return;
    this.#view.resize(width, height);
    set(this.#svg, { viewBox: `0 0 ${width} ${height}`, width, height });
    set(this.#svg.querySelector('clipPath rect'), { x: 0, y: 0, width, height: height - this.#view.pad.bottom + 4 });
    this.draw();
  }
}
