"""A paced curriculum: one agent trains on terrains of an archive, at first on the easiest of them, later on all.

Reference: Hacohen and Weinshall 2019, On The Power of Curriculum Learning in Training Deep Networks (scoring and pacing
functions, and the arms anti, random and vanilla); defaults of ``main_reproduce_paper.py`` of
GuyHacohen/curriculum_learning, whose minibatch is a generation here.

There a teacher's confidence says how easy an image is. Here it is the mean return of a panel of frozen agents under
pushes, which is booked under ``order``. The agent that was trained on a terrain does not judge it, since POET's agents
all score high on their own. Where nothing depends on how easy terrains are (``random``, ``none``), the panel does not
run. The code also takes equally many images of each class; terrains have no classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import Block, Thetas
from environments.arithmetic import exact
from environments.errors import InputError, nearest
from environments.machine import check_memory
from environments.streams import Stream
from environments.terrain.generation import push_from
from environments.terrain.terrain import Terrain
from poet import streams
from poet.archived import MAX_TERRAINS, Judge, read_archived
from poet.events import AnyEvent, OwnEvent
from poet.levels import Level, terrain_of
from poet.loop import book, close_iteration
from poet.optimisation import optimise
from poet.parts import Parts
from poet.scoring import Ground, cost, own_terrain
from poet.trainers.base import LEARNING, AbstractTrainer, without_niches
from poet.types import Purpose, RunState, theta_digest
from poet.validation import validate

#: Which terrains come first, by the setting ``order``: the easiest, the hardest, random ones; or all at once.
ORDERS = ("curriculum", "anti", "random", "none")
#: How the pool grows, by the setting ``pacing``.
PACINGS = ("exponential", "varied_exponential", "single_step")
#: The orders that the panel decides.
_JUDGED = ("curriculum", "anti")
#: Bytes of an episode in a request and its result, and of a push.
_EPISODE_BYTES = 500


@dataclass(frozen=True)
class Graded:
    """A terrain of the archive, and how easy it is.

    Attributes:
        level: the terrain; ids count from 0 in the order of the archive.
        mean_return: of the panel under pushes; None if the panel did not run.
    """

    level: Level
    mean_return: float | None = None


@dataclass(frozen=True, eq=False)
class PacedState(RunState):
    """A run of a paced curriculum between two iterations.

    Attributes:
        terrains: all of them, by id.
        pool_size: how many the last generation was drawn from; 0 before the first.
    """

    terrains: tuple[Graded, ...] = ()
    pool_size: int = 0

    def check(self) -> None:
        """See ``RunState``."""
        num = len(self.terrains)
        if not 1 <= num <= MAX_TERRAINS or self.pool_size > num:
            raise ValueError(f"it has {num} terrains, of which {self.pool_size} are in the pool")
        if [one.level.id for one in self.terrains] != [*range(num)]:
            raise ValueError("the ids of its terrains do not count from 0")
        scores = [one.mean_return for one in self.terrains if one.mean_return is not None]
        if len(scores) not in (0, num) or not all(map(math.isfinite, scores)):
            raise ValueError("not all of its terrains have a score, or one is not finite")


@dataclass(frozen=True)
class TerrainGiven(OwnEvent):
    """The run has a terrain of the archive.

    Attributes:
        level_id: counts from 0 in the order of the archive.
        place: in the run's order, from 1 on.
        mean_return: of the panel; None if it did not run.
        genotype: JSON text.
        terrain_seed: of its one instance.
    """

    table = "terrains"

    level_id: int
    place: int
    mean_return: float | None
    genotype: str
    terrain_seed: int


@dataclass(frozen=True)
class AgentJudged(OwnEvent):
    """An agent of the panel has judged the terrains.

    Attributes:
        theta_digest: SHA-256 of the agent.
        own_level_id: the terrain that it did not judge, since it was trained there; None if there is none.
        mean_return: over the terrains that it judged.
    """

    table = "panel"

    theta_digest: str
    own_level_id: int | None
    mean_return: float


@dataclass(frozen=True)
class PoolChanged(OwnEvent):
    """From this generation on terrains are drawn from a pool of another size.

    Attributes:
        terrains: in the pool.
        env_steps: of the whole run before this generation.
    """

    table = "pool"

    terrains: int
    env_steps: int


@dataclass(frozen=True)
class PacedCurriculum(AbstractTrainer[PacedState]):
    """An ES step in each generation on K terrains, which are drawn from a pool of the g easiest of N.

    Its own terrain, niche 0, is only for the record. No terrain is drawn twice for a generation, so while the pool is
    smaller than K, all of it is trained on.

    Attributes:
        terrains: K, how many terrains of the pool a generation trains on.
        order: ``"curriculum"``: the easiest terrains come first; ``"anti"``: the hardest; ``"random"``: those of a
            random order, so that it has the pacing alone; ``"none"``: the pool always has all N (the paper's vanilla).
        pacing: ``"exponential"``: g = ceil(N min(1, start_share increase^floor(i / interval))), where i counts
            generations from 0 (the paper's fixed exponential pacing); ``"varied_exponential"``: the same, but the
            exponent is how many of ``growth_at`` are at most i; ``"single_step"``: g = ceil(N start_share) while
            i < interval, then N.
        start_share: of the terrains that the pool begins with, above 0 and at most 1 (code: 0.04).
        increase: the factor by which it grows, 1.01 or more (code: 1.9).
        interval: generations between these (code: 100 of 3,500). With the code's numbers the pool has all terrains
            after 600.
        growth_at: the generations, which count from 0, with which the pool grows under ``"varied_exponential"``, in
            order. There must be so many that it has all terrains after the last: ceil(-log(start_share) /
            log(increase)), as the paper has it. (The paper counts a step once i is above it, one later than here.)
        episodes: pushes under which each agent of the panel is run on a terrain, 500 at most.

    Raises:
        InputError: a setting is out of range or unknown.
    """

    kind = "paced"
    state_type = PacedState
    events = LEARNING | {TerrainGiven, AgentJudged, PoolChanged}
    unused = ("poet", "novelty", "transfer", "mutation", "niche", "es.on_arrival", "ppo")

    terrains: int = 16
    order: str = "curriculum"
    pacing: str = "exponential"
    start_share: float = 0.04
    increase: float = 1.9
    interval: int = 100
    growth_at: tuple[int, ...] = ()
    episodes: int = 8

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        what = f"of the trainer {self.kind!r} must be"
        for name, known in (("order", ORDERS), ("pacing", PACINGS)):
            if (value := getattr(self, name)) not in known:
                raise InputError(
                    f"trainer.settings: {name} {what} {' or '.join(map(repr, known))}, found {value!r}: "
                    f"{nearest(str(value), known)}"
                )
        if not 0.0 < self.start_share <= 1.0:
            raise InputError(f"trainer.settings: start_share {what} above 0, and at most 1, found {self.start_share}")
        if self.increase < 1.01:
            raise InputError(f"trainer.settings: increase {what} 1.01 or more, found {self.increase}")
        self._check_growth(what)
        if self.episodes > 500:
            raise InputError(f"trainer.settings: episodes {what} 500 at most, found {self.episodes}")

    @exact
    def start(self, parts: Parts, theta: NDArray[np.float32] | None) -> tuple[PacedState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``; the panel judges the terrains.

        Raises:
            InputError: there are more terrains in a generation than pairs, or ``trainer.source`` cannot be used.
        """
        self.check_parts(parts)
        archived = read_archived(parts.config.trainer.source, parts)
        is_judged = self.order in _JUDGED
        if is_judged and not archived.panel:
            raise InputError(
                f"trainer.source has no agents, but order {self.order!r} needs them to judge its terrains: let poet "
                "control paced make the file, or set trainer.settings order to 'random'"
            )
        num_episodes = len(archived.levels) * len(archived.panel) * self.episodes if is_judged else 0
        check_memory(num_episodes, _EPISODE_BYTES, "episodes of the panel")

        state: PacedState
        state, events = super().start(without_niches(parts), theta)
        terrains, judged = tuple(map(Graded, archived.levels)), tuple[AnyEvent, ...]()
        if is_judged:
            terrains, happened = self._judge(archived.levels, archived.panel, parts)
            state, judged = book(state, happened)
        state = replace(state, terrains=terrains)
        places = {one.level.id: place for place, one in enumerate(self.ordered(terrains, parts.seed), 1)}
        given = [
            TerrainGiven(
                iteration=0,
                level_id=one.level.id,
                place=places[one.level.id],
                mean_return=one.mean_return,
                genotype=one.level.genotype,
                terrain_seed=one.level.terrain_seed,
            )
            for one in terrains
        ]
        return state, (*given, *events, *judged)

    @exact
    def iterate(self, state: PacedState, parts: Parts) -> tuple[PacedState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``.

        Raises:
            InputError: a fork has an order that its terrains have no scores for.
        """
        self.check_parts(parts)
        before, iteration, changed = state, state.iteration + 1, list[AnyEvent]()
        size = self.pool_size(len(state.terrains), state.iteration)
        if size != state.pool_size:
            changed.append(PoolChanged(iteration, size, state.env_steps))
            state = replace(state, pool_size=size)
        pool = self.ordered(state.terrains, parts.seed)[:size]
        drawn = draw_terrains(pool, self.terrains, streams.paced_terrains(parts.seed, iteration))
        fresh = tuple(terrain_of(one.level, parts) for one in drawn)
        state, events = optimise(state, without_niches(parts), lambda niche, *_: Ground(own_terrain(niche), fresh))
        state, validated = validate(state, events, before, parts, iteration)
        return close_iteration(state, [*changed, *events, *validated])

    def facts(self, state: PacedState) -> Sequence[str]:
        """See ``AbstractTrainer``."""
        return [f"{state.pool_size} of {len(state.terrains)} terrains"]

    def pool_size(self, num: int, generation: int) -> int:
        """g, how many of ``num`` terrains a generation, which counts from 0, is drawn from; at least 1."""
        if self.order == "none":
            return num
        share = self.start_share
        if self.pacing == "single_step":
            share = share if generation < self.interval else 1.0
        elif self.pacing == "varied_exponential":
            share = self._share_after(len([at for at in self.growth_at if at <= generation]))
        else:
            share = self._share_after(generation // self.interval)
        # Rounded, since 100 * 0.07 is a little more than 7.
        return min(num, max(1, math.ceil(round(num * share, 6))))

    def _share_after(self, increases: int) -> float:
        """The share of terrains in a pool that has grown so often; above 1 it is cut elsewhere."""
        share = self.start_share
        while increases > 0 and share < 1.0:  # products, since a power of floats would be libm's
            share, increases = share * self.increase, increases - 1
        return share

    def _check_growth(self, what: str) -> None:
        """Raise ``InputError`` if ``growth_at`` does not fit ``pacing``."""
        at = self.growth_at if isinstance(self.growth_at, tuple) else (self.growth_at,)
        if self.pacing != "varied_exponential":
            if at:
                raise InputError(
                    f"trainer.settings: growth_at {what} left out if pacing is {self.pacing!r}, found {list(at)}: "
                    "set pacing to 'varied_exponential'"
                )
            return
        needed = next(number for number in count() if self._share_after(number) >= 1.0)
        is_ascending = all(type(i) is int and i >= 1 for i in at) and list(at) == sorted({*at})
        if not is_ascending or len(at) != needed:
            raise InputError(
                f"trainer.settings: growth_at {what} {needed} ascending whole numbers from 1 on, since the pool has "
                f"all terrains after so many increases, found {list(at)}"
            )

    def ordered(self, terrains: Sequence[Graded], seed: int) -> list[Graded]:
        """The terrains as the pool takes them in; of equals the one with the lesser id comes first.

        Args:
            terrains: by id.
            seed: of the run.

        Raises:
            InputError: they have no scores, though the order needs some.
        """
        if self.order == "random":
            stream = streams.paced_order(seed)
            marks = {one.level.id: stream.uniform() for one in terrains}
            return sorted(terrains, key=lambda one: (marks[one.level.id], one.level.id))
        if self.order == "none":
            return [*terrains]
        scored = [(one.mean_return, one) for one in terrains if one.mean_return is not None]
        if len(scored) < len(terrains):
            raise InputError(
                f"the run began without scores of its terrains, which the order {self.order!r} needs: start a new run"
            )
        sign = -1.0 if self.order == "curriculum" else 1.0
        return [one for value, one in sorted(scored, key=lambda each: (sign * each[0], each[1].level.id))]

    def check_parts(self, parts: Parts) -> None:
        """Raise ``InputError`` if a generation has fewer pairs than terrains."""
        if self.terrains > (pairs := parts.config.es.pairs):
            raise InputError(
                f"the trainer {self.kind!r} runs at least one of es.pairs = {pairs} pairs on each of its terrains = "
                f"{self.terrains}: raise es.pairs, or set trainer.settings terrains to {pairs} or less"
            )

    def _judge(
        self, levels: Sequence[Level], panel: Sequence[Judge], parts: Parts
    ) -> tuple[tuple[Graded, ...], list[AnyEvent]]:
        """Run each agent on each terrain that is not its own, under that terrain's pushes."""
        grounds: list[Terrain] = []
        for level in levels:
            terrain, stream = terrain_of(level, parts), streams.order_pushes(parts.seed, level.id)
            grounds += [terrain.with_push(push_from(stream)) for _ in range(self.episodes)]
        who, where = np.divmod(np.arange(len(panel) * len(levels)), len(levels))
        others = where != np.array([-1 if judge.own is None else judge.own for judge in panel])[who]
        who, where = (np.repeat(index[others], self.episodes) for index in (who, where))
        pushes = np.tile(np.arange(self.episodes), where.size // self.episodes)
        thetas = Thetas(np.stack([judge.theta for judge in panel]))
        block = Block(thetas, who, tuple(grounds), where * self.episodes + pushes)
        (result,) = parts.run_blocks([block], Purpose.ORDER)

        graded = tuple(Graded(level, _mean(result.returns[where == level.id])) for level in levels)
        judged: list[AnyEvent] = [
            AgentJudged(0, theta_digest(judge.theta), judge.own, _mean(result.returns[who == i]))
            for i, judge in enumerate(panel)
            if len(levels) > 1 or judge.own is None  # otherwise it has judged nothing
        ]
        return graded, [*judged, cost(0, 0, Purpose.ORDER, result)]


def _mean(returns: NDArray[np.float64]) -> float:
    values = returns.tolist()
    return math.fsum(values) / len(values)


def draw_terrains(pool: Sequence[Graded], number: int, stream: Stream) -> list[Graded]:
    """Draw terrains uniformly and without replacement, in the order in which they are drawn; all of a smaller pool."""
    left = [*pool]
    return [left.pop(stream.integer(0, len(left))) for _ in range(min(number, len(pool)))]
