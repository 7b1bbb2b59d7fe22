"""Walkers in files: what a run may start from and what ``poet evaluate`` tries, and those that are shipped.

Ours is a ``.npz`` with the array ``theta`` (P,) float32 and, as a text of JSON, ``policy``, the section of a config.
One without is from a time when there was one policy: the default. See ``foreign`` for those of other programs.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from environments.errors import InputError, nearest
from experiments.walkers.foreign import MAX_BYTES, READERS, read_foreign
from poet.config import PolicyConfig, make_config
from poet.policy import make_run_policy

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Walker:
    """A walker of some policy.

    Attributes:
        name: for sentences.
        theta: (P,) float32, finite.
        config: its policy, as a config has it.
        noise_std: (4,) float32, the standard deviation of the noise on its actions in training; None if it was trained
            without such noise, or if that is not known.
    """

    name: str
    theta: NDArray[np.float32]
    config: PolicyConfig
    noise_std: NDArray[np.float32] | None = None

    @property
    def policy(self) -> AbstractPolicy:
        """Its policy.

        Raises:
            InputError: it is not one of ours, since a file must not cause code to be imported.
        """
        if ":" in self.config.kind:
            raise InputError(
                f"{self.name!r} is a walker of the policy {self.config.kind!r}, which is imported for a run with the "
                "same [policy] alone"
            )
        return make_run_policy(self.config)

    def theta_for(
        self, config: PolicyConfig, policy: AbstractPolicy, noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The theta (P,) with which a policy begins as this walker does.

        Args:
            config, policy: of the run.
            noise: see ``AbstractPolicy.initial_theta``.

        Raises:
            InputError: the policy cannot.
        """
        own = policy if self.config == config else self.policy
        try:
            own.check_theta(self.theta)
        except InputError as error:
            raise InputError(f"run.start {self.name!r}: {error}") from None
        theta = policy.adopted(own, self.theta, noise)
        if theta is None:
            raise InputError(
                f"run.start {self.name!r} is a walker of the policy {own.description}, with which the policy of the "
                f"run, {policy.description}, cannot begin: set [policy] to the walker's, or name another"
            )
        return theta


def walker_names() -> list[str]:
    """The names that ``run.start`` knows, besides ``random``."""
    return sorted(path.stem for path in _FOLDER.glob("*.npz"))


def load_walker(name: str, activations: Sequence[str] | None = None, others: Sequence[str] = ()) -> Walker:
    """A walker.

    Args:
        name: a shipped one's, or the path of a file: ``.npz``, or a key of ``foreign.READERS``.
        activations: see ``foreign.read_foreign``.
        others: what else could have been meant, for the error sentence.

    Raises:
        InputError: there is no such walker, or the file holds none.
    """
    suffixes = (".npz", *READERS)
    path = Path(name) if name.endswith(suffixes) else _FOLDER / f"{name}.npz"
    if not path.is_file():
        if name.endswith(suffixes):
            raise InputError(f"there is no walker's file {name!r}")
        raise InputError(
            f"{name!r} is neither a shipped walker nor a file of one ({', '.join(suffixes)}); "
            f"{nearest(name, [*others, *walker_names()])}"
        )
    if path.suffix in READERS:
        network = read_foreign(path, activations)
        section = {"layer_sizes": network.layer_sizes, "activations": network.activations}
        return Walker(name, network.theta, make_config({"policy": section}).policy, network.noise_std)
    return _read_ours(name, path)


def _read_ours(name: str, path: Path) -> Walker:
    num_bytes = _unpacked_size(path)
    if num_bytes > MAX_BYTES:
        raise InputError(f"walker {name!r} has {num_bytes:,} bytes, more than any walker: is it the right file?")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            theta: NDArray[np.float32] = arrays["theta"]
            section = json.loads(str(arrays["policy"])) if "policy" in arrays else {}
        config = make_config({"policy": section}).policy
    except Exception as error:  # zipfile and NumPy have errors of their own for each kind of damage
        raise InputError(
            f"walker {name!r} must be a .npz file with an array 'theta', and a 'policy' if it has another than the "
            f"default: {type(error).__name__}: {error}"
        ) from error
    if theta.ndim != 1:
        raise InputError(f"walker {name!r}: theta must be one walker's, (P,), but has shape {theta.shape}")
    return Walker(name, theta, config)


def _unpacked_size(path: Path) -> int:
    """The bytes of a .npz, or of all that is packed in it, whichever is more."""
    num_bytes = path.stat().st_size
    if num_bytes > MAX_BYTES:
        return num_bytes
    try:
        with zipfile.ZipFile(path) as archive:
            return max(num_bytes, sum(entry.file_size for entry in archive.infolist()))
    except Exception:  # zipfile has errors of its own for each kind of damage; whoever reads the file says what it is
        return num_bytes


def save_walker(file: IO[bytes], walker: Walker, **more: int) -> None:
    """Write a walker as a .npz, with more numbers about it."""
    policy = json.dumps(walker.config.model_dump(mode="json"))
    arrays: dict[str, Any] = {"theta": walker.theta, "policy": policy, **more}
    np.savez(file, **arrays)
