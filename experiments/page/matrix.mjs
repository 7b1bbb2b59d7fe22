// Which agents moved where: a table whose cells play an agent before and after it moved.

import { html, tip } from './dom.mjs';
import { originText } from './data.mjs';
import { Lane } from './lane.mjs';

/**
 * The lanes that show a transfer: the agent at home, the one that it replaced, and itself in the new place.
 *
 * @returns the lanes, if the page holds any, and a sentence that says who stands for an agent that is not stored
 */
export function transferLanes(archive, transfer) {
  const { version_id: version, target_id: target, source_id: source, iteration } = transfer;
  const moved = archive.agentByVersion.get(version) ?? archive.latestAgent(target, iteration);
  const parent = archive.agentByVersion.get(moved?.parent_version);
  const before = parent ?? archive.latestAgent(source, iteration);
  const replaced = archive.latestAgent(target, iteration - 1);
  if (!moved || !before) return { lanes: [], sentence: 'The page does not hold the agents of this transfer.' };
  const lanes = [
    new Lane(archive, before, source, 'before, at home'),
    replaced && new Lane(archive, replaced, target, 'whom it replaces'),
    new Lane(archive, moved, target, 'after, in the new place'),
  ].filter(Boolean);
  const missing = [
    parent ? '' : `the agent that left is not stored: its niche’s of iteration ${before.iteration} stands for it`,
    moved.version === version ? ''
      : `the agent that came is not stored: that of iteration ${moved.iteration} stands for it`,
    replaced ? `its niche’s agent of iteration ${replaced.iteration} stands for the one that was replaced` : '',
  ].filter(Boolean);
  return { lanes, sentence: missing.join('; ') };
}

/** A table of sources and targets; `onPlay` is called with the newest transfer of a cell, then with the one before. */
export function transferMatrix(archive, onPlay) {
  const busiest = archive.movers, between = new Map();
  for (const one of archive.transfers) {
    const key = `${one.source_id} ${one.target_id}`;
    if (!between.has(key)) between.set(key, []);
    between.get(key).push(one);
  }
  const accepted = (source, target) => between.get(`${source} ${target}`) ?? [];
  const most = Math.max(1, ...busiest.flatMap((s) => busiest.map((t) => accepted(s, t).length)));
  const tried = new Map(archive.routes.map((route) => [`${route.source_id} ${route.target_id}`, route.tried]));
  const cell = (source, target) => {
    const all = accepted(source, target);
    const attempts = tried.get(`${source} ${target}`) ?? 0;
    const about = [`from niche ${source} to niche ${target}`, `${all.length} came, ${attempts} periodic attempts`];
    const tell = (event) => tip.show(event.clientX, event.clientY, ...about,
      ...all.slice(-4).map((one) => `iteration ${one.iteration}: ${originText({ ...one, source_id: null })}`));
    if (!all.length) return html('td', { class: source === target ? 'self' : attempts ? 'refused' : null });
    let turn = 0;
    const button = html('button', {
      class: `count-${Math.min(4, Math.ceil((4 * all.length) / most))}`,
      'aria-label': `${about.join(': ')}; show the newest`, onpointermove: tell, onpointerleave: () => tip.hide(),
      onclick: () => onPlay(all[all.length - 1 - (turn++ % all.length)]),
    }, String(all.length));
    return html('td', {}, button);
  };
  const head = html('tr', {}, html('th', { title: 'from the row’s niche to the column’s' }, '↓ to →'),
    ...busiest.map((id) => html('th', { scope: 'col' }, String(id))));
  const rows = busiest.map((source) => html('tr', {}, html('th', { scope: 'row' }, String(source)),
    ...busiest.map((target) => cell(source, target))));
  const chosen = `The ${busiest.length} busiest of ${archive.num_movers} niches.`;
  const table = html('table', { class: 'matrix' }, html('thead', {}, head), html('tbody', {}, ...rows));
  return html('div', {}, archive.num_movers > busiest.length ? html('p', { class: 'note' }, chosen) : null,
    html('div', { class: 'scroll' }, table));
}
