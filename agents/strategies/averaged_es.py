"""Standardised ES whose agent is an average over its latest steps.

A step follows one noisy gradient, so the centre jitters around what it has learnt: on a niche that is crossed under
75 % of pushes, single centres are at 52 to 82 %. The average moves less and is better. The search itself does not know
of it: centre, moments and step sizes are those of ``StandardisedES``.

A young niche moves fast, and an average over many steps would lag behind. So it begins with few: step t keeps the part
(1 + t) / (10 + t) of the average, up to a limit, and so averages over about t / 9 steps.

Reference: Polyak and Juditsky 1992 (averaging of iterates), with exponential weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from agents.strategies.openai_es import OpenAIESState
from agents.strategies.perturbations import Perturbations
from agents.strategies.standardised_es import StandardisedES
from environments.arithmetic import exact
from environments.errors import InputError


@dataclass(frozen=True, eq=False)
class AveragedESState(OpenAIESState):
    """The state of each niche's optimiser.

    Attributes:
        average: (N, P) float32, the agent.
        num_steps: (N,) int64, steps taken.
    """

    average: NDArray[np.float32]
    num_steps: NDArray[np.int64]

    @property
    def theta(self) -> NDArray[np.float32]:
        """See ``StrategyState``: the average."""
        return self.average

    def check(self) -> None:
        """See ``StrategyState``."""
        if (self.num_steps < 0).any():
            raise ValueError(f"num_steps must be 0 or more, but is {self.num_steps.min()}")


@dataclass(frozen=True)
class AveragedES(StandardisedES):
    """``StandardisedES`` whose agent is an average of its centres.

    Attributes:
        averaging: the largest part of the average that a step keeps, below 1; the rest is the new centre. With 0.98 it
            is over about 50 steps.

    Raises:
        InputError: as for ``StandardisedES``, or ``averaging`` is 1 or more.
    """

    kind = "averaged_es"

    averaging: float = 0.98

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.averaging >= 1.0:
            raise InputError(
                f"{self.kind} setting averaging must be below 1, but is {self.averaging!r}: no step would count"
            )

    @exact
    def initial_state(self, theta: NDArray[np.float32]) -> AveragedESState:
        """See ``AbstractStrategy``; the average begins at theta."""
        state = super().initial_state(theta)
        values = {f.name: getattr(state, f.name) for f in fields(state)}
        num_steps = np.zeros(len(state.centre), np.int64)
        return AveragedESState(**values, average=state.centre.copy(), num_steps=num_steps)

    @exact
    def moved(self, state: OpenAIESState, theta: NDArray[np.float32]) -> AveragedESState:
        """See ``AbstractStrategy``; the average begins anew at theta, since a long one would lag behind."""
        moved = cast(AveragedESState, super().moved(state, theta))
        return replace(moved, average=moved.centre.copy(), num_steps=np.zeros_like(moved.num_steps))

    @exact
    def tell(
        self, state: OpenAIESState, samples: Sequence[Perturbations], fitness: NDArray[np.float64]
    ) -> AveragedESState:
        """See ``AbstractStrategy``."""
        moved = cast(AveragedESState, super().tell(state, samples, fitness))  # of the type that it was given
        num_steps = moved.num_steps + 1
        kept = np.minimum(self.averaging, (1.0 + num_steps) / (10.0 + num_steps))[:, None]
        average = kept * moved.average.astype(np.float64) + (1.0 - kept) * moved.centre.astype(np.float64)
        return replace(moved, average=average.astype(np.float32), num_steps=num_steps)
