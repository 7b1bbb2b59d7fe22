"""Runs by arm: those that differ in their seeds alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from environments.errors import InputError
from experiments.settings import differences
from poet.config import Config


def arms_of(configs: Mapping[str, Config]) -> dict[str, list[str]]:
    """The names of runs by what they have before their seed, in the order given; the runs of an arm by seed.

    Args:
        configs: of runs by name, such as ``dr-3`` for the arm ``dr`` and seed 3.

    Raises:
        InputError: runs of one arm have different settings, or the same seed.
    """
    arms: dict[str, list[str]] = {}
    for name, config in configs.items():
        arms.setdefault(Path(name).name.removesuffix(f"-{config.run.seed}"), []).append(name)
    for arm, names in arms.items():
        if any(changed(configs[name], configs[names[0]]) for name in names):
            raise InputError(f"the runs called {arm} must differ in their seeds alone, but have different settings")
        if len({configs[name].run.seed for name in names}) < len(names):
            raise InputError(f"two runs called {arm} have the same seed: give each run once")
        names.sort(key=lambda name: configs[name].run.seed)
    return arms


def changed(config: Config, base: Config) -> dict[str, Any]:
    """The settings of an arm that another one does not have; its seed and length are none."""
    return {key: value for key, value in differences(config, base).items() if key not in ("run.seed", "run.iterations")}
