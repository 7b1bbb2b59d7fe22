"""Runs by arm: those that differ in their seeds alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from environments.errors import InputError
from experiments.settings import differences
from experiments.text import visible
from poet.config import NEUTRAL_KEYS, Config

#: Keys in which the runs of an arm may differ. (The start matters, though not its name.)
_FREE = {*NEUTRAL_KEYS, "run.seed"} - {"run.start"}


def arms_of(configs: Mapping[str, Config]) -> dict[str, list[str]]:
    """The names of runs by what they have before their seed, in the order given; the runs of an arm by seed.

    Args:
        configs: of runs by name, such as ``dr-3`` for the arm ``dr`` and seed 3.

    Raises:
        InputError: a name does not end in the run's seed, or runs of one arm have different settings or the same seed.
    """
    arms: dict[str, list[str]] = {}
    for name, config in configs.items():
        found = arm_and_seed(name)
        if found is None or found[1] != str(config.run.seed):
            raise InputError(
                f"a run's folder must be called ARM-SEED, such as dr-{config.run.seed} for seed {config.run.seed}, "
                f"but is {name}"
            )
        arms.setdefault(found[0], []).append(name)
    for arm, names in arms.items():
        for name in names[1:]:
            _check_alike(names[0], configs[names[0]], name, configs[name])
        if len({configs[name].run.seed for name in names}) < len(names):
            raise InputError(f"two runs called {arm} have the same seed: give each run once")
        names.sort(key=lambda name: configs[name].run.seed)
    return arms


def arm_and_seed(name: str) -> tuple[str, str] | None:
    """What a run called ARM-SEED has before and after its last dash; None for any other name."""
    arm, dash, seed = Path(name).name.rpartition("-")
    return (arm, seed) if arm and dash and seed.isdecimal() else None


def changed(config: Config, base: Config) -> dict[str, Any]:
    """The settings of an arm that another one does not have; its seed and what changes no result are none."""
    return {key: value for key, value in differences(config, base).items() if key not in _FREE}


def _check_alike(one: str, config: Config, other: str, other_config: Config) -> None:
    ours, theirs = changed(config, other_config), changed(other_config, config)
    if ours:
        key = next(iter(ours))
        raise InputError(
            f"runs of one arm must differ in their seeds alone, but {key} is {visible(str(ours[key]))} in {one} and "
            f"{visible(str(theirs[key]))} in {other}"
        )
