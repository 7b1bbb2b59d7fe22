"""What trainers on levels share: the state and its buffer, the record, and a generation on several levels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from environments.errors import InputError, nearest
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from poet import streams
from poet.events import AnyEvent, Cost, Event, OwnEvent
from poet.levels import JUDGES, SCORES, Level, Played, Trial, judge_trained, make_level, terrain_of
from poet.optimisation import optimise_with_samples
from poet.parts import Parts
from poet.scoring import Ground, draw_terrain_seed, own_terrain
from poet.trainers.base import LEARNING, AbstractTrainer, without_niches
from poet.types import Niche, RunState


@dataclass(frozen=True, eq=False)
class LevelsState(RunState):
    """A run on levels between two iterations.

    Attributes:
        buffer: the levels that may be played again, in the order of their ids.
        next_level_id: an id not used yet.
    """

    buffer: tuple[Played, ...] = ()
    next_level_id: int = 0

    def check(self) -> None:
        """See ``RunState``."""
        ids = [played.level.id for played in self.buffer]
        if any(later <= earlier for earlier, later in zip([-1, *ids], ids, strict=False)):
            raise ValueError(f"the ids of its levels, {ids!r:.60}, do not grow from 0 on")
        if ids and ids[-1] >= self.next_level_id:
            raise ValueError(f"it has level {ids[-1]}, but the next one is {self.next_level_id}")
        if not all(math.isfinite(played.score) and played.iteration <= self.iteration for played in self.buffer):
            raise ValueError("a level has no finite score, or one of a later iteration")


class Fate(StrEnum):
    """What happens to a level."""

    ENTERED = "entered"  # the buffer has it from now on
    LEFT = "left"  # another takes its place in the buffer
    PLAYED = "played"  # the agent takes an ES step on it, among others


@dataclass(frozen=True)
class LevelNoted(OwnEvent):
    """Something happens to a level. A level that does not come into the buffer is noted only if it is played.

    Attributes:
        level_id: of the level.
        fate: what happens.
        score, success_rate, mean_return: of its last episodes; see ``poet.levels``.
        parent_id: the level that it was edited from; None if it was drawn.
        genotype: JSON text, the first time that the level is noted; None later.
        terrain_seed: of its instance.
    """

    table = "levels"

    level_id: int
    fate: Fate
    score: float
    success_rate: float
    mean_return: float
    parent_id: int | None
    genotype: str | None
    terrain_seed: int


def note(iteration: int, fate: Fate, levels: Iterable[Played], is_first: bool = False) -> list[LevelNoted]:
    """The record of levels that share a fate, with their genotypes if it is the first one."""
    return [
        LevelNoted(
            iteration=iteration,
            level_id=played.level.id,
            fate=fate,
            score=played.score,
            success_rate=played.success_rate,
            mean_return=played.mean_return,
            parent_id=played.level.parent_id,
            genotype=played.level.genotype if is_first else None,
            terrain_seed=played.level.terrain_seed,
        )
        for played in levels
    ]


@dataclass(frozen=True)
class AbstractLevelTrainer(AbstractTrainer[LevelsState]):
    """One agent whose generations are on several levels each.

    Its niche 0 is only for the record, as with every agent that trains on a distribution of terrains. Directions take
    turns on the levels of a generation, as on the fresh instances of a niche of POET.

    Attributes:
        terrains: K, the levels of a generation.
        score: what a level is worth: ``"learnability"`` or ``"regret"``; see ``poet.levels.SCORES``.
        judges: who is run on a new level: ``"pushes"`` or ``"members"``; see ``poet.levels.JUDGES``. A level that was
            trained on is judged by the perturbed agents of its generation, which costs nothing more.
        episodes: on each new level. Of n episodes, p (1 - p) is on average smaller than its true value by 1/n of it.

    Raises:
        InputError: as ``AbstractTrainer``, or there is no such score, or no such judges.
    """

    state_type = LevelsState
    events = LEARNING | {LevelNoted}
    unused = (*AbstractTrainer.unused, "niche")

    terrains: int = 16
    score: str = "learnability"
    judges: str = "pushes"
    episodes: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("score", SCORES), ("judges", JUDGES)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(
                    f"trainer.settings: {name} of the trainer {self.kind!r} must be {' or '.join(map(repr, known))}, "
                    f"found {value!r}: {nearest(str(value), known)}"
                )

    def start(self, parts: Parts, theta: NDArray[np.float32] | None) -> tuple[LevelsState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``; what cannot be run is refused before anything is written."""
        self.check_parts(parts)
        return super().start(without_niches(parts), theta)

    def check_parts(self, parts: Parts) -> None:
        """Check what the config names besides the trainer.

        Raises:
            InputError: a generation has fewer pairs than terrains, or ``new_level`` cannot make levels.
        """
        self.check_genotype(parts)
        if self.terrains > (pairs := parts.config.es.pairs):
            raise InputError(
                f"the trainer {self.kind!r} runs at least one of es.pairs = {pairs} pairs on each of its terrains = "
                f"{self.terrains}: raise es.pairs, or set trainer.settings terrains to {pairs} or less"
            )

    def check_genotype(self, parts: Parts) -> None:
        """Raise ``InputError`` if ``new_level`` cannot make levels of the config's genotype."""
        self._drawn_settings(parts)

    def new_level(self, level_id: int, parts: Parts) -> Level:
        """Draw a level from the whole space of the genes that the run enables."""
        stream = streams.new_level(parts.seed, level_id)
        genotype = ObstacleGenotype.drawn(self._drawn_settings(parts), stream)
        return make_level(level_id, genotype, draw_terrain_seed(stream))

    def _drawn_settings(self, parts: Parts) -> ObstacleSettings:
        if parts.genotype_type is not ObstacleGenotype or not isinstance(parts.settings, ObstacleSettings):
            raise InputError(
                f"the trainer {self.kind!r} draws terrains of the genotype 'obstacles' alone, found terrain.genotype = "
                f"{parts.config.terrain.genotype!r}: set it to 'obstacles', or run.trainer to 'accel'"
            )
        return parts.settings

    def new_levels(self, state: LevelsState, parts: Parts, number: int) -> tuple[LevelsState, list[Level]]:
        """Make as many levels, and use up their ids."""
        first = state.next_level_id
        levels = [self.new_level(level_id, parts) for level_id in range(first, first + number)]
        return replace(state, next_level_id=first + number), levels

    def try_out(self, state: LevelsState, parts: Parts, levels: Sequence[Level]) -> tuple[list[Played], Cost]:
        """Judge new levels by the agent as it is; see ``poet.levels.Trial``."""
        (niche,) = state.active
        return Trial(self.score, self.judges, self.episodes).run(levels, niche, parts, state.iteration + 1)

    def train(
        self, state: LevelsState, parts: Parts, levels: Sequence[Level]
    ) -> tuple[LevelsState, list[Played], list[Event]]:
        """Take one ES step on some levels, and judge them. Those in the buffer are there with their new scores.

        Returns:
            The state, each level once in the order given, and events.
        """
        iteration, terrains = state.iteration + 1, tuple(terrain_of(level, parts) for level in levels)

        def ground_of(niche: Niche, *_: object) -> Ground:
            return Ground(own_terrain(niche), terrains)

        state, events, samples = optimise_with_samples(state, without_niches(parts), ground_of)
        ((block, result),) = samples.values()  # of the one niche
        found = judge_trained(levels, block, result, self.score, state.buffer, iteration)
        latest = {played.level.id: played for played in found}
        buffer = tuple(latest.get(played.level.id, played) for played in state.buffer)
        return replace(state, buffer=buffer), found, events

    def facts(self, state: LevelsState) -> Sequence[str]:
        """See ``AbstractTrainer``."""
        if not state.buffer:
            return ["no levels yet"]
        mean = math.fsum(played.score for played in state.buffer) / len(state.buffer)
        return [f"{len(state.buffer)} levels, mean {self.score} {mean:.3g}"]
