"""What every env takes as the actions of one step."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from environments.errors import InputError


def as_actions(actions: ArrayLike, shape: tuple[int, ...], name: str = "actions") -> NDArray[np.float32]:
    """The actions as the engines take them: float32, C order, writeable (kernels are compiled for that alone).

    Args:
        actions: numbers of any kind. Those that are not finite make the world diverge.
        shape: (4,) of one walker, (N, 4) of N.
        name: what to call them in error sentences.

    Returns:
        The same array if it fits, otherwise a new one.

    Raises:
        InputError: they have another shape or are no numbers.
    """
    if isinstance(actions, np.ndarray) and actions.dtype == np.float32 and actions.shape == shape:
        return actions if actions.flags.carray else actions.copy()
    try:
        found = np.asarray(actions)
    except ValueError:  # rows of several lengths
        raise InputError(f"{name} must have the shape {shape}, found {actions!r:.60}") from None
    except (TypeError, RuntimeError) as error:  # of a tensor on a GPU, or with a gradient
        raise InputError(
            f"{name} must be numbers that NumPy can read, found {type(actions).__name__}: {error}"
        ) from None
    if found.dtype.kind not in "fiu":
        raise InputError(f"{name} must be numbers, float32 if they are to stay as they are, found {found.dtype}")
    if found.shape != shape:
        rows = "a row for each world and " if len(shape) == 2 else ""
        raise InputError(f"{name} must have the shape {shape}, {rows}a number for each motor, found {found.shape}")
    with np.errstate(over="ignore"):  # beyond float32 is infinity, and infinity is DIVERGED
        return found.astype(np.float32, order="C")
