// A terrain as pictures show it: ground, obstacles, metres, and the line that has to be reached.

import { colours } from './colours.mjs';

/** The outline of a polygon as the current path; `place` gives the pixels of a point. */
export function drawOutline(c, points, place) {
  c.beginPath();
  points.forEach(([x, y], i) => c[i ? 'lineTo' : 'moveTo'](...place(x, y)));
  c.closePath();
}

/**
 * Draw the part of a terrain that a view shows.
 *
 * @param view the context c, its width and height in pixels, left and right in metres, and place as above
 * @param terrain as Terrain.to_json writes it
 * @param finish where the course ends, m
 */
export function drawScene({ c, width, height, left, right, place }, { ground, obstacles }, finish) {
  const first = Math.max(0, ground.findIndex(([x]) => x > left) - 1);
  const after = ground.findIndex(([x]) => x > right), last = after < 0 ? ground.length - 1 : after;
  c.font = '10px system-ui, sans-serif';
  c.textAlign = 'center';
  c.beginPath();
  c.moveTo(place(ground[first][0], 0)[0], height);
  for (let i = first; i <= last; i++) c.lineTo(...place(...ground[i]));
  c.lineTo(place(ground[last][0], 0)[0], height);
  c.closePath();
  c.fillStyle = colours.of('ground');
  c.fill();
  c.beginPath();
  for (let i = first; i <= last; i++) c[i === first ? 'moveTo' : 'lineTo'](...place(...ground[i]));
  c.strokeStyle = colours.of('ground-edge');
  c.lineWidth = 1.5;
  c.stroke();
  for (const points of obstacles) {
    if (points.every(([x]) => x < left) || points.every(([x]) => x > right)) continue;
    drawOutline(c, points, place);
    c.fillStyle = colours.of('obstacle');
    c.fill();
  }
  c.fillStyle = colours.of('ground-text');
  for (let metre = Math.ceil(left / 5) * 5; metre < right; metre += 5) {
    if (metre < ground[0][0] || metre > ground.at(-1)[0]) continue;
    const [x] = place(metre, 0);
    if (x > 12 && x < width - 12) c.fillText(`${metre} m`, x, height - 4);
  }
  if (finish >= left && finish <= right) drawFlag(c, ground, finish, place);
}

function drawFlag(c, ground, finish, place) {
  const near = ground.find(([x]) => x >= finish) ?? ground.at(-1), [x, y] = place(finish, near[1]);
  c.strokeStyle = c.fillStyle = colours.of('flag');
  c.lineWidth = 2;
  c.beginPath();
  c.moveTo(x, y);
  c.lineTo(x, y - 46);
  c.stroke();
  c.beginPath();
  c.moveTo(x, y - 46);
  c.lineTo(x + 20, y - 39);
  c.lineTo(x, y - 32);
  c.fill();
}
