// Lanes of walkers on one clock: play, stop, seek, at any speed.

import { html, set } from './dom.mjs';
import { agentList, announce, endingText, proofText } from './lane.mjs';
import { Picture } from './stage.mjs';
import { Traces } from './traces.mjs';
import { pushMarks } from './pushes.mjs';

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
/** A frame that comes later than this stands for a page that was out of sight, s. */
const LONGEST_FRAME = 0.25;
const STEPS_BETWEEN_TEXTS = 5;

export class Player {
  #archive; #walker; #lanes = []; #shown = []; #moment = 0; #isPlaying = false; #before = null; #speed = 1;
  #options = { hasRays: false, hasContacts: false, hasGhosts: false };
  #parts = {}; #traces; #traced = 0; #onChange; #request = null; #told = 0;

  /**
   * @param archive the run
   * @param walker a Walker with the run's policy
   * @param box an empty element to fill
   * @param onChange called with what a reader asks for: `{ place, agent }`, `{ place, nicheId }`, `{ remove }`,
   *   `{ push }`
   */
  constructor(archive, walker, box, onChange) {
    this.#archive = archive;
    this.#walker = walker;
    this.#onChange = onChange;
    const lanes = html('div', { class: 'lanes' });
    const details = html('details', { ontoggle: () => this.#draw() },
      html('summary', {}, 'What it senses and does'));
    this.#parts = { lanes, details, group: `traced in ${box.id}` };
    box.append(lanes, this.#clock(), details);
    const which = html('p', { class: 'which' }), traces = html('div', {});
    details.append(which, traces);
    this.#parts.which = which;
    this.#traces = new Traces(traces, (step) => this.seek(step));
    new ResizeObserver(() => { this.#traces.refresh(); this.#draw(); }).observe(box);
  }

  get lanes() { return this.#lanes; }

  get moment() { return this.#moment; }

  get #length() { return Math.max(1, ...this.#lanes.map((lane) => lane.length)); }

  /** Show these lanes from the beginning, under a push, or each ground's own where it is null. */
  show(lanes, push, isPlaying) {
    this.#lanes = lanes;
    for (const lane of lanes) lane.walk(this.#walker, push);
    this.#traced = Math.min(this.#traced, lanes.length - 1);
    this.#parts.lanes.dataset.count = lanes.length;
    this.#shown = lanes.map((lane, place) => this.#laneBox(lane, place));
    this.#parts.lanes.replaceChildren(...this.#shown.map(({ box }) => box));
    set(this.#parts.scrub, { max: this.#length });
    this.#drawEnds();
    this.#moment = 0;
    this.#trace(Math.max(0, this.#traced));
    if (isPlaying) this.play();
    else this.pause();
  }

  play() {
    if (this.#moment >= this.#length) this.#moment = 0;
    this.#isPlaying = true;
    this.#before = null;
    this.#label();
    this.#next();
  }

  pause() {
    this.#isPlaying = false;
    this.#label();
    this.#draw();
  }

  /** Go to a step. */
  seek(step) {
    this.#moment = Math.max(0, Math.min(this.#length, step));
    this.#label();
    this.#draw();
  }

  /** Draw again: colours have changed. */
  refresh() {
    this.#traces.refresh();
    this.#draw();
  }

  /** Show what became of other pushes. */
  refreshPushes() {
    this.#shown.forEach(({ pushes }, place) => {
      pushes.replaceChildren(...pushMarks(this.#archive, this.#lanes[place], (push) => this.#onChange({ push })));
    });
  }

  #label() {
    const { play } = this.#parts;
    play.textContent = this.#isPlaying ? 'pause' : this.#moment >= this.#length ? 'replay' : 'play';
  }

  #next() {
    this.#request ??= requestAnimationFrame((now) => {
      this.#request = null;
      if (!this.#isPlaying) return;
      const elapsed = this.#before === null ? 0 : Math.min(LONGEST_FRAME, (now - this.#before) / 1000);
      this.#before = now;
      this.#moment += elapsed * this.#speed * this.#archive.world.layout.steps_per_second;
      if (this.#moment >= this.#length) this.#end();
      else this.#draw();
      if (this.#isPlaying) this.#next();
    });
  }

  #end() {
    this.#moment = this.#length;
    this.pause();
    announce(this.#lanes.map((lane) => lane.status(lane.length)).join('; '));
  }

  #draw() {
    for (const { picture } of this.#shown) picture.draw(this.#moment, this.#options, this.#lanes);
    if (this.#parts.details.open) this.#traces.draw(this.#moment);
    const step = Math.floor(this.#moment);
    // Nobody reads numbers that change with every frame, and each change lays out the page again.
    if (this.#isPlaying && Math.abs(step - this.#told) < STEPS_BETWEEN_TEXTS) return;
    this.#told = step;
    for (const { lane, status } of this.#shown) status.textContent = lane.status(step);
    const { scrub, time } = this.#parts, rate = this.#archive.world.layout.steps_per_second;
    scrub.value = step;
    set(scrub, { 'aria-valuetext': `${(step / rate).toFixed(2)} seconds` });
    time.textContent = `${(step / rate).toFixed(2)} of ${(this.#length / rate).toFixed(2)} s`;
  }

  #trace(place) {
    this.#traced = place;
    if (this.#lanes[place]) this.#traces.show(this.#lanes[place], place);
    this.#parts.which.replaceChildren(...this.#lanes.map((lane, i) => html('label', { class: `lane-${i}` },
      html('input', { type: 'radio', name: this.#parts.group, checked: i === place, onchange: () => this.#trace(i) }),
      ` ${lane.title || `walker ${i + 1}`}`)));
    if (this.#parts.details.open) this.#draw();
  }

  #laneBox(lane, place) {
    const canvas = html('canvas', { role: 'img', 'aria-label': this.#spoken(lane) });
    const status = html('span', { class: 'status' }), pushes = html('div', { class: 'pushes' });
    const remove = this.#lanes.length < 2 ? null : html('button', {
      class: 'remove', title: 'Remove this walker', 'aria-label': 'Remove this walker',
      onclick: () => this.#onChange({ remove: place }),
    }, '×');
    const proof = lane.proof();
    const box = html('div', { class: `lane lane-${place}` },
      html('div', { class: 'who' }, html('i', {}), lane.title ? html('b', {}, lane.title) : null,
        agentList(this.#archive, lane.agent, lane.nicheId, (agent) => this.#onChange({ place, agent })),
        html('span', { class: 'on' }, 'on'),
        lane.groundBox((nicheId) => this.#onChange({ place, nicheId })), remove),
      canvas,
      html('div', { class: 'what' }, status, proof && html('span', {
        class: proof.isEqual ? 'proof equal' : 'proof unequal',
      }, proofText(proof))),
      pushes);
    return { lane, box, status, pushes, picture: new Picture(canvas, lane, place, (at) => this.seek(at)) };
  }

  #spoken(lane) {
    if (!lane.record) return lane.error;
    return `The agent of niche ${lane.agent.niche_id}, iteration ${lane.agent.iteration}, on `
      + `${lane.groundText}: ${endingText(lane.record.outcome)} after ${lane.length} steps`;
  }

  #clock() {
    const toggle = () => (this.#isPlaying ? this.pause() : this.play());
    const play = html('button', { class: 'play', onclick: toggle }, 'play');
    const step = (by, text, title) => html('button', {
      title, 'aria-label': title, onclick: () => { this.pause(); this.seek(Math.floor(this.#moment) + by); },
    }, text);
    const scrub = html('input', {
      type: 'range', min: 0, max: 1, step: 1, value: 0, 'aria-label': 'time',
      oninput: ({ target }) => {
        const step = Number(target.value);  // before the pause, which draws and so moves the slider back
        this.pause();
        this.seek(step);
      },
    });
    const speed = html('select', { onchange: ({ target }) => { this.#speed = Number(target.value); } },
      ...SPEEDS.map((value) => html('option', { value, selected: value === 1 }, `${value}×`)));
    const ends = html('div', { class: 'ends', 'aria-hidden': 'true' }), time = html('output', { class: 'time' });
    Object.assign(this.#parts, { play, scrub, ends, time });
    return html('div', {},
      html('div', { class: 'clock' }, play, step(-1, '‹', 'One step back'), step(1, '›', 'One step on'),
        html('div', { class: 'track' }, scrub, ends), time),
      html('div', { class: 'clock' }, html('label', {}, 'speed ', speed), this.#option('hasRays', 'lidar'),
        this.#option('hasContacts', 'footprints'), this.#option('hasGhosts', 'the others as ghosts')));
  }

  #option(name, text) {
    const change = ({ target }) => { this.#options[name] = target.checked; this.#draw(); };
    return html('label', {}, html('input', { type: 'checkbox', onchange: change }), ` ${text}`);
  }

  /** A mark for each walker where its episode ends. */
  #drawEnds() {
    this.#parts.ends.replaceChildren(...this.#lanes.map((lane, place) => {
      const mark = html('i', { class: `lane-${place}` });
      mark.style.left = `${(100 * lane.length) / this.#length}%`;
      return mark;
    }));
  }
}
