"""The shipped walkers: thetas to start a run from, one NAME.npz each with the array ``theta`` (P,) float32."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.policy import MLPPolicy
from environments.errors import InputError, nearest

_FOLDER = Path(__file__).parent


def walker_names() -> list[str]:
    """The names that ``run.start`` knows, besides ``random``."""
    return sorted(path.stem for path in _FOLDER.glob("*.npz"))


def load_walker(name: str) -> NDArray[np.float32]:
    """A walker's theta.

    Args:
        name: a shipped one's, or a path that ends in ``.npz``.

    Returns:
        (P,) float32.

    Raises:
        InputError: there is no such walker, or the file holds no theta of our policy.
    """
    path = Path(name) if name.endswith(".npz") else _FOLDER / f"{name}.npz"
    if not path.is_file():
        raise InputError(
            f"run.start {name!r} is neither 'random', nor a shipped walker, nor a .npz file; "
            f"{nearest(name, ['random', *walker_names()])}"
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            theta: NDArray[np.float32] = arrays["theta"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"run.start {name!r} must be a .npz file with an array 'theta': {error}") from error
    try:
        MLPPolicy().check_theta(theta)
    except InputError as error:
        raise InputError(f"run.start {name!r}: {error}") from None
    if theta.ndim != 1:
        raise InputError(f"run.start {name!r}: theta must be one walker's, (P,), but has shape {theta.shape}")
    return theta
