// The part of time and of the rows that the tree shows: zoom and pan, without any drawing.

const MOST_ZOOM = 60;

/** A window onto time (from 0 to `end`) and rows (from 0 to `numRows`), in pixels. */
export class TreeView {
  constructor(end, numRows) {
    this.numRows = numRows;
    this.pad = { left: 30, right: 18, top: 14, bottom: 30 };
    this.resize(600, 400);
    this.setEnd(end);
  }

  setEnd(end) {
    this.end = Math.max(1, end);
    this.reset();
  }

  /** More time and more rows: who has zoomed goes on looking at the same part of time. */
  grow(end, numRows) {
    const [before, rows] = [this.end, this.numRows];
    this.end = Math.max(1, end);
    this.numRows = numRows;
    if (this.zoom === 1) return;
    this.zoom = Math.min(MOST_ZOOM, (this.zoom * this.end) / before);
    this.left *= before / this.end;
    this.top *= rows / numRows;
    this.#clamp();
  }

  reset() {
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
  }

  get plotWidth() { return Math.max(1, this.width - this.pad.left - this.pad.right); }
  get plotHeight() { return Math.max(1, this.height - this.pad.top - this.pad.bottom); }
  get rowHeight() { return (this.plotHeight * this.zoom) / this.numRows; }

  x(time) { return this.pad.left + (time / this.end - this.left) * this.plotWidth * this.zoom; }
  y(row) { return this.pad.top + ((row + 0.5) / this.numRows - this.top) * this.plotHeight * this.zoom; }

  /** Zoom by a factor around a point of the picture. */
  zoomAt(factor, px, py) {
    const before = this.zoom;
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, before * factor));
    const kept = 1 / before - 1 / this.zoom;
    this.left += ((px - this.pad.left) / this.plotWidth) * kept;
    this.top += ((py - this.pad.top) / this.plotHeight) * kept;
    this.#clamp();
  }

  /** Move what is shown by so many pixels. */
  pan(dx, dy) {
    this.left -= dx / (this.plotWidth * this.zoom);
    this.top -= dy / (this.plotHeight * this.zoom);
    this.#clamp();
  }

  /** Move just so far that a point of time and row is shown; returns whether that was needed. */
  reveal(time, row) {
    const x = this.x(time), y = this.y(row);
    const { pad } = this, right = this.width - pad.right, bottom = this.height - pad.bottom;
    const [dx, dy] = [Math.max(0, pad.left - x) + Math.min(0, right - x),
      Math.max(0, pad.top - y) + Math.min(0, bottom - y)];
    this.pan(dx, dy);
    return dx !== 0 || dy !== 0;
  }

  #clamp() {
    const most = 1 - 1 / this.zoom;
    this.left = Math.min(most, Math.max(0, this.left));
    this.top = Math.min(most, Math.max(0, this.top));
  }
}

/** Round numbers from `low` to `high`, about so many. */
export function niceTicks(low, high, wanted) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / wanted));
  const step = power * [1, 2, 5, 10].find((factor) => span / (power * factor) <= wanted);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}
