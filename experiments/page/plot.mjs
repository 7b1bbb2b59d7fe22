// A plot of curves over env-steps that says its values under the pointer.

import { countText, html, numberText, set, svg, tip } from './dom.mjs';
import { niceTicks } from './tree_view.mjs';

const PAD = { left: 44, right: 10, top: 8, bottom: 24 };
const HEIGHT = 190;

/** Path of points; steps go flat to the next point, the last one to the end; what is not finite is a gap. */
function pathOf(xs, ys, x, y, isStepped, isEnded = false) {
  let path = '', isDown = false, before = 0;
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isFinite(ys[i])) {
      isDown = false;
      continue;
    }
    const [px, py] = [x(xs[i]).toFixed(1), y(ys[i]).toFixed(1)];
    path += isDown ? `${isStepped ? `H${px}` : ''}L${px} ${py}` : `M${px} ${py}`;
    [isDown, before] = [true, py];
  }
  const end = x(Infinity).toFixed(1);
  return isStepped && isDown && !isEnded ? `${path}H${end}L${end} ${before}` : path;
}

/** The last point at or before x; -1 if there is none. */
function indexAt(xs, x) {
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export class Plot {
  #crowd = null; #title; #end; #options; #svg; #series = []; #highlit = null; #width = 0; #onPick;

  /**
   * @param title of the plot
   * @param end the last env-step
   * @param options series: objects with key, name, xs, ys, class, and lower and upper for a band; lines: values that
   *   mean something, with a text; text: how a value is said; range: least and greatest y; isStepped; isEnded: steps
   *   end with their last point; isCrowd: all but the highlit one are one path, since there may be thousands
   * @param onPick called with the key of a curve that was clicked; may be left out
   */
  constructor(title, end, options, onPick = null) {
    this.#title = title;
    this.#end = Math.max(1, end);
    this.#options = { text: numberText, isStepped: false, lines: [], ...options };
    this.#onPick = onPick;
    this.#svg = svg('svg', { height: HEIGHT, role: 'img', 'aria-label': `${title}: ${this.#spoken()}` });
    this.element = html('figure', { class: 'plot' }, html('figcaption', {}, title), this.#svg, this.#key());
    this.#svg.addEventListener('pointermove', (event) => this.#hover(event));
    this.#svg.addEventListener('pointerleave', () => this.#leave());
    this.#svg.addEventListener('click', (event) => {
      const found = this.#nearest(event);
      if (found && this.#onPick) this.#onPick(found.series.key);
    });
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  /** Show other values in its place. */
  update(end, options) {
    this.#end = Math.max(1, end);
    Object.assign(this.#options, options);
    this.#crowd = null;
    this.#svg.setAttribute('aria-label', `${this.#title}: ${this.#spoken()}`);
    this.#draw();
  }

  /** Bring one curve to the front. */
  highlight(key) {
    this.#highlit = key;
    this.#draw();
  }

  #spoken() {
    const { series, text } = this.#options;
    if (series.length > 6) return `${series.length} curves`;
    return series.map((one) => `${one.name} ${text(one.ys.at(-1))}`).join(', ');
  }

  #key() {
    const named = this.#options.series.filter((one) => one.isNamed);
    return html('p', { class: 'key' },
      ...named.map((one) => html('span', {}, html('i', { class: `line ${one.class}` }), one.name)));
  }

  #resize() {
    const width = this.element.clientWidth;
    if (width === 0 || width === this.#width) return;
    this.#width = width;
    this.#crowd = null;
    this.#draw();
  }

  #x = (steps) => PAD.left + (Math.min(steps, this.#end) / this.#end) * (this.#width - PAD.left - PAD.right);

  #y = (value) => {
    const [low, high] = this.#options.range;
    return PAD.top + (1 - (value - low) / (high - low)) * (HEIGHT - PAD.top - PAD.bottom);
  };

  #draw() {
    if (this.#width === 0) return;  // not laid out yet
    const { series, lines, isStepped, isEnded, isCrowd, range, text } = this.#options, x = this.#x, y = this.#y;
    const right = this.#width - PAD.right;
    set(this.#svg, { width: this.#width, viewBox: `0 0 ${this.#width} ${HEIGHT}` });
    const rows = niceTicks(...range, 4).map((tick) => svg('g', {},
      svg('line', { class: 'grid', x1: PAD.left, x2: right, y1: y(tick), y2: y(tick) }),
      svg('text', { x: PAD.left - 6, y: y(tick) + 3.5, 'text-anchor': 'end' }, text(tick).replace(/\.0$/, ''))));
    const steps = niceTicks(0, this.#end, this.#width / 110).map((tick) =>
      svg('text', { x: x(tick), y: HEIGHT - 6, 'text-anchor': 'middle' }, countText(tick)));
    const marks = lines.map(({ value, name }) => svg('g', { class: 'mark' },
      svg('line', { x1: PAD.left, x2: right, y1: y(value), y2: y(value) }),
      svg('text', { x: right, y: y(value) - 4, 'text-anchor': 'end' }, name)));
    const isLast = (one) => one.key === this.#highlit;
    this.#series = [...series].sort((a, b) => isLast(a) - isLast(b));
    const bands = series.filter((one) => one.lower).map((one) => svg('path', {
      class: `band ${one.class}`,
      d: `${pathOf(one.xs, one.upper, x, y, true)}${this.#back(one)}`,
    }));
    const dim = this.#highlit === null ? '' : 'dim';
    const paths = (isCrowd ? this.#series.filter(isLast) : this.#series).map((one) => svg('path', {
      class: `curve ${one.class} ${isLast(one) ? 'highlit' : dim}`, d: pathOf(one.xs, one.ys, x, y, isStepped, isEnded),
    }));
    if (isCrowd && series.length) {
      this.#crowd ??= svg('path', { d: series.map((one) => pathOf(one.xs, one.ys, x, y, isStepped)).join('') });
      paths.unshift(set(this.#crowd, { class: `curve ${series[0].class} ${dim}` }));
    }
    const inside = svg('svg', {
      x: 0, y: PAD.top - 2, width: this.#width, height: HEIGHT - PAD.top - PAD.bottom + 4,
      viewBox: `0 ${PAD.top - 2} ${this.#width} ${HEIGHT - PAD.top - PAD.bottom + 4}`,
    }, ...bands, ...paths);
    const at = svg('circle', { class: 'at', r: 3.5, visibility: 'hidden' });
    this.#svg.replaceChildren(...rows, ...steps, ...marks, inside, at);
  }

  /** The lower edge of a band, from right to left, to close its path. */
  #back({ xs, lower }) {
    let path = '', after = this.#x(Infinity);
    for (let i = xs.length - 1; i >= 0; i--) {
      if (!Number.isFinite(lower[i])) continue;
      path += `L${after.toFixed(1)} ${this.#y(lower[i]).toFixed(1)}H${this.#x(xs[i]).toFixed(1)}`;
      after = this.#x(xs[i]);
    }
    return path && `${path}Z`;
  }

  #nearest(event) {
    const { left, top } = this.#svg.getBoundingClientRect(), px = event.clientX - left, py = event.clientY - top;
    const steps = ((px - PAD.left) / (this.#width - PAD.left - PAD.right)) * this.#end;
    let best = null;
    for (const one of this.#series) {
      const i = indexAt(one.xs, steps);
      if (i < 0 || !Number.isFinite(one.ys[i])) continue;
      const isFlat = this.#options.isStepped || !Number.isFinite(one.ys[i + 1]);
      const part = isFlat ? 0 : (steps - one.xs[i]) / (one.xs[i + 1] - one.xs[i]);
      const value = part ? one.ys[i] + part * (one.ys[i + 1] - one.ys[i]) : one.ys[i];
      const gap = Math.abs(this.#y(value) - py);
      if (!best || gap < best.gap) best = { series: one, i, gap, px: this.#x(Math.max(0, steps)), py: this.#y(value) };
    }
    return best;
  }

  #hover(event) {
    const found = this.#nearest(event);
    if (!found) return this.#leave();
    const { series, i, px, py } = found, { text } = this.#options;
    set(this.#svg.querySelector('.at'), { cx: px, cy: py, visibility: 'visible' });
    const band = series.lower && `neutral shadow, 5 to 95 %: ${text(series.lower[i])} to ${text(series.upper[i])}`;
    return tip.show(event.clientX, event.clientY, `${series.name}: ${text(series.ys[i])}`,
      `after ${countText(series.xs[i])} env-steps`, band, this.#onPick && 'click to select');
  }

  #leave() {
    tip.hide();
    this.#svg.querySelector('.at')?.setAttribute('visibility', 'hidden');
  }
}
