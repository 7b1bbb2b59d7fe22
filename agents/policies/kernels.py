"""What a policy's kernels are given and do; engines' kernels call them by the names here, see ``PolicyKernels``.

One source serves all engines. Parameters and states lie in columns: number i of a walker is at ``at + i * n``. Where
walkers have memory of their own, ``at`` is 0 and ``n`` is 1; for a GPU's threads neighbours' equal numbers are
neighbours. An episode runs one policy: nothing but the state is kept from step to step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from environments.compiled import kernel


class PolicyKernels(NamedTuple):
    """A policy's own, compiled by ``environments.compiled.kernel``.

    Attributes:
        begin: does what ``begin_policy`` says.
        act: does what ``act_policy`` says.
        act_row: does so too, to the bit, where ``at`` is 0 and ``n`` is 1: faster if it can be. ``act`` if not.
    """

    begin: Callable[..., Any]
    act: Callable[..., Any]
    act_row: Callable[..., Any]


def begin_policy(theta: Any, at: int, n: int, shape: Any, state: Any, state_at: int) -> None:
    """Write the state that an episode begins with; where it was before is any walker's, or nobody's.

    Args:
        theta: float32; parameter i is ``theta[at + i * n]``.
        at, n: int64.
        shape: (K,) int64, the policy's ``shape``.
        state: float32; number i of S is ``state[state_at + i * n]``, and what lies between them is others'.
        state_at: int64.
    """
    raise NotImplementedError


def act_policy(
    theta: Any, at: int, n: int, shape: Any, observation: Any, state: Any, state_at: int, action_out: Any, scratch: Any
) -> None:
    """One step: answer an observation, and go on in the state.

    Args:
        theta, at, n, shape, state, state_at: see ``begin_policy``.
        observation: (24,) float32.
        action_out: (4,) float32, written. Beyond -1..1 it counts as -1 or 1; NaN or infinity ends the episode.
        scratch: of the policy's ``scratch_shape``, float32; whatever is in it, also NaN.
    """
    raise NotImplementedError


@kernel
def forget(theta, at, n, shape, state, state_at):  # type: ignore[no-untyped-def]
    """``begin_policy`` of a policy that begins with zeros, or has no state."""
    for i in range(state_at, state.size, n):
        state[i] = 0.0
