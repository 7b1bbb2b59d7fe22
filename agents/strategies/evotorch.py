"""EvoTorch's PGPE and CEM behind our contract: the samples are ours, the update is EvoTorch's.

Samples are named like all of ours, so workers make them without torch. The update is EvoTorch's functional ``tell`` on
exactly the rows that were run. It is called for one niche at a time and on one thread, so neither the batching of
niches nor torch's number of threads changes a bit.

Fitness is passed as integer ranks, which EvoTorch ranks again. The weights are the same as from the fitness itself,
but -inf is the worst, float64 returns stay distinct, and ties are broken by position.

The first ``tell`` imports torch and EvoTorch (430 MB, 1.4 to 3 s); workers never call it.

Reference: Sehnke et al. 2010 (PGPE); Toklu et al. 2020 (ClipUp); Rubinstein 1999, Duan et al. 2016 (CEM);
evotorch/algorithms/functional.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import AbstractStrategy, StrategyState, as_centres, as_fitness, check_places
from agents.strategies.perturbations import Perturbations
from agents.strategies.shaping import ranks
from environments.arithmetic import exact
from environments.errors import InputError
from environments.streams import StreamKey

if TYPE_CHECKING:
    import torch

Row = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PgpeState(StrategyState):
    """The search distribution of each niche.

    Attributes:
        stdev: (N, P) float32, standard deviation of each parameter.
        velocity: (N, P) float32, the velocity of ClipUp.
    """

    stdev: NDArray[np.float32]
    velocity: NDArray[np.float32]


@dataclass(frozen=True)
class Pgpe(AbstractStrategy[PgpeState]):
    """Policy gradients with parameter-based exploration: antithetic pairs, centered ranks, ClipUp, adaptive noise.

    Defaults are EvoTorch's (``pgpe``, ``clipup``, and examples/scripts/rl_clipup.py) where it has any.

    Attributes:
        pairs: M, antithetic pairs per generation.
        step_length: the norm of a ClipUp step over all parameters. The maximum speed is twice that. ClipUp's rule of
            thumb is that 15 times the maximum speed equals the norm of the initial noise, here 0.1 sqrt(2804).
        momentum: of ClipUp.
        noise_std: initial standard deviation of each parameter (POET.md 3.5).
        noise_learning_rate: learning rate of the standard deviations.
        noise_max_change: largest relative change of a standard deviation in one step.
        noise_limit: lower bound of the standard deviation (POET.md 3.5; EvoTorch has none).
    """

    kind = "pgpe"

    pairs: int = 256
    step_length: float = 0.175
    momentum: float = 0.9
    noise_std: float = 0.1
    noise_learning_rate: float = 0.1
    noise_max_change: float = 0.2
    noise_limit: float = 0.01

    @exact
    def initial_state(self, theta: NDArray[np.float32]) -> PgpeState:
        """See ``AbstractStrategy``."""
        centre = as_centres(theta)
        return PgpeState(centre, np.full_like(centre, self.noise_std), np.zeros_like(centre))

    @exact
    def ask(self, state: PgpeState, places: Sequence[StreamKey]) -> tuple[Perturbations, ...]:
        """See ``AbstractStrategy``."""
        check_places(state, places)
        return tuple(
            Perturbations(centre, stdev, place, self.pairs)
            for centre, stdev, place in zip(state.centre, state.stdev, places, strict=True)
        )

    @exact
    def tell(self, state: PgpeState, samples: Sequence[Perturbations], fitness: NDArray[np.float64]) -> PgpeState:
        """See ``AbstractStrategy``."""
        fitness = as_fitness(state, samples, fitness)
        steps = [self._step(*niche) for niche in zip(samples, state.velocity, fitness, strict=True)]
        centre, stdev, velocity = (np.stack(rows) for rows in zip(*steps, strict=True))
        return PgpeState(centre, stdev, velocity)

    @exact
    def propose(
        self, state: PgpeState, samples: Sequence[Perturbations], fitness: NDArray[np.float64], plain: bool = False
    ) -> NDArray[np.float32]:
        """See ``AbstractStrategy``; a plain step is a ClipUp step from rest, of length ``step_length``."""
        fitness = as_fitness(state, samples, fitness)
        velocity = np.zeros_like(state.velocity) if plain else state.velocity
        return np.stack([self._step(*niche)[0] for niche in zip(samples, velocity, fitness, strict=True)])

    @exact
    def step_sizes(self, state: PgpeState) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See ``AbstractStrategy``."""
        return _means(state.stdev), np.full(state.centre.shape[0], self.step_length)

    def _step(self, sample: Perturbations, velocity: Row, fitness: NDArray[np.float64]) -> tuple[Row, Row, Row]:
        """One niche's next centre, stdev and velocity."""
        return self._step_with(load_functional(), sample, velocity, fitness)

    @exact  # again: what is loaded may set the processor
    def _step_with(
        self, functional: Any, sample: Perturbations, velocity: Row, fitness: NDArray[np.float64]
    ) -> tuple[Row, Row, Row]:
        with _one_thread():
            fresh = functional.pgpe(
                center_init=_tensor(sample.centre),
                stdev_init=_tensor(sample.scale),
                center_learning_rate=self.step_length,
                optimizer="clipup",
                optimizer_config={"momentum": self.momentum},
                stdev_learning_rate=self.noise_learning_rate,
                stdev_max_change=self.noise_max_change,
                stdev_min=self.noise_limit,
                objective_sense="max",
            )
            before = fresh._replace(optimizer_state=fresh.optimizer_state._replace(velocity=_tensor(velocity)))
            after = functional.pgpe_tell(before, *_told(sample, fitness))
        return after.optimizer_state.center.numpy(), after.stdev.numpy(), after.optimizer_state.velocity.numpy()


@dataclass(frozen=True, eq=False)
class CemState(StrategyState):
    """The search distribution of each niche.

    Attributes:
        stdev: (N, P) float32, standard deviation of each parameter.
    """

    stdev: NDArray[np.float32]


@dataclass(frozen=True)
class Cem(AbstractStrategy[CemState]):
    """The cross-entropy method: the next distribution is fitted to the best rows.

    Attributes:
        pairs: half the number of rows in a generation. Rows are not antithetic; 2M samples cost as much as M pairs.
        parenthood_ratio: the fraction of rows that counts as best (0.5 in EvoTorch's documentation).
        noise_std: initial standard deviation of each parameter (POET.md 3.5).
        noise_max_change: largest relative change of a standard deviation in one step (0.01 in EvoTorch's
            documentation).
        noise_limit: lower bound of the standard deviation (POET.md 3.5; EvoTorch has none).

    Raises:
        InputError: a setting is out of range, or fewer than two rows count as best.
    """

    kind = "cem"

    pairs: int = 256
    parenthood_ratio: float = 0.5
    noise_std: float = 0.1
    noise_max_change: float = 0.01
    noise_limit: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        num_rows = 2 * self.pairs
        if not 2.0 <= math.floor(num_rows * self.parenthood_ratio) <= num_rows:
            raise InputError(
                f"cem setting parenthood_ratio must make between 2 and all of the {num_rows} rows of a generation best"
                f", but is {self.parenthood_ratio!r}"
            )

    @exact
    def initial_state(self, theta: NDArray[np.float32]) -> CemState:
        """See ``AbstractStrategy``."""
        centre = as_centres(theta)
        return CemState(centre, np.full_like(centre, self.noise_std))

    @exact
    def ask(self, state: CemState, places: Sequence[StreamKey]) -> tuple[Perturbations, ...]:
        """See ``AbstractStrategy``."""
        check_places(state, places)
        return tuple(
            Perturbations(centre, stdev, place, 2 * self.pairs, antithetic=False)
            for centre, stdev, place in zip(state.centre, state.stdev, places, strict=True)
        )

    @exact
    def tell(self, state: CemState, samples: Sequence[Perturbations], fitness: NDArray[np.float64]) -> CemState:
        """See ``AbstractStrategy``."""
        fitness = as_fitness(state, samples, fitness)
        steps = [self._step(*niche) for niche in zip(samples, fitness, strict=True)]
        centre, stdev = (np.stack(rows) for rows in zip(*steps, strict=True))
        return CemState(centre, stdev)

    @exact
    def propose(
        self, state: CemState, samples: Sequence[Perturbations], fitness: NDArray[np.float64], plain: bool = False
    ) -> NDArray[np.float32]:
        """See ``AbstractStrategy``; without an optimiser, a plain step is the same."""
        fitness = as_fitness(state, samples, fitness)
        return np.stack([self._step(*niche)[0] for niche in zip(samples, fitness, strict=True)])

    @exact
    def step_sizes(self, state: CemState) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See ``AbstractStrategy``; the learning rate is 1: the centre moves all the way to the best rows' mean."""
        return _means(state.stdev), np.ones(state.centre.shape[0])

    def _step(self, sample: Perturbations, fitness: NDArray[np.float64]) -> tuple[Row, Row]:
        """One niche's next centre and stdev."""
        return self._step_with(load_functional(), sample, fitness)

    @exact  # again: what is loaded may set the processor
    def _step_with(self, functional: Any, sample: Perturbations, fitness: NDArray[np.float64]) -> tuple[Row, Row]:
        with _one_thread():
            before = functional.cem(
                center_init=_tensor(sample.centre),
                stdev_init=_tensor(sample.scale),
                parenthood_ratio=self.parenthood_ratio,
                stdev_max_change=self.noise_max_change,
                stdev_min=self.noise_limit,
                objective_sense="max",
            )
            after = functional.cem_tell(before, *_told(sample, fitness))
        return after.center.numpy(), after.stdev.numpy()


def load_functional() -> Any:
    """EvoTorch's module ``algorithms.functional``; warnings about deprecated torch functions in it are silenced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from evotorch.algorithms import functional
    return functional


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread, so that sums have one order whatever else this process does with torch."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _told(sample: Perturbations, fitness: NDArray[np.float64]) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows (rows, P) that were run, and their ranks (rows,), which are integers and exact in float32 to 2^24."""
    return _tensor(sample.theta(np.arange(sample.num_rows))), _tensor(ranks(fitness).astype(np.float32))


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    """A copy on the CPU, even if torch has another default device."""
    import torch

    return torch.tensor(values, device="cpu")


def _means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) float64, the mean of each row, from correctly rounded sums."""
    return np.array([math.fsum(row.tolist()) / row.size for row in values])
