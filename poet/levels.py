"""Levels: terrains that an agent plays for a while, what they are worth, and which of them it plays again.

An agent has a buffer of levels. Each has a score from its last episodes, which says how much there is to learn on it.
The better the score and the longer ago the episodes, the more probable it is that the level is played again.

Reference: Jiang et al. 2021, Prioritized Level Replay, and Replay-Guided Adversarial Environment Design (PLR, robust
PLR); Rutherford et al. 2024, No Regrets: Investigating and Improving Regret Approximations for Curriculum Discovery
(learnability); ``level_replay/level_sampler.py`` of facebookresearch/dcd.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.rollouts.request import Block, Thetas, every_row
from agents.rollouts.result import RolloutResult
from environments.arithmetic import exact
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.generation import push_from
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from poet import streams
from poet.events import Cost
from poet.parts import Parts
from poet.scoring import cost, express, successes
from poet.types import Niche, Purpose

#: Who is run on a new level, by the name in ``trainer.settings``. Levels that were trained on are always judged by the
#: perturbed agents of their generation.
#:
#: - pushes: the agent itself, under as many pushes on the level's ground as there are episodes;
#: - members: perturbed agents, as in a generation, the same ones on all new levels.
JUDGES = ("pushes", "members")

#: What a level is worth, by the name in ``trainer.settings``. No score needs a critic, which ES does not have. An agent
#: that never acts at random always does the same on a fixed terrain. So episodes differ by their pushes, or by agents.
#:
#: - learnability: p (1 - p), where p is the success rate (Rutherford et al. 2024);
#: - regret: the best return ever on the level less the mean return (Jiang et al. 2021's MaxMC, whose critic's estimate
#:   is replaced by the mean).
SCORES = ("learnability", "regret")


@dataclass(frozen=True)
class Level:
    """A terrain that is, or was, played.

    Attributes:
        id: counts from 0 in the order in which a run makes levels, whether or not they come into the buffer.
        parent_id: the level that it was edited from; None if it was drawn.
        genotype: JSON text.
        terrain_seed: of its one instance.
    """

    id: int
    parent_id: int | None
    genotype: str
    terrain_seed: int


@dataclass(frozen=True)
class Played:
    """A level, and what its last episodes found.

    Attributes:
        level: that level.
        success_rate: share of episodes that finished with a return of 230 or more, 0 to 1.
        mean_return: over the same episodes.
        best_return: of any episode ever, also of earlier ones.
        score: see ``SCORES``.
        iteration: when they were run.
    """

    level: Level
    success_rate: float
    mean_return: float
    best_return: float
    score: float
    iteration: int


def make_level(level_id: int, genotype: AbstractGenotype, terrain_seed: int, parent_id: int | None = None) -> Level:
    """A new level of a genotype."""
    text = json.dumps(genotype.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return Level(level_id, parent_id, text, terrain_seed)


def genotype_of(level: Level, parts: Parts) -> AbstractGenotype:
    """The genotype in a level's text.

    Raises:
        InputError: there is none, as in a state that somebody else wrote.
    """
    try:
        return parts.genotype_type.from_json(json.loads(level.genotype))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"level {level.id} is no terrain of {parts.config.terrain.genotype!r}: {error!s:.200}"
        ) from None


def terrain_of(level: Level, parts: Parts) -> Terrain:
    """A level's one instance."""
    terrain: Terrain = express(genotype_of(level, parts), level.terrain_seed)
    return terrain


@exact
def judge(level: Level, result: RolloutResult, score: str, iteration: int, earlier: Played | None = None) -> Played:
    """What a level is worth after some episodes on it.

    Args:
        level: that level.
        result: its episodes, of one agent or of several; at least one.
        score: a name in ``SCORES``.
        iteration: in which they were run.
        earlier: what earlier episodes found; None if there were none.
    """
    returns, wins = result.returns.tolist(), successes(result).count(True)
    rate, mean = wins / len(returns), math.fsum(returns) / len(returns)
    best = max(returns) if earlier is None else max(*returns, earlier.best_return)
    value = rate * (1.0 - rate) if score == "learnability" else best - mean
    return Played(level, rate, mean, best, value, iteration)


@dataclass(frozen=True)
class Trial:
    """How new levels are judged.

    Attributes:
        score: a name in ``SCORES``.
        judges: a name in ``JUDGES``.
        episodes: on each level.
    """

    score: str
    judges: str
    episodes: int

    def run(self, levels: Sequence[Level], niche: Niche, parts: Parts, iteration: int) -> tuple[list[Played], Cost]:
        """Judge new levels by a niche's agent, as it is. Nothing is learnt from these episodes.

        Args:
            levels: at least one.
            niche: whose agent it is, and who pays.
            parts: what the config names, and what runs episodes.
            iteration: of the run.
        """
        terrains = tuple(terrain_of(level, parts) for level in levels)
        if self.judges == "pushes":
            block = self._under_pushes(levels, terrains, niche, parts)
        else:
            block = self._by_members(terrains, niche, parts, iteration)
        (result,) = parts.run_blocks([block], Purpose.LEVEL_SCORE)
        found = []
        for i, level in enumerate(levels):
            on_it = result.part(i * self.episodes, (i + 1) * self.episodes)
            found.append(judge(level, on_it, self.score, iteration))
        return found, cost(iteration, niche.id, Purpose.LEVEL_SCORE, result)

    def _under_pushes(self, levels: Sequence[Level], terrains: Sequence[Terrain], niche: Niche, parts: Parts) -> Block:
        pushed: list[Terrain] = []
        for level, terrain in zip(levels, terrains, strict=True):
            stream = streams.level_pushes(parts.seed, level.id)
            pushed += [terrain.with_push(push_from(stream)) for _ in range(self.episodes)]
        return every_row(Thetas(niche.theta[None, :]), tuple(pushed))

    def _by_members(self, terrains: tuple[Terrain, ...], niche: Niche, parts: Parts, iteration: int) -> Block:
        (sample,) = parts.strategy.ask(niche.optimiser, [streams.level_members(parts.seed, iteration)])
        index, rows = np.divmod(np.arange(len(terrains) * self.episodes), self.episodes)
        return Block(sample, rows % sample.num_rows, terrains, index)


def judge_trained(
    levels: Sequence[Level], block: Block, result: RolloutResult, score: str, buffer: Sequence[Played], iteration: int
) -> list[Played]:
    """Judge the levels of a generation by its perturbed agents, which costs nothing more.

    Args:
        levels: the terrains of the block, in that order, a level perhaps several times; each has at least one episode.
        block, result: the generation's episodes.
        score: a name in ``SCORES``.
        buffer: what earlier episodes found.
        iteration: of the generation.

    Returns:
        One for each level, in the order in which they first come.
    """
    known = {played.level.id: played for played in buffer}
    found = []
    for level in dict.fromkeys(levels):
        places = [i for i, other in enumerate(levels) if other == level]
        rows = np.flatnonzero(np.isin(block.terrain_index, places))
        on_it = RolloutResult(result.returns[rows], result.lengths[rows], result.outcomes[rows])
        found.append(judge(level, on_it, score, iteration, known.get(level.id)))
    return found


def best_first(buffer: Sequence[Played]) -> list[Played]:
    """By score. Of equal scores the newer level comes first, since its score belongs to a later agent."""
    return sorted(buffer, key=lambda played: (-played.score, -played.level.id))


@dataclass(frozen=True)
class ReplayRule:
    """How levels are drawn from a buffer, and which one makes room.

    Attributes:
        capacity: most levels in the buffer.
        staleness: the weight of age against that of scores, 0 to 1.
        rank_power: the n-th best level has the weight n^-rank_power.
    """

    capacity: int
    staleness: float
    rank_power: int

    @exact
    def probabilities(self, buffer: Sequence[Played], iteration: int) -> list[float]:
        """How probable each level of a buffer is to be played: (1 - staleness) P_S + staleness P_C.

        P_S goes by the rank of its score, P_C is proportional to the iterations since it was last played.
        """
        # Quotients of whole numbers are correctly rounded; a power of floats would be libm's.
        by_rank = {p.level.id: 1 / math.prod([n] * self.rank_power) for n, p in enumerate(best_first(buffer), 1)}
        by_score = _shares([by_rank[played.level.id] for played in buffer])
        by_age = _shares([iteration - played.iteration for played in buffer])
        return [
            (1.0 - self.staleness) * score + self.staleness * age for score, age in zip(by_score, by_age, strict=True)
        ]

    def enter(
        self, buffer: Sequence[Played], newcomer: Played, iteration: int
    ) -> tuple[tuple[Played, ...], Played | None]:
        """Put a new level into a buffer, if there is room, or if it scores no less than the least probable one.

        Returns:
            The buffer, in the order of ids, and the level that did not stay: None, the least probable one (the oldest
            of equals), or the newcomer.
        """
        if len(buffer) < self.capacity:
            return (*buffer, newcomer), None
        probabilities = self.probabilities(buffer, iteration)
        least = min(range(len(buffer)), key=lambda i: (probabilities[i], buffer[i].level.id))
        if newcomer.score < buffer[least].score:
            return tuple(buffer), newcomer
        return (*buffer[:least], *buffer[least + 1 :], newcomer), buffer[least]


def _shares(weights: Sequence[float]) -> list[float]:
    """Weights divided by their sum; equal shares where all are 0, as when all levels were played just now."""
    total = math.fsum(weights)
    return [weight / total if total > 0.0 else 1.0 / len(weights) for weight in weights]


@exact
def draw_some(stream: Stream, weights: Sequence[float], number: int) -> list[int]:
    """Draw places without replacement, each time in proportion to the weights of those that are left.

    Args:
        stream: one draw for each place.
        weights: none is negative.
        number: how many to draw, at most all.

    Returns:
        Indices into ``weights``, in the order in which they were drawn.
    """
    left, drawn = list(range(len(weights))), []
    for _ in range(number):
        drawn.append(_draw_one(stream, weights, left))
        left.remove(drawn[-1])
    return drawn


@exact
def draw_places(stream: Stream, weights: Sequence[float], number: int) -> list[int]:
    """As ``draw_some``, but with replacement: a place may be drawn several times."""
    return [_draw_one(stream, weights, range(len(weights))) for _ in range(number)]


def _draw_one(stream: Stream, weights: Sequence[float], places: Sequence[int]) -> int:
    mark = stream.uniform(0.0, math.fsum(weights[i] for i in places))
    for i in places:
        if mark < weights[i]:
            return i
        mark -= weights[i]
    return places[-1]  # where rounding leaves the mark beyond all of them
