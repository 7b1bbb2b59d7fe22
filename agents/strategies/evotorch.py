"""EvoTorch's PGPE and CEM behind our contract: our samples, their update.

Samples are our named ones, so that workers make them without torch; the update is EvoTorch's functional ``tell``, given
the very rows that were run. It is called for one niche at a time, on one thread: how niches are batched and how many
threads torch has change no bit.

Fitness is handed over as whole ranks, which EvoTorch ranks once more: the same weights as from the fitness itself, but
-inf is the worst, float64 returns are told apart, and ties are broken by position.

torch and EvoTorch are imported by the first ``tell`` (430 MB, 1.4 to 3 s); workers never call it.

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
    """Where the search distribution of each niche stands.

    Attributes:
        stdev: (N, P) float32, standard deviation of each parameter.
        velocity: (N, P) float32, ClipUp's.
    """

    stdev: NDArray[np.float32]
    velocity: NDArray[np.float32]


@dataclass(frozen=True)
class Pgpe(AbstractStrategy[PgpeState]):
    """Policy gradients with parameter-based exploration: antithetic pairs, centered ranks, ClipUp, adaptive noise.

    Defaults are EvoTorch's (``pgpe``, ``clipup``, and examples/scripts/rl_clipup.py) where it has any.

    Attributes:
        pairs: M, antithetic pairs a generation.
        step_length: of ClipUp, over all parameters; its greatest speed is twice that. ClipUp's rule is
            15 greatest speeds for the norm of the initial noise, which is 0.1 sqrt(2804) here.
        momentum: ClipUp's.
        noise_std: initial standard deviation of each parameter (POET.md 3.5).
        noise_learning_rate: of the standard deviations.
        noise_max_change: greatest relative change of a standard deviation in one step.
        noise_limit: the least standard deviation (POET.md 3.5; EvoTorch has none).
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
        """See ``AbstractStrategy``; a plain step is ClipUp's from rest, ``step_length`` long."""
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
    """Where the search distribution of each niche stands.

    Attributes:
        stdev: (N, P) float32, standard deviation of each parameter.
    """

    stdev: NDArray[np.float32]


@dataclass(frozen=True)
class Cem(AbstractStrategy[CemState]):
    """The cross-entropy method: the next distribution is that of the best rows.

    Attributes:
        pairs: half the rows of a generation, none of them antithetic: 2M samples cost what M pairs cost.
        parenthood_ratio: the part of the rows that are best (0.5 in EvoTorch's documentation).
        noise_std: initial standard deviation of each parameter (POET.md 3.5).
        noise_max_change: greatest relative change of a standard deviation in one step (0.01 in EvoTorch's
            documentation).
        noise_limit: the least standard deviation (POET.md 3.5; EvoTorch has none).

    Raises:
        InputError: a setting out of range, or fewer than two rows are best.
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
        """See ``AbstractStrategy``; there is no optimiser, so a plain step is the same."""
        fitness = as_fitness(state, samples, fitness)
        return np.stack([self._step(*niche)[0] for niche in zip(samples, fitness, strict=True)])

    @exact
    def step_sizes(self, state: CemState) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See ``AbstractStrategy``; the learning rate is 1: the centre moves all the way to the mean of the best."""
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
    """EvoTorch's module ``algorithms.functional``, without a warning that torch deprecates what EvoTorch uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from evotorch.algorithms import functional
    return functional


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch with one thread: sums in one order whatever else this process does with torch."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _told(sample: Perturbations, fitness: NDArray[np.float64]) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows (rows, P) that were run and their ranks (rows,): whole numbers, exact in float32 up to 2^24."""
    return _tensor(sample.theta(np.arange(sample.num_rows))), _tensor(ranks(fitness).astype(np.float32))


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    """A copy on the CPU, whatever torch's default device is."""
    import torch

    return torch.tensor(values, device="cpu")


def _means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) float64, the mean of each row, correctly rounded sums."""
    return np.array([math.fsum(row.tolist()) / row.size for row in values])
