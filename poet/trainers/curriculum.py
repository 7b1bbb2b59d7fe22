"""The direct path: one agent on terrains from flat ground to a target, the next as soon as it masters the last.

The control for POET's claim that the way to a hard terrain is not known beforehand: here it leads straight there. What
the paper says:

- One agent trains by ES, first on flat ground, then on terrains that lead to a target, one after the other; the last
  one is the target. ``poet.trainers.path`` has their steps.
- It goes on to the next one when its score is what makes a niche of POET eligible to reproduce, 200. (A terrain counts
  as solved from 230 on, as everywhere.)
- Its ES steps are as many as POET spent on the target and on the terrains that it descends from, transfers included.
  The run's ``--env-steps`` is such a budget here, and ``poet control curriculum`` takes it from a run of POET.

The paper is silent on the rest, so it is ours:

- The target is ``run.start_terrain``, with the seed that the trainer ``es`` would give it, so that both train on the
  same ground. Flat ground has the seed of a run of POET, and the terrains between have drawn seeds, as its children do.
- Each terrain is a niche, the child of the last, which retires. The agent gets the optimiser that it would get in an
  admitted niche of POET, and takes at least one ES step.

Reference: Wang et al. 2019, section 4.2; POET.md 7.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from numpy import float32
from numpy.typing import NDArray

from environments.errors import InputError, nearest
from environments.terrain.obstacles import ObstacleGenotype
from poet import streams
from poet.events import AnyEvent, Event, NicheAdmitted, NicheRetired, OwnEvent
from poet.loop import close_iteration, root_seed
from poet.optimisation import optimise
from poet.parts import Parts
from poet.population import new_version, optimiser_for, retire_first
from poet.roots import Root
from poet.scoring import (
    Attempt,
    agent_block,
    cost,
    draw_terrain_seed,
    niche_ground,
    read_evaluations,
    solve,
)
from poet.trainers.base import LEARNING, AbstractTrainer
from poet.trainers.path import next_on_path, steps_between
from poet.types import Niche, Origin, Purpose, RunState
from poet.validation import validate

#: How roughness moves, by the setting ``roughness_step``.
_ROUGHNESS_STEPS = ("drawn", "whole")


@dataclass(frozen=True, eq=False)
class CurriculumState(RunState):
    """A run on a direct path between two iterations.

    Attributes:
        steps_left: the least number of terrains until the target; 0 on the target itself.
    """

    steps_left: int = 0


@dataclass(frozen=True)
class TerrainReached(OwnEvent):
    """The agent comes to a terrain of the path.

    Attributes:
        niche_id: the terrain's place on the path; 0 is flat ground.
        env_steps: of the whole run so far, this iteration's included.
        passed_score: the score with which it passed the last terrain; None for the first.
        score: its first one here.
        steps_left: see ``CurriculumState``.
        genotype, terrain_seed: of the terrain.
    """

    table = "curriculum"

    niche_id: int
    env_steps: int
    passed_score: float | None
    score: float
    steps_left: int
    genotype: dict[str, Any]
    terrain_seed: int


@dataclass(frozen=True)
class DirectPath(AbstractTrainer[CurriculumState]):
    """The agent of ``run.start`` trains on flat ground, and on ever harder terrains until ``run.start_terrain``.

    Attributes:
        threshold: the score from which on it goes to the next terrain.
        roughness_step: ``"drawn"``: roughness moves by U(0, 0.6), as in the paper's mutations; ``"whole"``: by 0.6.

    Raises:
        InputError: ``threshold`` is not finite, or ``roughness_step`` is unknown.
    """

    kind = "curriculum"
    unused = ("poet", "novelty", "transfer", "mutation", "trainer.source", "ppo")
    state_type = CurriculumState
    events = LEARNING | {NicheRetired, TerrainReached}

    threshold: float = 200.0
    roughness_step: str = "drawn"

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        if self.roughness_step not in _ROUGHNESS_STEPS:
            raise InputError(
                f"trainer.settings: roughness_step of the trainer {self.kind!r} must be "
                f"{' or '.join(map(repr, _ROUGHNESS_STEPS))}, found {self.roughness_step!r}: "
                f"{nearest(str(self.roughness_step), _ROUGHNESS_STEPS)}"
            )

    def start(self, parts: Parts, theta: NDArray[float32] | None) -> tuple[CurriculumState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``.

        Raises:
            InputError: the run's terrains are not obstacle terrains, or it names no target, or several.
        """
        self.check_roots(parts)
        target = self._target(parts)
        state: CurriculumState
        state, events = super().start(parts if target == ObstacleGenotype() else replace(parts, roots=(Root(),)), theta)
        (niche,) = state.active
        state = replace(state, steps_left=steps_between(_genotype(niche), target))
        return state, (_reached(state, 0, None), *events)

    def iterate(self, state: CurriculumState, parts: Parts) -> tuple[CurriculumState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        before, target = state, self._target(parts)
        state, events = optimise(state, parts)
        (niche,) = state.active
        passed = niche.evaluation.score
        is_passed = passed >= self.threshold and niche.genotype != target
        if is_passed:
            state, moved = self._go_on(state, niche, target, parts)
            events += moved
        state, validated = validate(state, events, before, parts, before.iteration + 1)
        state, booked = close_iteration(state, [*events, *validated])
        return state, (*([_reached(state, state.iteration, passed)] if is_passed else []), *booked)

    def facts(self, state: CurriculumState) -> Sequence[str]:
        """See ``AbstractTrainer``."""
        (niche,) = state.active
        left = f"{state.steps_left} or more to go" if state.steps_left else "the target"
        return [f"terrain {niche.id} of the path, {left}"]

    def _target(self, parts: Parts) -> ObstacleGenotype:
        if parts.genotype_type is not ObstacleGenotype:
            raise InputError(
                f"the path of the trainer {self.kind!r} has obstacle terrains, but terrain.genotype is "
                f"{parts.config.terrain.genotype!r}: set it to 'obstacles'"
            )
        root = parts.roots[0]
        if root.drawn is not None:
            raise InputError(
                f"the path of the trainer {self.kind!r} leads to a genotype, but run.start_terrain is a drawn terrain, "
                "which has none: set run.trainer to 'es', or name a genotype"
            )
        if root.genotype is None:
            raise InputError(
                f"the trainer {self.kind!r} needs a target: name a terrain by run.start_terrain, such as "
                """--set run.start_terrain='{"roughness": 4.5, "pit_gap": [4, 6]}'"""
            )
        return cast(ObstacleGenotype, root.genotype)

    def _go_on(
        self, state: CurriculumState, last: Niche, target: ObstacleGenotype, parts: Parts
    ) -> tuple[CurriculumState, list[Event]]:
        """The agent's next terrain takes the place of its last one."""
        iteration, niche_id = state.iteration + 1, state.next_niche_id
        stream = streams.next_terrain(parts.seed, niche_id)
        genotype = next_on_path(_genotype(last), target, stream, self.roughness_step == "drawn")
        terrain_seed = root_seed(parts) if genotype == target else draw_terrain_seed(stream)
        niche = replace(
            last,
            id=niche_id,
            genotype=genotype,
            terrain_seed=terrain_seed,
            parent_id=last.id,
            created=iteration,
            optimiser=optimiser_for(last.theta, last, parts),
            recent_scores=(),
            is_solved=False,
            success=None,
        )
        ground = niche_ground(niche, parts.config, iteration)
        (result,) = parts.run_blocks([agent_block([niche.theta], ground)], Purpose.SELF_EVAL)
        (evaluation,) = read_evaluations(result, ground)
        origin = Origin.ADMISSION_DIRECT
        state, version = new_version(
            state, niche_id, niche.theta, evaluation, origin, parent_id=last.version_id, source_id=last.id
        )
        niche = replace(niche, version_id=version.id, evaluation=evaluation)
        attempt = Attempt(last, Origin.DIRECT, Purpose.SELF_EVAL, niche.theta, evaluation)
        niche, solved = solve(niche, [attempt], iteration, len(ground.fresh))

        state, retired = retire_first(replace(state, active=(last, niche), next_niche_id=niche_id + 1), 1)
        admitted = NicheAdmitted(
            niche_id, iteration, last.id, None, genotype.to_json(), terrain_seed, ground.own, evaluation.score, None,
            version.id,
        )  # fmt: skip
        spent = cost(iteration, niche_id, Purpose.SELF_EVAL, result)
        state = replace(state, steps_left=steps_between(genotype, target))
        return state, [admitted, version, *solved, *retired, spent]


def _genotype(niche: Niche) -> ObstacleGenotype:
    """Of a niche of a run whose start was checked."""
    return cast(ObstacleGenotype, niche.genotype)


def _reached(state: CurriculumState, iteration: int, passed_score: float | None) -> TerrainReached:
    """The record of the terrain that the agent came to in an iteration, after its costs were booked."""
    (niche,) = state.active
    return TerrainReached(
        iteration=iteration,
        niche_id=niche.id,
        env_steps=state.env_steps,
        passed_score=passed_score,
        score=niche.evaluation.score,
        steps_left=state.steps_left,
        genotype=niche.genotype.to_json(),
        terrain_seed=niche.terrain_seed,
    )
