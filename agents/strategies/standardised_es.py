"""OpenAI-ES as if the policy's inputs had mean 0 and deviation 1, so that it can learn from inputs that vary little.

A lidar ray varies by 0.06, a knee's speed by 0.8. Under isotropic noise on the first layer's weights, a unit feels
little but the knee and the constant parts of its inputs. So the search runs in other coordinates. With mean mu_i and
deviation s_i of input i, a unit's sum is

    b_j + sum_i o_i W_ij = c_j + sum_i (o_i - mu_i) / s_i V_ij    where  V_ij = s_i W_ij,  c_j = b_j + sum_i mu_i W_ij,

and noise, Adam and weight decay act on V and c. Thetas are still those of the plain policy: a move (dV, dc) changes W
by dW_ij = dV_ij / s_i and b by dc_j - sum_i mu_i dW_ij.

The statistics are constants, measured once by ``python -m experiments.walkers.observations``. So an agent can move
between niches, and a theta between strategies, without being converted.

Reference: Salimans et al. 2017 (the strategy); Mania et al. 2018, section 3.2 (normalised observations in random
search).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import check_places
from agents.strategies.openai_es import OpenAIES, OpenAIESState
from agents.strategies.perturbations import Perturbations
from environments.arithmetic import exact
from environments.errors import InputError
from environments.streams import StreamKey

#: The file of the statistics.
STATISTICS_FILE = Path(__file__).with_name("observations.toml")


@dataclass(frozen=True, eq=False)
class ObservationStatistics:
    """Means and deviations of what walkers observe.

    Attributes:
        means, deviations: (I,) float32.
    """

    means: NDArray[np.float32]
    deviations: NDArray[np.float32]


@cache
def observation_statistics() -> ObservationStatistics:
    """The statistics that ship with this package."""
    stored = tomllib.loads(STATISTICS_FILE.read_text(encoding="utf-8"))
    return ObservationStatistics(np.array(stored["means"], np.float32), np.array(stored["deviations"], np.float32))


@dataclass(frozen=True)
class StandardisedES(OpenAIES):
    """``OpenAIES`` on standardised inputs; its settings mean the same in those coordinates.

    Attributes:
        hidden_units: the number of units in the policy's first layer; a run takes it from its policy.

    Raises:
        InputError: as for ``OpenAIES``, or theta has no such first layer.
    """

    kind = "standardised_es"

    hidden_units: int = 40

    @exact
    def initial_state(self, theta: NDArray[np.float32]) -> OpenAIESState:
        """See ``AbstractStrategy``."""
        state = super().initial_state(theta)
        least, found = (observation_statistics().means.size + 1) * self.hidden_units, state.centre.shape[1]
        if found < least:
            raise InputError(
                f"theta must begin with a first layer of {self.hidden_units} units, {least} parameters, for strategy "
                f"{self.kind!r}, but has {found}; es.settings.hidden_units says how many units there are"
            )
        return state

    @exact
    def ask(self, state: OpenAIESState, places: Sequence[StreamKey]) -> tuple[Perturbations, ...]:
        """See ``AbstractStrategy``."""
        check_places(state, places)
        means, scale = observation_statistics().means, 1.0 / self._deviations(state.centre.shape[1])
        return tuple(
            Perturbations(
                centre, (std * scale).astype(np.float32), place, self.pairs,
                mean_input=means, num_units=self.hidden_units,
            )
            for centre, std, place in zip(state.centre, state.noise_std, places, strict=True)
        )  # fmt: skip

    def _coordinates(self, sample: Perturbations) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """V and c, and the noise of both, each (P,)."""
        deviations = self._deviations(sample.centre.size)
        return self._with_means(sample.centre.astype(np.float64), 1.0) * deviations, sample.scale * deviations

    def _moved(self, start: NDArray[np.float32], step: NDArray[np.float64]) -> NDArray[np.float32]:
        """Thetas (N, P) minus a step in V and c."""
        moves = step / self._deviations(start.shape[1])
        return (start - np.stack([self._with_means(move, -1.0) for move in moves])).astype(np.float32)

    def _deviations(self, num_parameters: int) -> NDArray[np.float64]:
        """(P,) the factor by which each parameter is multiplied in these coordinates."""
        deviations = observation_statistics().deviations.astype(np.float64)
        factors = np.ones(num_parameters)
        factors[: deviations.size * self.hidden_units] = np.repeat(deviations, self.hidden_units)
        return factors

    def _with_means(self, theta: NDArray[np.float64], sign: float) -> NDArray[np.float64]:
        """A theta (P,) with the weights' output at the mean input added to the first layer's biases, or subtracted.

        The sum runs input by input, since a matrix product would choose its own order of addition.
        """
        means, found = observation_statistics().means.astype(np.float64), theta.copy()
        bias = means.size * self.hidden_units
        for i, mean in enumerate(means):
            weights = theta[i * self.hidden_units : (i + 1) * self.hidden_units]
            found[bias : bias + self.hidden_units] += sign * mean * weights
        return found
