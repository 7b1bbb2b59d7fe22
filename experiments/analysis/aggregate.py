"""Several runs together: runs that differ only in their seed are one group, and a group has a median and quartiles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from environments.errors import InputError
from experiments.analysis.complexity import greatest_so_far
from experiments.analysis.genes import CHALLENGE_NAMES
from experiments.analysis.measures import RunCard, flat_config, progress_curves, run_card
from experiments.analysis.run_tables import RunTables
from poet.config import NEUTRAL_KEYS

#: How many points curves of several runs are compared at.
NUM_POINTS = 400


@dataclass(frozen=True, eq=False)
class RunGroup:
    """Runs of one config.

    Attributes:
        name: the settings in which the group differs from the others; ``"all runs"`` when there is one group.
        curves: ``progress_curves`` with ``greatest_so_far`` of each run, by the run's name.
    """

    name: str
    curves: Mapping[str, pd.DataFrame]


def run_names(paths: Sequence[Path]) -> list[str]:
    """A short name for each run: its folder's, with as many parent folders as tell it from the others.

    Raises:
        InputError: a folder is given twice.
    """
    parts = [path.resolve().parts for path in paths]
    for i, path in enumerate(paths):
        if parts[i] in parts[:i]:
            raise InputError(f"run {path} is given twice; give each run once")
    for length in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return ["/".join(part) for part in parts]


def group_runs(runs: Mapping[str, RunTables]) -> list[RunGroup]:
    """Group runs by config, without the seed and settings that change no result.

    Raises:
        InputError: two runs have the same config and the same seed: they are one run, and would count twice.
    """
    configs = {name: _result_settings(run) for name, run in runs.items()}
    seeds: dict[tuple[str, int], str] = {}
    for name, run in runs.items():
        key = (repr(configs[name]), run.config.run.seed)
        if key in seeds:
            raise InputError(
                f"runs {seeds[key]} and {name} have the same config and seed {key[1]}, so they are one run and would "
                "count twice; leave one of them out"
            )
        seeds[key] = name
    varying = [key for key in next(iter(configs.values())) if len({repr(c[key]) for c in configs.values()}) > 1]
    grouped: dict[str, dict[str, pd.DataFrame]] = {}
    for name, run in runs.items():
        label = ", ".join(f"{key}={json.dumps(configs[name][key])}" for key in varying) or "all runs"
        grouped.setdefault(label, {})[name] = progress_curves(run).join(greatest_so_far(run))
    return [RunGroup(label, curves) for label, curves in grouped.items()]


def last_shared_step(groups: Sequence[RunGroup]) -> int:
    """Env-steps of the shortest of all runs: the last point at which all can be compared."""
    return min(int(curves["env_steps"].iloc[-1]) for group in groups for curves in group.curves.values())


def spread(group: RunGroup, measure: str, end: int) -> pd.DataFrame:
    """Median and quartiles of a measure over a group's runs, at the same env-steps.

    A curve keeps its last value until the next iteration ends.

    Args:
        group: of runs.
        measure: a column of these curves.
        end: env-steps at the last point; ``last_shared_step([group])`` is the furthest that makes sense.

    Returns:
        Columns env_steps, lower (first quartile), median, upper (third quartile), num_runs (with a value there).
    """
    points = np.linspace(0, end, NUM_POINTS).astype(np.int64)
    values = np.stack([_values_at(curves, measure, points) for curves in group.curves.values()])
    num_runs = np.isfinite(values).sum(axis=0)
    quartiles = np.full((3, points.size), np.nan)
    has_any = num_runs > 0
    quartiles[:, has_any] = np.nanquantile(values[:, has_any], [0.25, 0.5, 0.75], axis=0)
    return pd.DataFrame(
        {
            "env_steps": points,
            "lower": quartiles[0],
            "median": quartiles[1],
            "upper": quartiles[2],
            "num_runs": num_runs,
        }
    )


def measures_of(groups: Sequence[RunGroup]) -> list[str]:
    """Every curve that some run has, except env_steps, in order."""
    names = [name for group in groups for curves in group.curves.values() for name in curves.columns]
    return [name for name in dict.fromkeys(names) if name != "env_steps"]


def aggregate_table(groups: Sequence[RunGroup]) -> pd.DataFrame:
    """Median and quartiles of every measure at the point where the shortest of all runs ends.

    Returns:
        Columns group, measure, num_runs, env_steps, lower, median, upper.
    """
    rows, end = [], last_shared_step(groups)
    for group in groups:
        for measure in measures_of([group]):
            last = spread(group, measure, end).iloc[-1]
            rows.append({"group": group.name, "measure": measure, **last.to_dict()})
    table = pd.DataFrame(rows, columns=["group", "measure", "num_runs", "env_steps", "lower", "median", "upper"])
    return table.astype({"num_runs": "int64", "env_steps": "int64"})


def runs_table(runs: Mapping[str, RunTables]) -> pd.DataFrame:
    """The run card of each run as a row, after its name (column ``run``)."""
    return pd.DataFrame([{"run": name, **card_values(run_card(run))} for name, run in runs.items()])


def card_values(card: RunCard) -> dict[str, int | float]:
    """A card as plain numbers by name, without those that are None. Challenging terrains are one number per level."""
    values = {name: value for name, value in asdict(card).items() if value is not None}
    levels = values.pop("solved_challenging", ())
    names = [f"solved_once_{name.replace(' ', '_')}" for name in CHALLENGE_NAMES[1:]]
    return values | dict(zip(names, levels, strict=False))


def _result_settings(run: RunTables) -> dict[str, object]:
    """The settings that decide a result, except the seed. The start is compared by its name.

    A fork's settings may have changed on the way, so the point where it left its original counts as a setting.
    """
    others = {*NEUTRAL_KEYS, "run.seed"} - {"run.start"}
    settings = {key: v for key, v in flat_config(run.config).items() if key not in others}
    return {**settings, "fork at": None if run.parent is None else run.parent.iteration}


def _values_at(curves: pd.DataFrame, measure: str, points: NDArray[np.int64]) -> NDArray[np.float64]:
    """The measure after the last iteration that ended by each point; NaN before the first, and if it is missing."""
    if measure not in curves:
        return np.full(points.size, np.nan)
    last = np.searchsorted(curves["env_steps"].to_numpy(), points, side="right") - 1
    return np.where(last >= 0, curves[measure].to_numpy(np.float64)[np.maximum(last, 0)], np.nan)
