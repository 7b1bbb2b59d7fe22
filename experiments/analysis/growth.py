"""Whether terrains grow beyond drift: how a run's measures rise over its niches, against its neutral shadow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.analysis.complexity import GENOME_MEASURES, GROWTH_MEASURES, VERDICT_MEASURES, known_measures, so_far

#: How unlikely a run must be under drift to count as grown. Of 100 runs that only drift, one counts nevertheless.
ALPHA = 0.01
#: Growth has to go on: the most replicates, as a share, that may rise as much as the run from middle to late third.
GOES_ON = 0.5
#: The share of a shadow's replicates that its band leaves out on either side.
BAND_TAIL = 0.05


@dataclass(frozen=True, eq=False)
class GrowthSummary:
    """What ``growth_summary`` found.

    Attributes:
        table: a row for each measure: measure, early, late (means over the run's early and late terrains),
            shadow_lower, shadow_median, shadow_upper (5, 50 and 95 % of late over replicates), trend_p_value and
            level_p_value (each corrected for looking at all measures), corrected_p_value (of growth: the greater of
            the two), goes_on (whether the rise from the middle third to the late one is beyond ``GOES_ON``).
        num_terrains: terrains in a third.
        num_shadows: replicates.
        alpha: the greatest p value at which a measure counts.
        p_value: of growth by any measure: the least corrected one; NaN where the data cannot tell.
        has_grown: whether any measure did; None where the data cannot tell.
        sentence: the same in words.
    """

    table: pd.DataFrame
    num_terrains: int
    num_shadows: int
    alpha: float
    p_value: float
    has_grown: bool | None
    sentence: str


def growth_summary(
    frame: pd.DataFrame,
    shadow: pd.DataFrame,
    which: str = "solved",
    measures: Sequence[str] = VERDICT_MEASURES,
    alpha: float = ALPHA,
) -> GrowthSummary:
    """Compare how a run's terrains rise, and how high the late ones are, with each replicate of its shadow.

    The solved terrains (or all of them), without the root, are split by admission into an early, a middle and a late
    third. A measure x becomes log(1 + x / m), where m is the median of all compared values that are not 0: without the
    logarithm, one cliff among a shadow's terrains would outweigh all others. Its means over thirds give two statistics:
    the trend, late minus early, and the level, late alone. Under drift alone the run is one more replicate, and the p
    value of a statistic is the share of run and replicates in which it is at least as great. Since several measures are
    tested, it is corrected by the greatest standardised statistic: the share in which any measure exceeds its mean by
    as many standard deviations, with means and deviations over run and replicates together (Westfall and Young 1993,
    single-step maxT). This holds however the measures are correlated.

    A measure has grown where the corrected p values of trend and level are both at most alpha, and the rise goes on
    from the middle third to the late one (``GOES_ON``). A level alone is not growth: the shadow admits everything, so
    any criterion, even one that never changes, lifts a run above it from the first admission on. A trend alone is not
    growth either: a run may come back from below. Trend and level are two families of tests. But a run that counts as
    grown has passed the trend's test, which keeps alpha by itself; the further conditions only make that rarer.

    This does not tell why a run grew: a one-sided criterion that never changes may let some measure drift faster. Nor
    does it tell, for solved terrains, what the choice of niches does. Shadows solve nothing, so their niches count if
    the run's niche of the same id was solved. Solved terrains may rise differently from admitted ones, and alpha is
    known to be kept for admitted ones only. And growth that is not shown may still be there: of 20 planted archives in
    which the hardest of eight mutations is admitted, 20, 18, 16 and 20 were found with 60, 90, 120 and 160 terrains (20
    active, 100 replicates).

    Args:
        frame: the run's ``niche_complexity``.
        shadow: its shadow's niches: columns replicate, niche_id and the measures.
        which: ``"solved"`` or ``"admitted"``.
        measures: which to look at; those that run or shadow lacks are left out.
        alpha: see ``GrowthSummary``.

    Raises:
        ValueError: ``which`` is neither, or the shadow lacks a niche of the run.
    """
    if which not in ("solved", "admitted"):
        raise ValueError(f"which must be 'solved' or 'admitted', found {which!r}")
    niches = _compared_niches(frame, which)
    third, num_shadows = len(niches) // 3, int(shadow["replicate"].nunique())
    known = [name for name in known_measures(frame) if name in measures and name in shadow]
    if reason := _too_little(third, num_shadows, alpha, which, known):
        return GrowthSummary(pd.DataFrame(), third, num_shadows, alpha, float("nan"), None, reason)
    values = np.stack([_values(frame, shadow, name, niches) for name in known], axis=2)
    parts = slice(None, third), slice(third, len(niches) - third), slice(len(niches) - third, None)
    logs = np.log1p(values / _typical(values))
    early, middle, late = (logs[:, part].mean(axis=1) for part in parts)
    table = pd.DataFrame({"measure": known})
    means = {name: values[:, part].mean(axis=1) for name, part in (("early", parts[0]), ("late", parts[2]))}
    table["early"], table["late"] = means["early"][0], means["late"][0]
    quantiles = np.quantile(means["late"][1:], [BAND_TAIL, 0.5, 1.0 - BAND_TAIL], axis=0)
    table["shadow_lower"], table["shadow_median"], table["shadow_upper"] = quantiles
    table["trend_p_value"], table["level_p_value"] = corrected_p_values(late - early), corrected_p_values(late)
    table["corrected_p_value"] = table[["trend_p_value", "level_p_value"]].max(axis=1)
    table["goes_on"] = (late - middle >= (late - middle)[0]).mean(axis=0) <= GOES_ON
    grown = table.loc[(table["corrected_p_value"] <= alpha) & table["goes_on"], "measure"].tolist()
    p_value = float(table["corrected_p_value"].min())
    sentence = _sentence(grown, table, which, alpha, num_shadows)
    return GrowthSummary(table, third, num_shadows, alpha, p_value, bool(grown), sentence)


def corrected_p_values(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """The p value of each measure, corrected for testing all, from (1 + replicates, measures) with the run first."""
    deviations = statistics.std(axis=0)
    varies = deviations > 1e-12
    scores = np.where(varies, (statistics - statistics.mean(axis=0)) / np.where(varies, deviations, 1.0), -np.inf)
    corrected: NDArray[np.float64] = (scores.max(axis=1)[:, None] >= scores[0]).mean(axis=0)
    return corrected


def shadow_band(frame: pd.DataFrame, shadow: pd.DataFrame, measure: str, which: str, statistic: str) -> pd.DataFrame:
    """The band with 90 % of a shadow's replicates, as in ``growth_curves``.

    Args:
        frame: the run's ``niche_complexity``, which says when a niche counts.
        shadow: see ``growth_summary``.
        measure: one of ``GROWTH_MEASURES``.
        which: ``"solved"`` or ``"admitted"``.
        statistic: ``"max"`` or ``"median"``.

    Returns:
        Columns lower, median, upper (5, 50, 95 % of replicates), indexed by each iteration in which something changed.
    """
    by_niche = shadow.pivot_table(index="niche_id", columns="replicate", values=measure).loc[frame["niche_id"]]
    curves = so_far(by_niche.reset_index(drop=True), frame["created" if which == "admitted" else "solved"])[statistic]
    quantiles = curves.quantile([BAND_TAIL, 0.5, 1.0 - BAND_TAIL], axis=1).T
    return quantiles.set_axis(["lower", "median", "upper"], axis=1)


def _compared_niches(frame: pd.DataFrame, which: str) -> list[int]:
    """Ids of the niches that count, in order of admission."""
    counts = frame["parent_id"].notna() & (frame["solved"].notna() if which == "solved" else True)
    ids: list[int] = frame.loc[counts, "niche_id"].sort_values().tolist()
    return ids


def _values(frame: pd.DataFrame, shadow: pd.DataFrame, measure: str, niches: list[int]) -> NDArray[np.float64]:
    """(1 + replicates, niches): the run's, then each replicate's."""
    by_replicate = shadow.pivot_table(index="replicate", columns="niche_id", values=measure)
    missing = [niche_id for niche_id in niches if niche_id not in by_replicate]
    if missing:
        raise ValueError(f"the shadow must have every niche of the run, but lacks {missing}")
    own = frame.set_index("niche_id").loc[niches, measure].to_numpy(np.float64)
    return np.vstack([own, by_replicate[niches].to_numpy(np.float64)])


def _typical(values: NDArray[np.float64]) -> list[float]:
    """The median of each measure (last axis) where it is not 0."""
    each = (values[..., m] for m in range(values.shape[2]))
    return [float(np.median(some[some > 0.0])) if (some > 0.0).any() else 1.0 for some in each]


def _too_little(third: int, num_shadows: int, alpha: float, which: str, measures: list[str]) -> str:
    """Why nothing can be said; empty if something can."""
    if 1.0 / (1 + num_shadows) > alpha:
        needed = int(np.ceil(1.0 / alpha)) - 1
        return f"{num_shadows} replicates of the neutral shadow are too few to tell growth from drift: make {needed}."
    if third == 0:
        return f"Fewer than three terrains besides the root were {which}: too few to tell growth from drift."
    if not measures:
        return "No measure is known of all terrains: nothing tells growth from drift."
    return ""


def _sentence(grown: list[str], table: pd.DataFrame, which: str, alpha: float, num_shadows: int) -> str:
    least = table["corrected_p_value"].min()
    basis = f"p = {least:.3g}; {num_shadows} replicates of the neutral shadow, alpha {alpha:g}"
    is_genome = set(table["measure"]) <= set(GENOME_MEASURES)
    who, harder, grow = "terrains", "harder", "grow harder"
    if is_genome:
        who, harder, grow = "terrains' genomes", "greater", "grow"
    if grown:
        return f"The {which} {who} {grow} over the run, beyond drift, by: {_named(grown)} ({basis})."
    stopped = ", and what rose did not go on rising to the end" if least <= alpha else ""
    higher = table.loc[table["level_p_value"] <= alpha, "measure"].tolist()
    if higher:
        return (
            f"The late {which} {who} are {harder} than unselected mutation makes them, by: {_named(higher)}; that is a "
            "level, which a criterion that never changes gives from early on. They are not shown to "
            f"{grow} over the run beyond drift{stopped} ({basis})."
        )
    return f"The {which} {who} are not shown to {grow} beyond drift ({basis})."


def _named(measures: list[str]) -> str:
    return "; ".join(GROWTH_MEASURES[name][0] for name in measures)
