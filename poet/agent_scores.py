"""Scores of agents in environments that are not theirs, for novelty and ANNECS: no pair is run twice.

A score is one episode on the environment's own instance, even if ``niche.instances`` asks for fresh ones. Theta and
terrain decide it, and their digests are its key. So a retired agent is never run again where it was run before, an
active one's score in its own niche comes from its own evaluation, and equal thetas count as one.

Only scores of retired agents are kept after a reproduction, in ``PoetState.retired_scores``: 8 bytes per pair, 31 MB
when 1,960 of 2,000 niches have retired. An archive has each of them once (``poet.archive.grown``). Scores of active
agents are dropped, since the next ES step changes their thetas.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import Block, Thetas
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.events import Cost
from poet.parts import Parts
from poet.scoring import Attempt, Ground, cost, express, read_evaluations
from poet.types import Evaluation, Niche, Origin, PoetState, Purpose, RetiredNiche, theta_digest

#: Digests of a theta and of a terrain: what decides an episode.
Key = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Agent:
    """An agent that is run outside its niche.

    Attributes:
        niche: whose agent it is.
        digest: of its theta.
    """

    niche: Niche | RetiredNiche
    digest: str


@dataclass(frozen=True, eq=False)
class Site:
    """An environment in which agents are run.

    Attributes:
        ledger_id: the niche that pays for the episodes: the environment itself, or a candidate's parent.
        terrain: its own instance.
        digest: of that terrain.
    """

    ledger_id: int
    terrain: Terrain
    digest: str


@dataclass(frozen=True, eq=False)
class ScoreBook:
    """What is known within a reproduction.

    Attributes:
        agents: all agents before anything is admitted, in the released code's order: retired ones as they retired, then
            active ones.
        scores: -inf for a diverged world.
        episodes: of the scores, those run in this reproduction, in full; each ``score`` is that of the one episode.
    """

    agents: tuple[Agent, ...]
    scores: Mapping[Key, float] = field(default_factory=dict)
    episodes: Mapping[Key, Evaluation] = field(default_factory=dict)

    @property
    def retired(self) -> tuple[Agent, ...]:
        """The retired agents."""
        return tuple(agent for agent in self.agents if isinstance(agent.niche, RetiredNiche))

    def with_episodes(self, episodes: Mapping[Key, Evaluation]) -> ScoreBook:
        """The book with further entries, which replace any with the same key."""
        scores = {key: evaluation.score for key, evaluation in episodes.items()}
        return replace(self, scores={**self.scores, **scores}, episodes={**self.episodes, **episodes})

    def scores_in(self, site: Site) -> tuple[float, ...]:
        """The score of each agent in an environment; all of them must be known."""
        return tuple(self.scores[agent.digest, site.digest] for agent in self.agents)

    def attempts(self, site: Site, purpose: Purpose) -> Iterator[Attempt]:
        """What was run in an environment in this reproduction, in the order of the agents."""
        for agent in self.agents:
            episode = self.episodes.get((agent.digest, site.digest))
            if episode is not None:
                yield Attempt(agent.niche, Origin.DIRECT, purpose, agent.niche.theta, episode)


def own_site(niche: Niche | RetiredNiche) -> Site:
    """The environment of a niche."""
    if niche.drawn is not None:
        return make_site(niche.id, niche.drawn)
    return Site(niche.id, *_own_ground(niche.genotype, niche.terrain_seed))


# As many as terrains are kept.
@lru_cache(maxsize=4096)
def _own_ground(genotype: AbstractGenotype, terrain_seed: int) -> tuple[Terrain, str]:
    """The own instance of a niche and its digest, which every reproduction asks for."""
    terrain = express(genotype, terrain_seed)
    return terrain, terrain.digest()


def make_site(ledger_id: int, terrain: Terrain) -> Site:
    """An environment for which ``ledger_id`` pays."""
    return Site(ledger_id, terrain, terrain.digest())


def own_episode(evaluation: Evaluation) -> Evaluation:
    """The part of an evaluation that concerns the niche's own instance."""
    has_diverged = evaluation.own_outcome == Outcome.DIVERGED
    return replace(evaluation, score=-math.inf if has_diverged else evaluation.own_return)


def open_book(state: PoetState, parts: Parts) -> ScoreBook:
    """The scores that a state knows: of retired agents where they were run, and of active ones in their own niches."""
    retired = tuple(Agent(niche, niche.digest) for niche in state.retired)
    active = {niche: Agent(niche, theta_digest(niche.theta)) for niche in state.active}
    agents = (*retired, *active.values())
    scores: dict[Key, float] = {}
    if state.scored_steps != parts.config.evaluation.max_steps:  # a fork has changed the length of episodes
        return ScoreBook(agents)
    if state.retired_scores.size:
        sites = [own_site(niche).digest for niche in sorted(state.niches, key=lambda niche: niche.id)]
        for agent, row in zip(retired, state.retired_scores.tolist(), strict=False):  # the others have no row
            scores |= {(agent.digest, sites[n]): score for n, score in enumerate(row) if not math.isnan(score)}
    for niche, agent in active.items():
        scores[agent.digest, own_site(niche).digest] = own_episode(niche.evaluation).score
    return ScoreBook(agents, scores)


def remember(state: PoetState, book: ScoreBook, parts: Parts) -> PoetState:
    """The state with the book's scores of retired agents in niches, if novelty will need them again."""
    if not parts.novelty.needs_scores or not parts.config.novelty.cached:
        return state
    table = np.full((len(state.retired), state.next_niche_id), math.nan)
    sites = [own_site(niche) for niche in sorted(state.niches, key=lambda niche: niche.id)]
    for r, niche in enumerate(state.retired):
        table[r] = [book.scores.get((niche.digest, site.digest), math.nan) for site in sites]
    return replace(state, retired_scores=table, scored_steps=parts.config.evaluation.max_steps)


def fill_in(
    book: ScoreBook, sites: Sequence[Site], parts: Parts, purpose: Purpose, iteration: int, anew: bool = False
) -> tuple[ScoreBook, list[Cost]]:
    """Run each agent in each environment where the book has no score for it, all as one request.

    Args:
        book: what is known.
        sites: environments.
        parts, purpose, iteration: of the phase.
        anew: run every agent in every environment, even if its score is known.
    """
    thetas = {agent.digest: agent.niche.theta for agent in book.agents}  # equal ones only once
    row_of = {digest: row for row, digest in enumerate(thetas)}
    asked: set[Key] = set()
    wanted: list[tuple[Site, list[str]]] = []
    for site in sites:
        digests = [t for t in thetas if (t, site.digest) not in book.scores and (t, site.digest) not in asked]
        if anew:
            digests = [agent.digest for agent in book.agents]
        asked |= {(digest, site.digest) for digest in digests}
        if digests:
            wanted.append((site, digests))
    if not wanted:
        return book, []

    sample = Thetas(np.stack(list(thetas.values())))  # one for all blocks, which name its rows
    results = parts.run_blocks([_block(sample, [row_of[t] for t in ts], site.terrain) for site, ts in wanted], purpose)
    episodes: dict[Key, Evaluation] = {}
    costs = []
    for (site, digests), result in zip(wanted, results, strict=True):
        evaluations = read_evaluations(result, Ground(site.terrain))
        episodes |= {(t, site.digest): evaluation for t, evaluation in zip(digests, evaluations, strict=True)}
        costs.append(cost(iteration, site.ledger_id, purpose, result))
    return book.with_episodes(episodes), costs


def _block(sample: Thetas, rows: Sequence[int], terrain: Terrain) -> Block:
    """Some rows of a sample on one terrain."""
    index: NDArray[np.int64] = np.zeros(len(rows), np.int64)
    return Block(sample, np.array(rows, np.int64), (terrain,), index)
