// The page: reads the archive, makes the parts, and lets them know of each other.

import { Walker } from '../../agents/wasm/walker.mjs';
import { EpisodeWorker } from './worker.mjs';
import { byId, countText, html, numberText, percentText } from './dom.mjs';
import { Archive, num, unpack } from './data.mjs';
import { colours } from './colours.mjs';
import { Tree } from './tree.mjs';
import { Lane, announce } from './lane.mjs';
import { Player } from './player.mjs';
import { otherPushes } from './pushes.mjs';
import { Proof } from './proof.mjs';
import { NicheCurves, drawRunCurves } from './curves.mjs';
import { transferLanes, transferMatrix } from './matrix.mjs';
import { Crowd } from './ranking.mjs';
import { openDrawing } from './draw.mjs';

const MOST_LANES = 4;

const later = () => new Promise((go) => { setTimeout(go); });

class Page {
  #archive; #player = null; #worker = null; #drawing = null; #tree; #curves; #niche = null; #push = null; #note = '';

  constructor(archive) { this.#archive = archive; }

  /** Make everything, and show a niche. */
  async open() {
    const archive = this.#archive, { world } = archive;
    byId('lead').textContent = this.#lead();
    this.#linkTables();
    byId('chosen').textContent = archive.chosen;
    this.#tree = new Tree(archive, byId('tree'), (id) => this.select(id));
    if (world.policy && archive.agents.length) await this.#openStage();
    else this.#closeStage(world.why ?? 'No agent is stored in this archive, so nobody can walk here.');
    this.#curves = new NicheCurves(archive, byId('niche-curves'), (id) => this.select(id));
    this.select(this.#firstNiche(), false);
    await later();  // the first picture is shown before the rest is made
    drawRunCurves(archive, byId('run-curves'));
    byId('growth').textContent = archive.complexity?.remark ?? '';
    this.#openTransfers();
    window.addEventListener('hashchange', () => this.select(this.#firstNiche()));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      colours.refresh();
      this.#player?.refresh();
      this.#drawing?.refresh();
    });
  }

  /** Show a niche: its facts, its curves, and its first and its last agent side by side. */
  select(id, isAddressed = true) {
    const niche = this.#archive.nicheById.get(id);
    if (!niche) return;
    this.#niche = niche;
    if (isAddressed) history.replaceState(null, '', `#niche=${id}`);
    this.#tree.select(id);
    this.#curves.select(id);
    this.#tell(niche);
    this.#drawing?.follow(id);
    const agents = this.#archive.agentsOf.get(id) ?? [];
    const ends = agents.length > 1 ? [[agents[0], 'first agent'], [agents.at(-1), 'last agent']]
      : agents.map((agent) => [agent, 'only agent']);
    this.#note = agents.length || !this.#player ? '' : 'The page holds no agent of this niche.';
    this.#show(ends.map(([agent, title]) => new Lane(this.#archive, agent, id, title)), null);
  }

  #lead() {
    const { niches, env_steps: steps, iteration } = this.#archive;
    const active = niches.filter((niche) => niche.retired === null).length;
    const robust = niches.filter((niche) => this.#archive.isRobust(niche)).length;
    const success = niches.some((n) => n.pushes_now !== null) ? `, ${robust} robustly solved now` : '';
    return `${iteration} iterations, ${countText(steps)} env-steps, ${niches.length} niches: `
      + `${active} active${success}.`;
  }

  #linkTables() {
    const { tables_page: address } = this.#archive;
    if (address) byId('tables').append(html('a', { href: address }, 'Tables and plots'));
  }

  /** That of the address, or one that shows learning: robustly solved, where the first agent fails. */
  #firstNiche() {
    const wanted = /^#niche=(\d+)$/.exec(location.hash);
    if (wanted && this.#archive.nicheById.has(Number(wanted[1]))) return Number(wanted[1]);
    const { niches, levels } = this.#archive;
    const reachesEnd = (agent) => agent !== null && this.#archive.outcomes[agent.own_outcome] === 'FINISHED';
    const rank = (niche) => [this.#archive.agentsOf.has(niche.id), this.#archive.isRobust(niche),
      reachesEnd(this.#archive.latestAgent(niche.id)), !reachesEnd(this.#archive.agentsOf.get(niche.id)?.[0] ?? null),
      levels.indexOf(niche.level), niche.id];
    const isAbove = (a, b) => {
      const i = a.findIndex((value, place) => value !== b[place]);
      return i >= 0 && a[i] > b[i];
    };
    return niches.reduce((best, niche) => (isAbove(rank(niche), rank(best)) ? niche : best)).id;
  }

  async #openStage() {
    const archive = this.#archive, { layout, policy } = archive.world;
    const wasm = await unpack(byId('wasm')), walker = await Walker.load(wasm, layout);
    walker.setPolicy(policy);
    this.#worker = new EpisodeWorker(byId('physics').textContent, archive.world, wasm);
    this.#player = new Player(archive, walker, byId('player'), (wish) => this.#change(wish));
    this.#openLuck();
    const crowd = new Crowd(byId('physics').textContent, archive.world, wasm);
    this.#drawing = openDrawing(archive, walker, crowd, () => this.#niche.id);
    byId('draw-here').addEventListener('click', () => this.#drawing.show(this.#player.lanes[0]?.nicheId));
    new Proof(archive, this.#worker, byId('prove'), (agent) => {
      this.select(agent.niche_id);
      this.#show([new Lane(archive, agent, agent.niche_id)], null);
      byId('stage').scrollIntoView();
    });
  }

  #closeStage(why) {
    byId('player').append(html('p', { class: 'note' }, why));
    byId('proof').hidden = byId('pushing').hidden = byId('drawing').hidden = true;
  }

  #tell(niche) {
    const success = num(niche.pushes_now), first = percentText(num(niche.pushes_admission));
    const rates = Number.isNaN(success) ? '' : `; success ${first} at first, ${percentText(success)} now`;
    byId('niche-title').textContent = `Niche ${niche.id}${niche.level ? `, ${niche.level}` : ''}`;
    byId('niche-facts').replaceChildren(
      html('div', {}, niche.genes),
      html('div', {}, `${niche.parent_id === null ? 'A root' : `Child of niche ${niche.parent_id}`}, admitted in `
        + `iteration ${niche.created}${niche.retired === null ? ', still active' : `, retired in ${niche.retired}`}. `
        + `Score ${numberText(num(niche.admission_score))} at first, `
        + `${numberText(num(niche.last_score))} now${rates}.`),
    );
    byId('genotype').textContent = niche.genotype;
  }

  #show(lanes, push) {
    if (!this.#player) return;
    this.#push = push;
    byId('push').value = push ?? '';
    byId('push').placeholder = lanes.length ? `own: ${lanes[0].terrain.push.toFixed(2)}` : 'own';
    this.#player.show(lanes, push, !matchMedia('(prefers-reduced-motion: reduce)').matches);
    byId('stage-note').textContent = this.#note;
    byId('add').disabled = lanes.length === 0 || lanes.length >= MOST_LANES;
    byId('luck').disabled = byId('draw-here').disabled = lanes.length === 0;
    announce(`Niche ${this.#niche.id}: ${lanes.length} walkers`);
  }

  /** What a reader asks of the lanes. */
  #change({ place, agent, nicheId, remove, push }) {
    let { lanes } = this.#player;
    this.#note = '';
    if (remove !== undefined) lanes = lanes.filter((_, i) => i !== remove);
    if (agent) lanes = lanes.with(place, new Lane(this.#archive, agent, lanes[place].nicheId));
    if (nicheId !== undefined) lanes = lanes.with(place, new Lane(this.#archive, lanes[place].agent, nicheId));
    this.#show(lanes, push === undefined ? this.#push : push);
    this.#player.refreshPushes();
  }

  #openLuck() {
    byId('push').addEventListener('change', ({ target }) => {
      const push = target.value === '' ? null : Math.fround(Number(target.value));
      this.#change({ push: Number.isFinite(push) ? push : null });
    });
    byId('own-push').addEventListener('click', () => this.#change({ push: null }));
    byId('add').addEventListener('click', () => {
      const { lanes } = this.#player, agents = this.#archive.agentsOf.get(lanes[0].nicheId) ?? this.#archive.agents;
      const shown = lanes.map((lane) => lane.agent), free = agents.filter((agent) => !shown.includes(agent));
      const added = new Lane(this.#archive, free[free.length >> 1] ?? agents[0], lanes[0].nicheId);
      this.#show([...lanes, added], this.#push);
      this.#player.refreshPushes();
    });
    byId('luck').addEventListener('click', () => this.#tryPushes());
    const { greatest_push: greatest, solved_return: solved } = this.#archive.world, pushes = otherPushes(greatest);
    byId('luck-text').textContent = `The first step pushes the hull. A run draws each ground’s push evenly from `
      + `−${greatest} to ${greatest} N; the ${pushes.length} others lie evenly from −${pushes.at(-1)} to `
      + `${pushes.at(-1)} N. Success: the end with a return of ${solved} or more.`;
  }

  /** Run every lane under other pushes, beside the page. */
  #tryPushes() {
    const pushes = otherPushes(this.#archive.world.greatest_push);
    for (const lane of this.#player.lanes) {
      lane.tried = pushes.map(() => null);
      const { theta, maxSteps } = this.#archive.episodeOf(lane.agent), { terrain } = lane;
      this.#worker.run(pushes.map((push) => ({ terrain, theta, maxSteps, push })), (place, answer) => {
        lane.tried[place] = { push: pushes[place], ...answer };
        this.#player.refreshPushes();
      });
    }
  }

  #openTransfers() {
    const archive = this.#archive;
    if (!archive.transfers.length) {
      byId('transfers').hidden = true;
      return;
    }
    byId('matrix').append(transferMatrix(archive, (transfer) => {
      this.select(transfer.target_id);
      if (!this.#player) return;
      const { lanes, sentence } = transferLanes(archive, transfer);
      this.#note = `Transfer of iteration ${transfer.iteration}, from niche ${transfer.source_id} to niche `
        + `${transfer.target_id}${sentence ? `; ${sentence}` : ''}.`;
      this.#show(lanes, null);
      byId('stage').scrollIntoView();
    }));
  }
}

async function openPage() {
  const data = JSON.parse(new TextDecoder().decode(await unpack(byId('data'))));
  await new Page(new Archive(data)).open();
  document.documentElement.dataset.state = 'ready';
}

openPage().catch((error) => {
  byId('lead').textContent = `This page cannot be shown: ${error.message}`;
  throw error;
});
