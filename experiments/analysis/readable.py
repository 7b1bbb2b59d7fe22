"""Tables for people: the same numbers with fewer digits, as text. Nothing reads them back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pandas as pd

from environments.errors import InputError
from experiments.analysis.aggregate import (
    RunGroup,
    aggregate_table,
    card_values,
    group_runs,
    last_shared_step,
    runs_table,
)
from experiments.analysis.frames import agent_genealogy, ledger_table, niches_table, terrain_genealogy
from experiments.analysis.genes import gene_texts
from experiments.analysis.measures import candidates_table, config_differences, run_card
from experiments.analysis.milestones import median_milestones, milestones_table, spending_table
from experiments.analysis.run_tables import RunTables
from experiments.analysis.shadow_comparison import named_measures, shadow_remark, summary_table
from experiments.analysis.success import REACHED, percentage
from experiments.analysis.transfers import transfers_by_kind
from experiments.text import shortened
from poet.events import AnyEvent, CandidateJudged, TransferAttempted

#: Columns whose whole numbers are names, or are typed after an option. They get no commas.
_NAMES = {
    "seed", "iteration", "niche", "niche_id", "parent", "parent_id", "source_id", "target_id", "from niche", "to niche",
    "version_id", "parent_version_id", "terrain_seed",
}  # fmt: skip
#: Iterations of a niche, by their names in these tables.
_TIMES = {"admitted": "created", "solved once": "solved", "retired": "retired"}
#: The depth up to which a tree is indented; deeper lineages would leave no room for anything else.
_DEEPEST = 12


def render_tables(runs: Mapping[str, RunTables]) -> list[tuple[str, pd.DataFrame]]:
    """The tables that sum up a run, or several.

    Args:
        runs: by name, see ``run_names``.

    Returns:
        Titles with tables of texts; numbers are rounded, missing values are empty.

    Raises:
        InputError: no run, or two that would count twice; see ``group_runs``.
    """
    if not runs:
        raise InputError("there is nothing to analyse: name at least one run")
    if len(runs) == 1:
        (run,) = runs.values()
        return run_summary(run)
    groups = group_runs(runs)
    steps = f"{last_shared_step(groups):,}"
    return [
        ("Runs", transposed(readable(runs_table(runs)))),
        ("First of each class: median of runs", readable(median_milestones(runs, groups))),
        ("Share of env-steps by purpose", transposed(readable(spending_table(runs)))),
        (f"After {steps} env-steps: median (first to third quartile)", comparison_table(groups)),
    ]


def run_summary(run: RunTables) -> list[tuple[str, pd.DataFrame]]:
    """One run's tables, see ``render_tables``: those of kinds of events that its trainer has."""
    tables: list[tuple[str, pd.DataFrame, type[AnyEvent] | None]] = [
        ("Run", card_table(run), None),
        ("Settings that differ from the defaults", settings_table(run), None),
        ("Niches", short_niches_table(run), None),
        *((f"Noted by its trainer: {name}", readable(own), None) for name, own in run.own.items()),
        ("First of each class", readable(milestones_table(run)), None),
        (f"Complexity. {shadow_remark(run)}", readable(named_measures(summary_table(run))), CandidateJudged),
        ("Terrains: which was mutated from which", genealogy_table(run), CandidateJudged),
        ("Agents: which moved where", agents_table(run), TransferAttempted),
        ("Candidates", readable(candidates_table(run)), CandidateJudged),
        ("Transfers", readable(transfers_by_kind(run)), TransferAttempted),
        ("Cost", readable(ledger_table(run)), None),
    ]
    return [(title, table) for title, table, kind in tables if len(table) and kind in {None, *run.kinds}]


def card_table(run: RunTables) -> pd.DataFrame:
    """The run card as rows of name and value."""
    values = card_values(run_card(run))
    names = [name.replace("_", " ") for name in values]
    return pd.DataFrame({"": names, "value": [_text(name, value) for name, value in values.items()]})


def settings_table(run: RunTables) -> pd.DataFrame:
    """The config's differences from the defaults, as rows of key and value."""
    changed = config_differences(run.config)
    return pd.DataFrame({"key": list(changed), "value": [shortened(json.dumps(value)) for value in changed.values()]})


def short_niches_table(run: RunTables) -> pd.DataFrame:
    """``niches_table`` in the columns that fit a terminal; iterations, not env-steps.

    If agents were validated, ``robust`` and ``general`` say since when they are, and success is shown at admission and
    now.
    """
    niches = niches_table(run)
    shown = pd.DataFrame(
        {
            "niche": niches["niche_id"],
            "parent": niches["parent_id"],
            "genes": niches["niche_id"].map(gene_texts(run)),
            **{name: niches[when].astype("string") for name, when in _TIMES.items()},
            "first score": niches["admission_score"],
            "best": niches["best_score"],
            "last": niches["last_score"],
            "children": niches["children"],
            "agents in": niches["transfers_in"],
            "agents out": niches["transfers_out"],
        }
    )
    if not run.validations.empty:
        place = list(shown.columns).index("solved once") + 1
        for which, reached in REACHED.items():
            shown.insert(place, reached, niches[reached])
            first, last = (map(percentage, niches[f"{which}_{when}"]) for when in ("admission", "now"))
            rates = [" to ".join(filter(None, pair)) for pair in zip(first, last, strict=True)]
            shown.insert(place + 1, f"success on {which}", rates)
            place += 2
    return readable(shown)


def genealogy_table(run: RunTables) -> pd.DataFrame:
    """``terrain_genealogy`` as a tree: a niche stands under its parent, further in with each of the first mutations."""
    genealogy = terrain_genealogy(run)
    children = genealogy.groupby("parent_id")["niche_id"].apply(list).to_dict()
    order = [int(niche) for niche in genealogy.loc[genealogy["parent_id"].isna(), "niche_id"]]
    for niche in order:
        place = order.index(niche) + 1
        order[place:place] = children.get(niche, [])
    rows = genealogy.set_index("niche_id").loc[order].reset_index()
    pairs = zip(rows["depth"], rows["niche_id"], strict=True)
    names = ["  " * min(depth, _DEEPEST) + str(niche) for depth, niche in pairs]
    shown = {"niche": names, "depth": rows["depth"], "iteration": rows["iteration"]}
    return readable(pd.DataFrame({**shown, "env steps": rows["env_steps"], "genes": rows["genes"]}))


def agents_table(run: RunTables) -> pd.DataFrame:
    """``agent_genealogy`` in the columns that fit a terminal."""
    moved = agent_genealogy(run)
    names = ["iteration", "source_id", "target_id", "origin", "score", "version_id", "parent_version_id"]
    return readable(moved[names].rename(columns={"source_id": "from niche", "target_id": "to niche"}))


def comparison_table(groups: Sequence[RunGroup]) -> pd.DataFrame:
    """``aggregate_table`` with a row for each measure and a column for each group: ``median (quartiles)``."""
    values: dict[str, dict[str, str]] = {}
    for row in aggregate_table(groups).to_dict("records"):
        lower, median, upper = (_text("", row[name]) for name in ("lower", "median", "upper"))
        measure = str(row["measure"]).replace("_", " ").replace("num ", "niches ")
        cell = f"{median} ({lower} to {upper})" if row["num_runs"] > 1 else median
        values.setdefault(measure, {})[f"{row['group']} ({row['num_runs']})"] = cell
    table = pd.DataFrame.from_dict(values, orient="index").fillna("")
    return table.rename_axis("measure").reset_index()


def transposed(table: pd.DataFrame) -> pd.DataFrame:
    """Rows as columns; the first column gives their names."""
    by_name = table.set_index(table.columns[0]).T
    return by_name.rename_axis(index="", columns=None).reset_index()


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Every value as text, by the name of its column: a share is a percentage."""
    rows = [
        [_text(str(column), value) for column, value in zip(table.columns, row, strict=True)]
        for row in table.itertuples(index=False, name=None)
    ]
    return pd.DataFrame(rows, columns=[str(column).replace("_", " ") for column in table.columns])


def _text(name: str, value: object) -> str:
    """A value as text for people. ``name`` says what it is."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and "share" in name:
        return f"{100 * value:.1f} %"
    if isinstance(value, float):
        if value.is_integer() or abs(value) >= 10_000.0:
            return f"{value:,.0f}"
        return f"{value:,.1f}" if abs(value) >= 100.0 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and name not in _NAMES else str(value)
