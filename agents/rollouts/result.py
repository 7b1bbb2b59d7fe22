"""What a batch of episodes gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from environments.walker.ending import Outcome


@dataclass(frozen=True, eq=False)
class RolloutResult:
    """One row for each episode.

    Attributes:
        returns: (B,) float64, sum of rewards in step order.
        lengths: (B,) int32, control steps, 1..max_steps.
        outcomes: (B,) int8, values of ``Outcome``.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int32]
    outcomes: NDArray[np.int8]

    @property
    def num_steps(self) -> int:
        """Control steps of all episodes together."""
        return int(self.lengths.sum())

    @property
    def fitness(self) -> NDArray[np.float64]:
        """(B,) float64: the returns, with diverged worlds at -inf, below every other."""
        return np.where(self.outcomes == Outcome.DIVERGED, -np.inf, self.returns)

    def equals(self, other: RolloutResult) -> bool:
        """Whether another result has the same rows to the bit."""
        return all(a.tobytes() == b.tobytes() for a, b in zip(vars(self).values(), vars(other).values(), strict=True))

    def part(self, start: int, stop: int) -> RolloutResult:
        """Rows start..stop-1."""
        return RolloutResult(self.returns[start:stop], self.lengths[start:stop], self.outcomes[start:stop])


def join(results: Sequence[RolloutResult]) -> RolloutResult:
    """The rows of all results, in the order given; no rows for no results."""
    parts = [RolloutResult(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int8)), *results]
    return RolloutResult(
        np.concatenate([part.returns for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.outcomes for part in parts]),
    )
