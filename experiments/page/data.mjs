// What the archive says, read from the page.

function bytesOf(base64) {
  const letters = atob(base64), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

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

function grouped(rows, key) {
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

/** The run, with what is often looked up. */
export class Archive {
  #thetas = new Map();

  constructor(data) {
    Object.assign(this, data);
    this.outcomes = data.world.layout.outcomes;
    this.nicheById = new Map(data.niches.map((niche) => [niche.id, niche]));
    this.agents = rowsOf(data.agents);
    this.agentByVersion = new Map(this.agents.map((agent) => [agent.version, agent]));
    this.agentsOf = grouped(this.agents, 'niche_id');
    this.scoresOf = grouped(rowsOf(data.scores), 'niche_id');
    this.measured = rowsOf(data.success);
    this.rateByVersion = new Map(
      this.measured.filter((row) => row.validation_set === 'pushes').map((row) => [row.version_id, row.rate]),
    );
    this.transfers = rowsOf(data.transfers);
    this.routes = rowsOf(data.routes);
  }

  /** An agent's parameters. */
  thetaOf(agent) {
    if (!this.#thetas.has(agent.theta)) {
      this.#thetas.set(agent.theta, new Float32Array(bytesOf(this.thetas[agent.theta]).buffer));
    }
    return this.#thetas.get(agent.theta);
  }

  /** A niche's own ground, or null if the page does not hold it. */
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
