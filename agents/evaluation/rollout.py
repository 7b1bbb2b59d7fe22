"""Episodes in one call, for users' own code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.evaluation.local import LocalExecutor
from agents.policies.base import AbstractPolicy
from agents.rollouts import check_engine
from agents.rollouts.checks import check_policy
from agents.rollouts.request import Block, EvaluationRequest, Thetas
from agents.rollouts.result import RolloutResult
from environments.arithmetic import exact
from environments.biped import MAX_STEPS
from environments.errors import COUNT, InputError, whole_number
from environments.machine import available_cores
from environments.terrain.terrain import Terrain, check_terrain_index

#: Executors kept for the next call, by their number of workers. Their processes, if any, end with this one.
_executors: dict[int, LocalExecutor] = {}


@exact
def rollout(
    policy: AbstractPolicy,
    theta: NDArray[np.float32],
    terrains: Terrain | Sequence[Terrain],
    terrain_index: ArrayLike | None = None,
    engine: str = "simd",
    max_steps: int = MAX_STEPS,
    threads: int | None = None,
) -> RolloutResult:
    """Run one episode for each theta.

    Args:
        policy: such as ``MLPPolicy()``; from 24 observations to 4 actions.
        theta: (B, P) or (P,) float32, finite; at least one row.
        terrains: one or several grounds.
        terrain_index: (B,) which of them each row walks on; None if there is one for all, or one for each row.
        engine: who integrates, a key of ``environments.engines.ENGINES``: ``"simd"``, many walkers at once, or
            ``"box2d"``, Box2D itself; or ``"package.module:Name"`` of an engine of your own. Changes no result.
        max_steps: control steps after which an episode is TIMEOUT.
        threads: of this process; with ``"box2d"``, whose episodes hold the GIL, worker processes for 2 or more. None
            for one a core. Changes no result.

    Returns:
        B rows in the order of ``theta``; one row for (P,).

    Raises:
        InputError: an argument has another shape, type or range.
    """
    check_policy(policy)
    theta = np.asarray(theta)
    policy.check_theta(theta)
    if theta.size == 0:
        raise InputError("theta must have at least one row, but is empty")
    if not isinstance(terrains, Terrain | Iterable):
        raise InputError(f"terrains must be a Terrain or a list of them, but is a {type(terrains).__name__}")
    grounds = (terrains,) if isinstance(terrains, Terrain) else tuple(terrains)
    check_engine(engine)
    max_steps = whole_number("max_steps", max_steps, *COUNT)
    threads = None if threads is None else whole_number("threads", threads, *COUNT)
    rows = np.atleast_2d(theta)
    index = _terrain_index(terrain_index, rows.shape[0], grounds)
    block = Block(Thetas(rows), np.arange(rows.shape[0]), grounds, index)
    workers = 1 if rows.shape[0] == 1 else int(threads or available_cores())
    executor = _executors.setdefault(workers, LocalExecutor(workers))
    (result,) = executor.evaluate(EvaluationRequest((block,), policy, int(max_steps), engine))
    return result


def _terrain_index(given: ArrayLike | None, num_rows: int, terrains: tuple[Terrain, ...]) -> NDArray[np.int64]:
    """(B,) the terrain of each row."""
    for terrain in terrains:
        if not isinstance(terrain, Terrain):
            raise InputError(f"terrains must be a Terrain or a list of them, but one is a {type(terrain).__name__}")
    if given is None:
        if len(terrains) not in (1, num_rows):
            raise InputError(
                f"terrains must be one for all or one for each of {num_rows} thetas, but there are {len(terrains)}; "
                "give terrain_index to say which theta walks where"
            )
        return np.zeros(num_rows, np.int64) if len(terrains) == 1 else np.arange(num_rows)
    try:
        index = np.asarray(given)
    except ValueError:
        raise InputError(
            f"terrain_index must hold {num_rows} whole numbers, one for each theta, but has rows of several lengths"
        ) from None
    if index.dtype == object:  # pandas' whole numbers that may be missing
        index = np.array([whole_number("terrain_index", i) for i in index.ravel()], np.int64).reshape(index.shape)
    if index.shape != (num_rows,) or index.dtype.kind not in "iu":
        raise InputError(
            f"terrain_index must hold {num_rows} whole numbers, one for each theta, but is {index.dtype} of shape "
            f"{index.shape}"
        )
    check_terrain_index(index, len(terrains))
    return index.astype(np.int64)
