// Draws a walker on its ground at a moment of its record.

import { colours } from './colours.mjs';
import { fitCanvas } from './dom.mjs';
import { endingText } from './lane.mjs';
import { drawOutline, drawScene } from './scene.mjs';

const STRIP = 16;
/** Share of the width that lies behind the walker. */
const BEHIND = 0.36;
/** Height that a picture shows, m. */
const SHOWN_HEIGHT = 6.4;

const mix = (a, b, part) => a + (b - a) * part;

/** x, y, angle of a body between two steps. */
function poseAt({ bodies, numBodies, length }, body, moment) {
  const step = Math.min(Math.floor(moment), length), next = Math.min(step + 1, length), part = moment - step;
  const a = (step * numBodies + body) * 3, b = (next * numBodies + body) * 3;
  return [0, 1, 2].map((i) => mix(bodies[a + i], bodies[b + i], Math.max(0, Math.min(1, part))));
}

export class Picture {
  #canvas; #lane; #place; #layout; #strip = null;

  /**
   * @param canvas to draw on
   * @param lane the walker
   * @param place of the lane, which decides its colour
   * @param onSeek called with the step in which the walker came where the strip was pointed at
   */
  constructor(canvas, lane, place, onSeek) {
    this.#canvas = canvas;
    this.#lane = lane;
    this.#place = place;
    this.#layout = lane.archive.world.layout;
    canvas.addEventListener('pointerdown', ({ offsetX, offsetY }) => {
      if (lane.record && offsetY > canvas.clientHeight - STRIP) onSeek(this.#stepAt(offsetX / canvas.clientWidth));
    });
  }

  /** The step in which the walker has come so far along the course, or its last one. */
  #stepAt(share) {
    const { bodies, numBodies, length } = this.#lane.record, ground = this.#lane.terrain.ground;
    const wanted = ground[0][0] + share * (ground.at(-1)[0] - ground[0][0]);
    let step = 0;
    while (step < length && bodies[step * numBodies * 3] < wanted) step++;
    return step;
  }

  /** Draw the lane at a moment, counted in steps; options say what is shown besides the walker. */
  draw(moment, { hasRays, hasContacts, hasGhosts }, lanes) {
    const { record, terrain } = this.#lane, width = this.#canvas.clientWidth, height = this.#canvas.clientHeight;
    if (width === 0 || !record) return;
    const c = fitCanvas(this.#canvas, width, height, false), now = Math.min(moment, record.length);
    const [x, y] = poseAt(record, 0, now), scale = (height - STRIP) / SHOWN_HEIGHT;
    const step = Math.min(Math.floor(now), record.length), next = Math.min(step + 1, record.length);
    const middle = mix(record.heights[step], record.heights[next], now - step);
    const left = x - (BEHIND * width) / scale;
    const place = (px, py) => [(px - left) * scale, (height - STRIP) * 0.47 - (py - middle) * scale];
    const view = { c, width, height: height - STRIP, scale, left, right: left + width / scale, place };
    c.fillStyle = colours.of('sky');
    c.fillRect(0, 0, width, height);
    drawScene(view, terrain, this.#layout.finish_x);
    if (hasContacts) this.#drawContacts(view, step);
    this.#drawPath(view, step);
    if (hasRays) this.#drawRays(view, step, x, y);
    if (hasGhosts) this.#drawGhosts(view, moment, lanes);
    this.#drawWalker(view, record, this.#place, now);
    if (moment >= record.length) this.#drawEnding(c);
    this.#drawStrip(c, width, height, x);
  }

  /** The hull's way so far. */
  #drawPath({ c, left, place }, step) {
    const { bodies, numBodies } = this.#lane.record;
    c.beginPath();
    let isDown = false;
    for (let s = 0; s <= step; s += 2) {
      const x = bodies[s * numBodies * 3], y = bodies[s * numBodies * 3 + 1];
      if (x < left - 1) continue;
      c[isDown ? 'lineTo' : 'moveTo'](...place(x, y));
      isDown = true;
    }
    c.strokeStyle = colours.lane(this.#place);
    c.globalAlpha = 0.45;
    c.lineWidth = 1.2;
    c.stroke();
    c.globalAlpha = 1;
  }

  /** Where a foot came down, filled for leg 1, open for leg 2. */
  #drawContacts({ c, left, place }, step) {
    const { touches, bodies, numBodies } = this.#lane.record;
    const shapes = this.#layout.bodies, legs = [2, 4];
    c.strokeStyle = c.fillStyle = colours.of('contact');
    c.lineWidth = 1.4;
    for (let s = 1; s <= step; s++) {
      for (let leg = 0; leg < 2; leg++) {
        if (!touches[2 * s + leg] || touches[2 * (s - 1) + leg]) continue;
        const at = (s * numBodies + legs[leg]) * 3, [x, y, angle] = bodies.subarray(at, at + 3);
        if (x < left - 1) continue;
        const foot = Math.min(...shapes[legs[leg]].vertices.map(([, vy]) => vy));
        c.beginPath();
        c.arc(...place(x - Math.sin(angle) * foot, y + Math.cos(angle) * foot), 2.6, 0, 2 * Math.PI);
        c[leg ? 'stroke' : 'fill']();
      }
    }
  }

  #drawRays({ c, place }, step, x, y) {
    const { lidar_rays: rays, first_ray: first } = this.#layout;
    c.strokeStyle = c.fillStyle = colours.of('ray');
    c.lineWidth = 1;
    rays.forEach(([dx, dy], i) => {
      const reach = this.#lane.record.observations[step * 24 + first + i], end = place(x + dx * reach, y + dy * reach);
      c.globalAlpha = 0.55;
      c.beginPath();
      c.moveTo(...place(x, y));
      c.lineTo(...end);
      c.stroke();
      c.globalAlpha = 1;
      if (reach >= 1) return;
      c.beginPath();
      c.arc(...end, 2.4, 0, 2 * Math.PI);
      c.fill();
    });
  }

  /** The walkers of other lanes that are on the same ground, at the same moment. */
  #drawGhosts(view, moment, lanes) {
    view.c.globalAlpha = 0.3;
    lanes.forEach((lane, place) => {
      if (lane === this.#lane || !lane.record || lane.terrain !== this.#lane.terrain) return;
      this.#drawWalker(view, lane.record, place, Math.min(moment, lane.record.length));
    });
    view.c.globalAlpha = 1;
  }

  #drawEnding(c) {
    c.font = '600 13px system-ui, sans-serif';
    c.textAlign = 'left';
    c.fillStyle = colours.of('ink');
    c.fillText(endingText(this.#lane.record.outcome), 12, 22);
  }

  /** Leg 2 is behind the hull, leg 1 before it; a foot that touches is bright. */
  #drawWalker({ c, place }, record, lane, moment) {
    const shapes = this.#layout.bodies, step = Math.min(Math.floor(moment), record.length);
    for (const body of [3, 4, 0, 1, 2]) {
      const [x, y, angle] = poseAt(record, body, moment), [sin, cos] = [Math.sin(angle), Math.cos(angle)];
      drawOutline(c, shapes[body].vertices, (vx, vy) => place(x + cos * vx - sin * vy, y + sin * vx + cos * vy));
      const isFoot = body === 2 || body === 4, isTouching = isFoot && record.touches[2 * step + (body === 4 ? 1 : 0)];
      c.fillStyle = colours.lane(lane);
      c.fill();
      if (body === 3 || body === 4) {
        c.fillStyle = colours.of('behind');
        c.fill();
      }
      c.strokeStyle = isTouching ? colours.of('contact') : colours.of('outline');
      c.lineWidth = isTouching ? 2.2 : 1;
      c.stroke();
    }
  }

  /** The whole course at the bottom, with the walker's place and that of its end. */
  #drawStrip(c, width, height, x) {
    const { ground, obstacles } = this.#lane.terrain, first = ground[0], last = ground.at(-1)[0];
    const at = (px) => ((px - first[0]) / (last - first[0])) * width;
    const deepest = Math.max(1, ...ground.map(([, y]) => Math.abs(y - first[1])));
    const level = (py) => height - STRIP / 2 - ((py - first[1]) / deepest) * (STRIP / 2 - 2);
    if (this.#strip?.width !== width) {
      const path = new Path2D(), blocks = new Path2D();
      ground.forEach(([px, py], i) => path[i ? 'lineTo' : 'moveTo'](at(px), level(py)));
      path.lineTo(width, height);
      path.lineTo(0, height);
      for (const points of obstacles) {
        points.forEach(([px, py], i) => blocks[i ? 'lineTo' : 'moveTo'](at(px), level(py)));
      }
      this.#strip = { width, path, blocks };
    }
    c.fillStyle = colours.of('strip');
    c.fillRect(0, height - STRIP, width, STRIP);
    c.fillStyle = colours.of('ground');
    c.fill(this.#strip.path);
    c.fillStyle = colours.of('obstacle');
    c.fill(this.#strip.blocks);
    const { bodies, numBodies, length } = this.#lane.record, end = at(bodies[length * numBodies * 3]);
    c.fillStyle = colours.of('flag');
    c.fillRect(at(this.#layout.finish_x) - 1, height - STRIP, 2, STRIP);
    c.fillStyle = colours.lane(this.#place);
    c.globalAlpha = 0.5;
    c.fillRect(end - 1, height - STRIP, 2, STRIP);
    c.globalAlpha = 1;
    c.beginPath();
    c.arc(at(x), height - STRIP / 2, 4.5, 0, 2 * Math.PI);
    c.fill();
    c.strokeStyle = colours.of('outline');
    c.lineWidth = 1;
    c.stroke();
  }
}
