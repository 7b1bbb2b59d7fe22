"""The curves of a run that an overview of several draws over cumulative env-steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from experiments.analysis.genes import hardness
from experiments.page.data import annecs_table, plain, table, thinned
from experiments.page.record import Record
from poet.events import ValidationSet

#: Points that a curve has at most.
_MOST_POINTS = 300


def run_curves(record: Record) -> dict[str, dict[str, list[Any]]]:
    """Curves by name, each as columns env_steps and value.

    Keys:
        admitted, solved, robust: niches so far that a niche was mutated for, that were solved once, and robustly.
        success: mean of the latest success rates of the active niches, on pushes; 0 to 1.
        hardest, hardest_robust: conditions of the paper met, in parts, by the hardest terrain so far that was admitted,
            and robustly solved (``experiments.analysis.genes.hardness``); 0 for terrains without these genes.
        annecs, annecs_robust: ANNECS as in the paper, and with robustly solved niches; null where it is unknown.
    """
    if record.iteration < 0:
        return {}
    children = [niche for niche in record.niches if niche.parent_id is not None]
    robust = [(reached, n) for n in children if (reached := n.rates[ValidationSet.PUSHES].reached) is not None]
    hard = {niche.id: hardness(niche.genotype)[1] for niche in children}
    annecs = annecs_table(record)
    found = {
        "admitted": _counted(record, (niche.created for niche in children)),
        "solved": _counted(record, (niche.solved for niche in children if niche.solved is not None)),
        "robust": _counted(record, (reached for reached, _ in robust)),
        "success": _success(record),
        "hardest": _greatest(record, ((niche.created, hard[niche.id]) for niche in children)),
        "hardest_robust": _greatest(record, ((reached, hard[niche.id]) for reached, niche in robust)),
        "annecs": {"env_steps": annecs["env_steps"], "value": annecs["annecs_paper"]},
        "annecs_robust": {"env_steps": annecs["env_steps"], "value": annecs["annecs_robust"]},
    }
    curves: dict[str, dict[str, list[Any]]] = plain(found)
    return curves


def _curve(record: Record, points: list[tuple[int, float]]) -> dict[str, list[Any]]:
    """Of iterations and values, ascending, from the start to now; the last value of an iteration counts."""
    by_iteration = {0: 0.0} | dict(points)
    by_iteration[record.iteration] = points[-1][1] if points else 0.0
    rows = [{"env_steps": record.steps[i], "value": value} for i, value in by_iteration.items()]
    return table(thinned(rows, _MOST_POINTS))


def _counted(record: Record, happened: Iterable[int]) -> dict[str, list[Any]]:
    return _curve(record, [(iteration, number) for number, iteration in enumerate(sorted(happened), 1)])


def _greatest(record: Record, happened: Iterable[tuple[int, float]]) -> dict[str, list[Any]]:
    points: list[tuple[int, float]] = []
    for iteration, value in sorted(happened):
        points.append((iteration, max(value, points[-1][1] if points else 0.0)))
    return _curve(record, points)


def _success(record: Record) -> dict[str, list[Any]]:
    """A point for each iteration in which somebody was measured."""
    measured = defaultdict(list)
    for one in record.measured:
        if one.validation_set == ValidationSet.PUSHES:
            measured[one.iteration].append(one)
    leaving = sorted((n.retired, n.id) for n in record.niches if n.retired is not None)
    now: dict[int, float] = {}
    points = []
    for iteration, found in sorted(measured.items()):
        now |= {one.niche_id: one.rate for one in found}
        while leaving and leaving[0][0] <= iteration:
            now.pop(leaving.pop(0)[1], None)
        if now:
            points.append((iteration, sum(now.values()) / len(now)))
    return table({"env_steps": record.steps[i], "value": value} for i, value in thinned(points, _MOST_POINTS))
