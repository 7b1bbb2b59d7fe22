"""What the page of a run holds, as plain JSON values."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from agents.wasm import policy_record, read_layout
from environments.terrain.constants import INITIAL_RANDOM
from experiments.analysis.annecs import annecs_frame
from experiments.analysis.complexity import GROWTH_MEASURES, growth_curves, known_measures, niche_complexity
from experiments.analysis.frames import cumulative_steps, niches_table, score_history
from experiments.analysis.genes import CHALLENGE_NAMES, gene_texts
from experiments.analysis.growth import shadow_band
from experiments.analysis.run_tables import RunTables
from experiments.analysis.shadow_comparison import shadow_remark
from experiments.analysis.success import success_history
from experiments.analysis.transfers import transfers_by_pair
from experiments.analysis.tree import tree_rows
from experiments.page.agents import choose_agents
from experiments.page.drawing import drawing_data
from experiments.text import visible
from poet.events import CandidateJudged, NicheJudged, TransferAttempted, TransferOutcome
from poet.scoring import SOLVED_RETURN
from poet.validation import ROBUST_RATE

if TYPE_CHECKING:
    from poet.archive.reader import Run
    from poet.archive.records import StoredAgent

#: Points that a curve has at most, more than a plot has room for.
MOST_POINTS = 500


def page_data(name: str, run: Run, tables: RunTables, tables_page: str | None = None) -> dict[str, Any]:
    """Everything that the page shows. Numbers are as ``plain`` makes them; a table is an object of its columns.

    Args:
        name: of the run.
        run: its archive.
        tables: what the analysis reads from it; what came later is left out.
        tables_page: see ``experiments.page.make_page``.

    Keys:
        name, iteration, env_steps, tables_page: of the run.
        world: what the stage needs, see ``world``.
        levels: names of the classes of terrains, easiest first.
        niches: one object each, in order of ids; row is its place in the tree.
        scores, success: tables with a row for each measurement.
        transfers: a table of accepted ones; routes: how often each source was tried and accepted in each target.
        annecs, complexity: see ``_annecs`` and ``_complexity``; null where the trainer knows no such thing.
        terrains: of the niches that have agents here, as ``Terrain.to_json`` writes them, by niche id.
        agents, thetas: see ``walkers``.
        chosen: which agents these are, in a sentence.
        drawing: see ``experiments.page.drawing.drawing_data``.
    """
    choice = choose_agents([a for a in run.stored_agents() if a.version.iteration <= tables.iteration])
    steps = cumulative_steps(tables)
    grounds = sorted({agent.version.niche_id for agent in choice.agents})
    data = {
        "name": visible(name),
        "iteration": tables.iteration,
        "env_steps": steps.iloc[-1],
        "tables_page": tables_page,
        "world": world(run),
        "levels": CHALLENGE_NAMES,
        "niches": _niches(tables),
        "scores": _scores(tables),
        "success": columns(success_history(tables)),
        **_transfers(tables, steps),
        "annecs": _annecs(tables, steps) if NicheJudged in tables.kinds else None,
        "complexity": _complexity(tables) if CandidateJudged in tables.kinds else None,
        "terrains": {str(niche_id): tables.terrains[niche_id].to_json() for niche_id in grounds},
        **walkers(run, choice.agents, steps),
        "chosen": choice.sentence,
        "drawing": drawing_data(run.config, _made_by(tables)),
    }
    plain_data: dict[str, Any] = plain(data)
    return plain_data


def plain(value: Any) -> Any:
    """Plain JSON values: missing ones are null; NaN and infinities are texts that JavaScript's ``Number`` reads."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0.0 else "-Infinity"
    if isinstance(value, str):
        return str(value)  # a StrEnum is its text
    return value


def columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """A table as an object of columns."""
    return {str(name): table[name].astype("object").tolist() for name in table.columns}


def world(run: Run) -> dict[str, Any]:
    """The module's layout, the policy's record, and the numbers of the task; ``why`` says why there is no stage."""
    layout = read_layout()
    kind = run.config.policy.kind
    is_known = kind in layout["policies"]
    why = (
        f"The walkers of this run cannot walk here: their policy is {visible(kind)}, and the page knows only "
        f"{' and '.join(layout['policies'])}. poet replay shows them."
    )
    return {
        "layout": layout,
        "policy": policy_record(run.policy) if is_known else None,
        "why": None if is_known else why,
        "greatest_push": INITIAL_RANDOM,
        "solved_return": SOLVED_RETURN,
        "robust_rate": ROBUST_RATE,
    }


def _niches(tables: RunTables) -> list[dict[str, Any]]:
    table = niches_table(tables)
    parents = {n: None if pd.isna(p) else int(p) for n, p in zip(table["niche_id"], table["parent_id"], strict=True)}
    rows = tree_rows(parents)
    genotypes, words = tables.niches.set_index("niche_id")["genotype"], gene_texts(tables)
    names = [
        "parent_id", "created", "created_env_steps", "retired", "retired_env_steps", "solved", "solved_env_steps",
        "challenge_level", "admission_score", "last_score", "children", "transfers_in", "transfers_out", "env_steps",
        "pushes_admission", "pushes_now", "pushes_best", "seeds_now",
    ]  # fmt: skip
    return [
        {
            "id": row["niche_id"],
            "row": rows[row["niche_id"]],
            "genes": visible(words[row["niche_id"]]) or "flat, or of genes without a number",
            "genotype": visible(json.dumps(genotypes[row["niche_id"]])),
            "level": None if pd.isna(row["challenge_level"]) else CHALLENGE_NAMES[row["challenge_level"]],
            **{name: None if pd.isna(row.get(name)) else row[name] for name in names},
        }
        for row in table.to_dict("records")
    ]


def _made_by(tables: RunTables) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Id, genotype and terrain seed of each niche."""
    table = tables.niches[["niche_id", "genotype", "terrain_seed"]]
    yield from table.itertuples(index=False, name=None)


def _scores(tables: RunTables) -> dict[str, list[Any]]:
    """The score of every niche after each iteration, with at most ``MOST_POINTS`` of each niche, evenly spread."""
    table = score_history(tables)
    return columns(pd.concat([_thinned(curve) for _, curve in table.groupby("niche_id")], ignore_index=True))


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """At most ``MOST_POINTS`` rows, the first and the last among them."""
    if len(curve) <= MOST_POINTS:
        return curve
    return curve.iloc[np.linspace(0, len(curve) - 1, MOST_POINTS).round().astype(np.int64)]


def _transfers(tables: RunTables, steps: pd.Series[int]) -> dict[str, Any]:
    if TransferAttempted not in tables.kinds:
        return {"transfers": None, "routes": None}
    done = tables.transfers
    accepted = done[(done["outcome"] == TransferOutcome.ACCEPTED) & done["target_id"].notna()]
    table = accepted[["source_id", "target_id", "iteration", "origin", "score", "threshold", "version_id"]].copy()
    table["env_steps"] = table["iteration"].map(steps)
    table["is_periodic"] = accepted["candidate_id"].isna()
    return {"transfers": columns(table), "routes": columns(transfers_by_pair(tables))}


def _annecs(tables: RunTables, steps: pd.Series[int]) -> dict[str, list[Any]]:
    """ANNECS after each iteration in which something changed, by its definitions."""
    table = annecs_frame(
        tables.niches, tables.judgements, tables.solved, tables.validations, tables.admissible[: tables.iteration + 1]
    )
    table.insert(1, "env_steps", steps.to_numpy())
    names = ["annecs_paper", "annecs_released", "annecs_robust", "admissible"]
    return columns(_thinned(_changes(table, names)))


def _complexity(tables: RunTables) -> dict[str, Any]:
    """Greatest value and median of each measure, so far, of niches admitted and solved, and the shadow's band.

    Keys:
        remark: what the curves show of growth, or why nothing.
        measures: name to title, unit, and curves: ``WHICH_STATISTIC`` to env_steps and values, and, where the run has a
            neutral shadow, lower and upper (5 and 95 % of its replicates).
    """
    frame, curves = niche_complexity(tables), growth_curves(tables)
    measures = {}
    for measure in known_measures(frame):
        title, unit = GROWTH_MEASURES[measure]
        shown = {
            f"{which}_{statistic}": _growth(tables, frame, curves, measure, which, statistic)
            for which in ("admitted", "solved")
            for statistic in ("max", "median")
        }
        measures[measure] = {"title": title, "unit": unit, "curves": shown}
    return {"remark": visible(shadow_remark(tables)), "measures": measures}


def _growth(
    tables: RunTables, frame: pd.DataFrame, curves: pd.DataFrame, measure: str, which: str, statistic: str
) -> dict[str, list[Any]]:
    table = pd.DataFrame({"env_steps": curves["env_steps"], "value": curves[f"{measure}_{which}_{statistic}"]})
    names = ["value"]
    if tables.shadow.niches is not None:
        band = shadow_band(frame, tables.shadow.niches, measure, which, statistic).reindex(curves.index).ffill()
        table[["lower", "upper"]] = band[["lower", "upper"]]
        names += ["lower", "upper"]
    return columns(_thinned(_changes(table, names)))


def _changes(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The rows in which one of these columns differs from the row before, and the last."""
    values = table[names].astype("Float64").fillna(-1.0)
    is_shown = (values != values.shift()).any(axis=1)
    is_shown.iloc[[0, -1]] = True
    return table[is_shown]


def walkers(run: Run, agents: Sequence[StoredAgent], steps: pd.Series[int]) -> dict[str, Any]:
    """The agents of a page.

    Args:
        run: the archive.
        agents: of it.
        steps: env-steps spent by the end of each iteration.

    Keys:
        agents: a table of what the archive says of each and the time limit of its episode; theta is a place in thetas.
        thetas: base64 of little-endian float32, each once.
    """
    digests = list(dict.fromkeys(agent.version.theta_digest for agent in agents))
    thetas = {agent.version.theta_digest: agent.theta for agent in agents}
    limits = {version.iteration: _max_steps(run, version.iteration) for version in (a.version for a in agents)}
    places = {digest: place for place, digest in enumerate(digests)}
    rows = [
        {
            "version": v.id,
            "niche_id": v.niche_id,
            "iteration": v.iteration,
            "env_steps": steps[v.iteration],
            "origin": v.origin,
            "parent_version": v.parent_id,
            "source_id": v.source_id,
            "score": v.score,
            "own_return": v.own_return,
            "own_length": v.own_length,
            "own_outcome": v.own_outcome,
            "max_steps": limits[v.iteration],
            "theta": places[v.theta_digest],
        }
        for v in (agent.version for agent in agents)
    ]
    return {
        "agents": {name: [row[name] for row in rows] for name in rows[0]} if rows else {},
        "thetas": [base64.b64encode(thetas[digest].astype("<f4").tobytes()).decode("ascii") for digest in digests],
    }


def _max_steps(run: Run, iteration: int) -> int:
    return run.config_at(iteration).evaluation.max_steps
