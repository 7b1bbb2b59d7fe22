"""What runs are compared by: how often the agent that each would hand over succeeds on a suite.

A run may have many agents. The one that it hands over, its generalist, succeeds most often on other grounds of the
suite's cells, which the comparison does not use otherwise. An arm with several agents so chooses among more of them
than an arm with one. That is part of what it offers, and the table says how many there were. ``best_of_all`` is
an upper bound that no single agent reaches: the best agent for each cell, chosen on these very episodes.

An archive stores the agents that ES made only every ``checkpoint.theta_every`` iterations, at validations and at a
run's end. So a run's agents are those of the last iteration within the budget of which all are stored, and the tables
say when that was. They may be older than the run's last iteration within the budget by 5 % of the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from agents.evaluation.executor import AbstractExecutor, Progress
from environments.errors import InputError
from experiments.comparison.statistics import (
    MAX_SEEDS,
    Array,
    bootstrap_interval,
    cliffs_delta,
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
#: What the arm does of which a difference in success rates is shown.
CLAIM = "succeeds more often than"
#: The verdict where no outcome could show a difference.
UNTESTABLE = "not testable with so few seeds"
#: The least share of the budget that each run must have spent by the end of an iteration within it.
MIN_SHARE = 0.8
#: The greatest age of the agents that are tried, as a share of the budget.
MAX_AGE = 0.05
#: Arms whose agents' env-steps differ by more than this share of the budget are said to be compared unequally.
MAX_UNEVEN = 0.02


@dataclass(frozen=True)
class Budget:
    """Where a run is looked at.

    Attributes:
        iteration: the last one within the env-steps that are compared.
        env_steps: spent by its end.
        share: of the env-steps that are compared.
        agent_iteration: the last one up to there after which the agents of all active niches are stored.
        agent_env_steps: spent by its end.
    """

    iteration: int
    env_steps: int
    share: float
    agent_iteration: int
    agent_env_steps: int


def check_arms(arms: Mapping[str, Sequence[str]]) -> None:
    """Check before anything runs that each arm has few enough seeds.

    Raises:
        InputError: an arm has more than ``MAX_SEEDS``.
    """
    for arm, names in arms.items():
        if len(names) > MAX_SEEDS:
            raise InputError(f"an arm must have at most {MAX_SEEDS} seeds for exact tests, but {arm} has {len(names)}")


def compared_steps(runs: Mapping[str, Run], env_steps: int | None = None) -> int:
    """The env-steps at which runs are compared: those given, or as many as the shortest run has.

    Raises:
        InputError: a run is shorter, or has not begun.
    """
    spent = _spent(runs)
    for name, steps in spent.items():
        if steps.empty or (env_steps is not None and steps.iloc[-1] < env_steps):
            has = 0 if steps.empty else int(steps.iloc[-1])
            raise InputError(f"{name} has {has:,} env-steps, fewer than are compared: resume it, or name fewer")
    return min(int(steps.iloc[-1]) for steps in spent.values()) if env_steps is None else env_steps


def budgets(runs: Mapping[str, Run], env_steps: int | None = None) -> dict[str, Budget]:
    """The last iteration of each run within the same env-steps.

    Args:
        runs: by name.
        env_steps: None for as many as the shortest run has.

    Raises:
        InputError: a run is shorter; its last iteration within the env-steps ends below ``MIN_SHARE`` of them; or its
            stored agents are older than that by more than ``MAX_AGE`` of them.
    """
    spent = _spent(runs)
    end, found = compared_steps(runs, env_steps), {}
    for name, steps in spent.items():
        within = steps[steps <= end]
        if within.empty:
            raise InputError(f"the first iteration of {name} alone takes more than {end:,} env-steps: name more")
        found[name] = _budget(name, runs[name], within, end)
    return found


def _spent(runs: Mapping[str, Run]) -> dict[str, pd.Series[int]]:
    """The env-steps of each run by the end of each iteration."""
    return {name: run.ledger.groupby("iteration")["env_steps"].sum().cumsum() for name, run in runs.items()}


def _budget(name: str, run: Run, within: pd.Series[int], end: int) -> Budget:
    iteration, env_steps = int(within.index[-1]), int(within.iloc[-1])
    if env_steps < MIN_SHARE * end:
        raise InputError(
            f"the last whole iteration of {name} within {end:,} env-steps ends at {env_steps:,}, below "
            f"{MIN_SHARE:.0%} of them: compare at env-steps that all runs nearly reach"
        )
    versions = run.versions.sort_values(["iteration", "id"])
    is_stored = versions["id"].isin(run.stored_version_ids())
    for then in within.index[within >= env_steps - MAX_AGE * end][::-1]:
        last = is_stored[versions["iteration"] <= then].groupby(versions["niche_id"]).last()
        if last[active_niches(run, int(then))].all():
            return Budget(iteration, env_steps, env_steps / end, int(then), int(within[then]))
    raise InputError(
        f"{name} has not stored all its agents in the last {MAX_AGE:.0%} of {end:,} env-steps: compare at others, "
        f"or make it again with checkpoint.theta_every below {run.config_at(iteration).checkpoint.theta_every}"
    )


def unequal(arms: Mapping[str, Sequence[str]], at: Mapping[str, Budget], env_steps: int) -> list[str]:
    """A sentence, if the agents of some arm had more env-steps than those of another by over ``MAX_UNEVEN``; else none.

    An iteration is not cut short. So a run is compared a little below the budget, by agents that may be older, and arms
    with long iterations, or whose agents are stored seldom, have less than others.

    Args:
        arms: names of runs by arm.
        at: where each is looked at.
        env_steps: the budget.
    """
    spent = {arm: fmean(at[name].agent_env_steps for name in names) for arm, names in arms.items()}
    least, most = min(spent, key=spent.__getitem__), max(spent, key=spent.__getitem__)
    if spent[most] - spent[least] <= MAX_UNEVEN * env_steps:
        return []
    return [
        f"Arms are compared at unequal env-steps: the agents of {least} had {spent[least]:,.0f} on average and those "
        f"of {most} {spent[most]:,.0f}, which differ by more than {MAX_UNEVEN:.0%} of {env_steps:,}."
    ]


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
        selection: other grounds of the same cells, on which the generalist is chosen; see ``generalist``.
        executor, trial, progress: see ``experiments.suites.evaluation.evaluate``.

    Returns:
        Columns run, env_steps, share and agent_env_steps (see ``Budget``), agents (how many there were), agent (the
        generalist's niche), cell, episodes, success_rate, success_low, success_high (its Wilson interval at 95 %, which
        speaks of this one agent), score_mean and best_of_all (the greatest success rate of any agent in this cell).
    """
    frames = []
    for name, run in runs.items():
        iteration = at[name].agent_iteration
        agents = [run_agent(run, name, niche_id, iteration) for niche_id in active_niches(run, iteration)]
        chosen = generalist(summary(evaluate(agents, selection, executor, trial, progress)))
        found = summary(evaluate(agents, suite, executor, trial, progress))
        best = found.groupby("cell", sort=False)["success_rate"].max()
        mine = found[found["agent"] == chosen].reset_index(drop=True)
        frames.append(
            pd.DataFrame(
                {
                    "run": name,
                    "env_steps": at[name].env_steps,
                    "share": at[name].share,
                    "agent_env_steps": at[name].agent_env_steps,
                    "agents": len(agents),
                    "agent": chosen.rpartition(":")[2],
                    "cell": mine["cell"],
                    "episodes": mine["episodes"],
                    "success_rate": mine["success_rate"],
                    "success_low": mine["low"],
                    "success_high": mine["high"],
                    "score_mean": mine["score_mean"],
                    "best_of_all": best.loc[mine["cell"]].to_numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def generalist(cells: pd.DataFrame) -> str:
    """The agent that succeeds most often, over cells; of equal ones that with the greatest mean score, then the first.

    Args:
        cells: of ``experiments.suites.evaluation.summary``, with agents in the order of their niches' ids.
    """
    means = cells.groupby("agent", sort=False)[["success_rate", "score_mean"]].mean()
    return str(max(means.itertuples(name=None), key=lambda mean: mean[1:])[0])


def scores_of(tried: pd.DataFrame, names: Sequence[str]) -> Array:
    """(runs, cells) the success rates of the named runs, in their order."""
    table = tried.pivot(index="run", columns="cell", values="success_rate")
    return table.loc[list(names), tried["cell"].unique()].to_numpy(np.float64)


def arms_table(tried: pd.DataFrame, arms: Mapping[str, Sequence[str]], at: Mapping[str, Budget]) -> pd.DataFrame:
    """One row for each arm.

    Returns:
        Columns arm, seeds, env_steps, share and agent_env_steps (the least of its runs, see ``Budget``), agents (a
        run's, on average), success_rate (interquartile mean over runs and cells), low, high (its 95 % bootstrap
        interval over whole seeds, too narrow with few of them; NaN below 3), mean (over runs and cells), best_of_all
        (likewise), score_mean.
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
                "share": min(at[name].share for name in names),
                "agent_env_steps": min(at[name].agent_env_steps for name in names),
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
        The columns of ``pair_row``, then p_adjusted (Holm, over all pairs) and verdict (a sentence).
    """
    scores = {arm: scores_of(tried, names) for arm, names in arms.items()}
    rows = [pair_row(ours, theirs, scores[ours], scores[theirs]) for ours, theirs in combinations(arms, 2)]
    return with_verdicts(pd.DataFrame(rows)) if rows else pd.DataFrame()


def pair_row(ours: str, theirs: str, a: Array, b: Array) -> dict[str, Any]:
    """What is known of a pair of arms, by the mean of each run over cells.

    Args:
        ours, theirs: the names of the arms.
        a, b: (runs, cells) of each.

    Returns:
        ours, theirs, probability (of improvement; A12 on one cell), cliffs_delta (of the runs' means over cells),
        mean_difference (the one that is tested), difference, low, high (Hodges-Lehmann, with its 95 % interval), p (of
        the difference in means; exact, two-sided), least_p (that so many seeds can give).
    """
    found, low, high = difference(a.mean(axis=1), b.mean(axis=1))
    return {
        "ours": ours,
        "theirs": theirs,
        "probability": probability_of_improvement(a, b),
        "cliffs_delta": cliffs_delta(a.mean(axis=1), b.mean(axis=1)),
        "mean_difference": float(a.mean(axis=1).mean() - b.mean(axis=1).mean()),
        "difference": found,
        "low": low,
        "high": high,
        "p": permutation_p(a.mean(axis=1), b.mean(axis=1)),
        "least_p": least_p(len(a), len(b)),
    }


def with_verdicts(
    pairs: pd.DataFrame, alpha: float = ALPHA, claims: Sequence[str] = (), num_questions: int | None = None
) -> pd.DataFrame:
    """The same rows of ``pair_row`` with p_adjusted (Holm) and verdict (a sentence).

    Args:
        pairs: one row or more.
        alpha: the level below which, adjusted p, a difference is said to be shown.
        claims: what the better arm does, for each row, such as ``CLAIM``; that for all if empty.
        num_questions: how many are asked in all, if some have no row yet, to which nothing is credited; None for as
            many as there are rows.
    """
    without_row = [1.0] * (0 if num_questions is None else num_questions - len(pairs))
    table = pairs.assign(p_adjusted=holm([*pairs["p"], *without_row])[: len(pairs)])
    attainable = holm([*pairs["least_p"], *without_row])[: len(pairs)]
    rows = zip(table.to_dict("records"), attainable, claims or [CLAIM] * len(pairs), strict=True)
    return table.assign(verdict=[_verdict(row, least, alpha, claim) for row, least, claim in rows])


def power_table(arms: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """How likely a pair is shown to differ, see ``power_rows``, at ``holm_alpha``."""
    return power_rows([(len(arms[a]), len(arms[b])) for a, b in combinations(arms, 2)], holm_alpha(arms))


def power_rows(sizes: Iterable[tuple[int, int]], alpha: float) -> pd.DataFrame:
    """How likely a pair is shown to differ, if its difference has so many standard deviations between runs.

    Args:
        sizes: the numbers of seeds of each pair.
        alpha: the level, such as that of the first step of Holm's correction: so likely is it that a pair passes
            whatever the others do.

    Returns:
        A row for each pair of numbers of seeds: columns seeds, and one for each of ``EFFECTS``.
    """
    ordered = ((min(pair), max(pair)) for pair in sizes)
    return by_sizes(ordered, lambda a, b: {f"{effect:g} sd": power(a, b, effect, alpha) for effect in EFFECTS})


def by_sizes(sizes: Iterable[tuple[int, int]], row: Callable[[int, int], Mapping[str, float]]) -> pd.DataFrame:
    """A row for each pair of numbers of seeds that occurs: the column seeds, and what ``row`` gives."""
    return pd.DataFrame([{"seeds": f"{a} and {b}", **row(a, b)} for a, b in sorted({*sizes})])


def holm_alpha(arms: Mapping[str, Sequence[str]]) -> float:
    """The level of the first step of Holm's correction: ``ALPHA`` by the number of pairs."""
    return ALPHA / max(1, comb(len(arms), 2))


def _verdict(row: Mapping[Hashable, Any], least_adjusted: float, alpha: float, claim: str) -> str:
    """A sentence; ``least_adjusted`` is the adjusted p if every question had the least one of its numbers of seeds."""
    more, less = (row["ours"], row["theirs"]) if row["mean_difference"] > 0 else (row["theirs"], row["ours"])
    if row["p_adjusted"] <= alpha:
        return f"{more} {claim} {less}"
    return "no difference shown" if least_adjusted <= alpha else UNTESTABLE
