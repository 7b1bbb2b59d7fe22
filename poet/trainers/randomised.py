"""What trainers share whose only agent trains on fresh obstacle terrains in every generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from numpy import float32
from numpy.typing import NDArray

from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain
from poet.events import AnyEvent, Event
from poet.optimisation import optimise
from poet.parts import Parts
from poet.scoring import Ground, draw_terrain_seed, own_terrain
from poet.trainers.base import AbstractTrainer, without_niches
from poet.types import State


@dataclass(frozen=True)
class AbstractRandomisation(AbstractTrainer[State]):
    """One agent, niche 0, which trains on terrains that are drawn anew for each generation.

    Its own terrain, ``run.start_terrain`` or the easiest one, is only for the record.

    Attributes:
        terrains: K, how many terrains are drawn for a generation.
    """

    unused = (*AbstractTrainer.unused, "niche")

    terrains: int = 16

    def start(self, parts: Parts, theta: NDArray[float32] | None) -> tuple[State, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``.

        Raises:
            InputError: the run's terrains are not obstacle terrains.
        """
        check_obstacles(parts, self.kind)
        return super().start(without_niches(parts), theta)

    def generation(self, state: State, parts: Parts, fresh: tuple[Terrain, ...]) -> tuple[State, list[Event]]:
        """One ES step on K terrains, and the new theta's score, its mean return on the same.

        Direction m is run on terrain m mod K with both signs, so with fewer pairs than terrains the last ones only
        score.
        """
        return optimise(
            state,
            without_niches(parts),
            lambda niche, config, iteration: Ground(own_terrain(niche), fresh),
        )


def check_obstacles(parts: Parts, trainer: str) -> None:
    """Raise ``InputError`` if a run's terrains are not of the kind that a trainer draws."""
    if parts.genotype_type is not ObstacleGenotype:
        found = parts.config.terrain.genotype
        raise InputError(
            f"the trainer {trainer!r} draws obstacle terrains, but terrain.genotype is {found!r}: set it to 'obstacles'"
        )


def settings_of(parts: Parts) -> ObstacleSettings:
    """What a run, whose start was checked, lets its terrains do."""
    return cast(ObstacleSettings, parts.settings)


def instances(draw: Callable[[Stream], ObstacleGenotype], stream: Stream) -> Iterator[Terrain]:
    """Terrains without end: a genotype that ``draw`` makes, then a terrain seed, both from ``stream``."""
    while True:
        genotype = draw(stream)
        yield genotype.express(draw_terrain_seed(stream))
