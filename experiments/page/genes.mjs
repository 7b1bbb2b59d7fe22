// Sliders for the genes of a run: what a terrain is made of.

import { html, set } from './dom.mjs';

const GROUP_NAMES = { roughness: 'roughness', pit_gap: 'pits', stump_height: 'stumps', stairs: 'stairs' };
const GENE_NAMES = { pit_gap: 'gap', stump_height: 'height', stair_height: 'height of a step', stair_steps: 'steps' };

/** A slider with one thumb or two, and what it says. */
export class Slider {
  #inputs; #text; #tell;

  /**
   * @param name what it sets
   * @param range { least, greatest, step }
   * @param ends how many thumbs: 1 or 2
   * @param tell makes a text of its values
   * @param onInput called with the values while a thumb moves
   * @param onChange called when it has moved
   */
  constructor(name, { least, greatest, step }, ends, tell, onInput, onChange = () => {}) {
    this.#tell = tell;
    const labels = ends === 1 ? [name] : [`${name}, from`, `${name}, to`];
    this.#inputs = labels.map((label, place) => html('input', {
      type: 'range', min: least, max: greatest, step, 'aria-label': label, onchange: onChange,
      oninput: () => {
        this.#keepOrder(place);
        this.#say();
        onInput(this.values);
      },
    }));
    this.#text = html('output', {});
    this.element = html('div', { class: 'slider' }, html('span', { class: 'name' }, name),
      html('span', { class: `thumbs of-${ends}` }, html('i', {}), ...this.#inputs), this.#text);
  }

  get values() { return this.#inputs.map((input) => Number(input.value)); }

  /** Show values, as exactly as its steps allow. */
  set values(values) {
    this.#inputs.forEach((input, i) => { input.value = values[i]; });
    this.#say(values);
  }

  set disabled(isDisabled) { for (const input of this.#inputs) input.disabled = isDisabled; }

  /** The thumb that moves takes the other one along. */
  #keepOrder(moved) {
    if (this.#inputs.length === 1) return;
    const [low, high] = this.values;
    if (low > high) this.#inputs[1 - moved].value = moved ? high : low;
  }

  #say(values = this.values) {
    this.#text.textContent = this.#tell(values);
    this.#inputs.forEach((input, i) => set(input, { 'aria-valuetext': this.#tell([values[i]]) }));
    const [from, to] = values.length === 1 ? [Number(this.#inputs[0].min), values[0]] : values;
    const { min, max } = this.#inputs[0], share = (value) => `${(100 * (value - min)) / (max - min)}%`;
    this.element.style.setProperty('--from', share(from));
    this.element.style.setProperty('--to', share(to));
  }
}

/** Both ends, or one where they are the same. */
const rangeText = (digits) => (values) => [...new Set(values.map((value) => value.toFixed(digits)))].join(' to ');

export class GeneSliders {
  #genes; #knobs = null; #rows = []; #onChange; #onClose;

  /**
   * @param genes of `experiments/page/drawing.py`
   * @param box an empty element to fill
   * @param on { change, close }: called with the genes while a thumb moves, and when it has moved
   */
  constructor(genes, box, { change, close }) {
    this.#genes = genes;
    this.#onChange = change;
    this.#onClose = close;
    for (const group of new Set(genes.map((gene) => gene.group))) {
      box.append(this.#groupBox(group, genes.filter((gene) => gene.group === group)));
    }
  }

  /** Show the genes of a terrain by name. */
  show(values) {
    this.#knobs = values;
    for (const show of this.#rows) show();
  }

  #groupBox(group, genes) {
    const isNumber = genes.every((gene) => gene.initial === null);
    const sliders = genes.map((gene) => this.#slider(gene, isNumber));
    if (isNumber) return html('div', { class: 'group' }, ...sliders.map((slider) => slider.element));
    const box = html('input', { type: 'checkbox', onchange: () => {
      const values = genes.map((gene) => [gene.name, box.checked ? gene.initial : null]);
      this.#change(Object.fromEntries(values));
      this.#onClose();
    } });
    this.#rows.push(() => {
      box.checked = this.#knobs[genes[0].name] !== null;
      for (const slider of sliders) slider.element.hidden = !box.checked;
    });
    return html('div', { class: 'group' }, html('label', {}, box, ` ${GROUP_NAMES[group]}`),
      ...sliders.map((slider) => slider.element));
  }

  #slider(gene, isNumber) {
    const name = isNumber ? GROUP_NAMES[gene.group] : GENE_NAMES[gene.name];
    const slider = new Slider(name, { least: gene.least, greatest: gene.greatest, step: gene.is_whole ? 1 : 0.1 },
      isNumber ? 1 : 2, rangeText(gene.is_whole ? 0 : 1),
      (values) => this.#change({ [gene.name]: isNumber ? values[0] : values }), () => this.#onClose());
    this.#rows.push(() => {
      const value = this.#knobs[gene.name];
      if (value !== null) slider.values = isNumber ? [value] : value;
    });
    return slider;
  }

  #change(some) {
    this.#knobs = { ...this.#knobs, ...some };
    this.#onChange(this.#knobs);
  }
}
