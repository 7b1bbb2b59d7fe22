"""What trainers share that learn to learn: one theta, and tasks from a file of terrains; and joint training.

A task is one of the file's terrains under pushes, which are drawn anew for each iteration. Niche 0 is the theta from
which agents adapt, the meta parameter; its own terrain is only for the record. ``poet meta`` makes the file from the
training clades of a run, and tries the theta on those that were held out.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from agents.rollouts.request import Thetas, every_row
from agents.rollouts.result import RolloutResult
from agents.strategies import setting_names
from agents.strategies.base import AbstractStrategy, StrategyState
from environments.arithmetic import exact
from environments.errors import InputError, nearest
from environments.terrain.terrain import Terrain
from poet import streams
from poet.adaptation import ADAPTATIONS, Adapted, Start
from poet.archived import MAX_TERRAINS, read_archived
from poet.events import AnyEvent, Cost, Event, OwnEvent
from poet.levels import Level, terrain_of
from poet.loop import close_iteration
from poet.optimisation import optimise
from poet.parts import Parts
from poet.population import new_version, replace_niche
from poet.scoring import Ground, agent_block, cost, fresh_instances, own_attempt, own_terrain, read_evaluations, solve
from poet.trainers.base import LEARNING, AbstractTrainer, without_niches
from poet.types import Origin, Purpose, RunState
from poet.validation import validate


@dataclass(frozen=True, eq=False)
class MetaState(RunState):
    """A run of meta-learning between two iterations.

    Attributes:
        tasks: all of them, by id.
    """

    tasks: tuple[Level, ...] = ()

    def check(self) -> None:
        """See ``RunState``."""
        if not 1 <= len(self.tasks) <= MAX_TERRAINS or [task.id for task in self.tasks] != [*range(len(self.tasks))]:
            raise ValueError(f"it has {len(self.tasks)} tasks, or their ids do not count from 0")


@dataclass(frozen=True)
class TaskGiven(OwnEvent):
    """The run has a task of the archive.

    Attributes:
        level_id: counts from 0 in the order of the file.
        genotype: JSON text.
        terrain_seed: of its ground.
    """

    table = "tasks"

    level_id: int
    genotype: str
    terrain_seed: int


@dataclass(frozen=True)
class TaskAdapted(OwnEvent):
    """An agent adapted to a task from the iteration's first theta.

    Attributes:
        level_id: of the task.
        return_before, return_after: mean returns, under the same pushes, of that theta and of the adapted one; None
            where a world diverged.
    """

    table = "adapted"

    level_id: int
    return_before: float | None
    return_after: float | None


@dataclass(frozen=True)
class AbstractMeta(AbstractTrainer[MetaState]):
    """One theta that learns from tasks which are drawn for each iteration, without drawing one twice.

    Attributes:
        terrains: how many tasks an iteration has; all of them if there are fewer.
    """

    state_type = MetaState
    events = LEARNING | {TaskGiven}
    unused: ClassVar[tuple[str, ...]] = ("poet", "novelty", "transfer", "mutation", "niche", "es.on_arrival", "ppo")

    terrains: int = 8

    @exact
    def start(self, parts: Parts, theta: NDArray[np.float32] | None) -> tuple[MetaState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``.

        Raises:
            InputError: ``trainer.source`` or a setting cannot be used.
        """
        self.check_parts(parts)
        tasks = read_archived(parts.config.trainer.source, parts).levels
        state: MetaState
        state, events = super().start(without_niches(parts), theta)
        given = [TaskGiven(0, task.id, task.genotype, task.terrain_seed) for task in tasks]
        return replace(state, tasks=tasks), (*given, *events)

    @exact
    def iterate(self, state: MetaState, parts: Parts) -> tuple[MetaState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``.

        Raises:
            InputError: a fork changed a setting to one that cannot be used.
        """
        self.check_parts(parts)
        before, iteration = state, state.iteration + 1
        tasks = draw_tasks(state.tasks, self.terrains, parts.seed, iteration)
        state, events, own = self.learn(state, tasks, without_niches(parts))
        state, validated = validate(state, events, before, parts, iteration)
        return close_iteration(state, [*own, *events, *validated])

    @abstractmethod
    def learn(
        self, state: MetaState, tasks: Sequence[Level], parts: Parts
    ) -> tuple[MetaState, list[Event], list[OwnEvent]]:
        """Change theta by what is found on an iteration's tasks. Events come apart from those of its own kinds."""

    def check_parts(self, parts: Parts) -> None:
        """Raise ``InputError`` if the settings do not fit the run's."""

    def facts(self, state: MetaState) -> Sequence[str]:
        """See ``AbstractTrainer``."""
        return [f"{min(self.terrains, len(state.tasks))} of {len(state.tasks)} tasks an iteration"]


@dataclass(frozen=True)
class Joint(AbstractMeta):
    """Joint training, which does not adapt: an ES step in each iteration on all its tasks at once.

    It is what adaptation has to beat. Each task has one push in an iteration.
    """

    kind = "joint"

    def check_parts(self, parts: Parts) -> None:
        """See ``AbstractMeta``."""
        check_pairs(self.kind, self.terrains, parts.config.es.pairs)

    def learn(
        self, state: MetaState, tasks: Sequence[Level], parts: Parts
    ) -> tuple[MetaState, list[Event], list[OwnEvent]]:
        """See ``AbstractMeta``."""
        iteration = state.iteration + 1
        fresh = tuple(task_instances(task, 1, parts, (iteration, i))[0] for i, task in enumerate(tasks))
        state, events = optimise(state, parts, lambda niche, *_: Ground(own_terrain(niche), fresh))
        return state, events, []


@dataclass(frozen=True)
class AbstractAdapting(AbstractMeta):
    """A theta that learns from what adaptation makes of it.

    Attributes:
        pushes: under how many of them agents run on a task's ground in an iteration.
        adaptation: ``"es"``: K steps of ``es.strategy`` from its first step sizes; ``"climb"``: batch hill climbing
            with its first noise (``poet.adaptation``).
        generations: K.
        inner_pairs: antithetic pairs of an inner generation, two episodes each.
    """

    events = AbstractMeta.events | {TaskAdapted}

    pushes: int = 8
    adaptation: str = "es"
    generations: int = 5
    inner_pairs: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adaptation not in ADAPTATIONS:
            known = " or ".join(map(repr, ADAPTATIONS))
            raise InputError(
                f"trainer.settings: adaptation of the trainer {self.kind!r} must be {known}, found "
                f"{self.adaptation!r}: {nearest(str(self.adaptation), ADAPTATIONS)}"
            )

    def check_parts(self, parts: Parts) -> None:
        """See ``AbstractMeta``."""
        inner_strategy(parts, self.inner_pairs)

    def adapt(
        self, thetas: NDArray[np.float32], numbers: Sequence[int], instances: Sequence[tuple[Terrain, ...]],
        iteration: int, parts: Parts,
    ) -> Adapted:  # fmt: skip
        """Adapt each theta (N, P) to a task of the iteration.

        Args:
            thetas: (N, P) float32.
            numbers: (N,) of its task among those drawn. Equal ones share their draws.
            instances: of each task drawn.
            iteration: which one it is.
            parts: of the run.
        """
        places = [
            tuple(streams.meta_sample(parts.seed, iteration, number, k) for k in range(self.generations))
            for number in range(len(instances))
        ]
        starts = [Start(theta, instances[i], places[i]) for theta, i in zip(thetas, numbers, strict=True)]
        return ADAPTATIONS[self.adaptation](starts, inner_strategy(parts, self.inner_pairs), parts)


def inner_strategy(parts: Parts, pairs: int) -> AbstractStrategy[Any]:
    """The run's strategy with so many pairs.

    Raises:
        InputError: it has no pairs.
    """
    if "pairs" not in setting_names(parts.config.es.strategy):
        raise InputError(
            f"es.strategy must have pairs for agents to adapt by, but {parts.config.es.strategy!r} has none: use "
            "'openai_es'"
        )
    strategy: AbstractStrategy[Any] = replace(cast(Any, parts.strategy), pairs=pairs)
    return strategy


def check_pairs(kind: str, terrains: int, pairs: int) -> None:
    """Raise ``InputError`` if a generation has fewer pairs than tasks."""
    if terrains > pairs:
        raise InputError(
            f"the trainer {kind!r} runs at least one of es.pairs = {pairs} pairs on each of its terrains = {terrains}: "
            f"raise es.pairs, or set trainer.settings terrains to {pairs} or less"
        )


def draw_tasks(tasks: Sequence[Level], number: int, seed: int, iteration: int) -> list[Level]:
    """Draw tasks uniformly and without replacement, in the order in which they are drawn; all of them if too few."""
    left, stream = [*tasks], streams.meta_tasks(seed, iteration)
    return [left.pop(stream.integer(0, len(left))) for _ in range(min(number, len(tasks)))]


def task_instances(task: Level, number: int, parts: Parts, ids: tuple[int, int]) -> tuple[Terrain, ...]:
    """A task's ground under pushes of the stream of (iteration, number)."""
    stream = streams.meta_pushes(parts.seed, *ids)
    return fresh_instances(None, terrain_of(task, parts), number, parts.config, stream)


def move_agent(
    state: MetaState, optimiser: StrategyState, fresh: tuple[Terrain, ...], parts: Parts
) -> tuple[MetaState, list[Event]]:
    """Give niche 0 its next theta, run it on the own terrain for the record, and score it on fresh instances."""
    (niche,), iteration = state.active, state.iteration + 1
    ground = Ground(own_terrain(niche), fresh)
    (result,) = parts.run_blocks([agent_block([optimiser.theta[0]], ground)], Purpose.SELF_EVAL)
    (evaluation,) = read_evaluations(result, ground)
    state, version = new_version(state, 0, optimiser.theta[0], evaluation, Origin.ES, niche.version_id)
    moved = replace(niche, optimiser=optimiser, version_id=version.id, evaluation=evaluation)
    moved, solved = solve(moved, [own_attempt(moved, Origin.ES)], iteration, len(fresh))
    state = replace_niche(state, moved).evaluated_at(parts.config.evaluation.max_steps)
    return state, [version, *solved, cost(iteration, 0, Purpose.SELF_EVAL, result)]


def before_and_after(
    theta: NDArray[np.float32], adapted: NDArray[np.float32], tasks: Sequence[Level],
    instances: Sequence[tuple[Terrain, ...]], iteration: int, parts: Parts,
) -> tuple[list[Event], list[OwnEvent]]:  # fmt: skip
    """Run theta (P,) and each task's adapted one (N, P) on the task's instances, and record both."""
    blocks = [
        every_row(Thetas(np.stack([theta, after])), grounds) for after, grounds in zip(adapted, instances, strict=True)
    ]
    results = parts.run_blocks(blocks, Purpose.SELF_EVAL)
    records: list[OwnEvent] = []
    for task, result in zip(tasks, results, strict=True):
        middle = result.returns.size // 2
        ends = (mean_fitness(result.part(start, start + middle)) for start in (0, middle))
        records.append(TaskAdapted(iteration, task.id, *(end if math.isfinite(end) else None for end in ends)))
    return [cost(iteration, 0, Purpose.SELF_EVAL, result) for result in results], records


def training_cost(iteration: int, adapted: Adapted) -> Cost:
    """The ledger's entry for an adaptation."""
    return Cost(iteration, 0, Purpose.ES, adapted.env_steps, adapted.episodes)


def mean_fitness(result: RolloutResult) -> float:
    """The mean over all episodes; -inf if a world diverged."""
    return math.fsum(result.fitness.tolist()) / result.returns.size
