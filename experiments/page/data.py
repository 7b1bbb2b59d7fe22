"""What the page of a run holds, as plain JSON values: made once for a file, or bit by bit for who follows a run."""

from __future__ import annotations

import base64
import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents.wasm import policy_record, read_layout
from environments.terrain.constants import INITIAL_RANDOM
from experiments.analysis.complexity import GROWTH_MEASURES, curves_of, known_measures, niche_complexity
from experiments.analysis.frames import cumulative_steps
from experiments.analysis.genes import CHALLENGE_NAMES, challenge_level, ground_text
from experiments.analysis.growth import shadow_band
from experiments.analysis.run_tables import RunTables
from experiments.analysis.shadow_comparison import shadow_remark
from experiments.analysis.tree import tree_rows
from experiments.page.agents import choose_agents
from experiments.page.drawing import drawing_data
from experiments.page.record import Measured, Move, NicheRecord, Record
from experiments.text import visible
from poet.annecs import annecs_counts
from poet.events import AgentVersion, AnyEvent, CandidateJudged, NicheJudged, ValidationSet
from poet.scoring import SOLVED_RETURN
from poet.validation import ROBUST_RATE

if TYPE_CHECKING:
    from poet.archive.reader import Run
    from poet.archive.records import StoredAgent

#: Types of values that are plain already, unless a float is not finite.
_PLAIN = {int, float, str, bool, type(None)}

Row = TypeVar("Row")
Happened = TypeVar("Happened", Measured, Move)

#: Points that a curve has at most, more than a plot has room for.
MOST_POINTS = 500
#: Niches that the matrix of transfers has rows for at most.
MOST_MOVERS = 30
#: Digits of a digest that tell the parameters of a page's agents apart.
_DIGITS = 16


def page_data(name: str, run: Run, tables: RunTables, tables_page: str | None = None) -> dict[str, Any]:
    """Everything that the page of a file shows. Numbers are as ``plain`` makes them.

    Args:
        name: of the run.
        run: its archive.
        tables: what the analysis reads from it; what came later is left out.
        tables_page: see ``experiments.page.make_page``.

    Keys:
        those of ``run_data``, and:
        tables_page: an address.
        complexity: see ``growth_data``; null where the trainer makes no terrains.
        terrains: of the niches that have agents here, as ``Terrain.to_json`` writes them, by niche id.
        agents, thetas: see ``walkers``.
        chosen: which agents these are, in a sentence.
        drawing: see ``experiments.page.drawing.drawing_data``.
        live: null, since nothing follows the run.
    """
    record = Record(run)
    record.follow(tables.iteration)
    choice = choose_agents([a for a in run.stored_agents() if a.version.iteration <= tables.iteration])
    grounds = sorted({agent.version.niche_id for agent in choice.agents})
    data = {
        **run_data(name, run, record, tables.kinds, MOST_POINTS),
        "tables_page": tables_page,
        "complexity": _complexity(tables) if CandidateJudged in tables.kinds else None,
        "terrains": {str(niche_id): tables.terrains[niche_id].to_json() for niche_id in grounds},
        **walkers(run, record.steps, choice.agents),
        "chosen": choice.sentence,
        "drawing": drawing_data(run.config, births(record)),
        "live": None,
    }
    plain_data: dict[str, Any] = plain(data)
    return plain_data


def run_data(name: str, run: Run, record: Record, kinds: frozenset[type[AnyEvent]], most_points: int) -> dict[str, Any]:
    """What the page tells of a run before a niche is chosen. A table is an object of its columns.

    Args:
        name: of the run.
        run: its archive.
        record: what is known of it.
        kinds: of events that its trainer has.
        most_points: of a niche's curve.

    Keys:
        name, world, levels: of the run; what the stage needs, see ``world``; classes of terrains, easiest first.
        those of ``news_data``, from the start.
    """
    return {
        "name": visible(name),
        "world": world(run),
        "levels": CHALLENGE_NAMES,
        **news_data(record, kinds, most_points),
    }


def news_data(record: Record, kinds: frozenset[type[AnyEvent]], most_points: int, since: int = -1) -> dict[str, Any]:
    """What is new after an iteration, -1 for everything.

    Keys:
        iteration, env_steps: where the run is.
        niches: an object for each that changed.
        rows: the place of each niche in the tree, by id, if one was admitted; else null.
        scores, success, transfers: tables with a row for each new measurement, the last one of accepted transfers.
        movers, num_movers, routes: the niches that most agents left or came to; of how many; how often each source was
            tried in each target among them. Null if nothing was tried.
        annecs: see ``annecs_table``; null where the trainer knows no such thing, or nothing changed.
    """
    has_niche = any(niche.created > since for niche in reversed(record.niches))
    is_counted = NicheJudged in kinds and any(_last_counted(niche) > since for niche in record.niches)
    return {
        "iteration": record.iteration,
        "env_steps": record.steps[-1],
        "niches": [_niche(niche, record) for niche in record.niches if niche.changed > since],
        "rows": _rows(record) if has_niche else None,
        "scores": score_table(record, record.niches, most_points, since),
        "success": table(_measured(record, one) for one in newest(record.measured, since)),
        "transfers": table(
            {**asdict(move), "env_steps": record.steps[move.iteration]} for move in newest(record.moves, since)
        ),
        **_routes(record, since),
        "annecs": annecs_table(record) if is_counted else None,
    }


def plain(value: Any) -> Any:
    """Plain JSON values: missing ones are null; NaN and infinities are texts that JavaScript's ``Number`` reads."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        is_plain = {*map(type, value)} <= _PLAIN and all(math.isfinite(x) for x in value if type(x) is float)
        return list(value) if is_plain else [plain(item) for item in value]
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0.0 else "-Infinity"
    if isinstance(value, str):
        return str(value)  # a StrEnum is its text
    return value


def columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """A frame as an object of columns."""
    return {str(name): frame[name].astype("object").tolist() for name in frame.columns}


def table(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows that have the same keys as an object of columns."""
    found = list(rows)
    return {name: [row[name] for row in found] for name in found[0]} if found else {}


def newest(events: Sequence[Happened], since: int) -> Sequence[Happened]:
    """Those after an iteration, of events in the order of iterations."""
    return events[bisect_right(events, since, key=lambda event: event.iteration) :]


def thinned(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows, evenly spread, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(np.int64).tolist()]


def theta_text(theta: NDArray[np.float32]) -> str:
    """Parameters as base64 of little-endian float32."""
    return base64.b64encode(theta.astype("<f4").tobytes()).decode("ascii")


def score_table(record: Record, niches: Iterable[NicheRecord], most_points: int, since: int = -1) -> dict[str, Any]:
    """The score of niches after each iteration since one, thinned: columns niche_id, iteration, env_steps, score."""
    return table(
        {"niche_id": niche.id, "iteration": iteration, "env_steps": record.steps[iteration], "score": score}
        for niche in niches
        if niche.changed > since
        for iteration, score in thinned([one for one in niche.scores if one[0] > since], most_points)
    )


def births(record: Record, since: int = -1) -> Iterator[tuple[int, Mapping[str, Any], int]]:
    """Id, genotype and terrain seed of each niche that was admitted after an iteration."""
    return ((niche.id, niche.genotype, niche.terrain_seed) for niche in record.niches if niche.created > since)


def walkers(run: Run, steps: Sequence[int], agents: Sequence[StoredAgent]) -> dict[str, Any]:
    """Agents that a page holds with all that they need to walk.

    Keys:
        agents: see ``agents_table``; theta is a place in thetas.
        thetas: base64 of little-endian float32, each once.
    """
    thetas = {agent.version.theta_digest: agent.theta for agent in agents}
    places = {digest: place for place, digest in enumerate(thetas)}
    versions = [agent.version for agent in agents]
    return {
        "agents": agents_table(run, steps, versions) | {"theta": [places[v.theta_digest] for v in versions]},
        "thetas": [theta_text(theta) for theta in thetas.values()],
    }


def agents_table(run: Run, steps: Sequence[int], versions: Sequence[AgentVersion]) -> dict[str, list[Any]]:
    """What the archive says of agents, and the time limit of their episodes, as an object of columns.

    Args:
        run: the archive.
        steps: env-steps spent by the end of each iteration.
        versions: of it; those with the same theta have the same text in the column theta.
    """
    starts, configs = zip(*run.configs, strict=True)
    names = ("niche_id", "iteration", "origin", "source_id", "score", "own_return", "own_length", "own_outcome")
    return table(
        {
            "version": version.id,
            "parent_version": version.parent_id,
            "env_steps": steps[version.iteration],
            "theta": version.theta_digest[:_DIGITS],
            "max_steps": configs[bisect_right(starts, version.iteration) - 1].evaluation.max_steps,
            **{name: getattr(version, name) for name in names},
        }
        for version in versions
    )


def growth_data(frame: pd.DataFrame, steps: pd.Series[int], remark: str, shadow: pd.DataFrame | None) -> dict[str, Any]:
    """Greatest value and median of each measure, so far, of niches admitted and solved, and the shadow's band.

    Args:
        frame: columns niche_id, created, solved and measures, as in ``niche_complexity``.
        steps: env-steps spent by the end of each iteration.
        remark: what the curves show of growth, or why nothing.
        shadow: niches of the run's neutral shadow; None if it has none.

    Keys:
        remark: the same.
        measures: name to title, unit, and curves: ``WHICH_STATISTIC`` to env_steps and values, and, where the run has a
            neutral shadow, lower and upper (5 and 95 % of its replicates).
    """
    curves = curves_of(frame, steps)
    measures = {}
    for measure in known_measures(frame):
        title, unit = GROWTH_MEASURES[measure]
        shown = {
            f"{which}_{statistic}": _growth(frame, curves, shadow, measure, which, statistic)
            for which in ("admitted", "solved")
            for statistic in ("max", "median")
        }
        measures[measure] = {"title": title, "unit": unit, "curves": shown}
    return {"remark": visible(remark), "measures": measures}


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


def _niche(niche: NicheRecord, record: Record) -> dict[str, Any]:
    level = challenge_level(niche.genotype)
    pushes, seeds = niche.rates[ValidationSet.PUSHES], niche.rates[ValidationSet.SEEDS]
    return {
        "id": niche.id,
        "parent_id": niche.parent_id,
        "genes": visible(ground_text(niche.genotype, niche.is_drawn)) or "flat, or of genes without a number",
        "genotype": visible(json.dumps(niche.genotype)),
        "level": None if level is None else CHALLENGE_NAMES[level],
        "created": niche.created,
        "created_env_steps": record.steps[niche.created],
        "retired": niche.retired,
        "retired_env_steps": None if niche.retired is None else record.steps[niche.retired],
        "solved": niche.solved,
        "admission_score": niche.admission_score,
        "last_score": niche.last_score,
        "children": niche.children,
        "transfers_in": niche.transfers_in,
        "transfers_out": niche.transfers_out,
        "env_steps": niche.env_steps,
        "pushes_admission": pushes.admission,
        "pushes_now": pushes.now,
        "seeds_now": seeds.now,
    }


def _last_counted(niche: NicheRecord) -> int:
    """The last iteration in which it counted more than before for ANNECS."""
    return max(niche.created, niche.solved or 0, niche.rates[ValidationSet.PUSHES].reached or 0)


def _rows(record: Record) -> list[int]:
    rows = tree_rows({niche.id: niche.parent_id for niche in record.niches})
    return [rows[niche.id] for niche in record.niches]


def _measured(record: Record, one: Measured) -> dict[str, Any]:
    names = ("niche_id", "version_id", "validation_set", "iteration", "rate")
    return {"env_steps": record.steps[one.iteration], **{name: getattr(one, name) for name in names}}


def _routes(record: Record, since: int) -> dict[str, Any]:
    counts = Counter(niche_id for move in record.moves for niche_id in (move.source_id, move.target_id))
    movers = sorted(niche_id for niche_id, _ in counts.most_common(MOST_MOVERS))
    is_new = any(move.iteration > since for move in reversed(record.moves))
    routes = [
        {"source_id": source, "target_id": target, "tried": record.tried[source, target]}
        for source in movers
        for target in movers
        if record.tried[source, target]
    ]
    return {"movers": movers, "num_movers": len(counts), "routes": table(routes)} if is_new else {"movers": None}


def annecs_table(record: Record) -> dict[str, list[Any]]:
    """ANNECS after each iteration in which something changed, by its definitions."""
    children = {niche.id: niche.created for niche in record.niches if niche.parent_id is not None}
    robust = {niche.id: niche.rates[ValidationSet.PUSHES].reached for niche in record.niches}
    counts = annecs_counts(
        children,
        [niche.judged for niche in record.niches if niche.judged is not None],
        {niche.id: niche.solved for niche in record.niches if niche.solved is not None},
        record.iteration,
        {niche_id: reached for niche_id, reached in robust.items() if reached is not None},
    )
    rows = [
        {
            "annecs_paper": count and count.paper,
            "annecs_released": count and count.released,
            "annecs_robust": count and (count.robust if record.measured else None),
        }
        for count in counts
    ]
    return table(
        {"env_steps": record.steps[iteration], **rows[iteration]} for iteration in thinned(_changes(rows), MOST_POINTS)
    )


def _changes(values: Sequence[Any]) -> list[int]:
    """The places of values that differ from the one before, and of the first and the last."""
    last = len(values) - 1
    return [i for i in range(len(values)) if i in (0, last) or values[i] != values[i - 1]]


def _complexity(tables: RunTables) -> dict[str, Any]:
    return growth_data(niche_complexity(tables), cumulative_steps(tables), shadow_remark(tables), tables.shadow.niches)


def _growth(
    frame: pd.DataFrame, curves: pd.DataFrame, shadow: pd.DataFrame | None, measure: str, which: str, statistic: str
) -> dict[str, list[Any]]:
    shown = pd.DataFrame({"env_steps": curves["env_steps"], "value": curves[f"{measure}_{which}_{statistic}"]})
    if shadow is not None:
        band = shadow_band(frame, shadow, measure, which, statistic).reindex(curves.index).ffill()
        shown[["lower", "upper"]] = band[["lower", "upper"]]
    places = _changes(shown.drop(columns="env_steps").fillna(-1.0).to_numpy().tolist())
    return columns(shown.iloc[thinned(places, MOST_POINTS)])
