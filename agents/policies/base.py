"""The contract of a policy: how many parameters it has and what it remembers, and kernels that begin and act.

A policy object holds settings only. Its parameters travel apart, as a flat ``theta``; its state is kept where walkers
are kept, by each engine in its own way. ``tests.contracts.policies`` has tests for a policy of one's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from agents.policies.controller import Controller
from agents.policies.kernels import PolicyKernels
from environments.errors import InputError


class AbstractPolicy(ABC):
    """From what a walker senses, and what it remembers, to what moves it.

    A policy is a frozen dataclass whose fields are its settings: equal ones give equal actions of equal thetas.
    """

    #: The name under which configs know the policy.
    kind: ClassVar[str]
    #: What engines compile.
    kernels: ClassVar[PolicyKernels]

    @property
    @abstractmethod
    def num_inputs(self) -> int:
        """Numbers of an observation."""

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Numbers of an action."""

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """P, of a theta."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """What the kernels need to know of the settings."""

    @property
    @abstractmethod
    def scratch_shape(self) -> tuple[int, int]:
        """Of the float32 memory in which ``act`` works; a thread of a GPU has it for itself, so it is small."""

    @property
    def state_size(self) -> int:
        """S, numbers that a walker remembers from step to step; 0 for none."""
        return 0

    @property
    def first_layer_units(self) -> int:
        """Units of a dense layer of the observation, W (inputs, units) row by row and then b, with which theta begins.

        0 for a policy whose theta begins with something else. Strategies that standardise observations ask for it.
        """
        return 0

    @property
    def description(self) -> str:
        """For sentences: the kind, and how it is made."""
        return self.kind

    def initial_theta(self, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a run begins with that is given no walker.

        Args:
            noise: (P,) float32, normal numbers of deviation 0.1.

        Returns:
            (P,) float32.
        """
        return noise

    def adopted(
        self, other: AbstractPolicy, theta: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """A theta (P,) with which this policy begins as another one does with its own; None if there is none.

        Args:
            other: the policy of a walker.
            theta: (its P,) float32, the walker's.
            noise: see ``initial_theta``; for what the walker does not say.
        """
        return theta if other == self else None

    def check_theta(self, theta: NDArray[np.float32]) -> None:
        """Raise ``InputError`` unless ``theta`` is finite float32 with a last axis of P."""
        self.check_shape(theta)
        if not np.isfinite(theta).all():
            raise InputError("theta must be finite, but holds NaN or infinity")

    def check_shape(self, theta: NDArray[np.float32]) -> None:
        """Raise ``InputError`` unless ``theta`` is float32 with a last axis of P."""
        if not isinstance(theta, np.ndarray) or isinstance(theta, np.ma.MaskedArray):
            raise InputError(f"theta must be an array of float32, but is a {type(theta).__name__}")
        if theta.dtype != np.float32 or theta.ndim not in (1, 2) or theta.shape[-1] != self.num_parameters:
            raise InputError(
                f"theta must be float32 of shape (P,) or (B, P) with P = {self.num_parameters} for the policy "
                f"{self.description}, but is {theta.dtype} of shape {theta.shape}"
            )

    def controller(self, theta: NDArray[np.float32]) -> Controller:
        """The policy with its parameters bound, at the beginning of an episode.

        Args:
            theta: (P,) float32.

        Raises:
            InputError: theta has another shape or dtype, or is not finite.
        """
        self.check_theta(theta)
        if theta.ndim != 1:
            raise InputError(f"theta must be (P,), that of one walker, but has the shape {theta.shape}: choose a row")
        return Controller(self, theta)
