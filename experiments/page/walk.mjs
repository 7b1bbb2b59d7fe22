// A page of one niche, for notebooks: walkers on its ground, without the rest of the run.

import { Walker } from '../../agents/wasm/walker.mjs';
import { byId } from './dom.mjs';
import { Archive, unpack } from './data.mjs';
import { colours } from './colours.mjs';
import { Lane } from './lane.mjs';
import { Player } from './player.mjs';

class WalkPage {
  #archive; #player;

  constructor(archive) { this.#archive = archive; }

  /** Let the walkers walk. */
  async open() {
    const archive = this.#archive, { layout, policy } = archive.world;
    const walker = await Walker.load(await unpack(byId('wasm')), layout);
    walker.setPolicy(policy);
    byId('facts').textContent = archive.facts;
    this.#player = new Player(archive, walker, byId('player'), (wish) => this.#change(wish));
    this.#show(archive.lanes.map(({ version, title }) =>
      new Lane(archive, archive.agentByVersion.get(version), archive.ground, title)));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      colours.refresh();
      this.#player.refresh();
    });
  }

  #show(lanes) { this.#player.show(lanes, null, !matchMedia('(prefers-reduced-motion: reduce)').matches); }

  /** What a reader asks of the lanes. */
  #change({ place, agent, nicheId, remove }) {
    let { lanes } = this.#player;
    if (remove !== undefined) lanes = lanes.filter((_, i) => i !== remove);
    if (agent) lanes = lanes.with(place, new Lane(this.#archive, agent, lanes[place].nicheId));
    if (nicheId !== undefined) lanes = lanes.with(place, new Lane(this.#archive, lanes[place].agent, nicheId));
    this.#show(lanes);
  }
}

async function openWalk() {
  const data = JSON.parse(new TextDecoder().decode(await unpack(byId('data'))));
  await new WalkPage(new Archive(data)).open();
  document.documentElement.dataset.state = 'ready';
}

openWalk().catch((error) => {
  byId('facts').textContent = `This page cannot be shown: ${error.message}`;
  throw error;
});
