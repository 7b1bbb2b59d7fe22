// What the archive says: read from the page, and where the page is served, fetched as it is needed.

function bytesOf(base64) {
  const letters = atob(base64), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

const floatsOf = (base64) => new Float32Array(bytesOf(base64).buffer);

/** The bytes that Python compressed into an element's text. */
export async function unpack(element) {
  const stream = new Blob([bytesOf(element.textContent.trim())]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

/** A number of the archive: NaN where it is missing; infinities come as text. */
export const num = (value) => (value === null || value === undefined ? NaN : Number(value));

/** The rows of a table that came as columns. */
export function rowsOf(table) {
  const names = Object.keys(table ?? {});
  if (!names.length) return [];
  return table[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, table[name][i]])));
}

/** Rows by the value of one of their columns. */
export function grouped(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(row[key])) groups.set(row[key], []);
    groups.get(row[key]).push(row);
  }
  return groups;
}

const ORIGINS = {
  initial: 'start of the run', es: 'evolution strategy', direct: 'transfer', proposal: 'transfer, one ES step',
  admission_direct: 'came with the admission', admission_proposal: 'came with the admission, one ES step',
};

/** How an agent came to be, in words. */
export const originText = (agent) => {
  const from = agent.source_id === null ? '' : ` from niche ${agent.source_id}`;
  return `${ORIGINS[agent.origin] ?? agent.origin}${from}`;
};

/** The run, with what is often looked up. Objects stay the same while it grows: niches and agents may be kept. */
export class Archive {
  #source; #thetas = new Map(); #fetched = new Set();

  /**
   * @param data as Python wrote it
   * @param source fetches what the data leaves out, such as a Server; null if nothing is to be had
   */
  constructor(data, source = null) {
    this.#source = source;
    Object.assign(this, data, {
      outcomes: data.world.layout.outcomes, niches: [], nicheById: new Map(), agents: [], agentByVersion: new Map(),
      agentsOf: new Map(), scoresOf: new Map(), measured: [], pushesOf: new Map(), rateByVersion: new Map(),
      transfers: [], routes: [], movers: [], annecs: null,
    });
    this.merge(data);
  }

  /** Take in what is new; of tables that only grow the new rows, of niches those that changed. */
  merge(news) {
    this.iteration = news.iteration;
    this.env_steps = news.env_steps;
    for (const niche of news.niches) {
      const known = this.nicheById.get(niche.id);
      if (known) Object.assign(known, niche);
      else {
        this.niches.push(niche);
        this.nicheById.set(niche.id, niche);
      }
    }
    news.rows?.forEach((row, id) => { this.nicheById.get(id).row = row; });
    for (const [id, rows] of grouped(rowsOf(news.scores), 'niche_id')) this.#addScores(id, rows);
    const measured = rowsOf(news.success), pushes = measured.filter((row) => row.validation_set === 'pushes');
    this.measured = this.measured.concat(measured);
    for (const row of pushes) this.rateByVersion.set(row.version_id, row.rate);
    for (const [id, rows] of grouped(pushes, 'niche_id')) {
      this.pushesOf.set(id, [...(this.pushesOf.get(id) ?? []), ...rows]);
    }
    this.transfers = this.transfers.concat(rowsOf(news.transfers));
    if (news.movers) [this.movers, this.num_movers, this.routes] = [news.movers, news.num_movers, rowsOf(news.routes)];
    if (news.annecs) this.annecs = news.annecs;
    if (news.made) Object.assign(this.drawing.made, news.made);
    this.#addAgents(rowsOf(news.agents));
  }

  /** Make sure that the agents and grounds of lanes are here, or what of them can be had. */
  async need(lanes) {
    await Promise.all([
      this.needGrounds(lanes.map(({ nicheId }) => nicheId)), this.needAgents(lanes.map(({ agent }) => agent)),
    ]);
  }

  /** Make sure that the grounds of niches are here. */
  async needGrounds(ids) {
    await Promise.all([...new Set(ids)].map((id) => (this.terrainOf(id) ? null : this.needNiche(id))));
  }

  /** Make sure that the parameters of agents are here, or those that can be had. */
  async needAgents(agents) {
    const thetas = await this.thetasOf(agents);
    agents.forEach(({ version }, i) => { if (thetas[i]) this.#thetas.set(version, thetas[i]); });
  }

  /** The parameters of agents. Those that are fetched for this are not kept: there may be thousands. */
  async thetasOf(agents) {
    const missing = agents.filter((agent) => !this.thetaOf(agent)).map(({ version }) => version);
    const fetched = this.#source && missing.length ? await this.#source.thetas([...new Set(missing)]) : {};
    return agents.map((agent) => this.thetaOf(agent)
      ?? (fetched[agent.version] && floatsOf(fetched[agent.version])));
  }

  /** Make sure that all agents of a niche, its ground and its whole curve are here. */
  async needNiche(id) {
    if (!this.#source || this.#fetched.has(id)) return;
    const { terrain, agents, scores } = await this.#source.niche(id);
    this.#fetched.add(id);
    this.terrains[id] = terrain;
    this.#addAgents(rowsOf(agents));
    this.scoresOf.set(id, []);
    this.#addScores(id, rowsOf(scores));
  }

  #addScores(id, rows) {
    const known = this.scoresOf.get(id) ?? [], last = known.at(-1)?.iteration ?? -1;
    this.scoresOf.set(id, [...known, ...rows.filter(({ iteration }) => iteration > last)]);
  }

  #addAgents(rows) {
    const added = rows.filter(({ version }) => !this.agentByVersion.has(version));
    const byVersion = (a, b) => a.version - b.version;
    for (const agent of added) this.agentByVersion.set(agent.version, agent);
    for (const [id, agents] of grouped(added, 'niche_id')) {
      this.agentsOf.set(id, [...(this.agentsOf.get(id) ?? []), ...agents].sort(byVersion));
    }
    if (added.length) this.agents = [...this.agents, ...added].sort(byVersion);
  }

  /** An agent's parameters, if they are here. */
  thetaOf(agent) {
    if (!this.#thetas.has(agent.version) && this.thetas) {
      this.#thetas.set(agent.version, floatsOf(this.thetas[agent.theta]));
    }
    return this.#thetas.get(agent.version);
  }

  /** The niches whose grounds are here or can be fetched. */
  get grounds() { return this.#source ? this.niches.map(({ id }) => id) : Object.keys(this.terrains).map(Number); }

  /** A niche's own ground, or null if it is not here. */
  terrainOf(nicheId) { return this.terrains[nicheId] ?? null; }

  /** Whether a niche's agent is robustly solving it, by the latest measurement. */
  isRobust(niche) { return num(niche.pushes_now) >= this.world.robust_rate; }

  /** The latest agent of a niche that the page holds, at or before an iteration; null if there is none. */
  latestAgent(nicheId, iteration = Infinity) {
    return (this.agentsOf.get(nicheId) ?? []).filter((agent) => agent.iteration <= iteration).at(-1) ?? null;
  }

  /** Whether an episode counts as a success. */
  isSuccess({ outcome, return: score }) { return outcome === 'FINISHED' && score >= this.world.solved_return; }

  /** Whether an episode is the archived one of an agent, to the bit. */
  isArchived(agent, result) {
    return Object.is(result.return, num(agent.own_return)) && result.length === agent.own_length
      && result.outcome === this.outcomes[agent.own_outcome];
  }

  /** What an episode of an archived pair needs. */
  episodeOf(agent) {
    return { terrain: this.terrainOf(agent.niche_id), theta: this.thetaOf(agent), maxSteps: agent.max_steps };
  }
}
