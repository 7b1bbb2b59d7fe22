"""Domain randomisation: one agent that trains on terrains from the whole space, new ones in each generation.

Reference: Tobin et al. 2017, Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real
World. The distribution is that of ``envs/bipedalwalker/adversarial.py`` of facebookresearch/dcd: both ends of each
interval are uniform, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from environments.terrain.obstacles import ObstacleGenotype
from poet import streams
from poet.events import AnyEvent
from poet.loop import close_iteration
from poet.parts import Parts
from poet.trainers.randomised import AbstractRandomisation, instances, settings_of
from poet.types import RunState
from poet.validation import validate


@dataclass(frozen=True)
class DomainRandomisation(AbstractRandomisation[RunState]):
    """An ES step in each generation on K terrains that ``ObstacleGenotype.drawn`` makes.

    The terrains are not recorded, since their stream gives them again at any time (``streams.randomised_terrains``).
    """

    kind = "dr"

    def iterate(self, state: RunState, parts: Parts) -> tuple[RunState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        before, iteration = state, state.iteration + 1
        stream = streams.randomised_terrains(parts.seed, iteration)
        drawn = instances(lambda draws: ObstacleGenotype.drawn(settings_of(parts), draws), stream)
        state, events = self.generation(state, parts, tuple(islice(drawn, self.terrains)))
        state, validated = validate(state, events, before, parts, iteration)
        return close_iteration(state, [*events, *validated])
