// Elements made in one line. Text only ever goes in as text.

const SVG = 'http://www.w3.org/2000/svg';

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** An HTML element; attributes that begin with "on" are listeners. */
export const html = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);

/** The same for SVG. */
export const svg = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Set several attributes. */
export const set = (element, attributes) => filled(element, attributes, []);

/** A box beside the pointer, for whatever is under it. */
class Tip {
  #box = null;

  /** Show lines, of which the first is the heading, and elements, near a point of the window. */
  show(x, y, ...lines) {
    this.#box ??= document.body.appendChild(html('div', { class: 'tip', role: 'status' }));
    this.#box.replaceChildren(
      ...lines.filter(Boolean).map((line, i) => (line instanceof Node ? line : html(i ? 'div' : 'b', {}, line))),
    );
    this.#box.hidden = false;
    const { width, height } = this.#box.getBoundingClientRect();
    const left = x + 14 + width > window.innerWidth ? x - 14 - width : x + 14;
    this.#box.style.left = `${Math.max(4, left)}px`;
    this.#box.style.top = `${Math.max(4, Math.min(y + 14, window.innerHeight - height - 4))}px`;
  }

  hide() {
    if (this.#box) this.#box.hidden = true;
  }
}

export const tip = new Tip();

/** A canvas sized for the screen, and its context in CSS pixels. */
export function fitCanvas(canvas, width, height, alpha = true) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext('2d', { alpha });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

const COUNTS = [[1e9, ' G'], [1e6, ' M'], [1e3, ' k']];

/** A count for reading, such as "3.1 M". */
export function countText(value) {
  if (!Number.isFinite(value)) return 'none';
  for (const [size, unit] of COUNTS) if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${unit}`;
  return String(+value.toPrecision(3));
}

/** A number for reading, with one digit after the point. */
export const numberText = (value) => (Number.isFinite(value) ? value.toFixed(1).replace('-', '−') : 'none');

/** A share in whole percent, rounded down: 79.6 % is not 80 %. */
export const percentText = (share) =>
  (Number.isFinite(share) ? `${Math.floor(100 * share + 1e-9)}\u00a0%` : 'not measured');
