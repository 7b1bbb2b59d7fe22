"""What runs are compared by: how often the agent that each would hand over succeeds on a suite.

A run may have many agents. The one that it hands over, its generalist, succeeds most often on other grounds of the
suite's cells, which the comparison does not use otherwise. An arm with several agents so chooses among more of them
than an arm with one. That is part of what it offers, and the table says how many there were. ``best_of_all`` is
an upper bound that no single agent reaches: the best agent for each cell, chosen on these very episodes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from agents.evaluation.executor import AbstractExecutor, Progress
from environments.errors import InputError
from experiments.comparison.statistics import (
    Array,
    bootstrap_interval,
    difference,
    holm,
    interquartile_mean,
    least_p,
    permutation_p,
    power,
    probability_of_improvement,
)
from experiments.suites import Suite
from experiments.suites.agents import active_niches, run_agent
from experiments.suites.evaluation import Trial, evaluate, summary
from poet.archive.reader import Run

#: Differences in standard deviations between runs for which the power is told.
EFFECTS = (1.0, 1.5, 2.0, 3.0)
#: Below this adjusted p a difference is said to be shown.
ALPHA = 0.05


@dataclass(frozen=True)
class Budget:
    """Where a run is looked at.

    Attributes:
        iteration: the last one within the env-steps that are compared.
        env_steps: spent by its end.
    """

    iteration: int
    env_steps: int


def budgets(runs: Mapping[str, Run], env_steps: int | None = None) -> dict[str, Budget]:
    """The last iteration of each run within the same env-steps.

    Args:
        runs: by name.
        env_steps: None for as many as the shortest run has.

    Raises:
        InputError: a run is shorter.
    """
    spent = {name: run.ledger.groupby("iteration")["env_steps"].sum().cumsum() for name, run in runs.items()}
    for name, steps in spent.items():
        if steps.empty or (env_steps is not None and steps.iloc[-1] < env_steps):
            has = 0 if steps.empty else int(steps.iloc[-1])
            raise InputError(f"{name} has {has:,} env-steps, fewer than are compared: resume it, or name fewer")
    end = min(int(steps.iloc[-1]) for steps in spent.values()) if env_steps is None else env_steps
    found = {}
    for name, steps in spent.items():
        within = steps[steps <= end]
        if within.empty:
            raise InputError(f"the first iteration of {name} alone takes more than {end:,} env-steps: name more")
        found[name] = Budget(int(within.index[-1]), int(within.iloc[-1]))
    return found


def try_runs(
    runs: Mapping[str, Run],
    at: Mapping[str, Budget],
    suite: Suite,
    selection: Suite,
    executor: AbstractExecutor,
    trial: Trial,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Try the generalist of each run on a suite.

    Args:
        runs: by name.
        at: where each is looked at.
        suite: the grounds of the comparison.
        selection: other grounds of the same cells, on which the generalist is chosen; ties by niche id.
        executor, trial, progress: see ``experiments.suites.evaluation.evaluate``.

    Returns:
        Columns run, agents (how many there were), agent (the generalist's niche), cell, success_rate, score_mean and
        best_of_all (the greatest success rate of any agent in this cell).
    """
    frames = []
    for name, run in runs.items():
        iteration = at[name].iteration
        agents = [run_agent(run, name, niche_id, iteration) for niche_id in active_niches(run, iteration)]
        chosen = summary(evaluate(agents, selection, executor, trial, progress))
        means = chosen.groupby("agent", sort=False)["success_rate"].mean()
        found = summary(evaluate(agents, suite, executor, trial, progress))
        best = found.groupby("cell", sort=False)["success_rate"].max()
        mine = found[found["agent"] == means.idxmax()].reset_index(drop=True)
        frames.append(
            pd.DataFrame(
                {
                    "run": name,
                    "agents": len(agents),
                    "agent": str(means.idxmax()).rpartition(":")[2],
                    "cell": mine["cell"],
                    "success_rate": mine["success_rate"],
                    "score_mean": mine["score_mean"],
                    "best_of_all": best.loc[mine["cell"]].to_numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def scores_of(tried: pd.DataFrame, names: Sequence[str]) -> Array:
    """(runs, cells) the success rates of the named runs, in their order."""
    table = tried.pivot(index="run", columns="cell", values="success_rate")
    return table.loc[list(names), tried["cell"].unique()].to_numpy(np.float64)


def arms_table(tried: pd.DataFrame, arms: Mapping[str, Sequence[str]], at: Mapping[str, Budget]) -> pd.DataFrame:
    """One row for each arm.

    Returns:
        Columns arm, seeds, env_steps (the least of its runs), agents (a run's, on average), success_rate
        (interquartile mean over runs and cells), low, high (its 95 % interval over whole seeds), mean (over runs and
        cells), best_of_all (likewise), score_mean.
    """
    rows = []
    for arm, names in arms.items():
        scores = scores_of(tried, names)
        low, high = bootstrap_interval(scores)
        mine = tried[tried["run"].isin(names)]
        rows.append(
            {
                "arm": arm,
                "seeds": len(names),
                "env_steps": min(at[name].env_steps for name in names),
                "agents": float(mine.groupby("run")["agents"].first().mean()),
                "success_rate": interquartile_mean(scores),
                "low": low,
                "high": high,
                "mean": float(scores.mean()),
                "best_of_all": float(mine["best_of_all"].mean()),
                "score_mean": float(mine["score_mean"].mean()),
            }
        )
    return pd.DataFrame(rows)


def pairs_table(tried: pd.DataFrame, arms: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One row for each pair of arms, by the mean success rate of each run over cells.

    Returns:
        Columns ours, theirs, probability (of improvement), difference, low, high (Hodges-Lehmann, with its 95 %
        interval), p (exact, two-sided), p_adjusted (Holm, over all pairs), least_p (that so many seeds can give),
        verdict (a sentence).
    """
    rows = []
    for ours, theirs in combinations(arms, 2):
        a, b = scores_of(tried, arms[ours]), scores_of(tried, arms[theirs])
        found, low, high = difference(a.mean(axis=1), b.mean(axis=1))
        rows.append(
            {
                "ours": ours,
                "theirs": theirs,
                "probability": probability_of_improvement(a, b),
                "difference": found,
                "low": low,
                "high": high,
                "p": permutation_p(a.mean(axis=1), b.mean(axis=1)),
                "least_p": least_p(len(a), len(b)),
            }
        )
    table = pd.DataFrame(rows)
    if rows:
        table["p_adjusted"] = holm(table["p"].tolist())
        table["verdict"] = [_verdict(row, len(rows)) for row in table.to_dict("records")]
    return table


def power_table(arms: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """How likely the test of one pair finds a difference of so many standard deviations between runs.

    Returns:
        A row for each pair of numbers of seeds: columns seeds, and one for each of ``EFFECTS``.
    """
    sizes = {tuple(sorted((len(arms[a]), len(arms[b])))) for a, b in combinations(arms, 2)}
    return pd.DataFrame(
        [
            {"seeds": f"{a} and {b}", **{f"{effect:g} sd": power(a, b, effect) for effect in EFFECTS}}
            for a, b in sorted(sizes)
        ]
    )


def _verdict(row: Mapping[Hashable, Any], num_pairs: int) -> str:
    more, less = (row["ours"], row["theirs"]) if row["difference"] > 0 else (row["theirs"], row["ours"])
    if row["p_adjusted"] <= ALPHA:
        return f"{more} succeeds more often than {less}"
    if row["least_p"] * num_pairs > ALPHA:
        return "not testable with so few seeds"
    return "no difference shown"
