"""The contract of a policy: the size of its parameters and of its state, and kernels that begin an episode and act.

A policy object holds only settings. Its parameters are passed separately, as a flat ``theta``. Each engine stores the
state next to its walkers, in its own layout. ``tests.contracts.policies`` has tests that your own policy can subclass.
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
    """Maps a walker's observation and state to an action.

    A policy is a frozen dataclass whose fields are its settings. Equal policies with equal thetas give equal actions.
    """

    #: The name under which configs know the policy.
    kind: ClassVar[str]
    #: The kernels that engines compile.
    kernels: ClassVar[PolicyKernels]

    @property
    @abstractmethod
    def num_inputs(self) -> int:
        """The size of an observation."""

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """The size of an action."""

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """P, the size of a theta."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The settings as integers, as far as the kernels need them."""

    @property
    @abstractmethod
    def scratch_shape(self) -> tuple[int, int]:
        """The shape of the float32 scratch array of ``act``. Each GPU thread has its own, so keep it small."""

    @property
    def state_size(self) -> int:
        """S, how many numbers a walker keeps from step to step; 0 for a policy without memory."""
        return 0

    @property
    def first_layer_units(self) -> int:
        """The number of units, if theta begins with a dense layer of the observation; 0 if it does not.

        Such a layer is W (inputs, units) row by row, then b. Strategies that standardise observations use this.
        """
        return 0

    @property
    def description(self) -> str:
        """The kind and the architecture in words, for messages."""
        return self.kind

    def initial_theta(self, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first theta of a run that does not start from a walker.

        Args:
            noise: (P,) float32, normal numbers with standard deviation 0.1.

        Returns:
            (P,) float32.
        """
        return noise

    def adopted(
        self, other: AbstractPolicy, theta: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """A theta (P,) with which this policy at first acts like another policy with its theta; None if there is none.

        Args:
            other: the policy of a walker.
            theta: (P of ``other``,) float32, the walker's.
            noise: see ``initial_theta``; for parameters that the walker does not have.
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
        """A controller for one walker with this theta, ready to begin an episode.

        Args:
            theta: (P,) float32.

        Raises:
            InputError: theta has another shape or dtype, or is not finite.
        """
        self.check_theta(theta)
        if theta.ndim != 1:
            raise InputError(f"theta must be (P,), that of one walker, but has the shape {theta.shape}: choose a row")
        return Controller(self, theta)
