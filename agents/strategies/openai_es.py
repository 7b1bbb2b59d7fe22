"""OpenAI-ES as POET uses it: antithetic pairs, centered ranks, Adam, decaying step sizes, weight decay.

Reference: Salimans et al. 2017; es.py and optimizers.py of the released code; POET.md section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import AbstractStrategy, StrategyState, as_centres, as_fitness, check_places
from agents.strategies.perturbations import Perturbations, fill_direction
from agents.strategies.shaping import centered_mean_ranks, centered_ranks
from environments.arithmetic import exact
from environments.compiled import allocating_kernel
from environments.errors import InputError
from environments.streams import StreamKey

ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8  # optimizers.py of the released code


@dataclass(frozen=True, eq=False)
class OpenAIESState(StrategyState):
    """The state of each niche's optimiser.

    Attributes:
        centre: (N, P) float32, theta.
        first_moment, second_moment: (N, P) float32, Adam's m and v.
        beta1_power, beta2_power: (N,) float64, beta^t as a running product, since pow would come from libm.
        learning_rate, noise_std: (N,) float64, for the next step.
    """

    first_moment: NDArray[np.float32]
    second_moment: NDArray[np.float32]
    beta1_power: NDArray[np.float64]
    beta2_power: NDArray[np.float64]
    learning_rate: NDArray[np.float64]
    noise_std: NDArray[np.float64]


@dataclass(frozen=True)
class OpenAIES(AbstractStrategy[OpenAIESState]):
    """Settings of the strategy; defaults are the papers' (POET.md 3 and 5.3).

    Attributes:
        pairs: M, antithetic pairs per generation.
        learning_rate, learning_rate_decay, learning_rate_limit: Adam's step size. It is multiplied by the decay after
            each step, down to the limit.
        noise_std, noise_decay, noise_limit: the same for the perturbations' standard deviation.
        weight_decay: coefficient of the L2 term that is added to the gradient before Adam.
        return_ceiling: returns from this one on count as equal, and equal returns share their rank; "none" for the
            papers' ranks, in which each return counts and ties are broken by position. See ``shaping``.

    Raises:
        InputError: as for ``AbstractStrategy``, or the ceiling is neither a number nor "none".
    """

    kind = "openai_es"

    pairs: int = 256
    learning_rate: float = 0.01
    learning_rate_decay: float = 0.9999
    learning_rate_limit: float = 0.001
    noise_std: float = 0.1
    noise_decay: float = 0.999
    noise_limit: float = 0.01
    weight_decay: float = 0.01
    return_ceiling: float | str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        ceiling = self.return_ceiling
        if ceiling != "none" and not (isinstance(ceiling, (int, float)) and math.isfinite(ceiling)):
            raise InputError(f"{self.kind} setting return_ceiling must be a number or 'none', but is {ceiling!r}")

    @exact
    def initial_state(self, theta: NDArray[np.float32]) -> OpenAIESState:
        """See ``AbstractStrategy``."""
        theta = as_centres(theta)
        num = theta.shape[0]
        return OpenAIESState(
            centre=theta,
            first_moment=np.zeros_like(theta),
            second_moment=np.zeros_like(theta),
            beta1_power=np.ones(num),
            beta2_power=np.ones(num),
            learning_rate=np.full(num, self.learning_rate),
            noise_std=np.full(num, self.noise_std),
        )

    @exact
    def ask(self, state: OpenAIESState, places: Sequence[StreamKey]) -> tuple[Perturbations, ...]:
        """See ``AbstractStrategy``."""
        check_places(state, places)
        return tuple(
            Perturbations(centre, np.full_like(centre, std), place, self.pairs)
            for centre, std, place in zip(state.centre, state.noise_std.astype(np.float32), places, strict=True)
        )

    @exact
    def tell(
        self, state: OpenAIESState, samples: Sequence[Perturbations], fitness: NDArray[np.float64]
    ) -> OpenAIESState:
        """See ``AbstractStrategy``."""
        moved = self._adam(state, state.centre, self._gradients(samples, as_fitness(state, samples, fitness)))
        return replace(
            moved,
            learning_rate=np.maximum(self.learning_rate_decay * state.learning_rate, self.learning_rate_limit),
            noise_std=np.maximum(self.noise_decay * state.noise_std, self.noise_limit),
        )

    @exact
    def propose(
        self, state: OpenAIESState, samples: Sequence[Perturbations], fitness: NDArray[np.float64], plain: bool = False
    ) -> NDArray[np.float32]:
        """See ``AbstractStrategy``. Adam's step counts itself and uses t + 1; the released ``Adam.propose`` uses t."""
        gradients = self._gradients(samples, as_fitness(state, samples, fitness))
        sources = np.stack([sample.centre for sample in samples])
        if not plain:
            return self._adam(state, sources, gradients).centre
        # SimpleSGD of the released optimizers.py: a fixed step, no moments.
        return self._moved(sources, self.learning_rate * gradients)

    @exact
    def step_sizes(self, state: OpenAIESState) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See ``AbstractStrategy``."""
        return state.noise_std, state.learning_rate

    def _gradients(self, samples: Sequence[Perturbations], fitness: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, P) float64: minus the ES gradient, plus weight decay, which is the gradient that a minimiser descends."""
        ranks = self._ranks(fitness)
        weights = ranks[:, 0::2] - ranks[:, 1::2]
        gradients_out = np.full((len(samples), samples[0].centre.size), np.nan)
        for n, sample in enumerate(samples):
            centre, scale = self._coordinates(sample)
            # Equal returns say nothing. Adam would scale the decay alone up to steps of full length.
            decay = self.weight_decay if weights[n].any() else 0.0
            _descent(gradients_out[n], weights[n], centre, scale, decay, *sample.place.words)
        return gradients_out

    def _ranks(self, fitness: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.return_ceiling == "none":
            return centered_ranks(fitness)
        return centered_mean_ranks(np.minimum(fitness, float(self.return_ceiling)))

    def _coordinates(self, sample: Perturbations) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """A sample's centre and scale, (P,) both, in the coordinates of the gradient."""
        return sample.centre, sample.scale

    def _moved(self, start: NDArray[np.float32], step: NDArray[np.float64]) -> NDArray[np.float32]:
        """Thetas (N, P) minus a step in the coordinates of the gradient, computed in float64 and rounded at the end."""
        return (start - step).astype(np.float32)

    def _adam(self, state: OpenAIESState, start: NDArray[np.float32], gradients: NDArray[np.float64]) -> OpenAIESState:
        """The state after one Adam step from ``start`` (N, P): computed in float64, rounded to float32 when stored."""
        beta1_power, beta2_power = state.beta1_power * ADAM_BETA1, state.beta2_power * ADAM_BETA2
        before1, before2 = state.first_moment.astype(np.float64), state.second_moment.astype(np.float64)
        first = (ADAM_BETA1 * before1 + (1.0 - ADAM_BETA1) * gradients).astype(np.float32)
        second = (ADAM_BETA2 * before2 + (1.0 - ADAM_BETA2) * (gradients * gradients)).astype(np.float32)
        rate = state.learning_rate * np.sqrt(1.0 - beta2_power) / (1.0 - beta1_power)
        step = rate[:, None] * first.astype(np.float64) / (np.sqrt(second.astype(np.float64)) + ADAM_EPSILON)
        return replace(
            state,
            centre=self._moved(start, step),
            first_moment=first,
            second_moment=second,
            beta1_power=beta1_power,
            beta2_power=beta2_power,
        )


@allocating_kernel
def _descent(gradient_out, weights, centre, scale, weight_decay, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """gradient_out (P,) = weight_decay * centre - sum_m weights[m] eps_m / (M scale), summed over m in order.

    The released code also divides by sigma (``--normalize_grads_by_noise_std``, which its script turns on).
    """
    eps = np.empty(centre.size, np.float32)
    gradient_out[:] = 0.0
    for m in range(weights.size):
        fill_direction(eps, m, c2, c3, k0, k1)
        for p in range(centre.size):
            gradient_out[p] += weights[m] * np.float64(eps[p])
    for p in range(centre.size):
        gradient_out[p] = weight_decay * centre[p] - gradient_out[p] / (weights.size * np.float64(scale[p]))
