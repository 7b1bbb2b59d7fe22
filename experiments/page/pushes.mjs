// Other pushes than a ground's own: how much of an episode is luck.

import { html, svg, tip } from './dom.mjs';
import { endingText } from './lane.mjs';

const NUM_PUSHES = 20;

/** Pushes evenly spread over the range from which runs draw theirs, in newtons. */
export const otherPushes = (greatest) =>
  Array.from({ length: NUM_PUSHES }, (_, i) => greatest * (((2 * i + 1) / NUM_PUSHES) - 1));

/** Marks of a lane's episodes under other pushes, and their count; a click shows one of them. */
export function pushMarks(archive, lane, onPick) {
  if (!lane.tried.length) return [];
  const done = lane.tried.filter(Boolean), run = done.filter(({ result }) => result);
  const good = run.filter(({ result }) => archive.isSuccess(result));
  const marks = lane.tried.map((answer, i) => {
    const isGood = answer?.result && archive.isSuccess(answer.result);
    const mark = svg('rect', {
      x: i * 13 + 1, y: 1, width: 11, height: 11, rx: 2, class: answer ? (isGood ? 'good' : 'bad') : 'waiting',
    });
    if (answer) {
      mark.addEventListener('click', () => onPick(answer.push));
      mark.addEventListener('pointermove', ({ clientX, clientY }) => tip.show(clientX, clientY, ...pushText(answer)));
      mark.addEventListener('pointerleave', () => tip.hide());
    }
    return mark;
  });
  const failed = done.length === run.length ? '' : `; ${done.length - run.length} could not be run`;
  const text = `${good.length} of ${run.length} succeed${failed}`;
  return [
    svg('svg', {
      width: NUM_PUSHES * 13, height: 13, viewBox: `0 0 ${NUM_PUSHES * 13} 13`, role: 'img', 'aria-label': text,
    }, ...marks),
    html('span', {}, text),
  ];
}

function pushText({ push, result, error }) {
  const found = error ?? `${endingText(result.outcome)}, return ${result.return.toFixed(1)}`;
  return [`push ${push.toFixed(2)} N`, found, 'click to see it'];
}
