// Colours, read from the style sheet, so that light and dark are decided in one place.

import { num } from './data.mjs';

const NUM_SHADES = 6;
const NUM_CLASSES = 4;
const NUM_LANES = 4;

class Colours {
  #found = null;

  /** Forget what was read: the reader has gone from light to dark, or back. */
  refresh() { this.#found = null; }

  /** The value of a variable of the style sheet. */
  of(variable) {
    this.#found ??= { style: getComputedStyle(document.documentElement), values: new Map() };
    const { style, values } = this.#found;
    if (!values.has(variable)) values.set(variable, style.getPropertyValue(`--${variable}`).trim());
    return values.get(variable);
  }

  lane(place) { return this.of(`lane-${place % NUM_LANES}`); }
}

export const colours = new Colours();

/** The style's class for a success rate: six shades, and one for what nobody measured. */
export const shadeOf = (rate) =>
  Number.isNaN(num(rate)) ? 'shade-none' : `shade-${Math.min(NUM_SHADES - 1, Math.floor(num(rate) * NUM_SHADES))}`;

/** The style's class for how challenging a niche is; `levels` are the names, easiest first. */
export function levelClass(niche, levels) {
  const place = levels.indexOf(niche.level);
  return place < 0 ? 'level-none' : `level-${Math.min(place, NUM_CLASSES - 1)}`;
}

/** The key to the shades, as pairs of a class and a text. */
export const SHADE_KEY = [
  ['shade-none', 'not measured'],
  ...Array.from({ length: NUM_SHADES }, (_, i) => [
    `shade-${i}`,
    i === 0 ? 'below 17 %' : i === NUM_SHADES - 1 ? 'from 83 %' : `from ${Math.round((100 * i) / NUM_SHADES)} %`,
  ]),
];
