// What a walker sensed and did over its whole episode, with the present moment marked.

import { colours } from './colours.mjs';
import { fitCanvas, html } from './dom.mjs';

const LEFT = 132;
const LINE = 34;
const RAY = 6;
/** Of the 24 numbers that a walker senses: title, places, and the range that is drawn. */
const SENSED = [
  ['hull: angle', [0], [-1, 1]],
  ['hull: speed ahead, up', [2, 3], [-1, 1.5]],
  ['leg 1: hip, knee', [4, 6], [-2, 2]],
  ['leg 2: hip, knee', [9, 11], [-2, 2]],
];
const ACTED = [['action: hip 1, knee 1', [0, 1]], ['action: hip 2, knee 2', [2, 3]]];

export class Traces {
  #canvas; #still = null; #lane = null; #place = 0; #onSeek;

  /**
   * @param box an empty element to fill
   * @param onSeek called with the step that was pointed at
   */
  constructor(box, onSeek) {
    this.#onSeek = onSeek;
    this.#canvas = html('canvas', { class: 'traces', role: 'img' });
    const seek = (event) => {
      if (event.buttons === 1 && this.#lane?.record) this.#onSeek(this.#stepAt(event.offsetX));
    };
    this.#canvas.addEventListener('pointerdown', seek);
    this.#canvas.addEventListener('pointermove', seek);
    box.append(this.#canvas);
  }

  /** Whose traces are shown. */
  show(lane, place) {
    this.#lane = lane;
    this.#place = place;
    this.#still = null;
  }

  /** Forget the drawing: the colours or the width have changed. */
  refresh() { this.#still = null; }

  draw(moment) {
    const record = this.#lane?.record, width = this.#canvas.clientWidth;
    if (!record || width === 0) return;
    const rays = this.#lane.archive.world.layout.lidar_rays.length;
    const height = (SENSED.length + ACTED.length + 1) * LINE + rays * RAY + 30;
    this.#canvas.style.height = `${height}px`;
    if (this.#still?.width !== width) this.#still = { width, image: this.#drawAll(record, width, height, rays) };
    const c = fitCanvas(this.#canvas, width, height);
    c.clearRect(0, 0, width, height);
    c.drawImage(this.#still.image, 0, 0, width, height);
    const x = LEFT + (Math.min(moment, record.length) / record.length) * (width - LEFT);
    c.fillStyle = colours.of('ink');
    c.fillRect(x - 0.5, 0, 1, height);
  }

  #stepAt(x) {
    const share = (x - LEFT) / (this.#canvas.clientWidth - LEFT);
    return Math.round(Math.max(0, Math.min(1, share)) * this.#lane.record.length);
  }

  #drawAll(record, width, height, rays) {
    const image = document.createElement('canvas'), c = fitCanvas(image, width, height);
    let top = 0;
    const line = (title, values, numColumns, places, [low, high]) => {
      this.#label(c, title, top);
      places.forEach((place, i) => this.#line(c, record.length, width, top, i, (step) =>
        (values[step * numColumns + place] - low) / (high - low)));
      top += LINE;
    };
    line('return so far', record.totals, 1, [0], [Math.min(0, ...record.totals), Math.max(1, ...record.totals)]);
    for (const [title, places, range] of SENSED) line(title, record.observations, 24, places, range);
    for (const [title, places] of ACTED) line(title, record.actions, 4, places, [-1, 1]);
    this.#drawTouches(c, record, width, top);
    this.#drawLidar(c, record, width, top + 22, rays);
    return image;
  }

  #label(c, title, top) {
    c.fillStyle = colours.of('muted');
    c.font = '11px system-ui, sans-serif';
    c.fillText(title, 0, top + LINE / 2 + 4);
    c.fillStyle = colours.of('faint');
    c.fillRect(LEFT, top + LINE - 1, 4000, 1);
  }

  #line(c, length, width, top, which, share) {
    c.beginPath();
    for (let step = 0; step <= length; step++) {
      const x = LEFT + (step / length) * (width - LEFT), part = Math.max(0, Math.min(1, share(step)));
      const y = top + 3 + (1 - part) * (LINE - 7);
      c[step ? 'lineTo' : 'moveTo'](x, y);
    }
    c.strokeStyle = which ? colours.of('muted') : colours.lane(this.#place);
    c.lineWidth = 1.1;
    c.stroke();
  }

  #drawTouches(c, { touches, length }, width, top) {
    this.#label(c, 'foot 1, foot 2 touches', top - 7);
    c.fillStyle = colours.of('contact');
    const each = (width - LEFT) / length;
    for (let step = 0; step <= length; step++) {
      for (let leg = 0; leg < 2; leg++) {
        if (touches[2 * step + leg]) c.fillRect(LEFT + (step - 1) * each, top + 2 + 8 * leg, each + 0.5, 6);
      }
    }
  }

  /** A row a ray, dark where the ground is near. */
  #drawLidar(c, { observations, length }, width, top, rays) {
    c.fillStyle = colours.of('muted');
    c.fillText('lidar: down to ahead', 0, top + (rays * RAY) / 2 + 4);
    const each = (width - LEFT) / length, first = this.#lane.archive.world.layout.first_ray;
    c.fillStyle = colours.of('ray');
    for (let step = 0; step <= length; step++) {
      for (let ray = 0; ray < rays; ray++) {
        c.globalAlpha = 1 - Math.max(0, Math.min(1, observations[step * 24 + first + ray]));
        c.fillRect(LEFT + (step - 1) * each, top + ray * RAY, each + 0.5, RAY - 1);
      }
    }
    c.globalAlpha = 1;
  }
}
