"""Does adaptability grow with creation time? A study on archived agents that trains none for it.

Landscapes that change are claimed to select for agents that adapt fast (Frans and Witkowski 2021, Population-Based
Evolution Optimizes a Meta-Learning Objective). If so, agents that a run made late should gain more from a few
generations on ground that is new to them than agents that it made early. Agents of each run are tried on test tasks of
the other runs, with which it shares neither terrains nor agents. Tasks that are like one of its own terrains are left
out.

An agent that succeeds already has less to gain. So the rank correlation of gain and creation time is also given with
the first success rate held fixed. The run is the unit. The control are runs of ES alone on one ground that never
changes: what grows there as well is no work of a changing landscape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.comparison.statistics import bootstrap_interval
from experiments.meta.clades import Part, Split, are_alike
from experiments.meta.curves import Plan, Show, Task, curves, gains
from experiments.meta.starts import run_tasks
from poet.archive.reader import Run
from poet.events import AgentVersion
from poet.parts import Parts

#: Less than this is rounding.
_NOTHING = 1e-9
#: To which numbers are equal: means of the same rates, added in another order, are one rank.
_DECIMALS = 9
#: What is correlated with creation time, by its column, with its name for people.
MEASURES = {
    "first": "success before",
    "last": "success after",
    "gain": "gain",
    "gain_given_first": "gain, success before held fixed",
}


def evenly(versions: Sequence[AgentVersion], number: int) -> list[AgentVersion]:
    """So many stored versions, as far apart as possible by their place in the order of creation; all if too few."""
    places = np.unique(np.linspace(0, len(versions) - 1, number).round().astype(int)).tolist()
    return [versions[i] for i in places]


def foreign_tasks(runs: Mapping[str, Run], splits: Mapping[str, Split], name: str, number: int) -> list[Task]:
    """Test tasks of the other runs, evenly spread over those that are like none of the run's own terrains.

    Args:
        runs: by name, also those of controls, which have their ground from some run.
        splits: by name, of the runs whose test tasks are taken.
        name: of the run whose agents are tried.
        number: of each other run at most.
    """
    own = [*runs[name].niches["genotype"]]
    found: list[Task] = []
    for other in splits:
        if other == name:
            continue
        run = runs[other]
        genotypes = run.niches.set_index("niche_id")["genotype"]
        tasks = [
            task
            for task in run_tasks(run, other, splits[other], Part.TEST)
            if not any(are_alike(genotypes[task.niche], mine) for mine in own)
        ]
        places = np.unique(np.linspace(0, len(tasks) - 1, number).round().astype(int)).tolist() if tasks else []
        found += [tasks[i] for i in places]
    return found


def adaptability(
    name: str, run: Run, tasks: Sequence[Task], number: int, plan: Plan, parts: Parts, show: Show
) -> pd.DataFrame:
    """How agents of one run, evenly spread over its stored versions, adapt to tasks.

    Returns:
        A row for each agent: run, version, niche, iteration (of its creation), tasks (how many), and the means over
        tasks of first, last, gain, return_gain and is_hurt (``gains``).
    """
    versions = evenly(run.stored_versions(), number)
    agents: dict[str, NDArray[np.float32]] = {str(v.id): run.stored_agent(v.id).theta for v in versions}
    found = gains(curves(tasks, {(task.run, task.niche): agents for task in tasks}, plan, parts, show))
    means = found.groupby("arm")[["first", "last", "gain", "return_gain", "is_hurt"]].mean()
    known = [
        {"run": name, "version": v.id, "niche": v.niche_id, "iteration": v.iteration, "tasks": len(tasks)}
        for v in versions
    ]
    return pd.concat([pd.DataFrame(known), means.loc[[*agents]].reset_index(drop=True)], axis=1)


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Rank correlations with creation time in each run.

    Returns:
        Columns run, agents, and those of ``MEASURES``; NaN where a run's numbers do not differ.
    """
    rows = []
    for run, mine in table.groupby("run", sort=False):
        time, first, last, gain = (mine[name].to_numpy(float) for name in ("iteration", "first", "last", "gain"))
        rows.append(
            {
                "run": run, "agents": len(mine), "first": _spearman(first, time), "last": _spearman(last, time),
                "gain": _spearman(gain, time), "gain_given_first": _partial(gain, time, first),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def over_runs(found: pd.DataFrame, arm: str) -> pd.DataFrame:
    """The means of ``correlations`` over runs, with intervals over whole runs where there are three or more.

    Returns:
        Columns arm, measure, runs, mean, low, high.
    """
    rows = []
    for column, label in MEASURES.items():
        values = found[column].dropna().to_numpy(float)[:, None]
        low, high = bootstrap_interval(values, lambda scores: float(scores.mean())) if len(values) else (np.nan,) * 2
        mean = float(values.mean()) if len(values) else np.nan
        rows.append({"arm": arm, "measure": label, "runs": len(values), "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = (values.round(_DECIMALS) for values in (one, other))
    if len(one) < 3 or all(a == b for a, b in pairwise(one)) or all(a == b for a, b in pairwise(other)):
        return np.nan
    return float(np.corrcoef(pd.Series(one).rank(), pd.Series(other).rank())[0, 1])


def _partial(one: NDArray[np.float64], other: NDArray[np.float64], given: NDArray[np.float64]) -> float:
    """The rank correlation of two with a third held fixed; NaN where one of the two has the ranks of the third."""
    a, b, c = _spearman(one, other), _spearman(one, given), _spearman(other, given)
    left = (1.0 - b * b) * (1.0 - c * c)
    return (a - b * c) / float(np.sqrt(left)) if left > _NOTHING else np.nan
