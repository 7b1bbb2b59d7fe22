// The terrain that is being drawn: on a canvas, by mouse, touch or keys.

import { colours } from './colours.mjs';
import { fitCanvas, html } from './dom.mjs';
import { announce } from './lane.mjs';
import { drawOutline, drawScene } from './scene.mjs';

const WHOLE_HEIGHT = 26;
/** Pixels a metre where there is room for less than the whole course. */
const USUAL_SCALE = 22;
const LEAST_SCALE = 4;
/** Pixels that stay free above and below the ground. */
const FREE_MARGIN = 34;
const KEY_RISE = 0.1;
const KEY_LEAP = 0.5;

export class Easel {
  #sketch; #canvas; #tool = { kind: 'heights', reach: 3, wanted: null }; #view = null; #left = 0; #stroke = null;
  #chosen = 0; #hovered = null; #isPanning = false; #request = null; #finish; #marks = []; #onRefusal;

  /**
   * @param sketch what is drawn
   * @param finish where the course ends, m
   * @param box an empty element to fill
   * @param onRefusal called with a sentence, or an empty one, after each change that was asked for
   */
  constructor(sketch, finish, box, onRefusal) {
    this.#sketch = sketch;
    this.#finish = finish;
    this.#onRefusal = onRefusal;
    this.#canvas = html('canvas', {
      class: 'easel', tabindex: 0, role: 'application', 'aria-label': 'The terrain', 'aria-describedby': 'easel-keys',
      onpointerdown: (event) => this.#press(event), onpointermove: (event) => this.#move(event),
      onpointerup: () => this.#release(), onpointercancel: () => this.#release(),
      onpointerleave: () => { this.#hovered = null; this.refresh(); },
      onkeydown: (event) => this.#key(event), onfocus: () => this.refresh(), onblur: () => this.refresh(),
    });
    box.append(this.#canvas);
    new ResizeObserver(() => { this.#view = null; this.refresh(); }).observe(this.#canvas);
  }

  /** Draw with another tool: its kind, how far heights reach, and the sizes of an obstacle. */
  take(tool) {
    this.#tool = tool;
    this.#canvas.dataset.tool = tool.kind;
    this.refresh();
  }

  /** Show where walkers ended: objects with x and the number of a lane, or null for one that has none. */
  mark(marks) {
    this.#marks = marks;
    this.refresh();
  }

  /** Draw again, soon: terrain, size or colours have changed. */
  refresh() {
    this.#request ??= requestAnimationFrame(() => {
      this.#request = null;
      this.#draw();
    });
  }

  get #terrain() { return this.#sketch.terrain; }

  get #height() { return this.#canvas.clientHeight - WHOLE_HEIGHT; }

  /** Where the picture lies; it stays while a stroke is drawn, and as long as the ground is in it. */
  #settle() {
    const width = this.#canvas.clientWidth, { ground, obstacles } = this.#terrain;
    const start = ground[0][0], length = ground.at(-1)[0] - start, base = Math.max(USUAL_SCALE, width / length);
    const shown = width / base;
    this.#left = Math.max(start, Math.min(this.#left, start + length - shown));
    if (this.#stroke && this.#view) return;
    const points = [...ground, ...obstacles.flat()].filter(([x]) => x >= this.#left && x <= this.#left + shown);
    const low = Math.min(...points.map(([, y]) => y)), high = Math.max(...points.map(([, y]) => y));
    const room = this.#height - 2 * FREE_MARGIN, view = this.#view;
    const fits = view && view.width === width && (high - view.middle) * view.scale < this.#height / 2 - FREE_MARGIN / 2
      && (view.middle - low) * view.scale < this.#height / 2 - FREE_MARGIN / 2;
    const scale = Math.max(LEAST_SCALE, Math.min(base, room / Math.max(1e-3, high - low)));
    if (fits && view.scale <= scale * 1.2) return;
    this.#view = { width, scale, middle: (low + high) / 2 + (high - low < 4 ? 1 : 0) };
  }

  #place = (x, y) => {
    const { scale, middle } = this.#view;
    return [(x - this.#left) * scale, this.#height / 2 - (y - middle) * scale];
  };

  /** Metres under a point of the canvas. */
  #at({ offsetX, offsetY }) {
    const { scale, middle } = this.#view;
    return { x: this.#left + offsetX / scale, y: middle + (this.#height / 2 - offsetY) / scale };
  }

  #press(event) {
    if (event.button !== 0 || !event.isPrimary || !this.#view) return;
    this.#canvas.setPointerCapture(event.pointerId);
    if (event.offsetY > this.#height) {
      this.#isPanning = true;
      this.#pan(event.offsetX);
      return;
    }
    const at = this.#at(event), { kind } = this.#tool;
    this.#chosen = this.#free(this.#sketch.vertexAt(at.x));
    if (kind === 'heights') {
      this.#sketch.open();
      this.#stroke = { base: this.#sketch.state, drawn: new Map(), last: at };
      this.#follow(at);
    } else if (kind === 'remove') this.#remove(this.#sketch.obstacleAt(at.x, at.y));
    else this.#putDown();
  }

  #move(event) {
    if (!this.#view) return;
    const isInStrip = event.offsetY > this.#height;
    if (this.#isPanning) this.#pan(event.offsetX);
    else if (this.#stroke) this.#follow(this.#at(event));
    else if (event.pointerType === 'mouse') this.#hovered = isInStrip ? null : this.#at(event);
    this.refresh();
  }

  #release() {
    if (this.#stroke) {
      this.#stroke = null;
      this.#sketch.close();
    }
    this.#isPanning = false;
    this.refresh();
  }

  #pan(offset) {
    const { ground } = this.#terrain, width = this.#canvas.clientWidth, length = ground.at(-1)[0] - ground[0][0];
    this.#left = ground[0][0] + (offset / width) * length - width / this.#view.scale / 2;
    this.refresh();
  }

  /** Take the pen to a place; vertices that it passed on the way lie on its line. */
  #follow(at) {
    const { last, drawn, base } = this.#stroke, { ground } = base.terrain;
    const from = this.#sketch.vertexAt(last.x), to = this.#sketch.vertexAt(at.x), by = Math.sign(to - from);
    for (let i = from; i !== to; i += by) {
      const part = (ground[i][0] - last.x) / (at.x - last.x || 1);
      drawn.set(i, last.y + Math.max(0, Math.min(1, part)) * (at.y - last.y));
    }
    drawn.set(to, at.y);
    this.#stroke.last = at;
    this.#onRefusal(this.#sketch.draw(base, drawn, this.#tool.reach) ?? '');
  }

  #free(vertex) {
    const least = this.#sketch.firstVertex - (this.#tool.kind === 'heights' ? 0 : 1);
    return Math.max(Math.min(least, this.#terrain.ground.length - 1), vertex);
  }

  #putDown() {
    const { kind, wanted } = this.#tool, where = this.#chosen;
    if (!this.#sketch.isOnGrid) {
      this.#onRefusal('Obstacles fit only on grounds with a vertex every 14/30 m; heights can be drawn.');
      return;
    }
    this.#onRefusal(this.#sketch.place(kind, where, wanted) ?? '');
    announce(`${kind} placed ${this.#terrain.ground[where][0].toFixed(1)} m along`);
  }

  #remove(number) {
    if (number < 0) this.#onRefusal('There is no obstacle at that place.');
    else this.#onRefusal(this.#sketch.remove(number) ?? '');
  }

  #key(event) {
    const { ground, obstacles } = this.#terrain, { key, shiftKey: isFar } = event;
    const steps = { ArrowLeft: isFar ? -10 : -1, ArrowRight: isFar ? 10 : 1, PageUp: -20, PageDown: 20 };
    const rises = { ArrowUp: isFar ? KEY_LEAP : KEY_RISE, ArrowDown: isFar ? -KEY_LEAP : -KEY_RISE };
    const places = { Home: 0, End: ground.length - 1 };
    if ((event.ctrlKey || event.metaKey) && key === 'z') this.#sketch.undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (key in steps) this.#choose(this.#chosen + steps[key]);
    else if (key in places) this.#choose(places[key]);
    else if (key in rises) this.#rise(rises[key]);
    else if (key === 'Delete' || (key === 'Enter' && this.#tool.kind === 'remove')) {
      const [x] = ground[this.#chosen], next = ground[this.#chosen + 1]?.[0] ?? x;
      this.#remove(obstacles.findLastIndex((points) =>
        points.some(([px]) => px <= x + 1e-3) && points.some(([px]) => px >= (x + next) / 2)));
    } else if ((key === 'Enter' || key === ' ') && this.#tool.kind !== 'heights') this.#putDown();
    else return;
    event.preventDefault();
  }

  #choose(vertex) {
    const { ground } = this.#terrain;
    this.#chosen = this.#free(Math.min(ground.length - 1, vertex));
    const [x] = ground[this.#chosen], shown = this.#canvas.clientWidth / this.#view.scale;
    if (x < this.#left + 1) this.#left = x - shown / 4;
    if (x > this.#left + shown - 1) this.#left = x - (3 * shown) / 4;
    this.refresh();
    this.#tellChosen();
  }

  #rise(by) {
    const chosen = this.#free(this.#chosen), y = this.#terrain.ground[chosen][1] + by;
    this.#chosen = chosen;
    this.#onRefusal(this.#sketch.draw(this.#sketch.state, new Map([[chosen, y]]), this.#tool.reach) ?? '');
    this.#tellChosen();
  }

  #tellChosen() {
    const { ground } = this.#terrain, [x, y] = ground[this.#chosen], above = y - ground[0][1];
    announce(`Vertex ${this.#chosen} of ${ground.length - 1}, ${x.toFixed(1)} m along, ${Math.abs(above).toFixed(1)} m `
      + `${above < 0 ? 'below' : 'above'} the start`);
  }

  #draw() {
    const width = this.#canvas.clientWidth;
    if (!width) return;
    this.#settle();
    const c = fitCanvas(this.#canvas, width, this.#height + WHOLE_HEIGHT, false), { scale } = this.#view;
    const left = this.#left, right = left + width / scale;
    const view = { c, width, height: this.#height, left, right, place: this.#place };
    c.fillStyle = colours.of('sky');
    c.fillRect(0, 0, width, this.#height + WHOLE_HEIGHT);
    drawScene(view, this.#terrain, this.#finish);
    this.#drawPad(view);
    this.#drawPreview(view);
    this.#drawMarks(view);
    this.#drawChosen(c);
    this.#drawStrip(c, width, view);
  }

  /** The start pad, which stays as it is. */
  #drawPad({ c, place, height }) {
    const [end, y] = place(...this.#terrain.ground[Math.max(0, this.#sketch.firstVertex - 1)]);
    const [start] = place(...this.#terrain.ground[0]);
    if (end < 0) return;
    c.fillStyle = colours.of('muted');
    c.globalAlpha = 0.16;
    c.fillRect(start, 0, end - start, height);
    c.globalAlpha = 1;
    if (end - Math.max(0, start) > 70) c.fillText('start pad, fixed', (Math.max(0, start) + end) / 2, y + 16);
  }

  /** What a click would do. */
  #drawPreview({ c, place }) {
    const { kind, wanted, reach } = this.#tool, at = this.#hovered;
    if (!at || this.#stroke) return;
    c.strokeStyle = c.fillStyle = colours.of('accent');
    c.lineWidth = 1.5;
    if (kind === 'heights') {
      const [x, y] = place(at.x, at.y), wide = reach * this.#view.scale;
      c.globalAlpha = 0.7;
      c.fillRect(x - wide, y - 0.75, 2 * wide, 1.5);
      c.beginPath();
      c.arc(x, y, 4, 0, 2 * Math.PI);
      c.fill();
    } else if (kind !== 'remove' && this.#sketch.isOnGrid) {
      const { obstacles, ground, numNew } = this.#sketch.placed(kind, this.#free(this.#sketch.vertexAt(at.x)), wanted);
      for (const points of obstacles.slice(obstacles.length - numNew)) {
        drawOutline(c, points, place);
        c.globalAlpha = 0.35;
        c.fill();
        c.globalAlpha = 1;
        c.stroke();
      }
      c.setLineDash([4, 4]);
      c.beginPath();
      ground.forEach(([x, y], i) => c[i ? 'lineTo' : 'moveTo'](...place(x, y)));
      c.stroke();
      c.setLineDash([]);
    } else if (kind === 'remove') {
      const found = this.#terrain.obstacles[this.#sketch.obstacleAt(at.x, at.y)];
      if (found) {
        drawOutline(c, found, place);
        c.strokeStyle = colours.of('flag');
        c.lineWidth = 3;
        c.stroke();
      }
    }
    c.globalAlpha = 1;
  }

  /** Where walkers ended: the chosen ones in the colours of their lanes, the others faint. */
  #drawMarks({ c, place, left, right }) {
    const { ground } = this.#terrain;
    for (const { x, lane } of this.#marks) {
      if (x < left || x > right) continue;
      const near = ground.find(([px]) => px >= x) ?? ground.at(-1), [px, py] = place(x, near[1]);
      c.fillStyle = lane === null ? colours.of('muted') : colours.lane(lane);
      c.globalAlpha = lane === null ? 0.35 : 1;
      const tall = lane === null ? 9 : 15;
      c.beginPath();
      c.moveTo(px, py + 2);
      c.lineTo(px - tall / 3, py + 2 + tall);
      c.lineTo(px + tall / 3, py + 2 + tall);
      c.fill();
    }
    c.globalAlpha = 1;
  }

  #drawChosen(c) {
    if (document.activeElement !== this.#canvas || !this.#canvas.matches(':focus-visible')) return;
    const { ground } = this.#terrain, vertex = ground[Math.min(this.#chosen, ground.length - 1)];
    c.beginPath();
    c.arc(...this.#place(...vertex), 6, 0, 2 * Math.PI);
    c.strokeStyle = colours.of('accent');
    c.lineWidth = 3;
    c.stroke();
  }

  /** The whole course, with a frame around what is shown. */
  #drawStrip(c, width, { left, right, height }) {
    const { ground, obstacles } = this.#terrain, start = ground[0][0], length = ground.at(-1)[0] - start;
    const deepest = Math.max(1, ...ground.map(([, y]) => Math.abs(y - ground[0][1])));
    const at = (x) => ((x - start) / length) * width;
    const level = (y) => height + WHOLE_HEIGHT / 2 - ((y - ground[0][1]) / deepest) * (WHOLE_HEIGHT / 2 - 3);
    c.fillStyle = colours.of('strip');
    c.fillRect(0, height, width, WHOLE_HEIGHT);
    c.beginPath();
    ground.forEach(([x, y], i) => c[i ? 'lineTo' : 'moveTo'](at(x), level(y)));
    c.lineTo(width, height + WHOLE_HEIGHT);
    c.lineTo(0, height + WHOLE_HEIGHT);
    c.fillStyle = colours.of('ground');
    c.fill();
    c.fillStyle = colours.of('obstacle');
    for (const points of obstacles) {
      drawOutline(c, points, (x, y) => [at(x), level(y)]);
      c.fill();
    }
    c.fillStyle = colours.of('flag');
    c.fillRect(at(this.#finish) - 1, height, 2, WHOLE_HEIGHT);
    for (const { x, lane } of this.#marks) {
      if (lane === null) continue;
      c.fillStyle = colours.lane(lane);
      c.fillRect(at(x) - 1.5, height, 3, WHOLE_HEIGHT);
    }
    if (right - left >= length - 0.01) return;
    c.strokeStyle = colours.of('accent');
    c.lineWidth = 2;
    c.strokeRect(at(left) + 1, height + 1, Math.min(at(right), width) - at(left) - 2, WHOLE_HEIGHT - 2);
  }
}
