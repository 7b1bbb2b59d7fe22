"""The cases of the parity test: each is a number, and from that number come its terrain and its policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from environments.streams import Stream
from environments.terrain.terrain import Terrain
from tests.parity.policies import POLICIES, Actor
from tests.parity.terrains import TERRAINS

_TERRAIN_NAMES, _POLICY_NAMES = tuple(TERRAINS), tuple(POLICIES)


@dataclass(frozen=True)
class Case:
    """One episode, whole: the same for the same number and seed, whatever runs beside it.

    Attributes:
        number: 0, 1, 2, ...; counts through the kinds of terrain and of policy at once, and as their numbers have no
            common divisor, through every pair of them.
        seed: of everything that is drawn.
    """

    number: int
    seed: int = 0

    @property
    def terrain_kind(self) -> str:
        """A key of ``TERRAINS``."""
        return _TERRAIN_NAMES[self.number % len(_TERRAIN_NAMES)]

    @property
    def policy_kind(self) -> str:
        """A key of ``POLICIES``."""
        return _POLICY_NAMES[self.number % len(_POLICY_NAMES)]

    @property
    def max_steps(self) -> int:
        """The time limit."""
        return POLICIES[self.policy_kind].max_steps

    def terrain(self) -> Terrain:
        """What is walked on, push included."""
        return TERRAINS[self.terrain_kind](Stream(self.seed, "parity terrain", self.number))

    def actor(self) -> Actor:
        """A new actor, at its beginning."""
        return POLICIES[self.policy_kind].make(Stream(self.seed, "parity policy", self.number))


def batches(cases: Iterable[Case], size: int) -> list[list[Case]]:
    """The cases in batches of at most ``size`` with one time limit each, the longest first."""
    found = []
    for _, group in groupby(sorted(cases, key=lambda case: (-case.max_steps, case.number)), lambda c: c.max_steps):
        alike = list(group)
        found += [alike[first : first + size] for first in range(0, len(alike), size)]
    return found
