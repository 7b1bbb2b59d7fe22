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
import { NicheCurves, runCurves } from './curves.mjs';
import { transferLanes, transferMatrix } from './matrix.mjs';
import { Crowd } from './ranking.mjs';
import { openDrawing } from './draw.mjs';
import { Server, follow } from './live.mjs';

const MOST_LANES = 4;
/** Between two looks at a growing run's complexity, and at one that is not measured yet, ms. */
const GROWTH_PAUSE = 30_000;
const MEASURING_PAUSE = 1000;

const later = () => new Promise((go) => { setTimeout(go); });

class Page {
  #archive; #server; #player = null; #worker = null; #proof = null; #drawing = null; #tree; #curves; #niche = null;
  #push = null; #note = ''; #turn = 0; #growthAt = 0;

  /**
   * @param archive the run
   * @param server that goes on with it; null for a page that holds all there is
   */
  constructor(archive, server) {
    this.#archive = archive;
    this.#server = server;
  }

  /** Make everything, and show a niche. */
  async open() {
    const archive = this.#archive, { world } = archive;
    byId('lead').textContent = this.#lead();
    byId('state').textContent = archive.live?.state ?? '';
    this.#linkTables();
    byId('chosen').textContent = archive.chosen;
    this.#tree = new Tree(archive, byId('tree'), (id) => this.select(id));
    if (world.policy && (archive.agents.length || this.#server)) await this.#openStage();
    else this.#closeStage(world.why ?? 'No agent is stored in this archive, so nobody can walk here.');
    this.#curves = new NicheCurves(archive, byId('niche-curves'), (id) => this.select(id));
    await this.select(this.#firstNiche(), false);
    await later();  // the first picture is shown before the rest is made
    this.#showRun();
    this.#showTransfers();
    window.addEventListener('hashchange', () => this.select(this.#firstNiche()));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      colours.refresh();
      this.#player?.refresh();
      this.#drawing?.refresh();
    });
  }

  /** Take in what is new. What the reader has chosen stays as it is. */
  async grow(news) {
    byId('state').textContent = news.state;
    if (news.iteration === undefined) return;
    this.#archive.merge(news);
    byId('lead').textContent = this.#lead();
    this.#tree.grow();
    await later();  // a walker goes on between two parts of the work
    this.#curves.refresh();
    this.#tell(this.#niche);
    this.#proof?.refresh();
    this.#offerNewest();
    if (news.movers) this.#showTransfers();
    if (news.annecs) this.#showRun();
    await later();
  }

  /** A run that goes on stores newer agents: the lanes stay, and a button shows who has come. */
  #offerNewest() {
    const newest = this.#archive.agentsOf.get(this.#niche.id)?.at(-1), { lanes = [] } = this.#player ?? {};
    byId('newest').hidden = !this.#server || !newest || lanes.some(({ agent }) => agent.version >= newest.version);
  }

  /** Ask how complex the terrains are, now and then. */
  async measure() {
    if (performance.now() < this.#growthAt) return;
    const { done, of, ...complexity } = await this.#server.growth();
    this.#growthAt = performance.now() + (done < of ? MEASURING_PAUSE : GROWTH_PAUSE);
    this.#archive.complexity = complexity.measures ? complexity : null;
    if (done < of) byId('growth').textContent = `Measuring terrains: ${done} of ${of}…`;
    else this.#showRun();
  }

  /** Show a niche: its facts, its curves, and its first and its last agent side by side. */
  async select(id, isAddressed = true) {
    const niche = this.#archive.nicheById.get(id);
    if (!niche) return;
    this.#niche = niche;
    if (isAddressed) history.replaceState(null, '', `#niche=${id}`);
    this.#tree.select(id);
    this.#curves.select(id);
    this.#tell(niche);
    if (!await this.#have(this.#archive.needNiche(id))) return;
    this.#drawing?.follow(id);
    const agents = this.#archive.agentsOf.get(id) ?? [];
    const ends = agents.length > 1 ? [[agents[0], 'first agent'], [agents.at(-1), 'last agent']]
      : agents.map((agent) => [agent, 'only agent']);
    this.#note = agents.length || !this.#player ? '' : 'The page holds no agent of this niche.';
    await this.#show(ends.map(([agent, title]) => new Lane(this.#archive, agent, id, title)), null);
  }

  /** Whether what was asked for has come, and the reader has not chosen something else meanwhile. */
  async #have(coming) {
    const turn = ++this.#turn;
    try {
      await coming;
    } catch (error) {
      byId('state').textContent = error.message;
      return false;
    }
    return turn === this.#turn;
  }

  #showRun() {
    byId('run-curves').replaceChildren(...runCurves(this.#archive));
    byId('growth').textContent = this.#archive.complexity?.remark ?? '';
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
    const onFailure = (sentence) => { byId('state').textContent = sentence; };
    this.#worker = new EpisodeWorker(byId('physics').textContent, archive.world, wasm, onFailure);
    this.#player = new Player(archive, walker, byId('player'), (wish) => this.#change(wish));
    this.#openLuck();
    const crowd = new Crowd(byId('physics').textContent, archive.world, wasm, onFailure);
    this.#drawing = openDrawing(archive, walker, crowd, () => this.#niche.id);
    byId('draw-here').addEventListener('click', () => this.#drawing.show(this.#player.lanes[0].nicheId));
    this.#proof = new Proof(archive, this.#worker, byId('prove'), async (agent) => {
      await this.select(agent.niche_id);
      await this.#show([new Lane(archive, agent, agent.niche_id)], null);
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

  async #show(lanes, push) {
    if (!this.#player) return;
    if (!await this.#have(this.#archive.need(lanes))) return;
    this.#push = push;
    byId('push').value = push ?? '';
    byId('push').placeholder = lanes.length ? `own: ${lanes[0].terrain.push.toFixed(2)}` : 'own';
    this.#player.show(lanes, push, !matchMedia('(prefers-reduced-motion: reduce)').matches);
    byId('stage-note').textContent = this.#note;
    this.#offerNewest();
    byId('add').disabled = lanes.length === 0 || lanes.length >= MOST_LANES;
    byId('luck').disabled = byId('draw-here').disabled = lanes.length === 0;
    announce(`Niche ${this.#niche.id}: ${lanes.length} walkers`);
  }

  /** What a reader asks of the lanes. */
  async #change({ place, agent, nicheId, remove, push }) {
    let { lanes } = this.#player;
    this.#note = '';
    if (remove !== undefined) lanes = lanes.filter((_, i) => i !== remove);
    if (agent) lanes = lanes.with(place, new Lane(this.#archive, agent, lanes[place].nicheId));
    if (nicheId !== undefined) lanes = lanes.with(place, new Lane(this.#archive, lanes[place].agent, nicheId));
    await this.#show(lanes, push === undefined ? this.#push : push);
    this.#player.refreshPushes();
  }

  #openLuck() {
    byId('push').addEventListener('change', ({ target }) => {
      const push = target.value === '' ? null : Math.fround(Number(target.value));
      this.#change({ push: Number.isFinite(push) ? push : null });
    });
    byId('own-push').addEventListener('click', () => this.#change({ push: null }));
    byId('add').addEventListener('click', async () => {
      const { lanes } = this.#player, agents = this.#archive.agentsOf.get(lanes[0].nicheId) ?? this.#archive.agents;
      const shown = lanes.map((lane) => lane.agent), free = agents.filter((agent) => !shown.includes(agent));
      const added = new Lane(this.#archive, free[free.length >> 1] ?? agents[0], lanes[0].nicheId);
      await this.#show([...lanes, added], this.#push);
      this.#player.refreshPushes();
    });
    byId('newest').addEventListener('click', () => this.select(this.#niche.id));
    byId('luck').addEventListener('click', () => this.#tryPushes());
    const { greatest_push: greatest, solved_return: solved } = this.#archive.world, pushes = otherPushes(greatest);
    byId('luck-text').textContent = `The first step pushes the hull. A run draws each ground’s push evenly from `
      + `−${greatest} to ${greatest} N; the ${pushes.length} others lie evenly from −${pushes.at(-1)} to `
      + `${pushes.at(-1)} N. Success: the end with a return of ${solved} or more.`;
  }

  /** Run every lane under other pushes, beside the page. */
  async #tryPushes() {
    const pushes = otherPushes(this.#archive.world.greatest_push);
    await this.#archive.need(this.#player.lanes);
    for (const lane of this.#player.lanes) {
      lane.tried = pushes.map(() => null);
      const { theta, maxSteps } = this.#archive.episodeOf(lane.agent), { terrain } = lane;
      this.#worker.run(pushes.map((push) => ({ terrain, theta, maxSteps, push })), (place, answer) => {
        lane.tried[place] = { push: pushes[place], ...answer };
        this.#player.refreshPushes();
      });
    }
  }

  #showTransfers() {
    const archive = this.#archive;
    byId('transfers').hidden = !archive.transfers.length;
    if (!archive.transfers.length) return;
    byId('matrix').replaceChildren(transferMatrix(archive, async (transfer) => {
      await this.select(transfer.target_id);
      if (!this.#player) return;
      await archive.needNiche(transfer.source_id);
      const { lanes, sentence } = transferLanes(archive, transfer);
      this.#note = `Transfer of iteration ${transfer.iteration}, from niche ${transfer.source_id} to niche `
        + `${transfer.target_id}${sentence ? `; ${sentence}` : ''}.`;
      await this.#show(lanes, null);
      byId('stage').scrollIntoView();
    }));
  }
}

async function openPage() {
  const data = JSON.parse(new TextDecoder().decode(await unpack(byId('data'))));
  const server = data.live ? new Server() : null, page = new Page(new Archive(data, server), server);
  await page.open();
  document.documentElement.dataset.state = 'ready';
  if (!server) return;
  follow(server, data.live, async (news) => {
    await page.grow(news);
    await page.measure();
  }, (sentence) => { byId('state').textContent = sentence; });
}

openPage().catch((error) => {
  byId('lead').textContent = `This page cannot be shown: ${error.message}`;
  throw error;
});
