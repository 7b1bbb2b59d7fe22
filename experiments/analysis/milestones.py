"""When a run reached what: the first terrain of each class that was solved once, robustly, and by a general agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.analysis.aggregate import RunGroup
from experiments.analysis.frames import ledger_table, niches_table
from experiments.analysis.genes import CHALLENGE_NAMES, challenge_level, hardcore_bounds, upper_end
from experiments.analysis.run_tables import RunTables

ANY_CHILD, HARDCORE_LIKE = "any child", "hardcore-like"
#: Every class, beginning with the easiest. A very challenging terrain is also challenging.
CLASSES = (ANY_CHILD, HARDCORE_LIKE, *CHALLENGE_NAMES[1:])
#: The least roughness of each further kind of terrain; the last one is the paper's challenging one.
ROUGHNESSES = (1.0, 2.0, 3.0, 4.5)

#: What can be reached, and the column of ``niches_table`` that says when.
_REACHED = {"once": "solved", "robust": "robust", "general": "general"}
_TIMES = [f"{reached}_{unit}" for reached in _REACHED for unit in ("env_steps", "seconds")]


def classes_of(genotype: Mapping[str, Any]) -> list[str]:
    """The classes of a child's terrain; ``ANY_CHILD`` alone for a genotype without these genes, such as a CPPN."""
    level = challenge_level(genotype)
    if level is None:
        return [ANY_CHILD]
    is_hardcore = all(upper_end(genotype, gene) >= bound for gene, bound in hardcore_bounds().items())
    return [ANY_CHILD, *([HARDCORE_LIKE] if is_hardcore else []), *CHALLENGE_NAMES[1 : level + 1]]


def milestones_table(run: RunTables) -> pd.DataFrame:
    """What a run reached in each class of terrain, the root left out.

    Returns:
        One row a class that the genotype has: columns class; admitted, once, robust, general (how many niches were
        admitted, solved once, robustly solved, had a general agent, at some time); for each of the last three
        NAME_env_steps and NAME_seconds (spent by the end of the iteration in which the first was; missing if none
        was); success_share_at_admission, success_share_last (mean success rate on pushes of the first agents, and of
        the last that were measured; NaN where nobody was validated).
    """
    niches = niches_table(run)
    niches = niches[niches["parent_id"].notna()]
    genotypes = niches["niche_id"].map(run.niches.set_index("niche_id")["genotype"])
    classes = [classes_of(genotype) for genotype in genotypes]
    known = CLASSES if all(challenge_level(genotype) is not None for genotype in genotypes) else (ANY_CHILD,)
    seconds = run.iterations.set_index("iteration")["seconds"].cumsum()
    rows = []
    for name in known:
        mine = niches[pd.Series([name in of_niche for of_niche in classes], niches.index, dtype=bool)]
        row: dict[str, Any] = {"class": name, "admitted": len(mine)}
        row |= {reached: int(mine[column].notna().sum()) for reached, column in _REACHED.items()}
        for reached, column in _REACHED.items():
            first = mine[column].min()
            is_reached = not pd.isna(first)
            row[f"{reached}_env_steps"] = int(mine[f"{column}_env_steps"].min()) if is_reached else None
            row[f"{reached}_seconds"] = float(seconds[int(first)]) if is_reached else None
        row["success_share_at_admission"] = mine["pushes_admission"].mean()
        row["success_share_last"] = mine["pushes_now"].mean()
        rows.append(row)
    return pd.DataFrame(rows).astype({name: "Int64" if name.endswith("env_steps") else "Float64" for name in _TIMES})


def median_milestones(runs: Mapping[str, RunTables], groups: Sequence[RunGroup]) -> pd.DataFrame:
    """``milestones_table`` of several runs: for each group and class the median over its runs.

    Returns:
        Columns group, num_runs, class, then those of ``milestones_table`` as medians. A run that never reached
        something took longer than any that did: if the median run is one of these, the time is missing.
    """
    parts = []
    for group in groups:
        tables = pd.concat([milestones_table(runs[name]) for name in group.curves], ignore_index=True)
        by_class = tables.groupby("class", sort=False)
        medians = by_class.median()
        for column in _TIMES:
            late = tables[column].astype("Float64").fillna(float("inf")).groupby(tables["class"], sort=False)
            median = late.median()
            medians[column] = median.where(median < float("inf"))
        medians.insert(0, "num_runs", by_class.size())
        medians = medians.reset_index()
        medians.insert(0, "group", group.name)
        parts.append(medians)
    return pd.concat(parts, ignore_index=True)


def spending_table(runs: Mapping[str, RunTables]) -> pd.DataFrame:
    """Share of env-steps by purpose.

    Returns:
        Columns run, then each purpose, as ``PURPOSE_share``, the most expensive first; 0 where nothing was spent on it.
    """
    shares = {name: ledger_table(run).set_index("purpose")["share"] for name, run in runs.items()}
    table = pd.DataFrame(shares).fillna(0.0).T
    table = table[table.mean().sort_values(ascending=False, kind="stable").index]
    return table.add_suffix("_share").rename_axis(index="run", columns=None).reset_index()
