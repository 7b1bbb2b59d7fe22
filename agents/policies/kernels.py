"""The interface of a policy's kernels. Engines' kernels call them by the names here, see ``PolicyKernels``.

One source serves all engines. Parameters and states are stored in columns: number i of a walker is at ``at + i * n``.
Where each walker has its own array, ``at`` is 0 and ``n`` is 1. On a GPU, the numbers i of neighbouring walkers are
adjacent. Nothing but the state is kept from one step of an episode to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from environments.compiled import kernel


class PolicyKernels(NamedTuple):
    """The kernels of one policy, each compiled by ``environments.compiled.kernel``.

    Attributes:
        begin: implements ``begin_policy``.
        act: implements ``act_policy``.
        act_row: the same to the bit, for ``at`` = 0 and ``n`` = 1. Use a faster kernel if there is one, else ``act``.
    """

    begin: Callable[..., Any]
    act: Callable[..., Any]
    act_row: Callable[..., Any]


def begin_policy(theta: Any, at: int, n: int, shape: Any, state: Any, state_at: int) -> None:
    """Write the state at the beginning of an episode. The old state may be any walker's, or uninitialised.

    Args:
        theta: float32; parameter i is ``theta[at + i * n]``.
        at, n: int64.
        shape: (K,) int64, the policy's ``shape``.
        state: float32; number i of S is ``state[state_at + i * n]``. The numbers between them belong to other walkers.
        state_at: int64.
    """
    raise NotImplementedError


def act_policy(
    theta: Any, at: int, n: int, shape: Any, observation: Any, state: Any, state_at: int, action_out: Any, scratch: Any
) -> None:
    """One step: compute the action for an observation, and update the state.

    Args:
        theta, at, n, shape, state, state_at: see ``begin_policy``.
        observation: (24,) float32.
        action_out: (4,) float32, written. Values are clipped to -1..1; NaN or infinity ends the episode.
        scratch: float32 of the policy's ``scratch_shape``. It may hold anything at first, even NaN.
    """
    raise NotImplementedError


@kernel
def forget(theta, at, n, shape, state, state_at):  # type: ignore[no-untyped-def]
    """``begin_policy`` for a policy whose state begins with zeros, or that has none."""
    for i in range(state_at, state.size, n):
        state[i] = 0.0
