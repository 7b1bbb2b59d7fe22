"""Whether difficulty grows beyond drift: a run's late terrains against those of its neutral shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.analysis.complexity import GROWTH_MEASURES, known_measures, so_far

#: How unlikely under drift a run must be to count as grown. Of 100 runs that only drift, one does all the same.
ALPHA = 0.01
#: The share of a shadow's replicates that its band leaves out on either side.
BAND_TAIL = 0.05


@dataclass(frozen=True, eq=False)
class GrowthSummary:
    """What ``growth_summary`` found.

    Attributes:
        table: a row for each measure: measure, late (mean over the run's late terrains), shadow_lower, shadow_median,
            shadow_upper (5, 50 and 95 % of the same over replicates), p_value (of this measure alone),
            corrected_p_value (for looking at all of them).
        num_terrains: late terrains compared.
        num_shadows: replicates.
        alpha: from which corrected p value down a measure counts as grown.
        has_grown: whether any measure did; None where the data cannot tell.
        sentence: the same in words.
    """

    table: pd.DataFrame
    num_terrains: int
    num_shadows: int
    alpha: float
    has_grown: bool | None
    sentence: str


def growth_summary(
    frame: pd.DataFrame, shadow: pd.DataFrame, which: str = "solved", alpha: float = ALPHA
) -> GrowthSummary:
    """Compare the late terrains of a run with the same niches of each replicate of its shadow.

    Late terrains are the last third, by admission, of those solved (or of all), the root left out. Run and shadow start
    from the same root, so that how hard late terrains are is how far difficulty has grown. The statistic of a measure
    is the mean over late terrains of log(1 + x / m), where m is the median of all that is compared and not 0; without
    the logarithm, one cliff among a shadow's unwalked terrains would outweigh all its others.

    Under drift alone the run is one more replicate. A measure's p value is (1 + replicates whose statistic is at least
    the run's) / (1 + replicates). For looking at several measures it is corrected by the greatest standardised
    statistic: (1 + replicates of which any measure exceeds its mean by as many standard deviations) / (1 + replicates),
    means and deviations over run and replicates together. This keeps alpha for all measures at once, however they hang
    together (Westfall and Young 1993, single-step maxT).

    Shadows solve nothing: their niches count where the run's of the same id were solved. What is solved among many is
    the easier part, so that the test errs, if at all, on the side of drift.

    Args:
        frame: the run's ``niche_complexity``.
        shadow: its shadow's niches: columns replicate, niche_id and the measures.
        which: ``"solved"`` or ``"admitted"``.
        alpha: see ``GrowthSummary``.

    Raises:
        ValueError: ``which`` is neither, or the shadow lacks a niche of the run.
    """
    if which not in ("solved", "admitted"):
        raise ValueError(f"which must be 'solved' or 'admitted', found {which!r}")
    late = _late_niches(frame, which)
    num_shadows = int(shadow["replicate"].nunique())
    measures = [name for name in known_measures(frame) if name in shadow]
    if reason := _too_little(len(late), num_shadows, alpha, which):
        return GrowthSummary(pd.DataFrame(), len(late), num_shadows, alpha, None, reason)
    values = {name: _late_values(frame, shadow, name, late) for name in measures}
    statistics = np.stack([_statistic(values[name]) for name in measures], axis=1)
    own, corrected = _p_values(statistics)
    rows = []
    for i, name in enumerate(measures):
        means = values[name].mean(axis=1)
        lower, median, upper = np.quantile(means[1:], [BAND_TAIL, 0.5, 1.0 - BAND_TAIL])
        rows.append((name, means[0], lower, median, upper, own[i], corrected[i]))
    columns = ["measure", "late", "shadow_lower", "shadow_median", "shadow_upper", "p_value", "corrected_p_value"]
    table = pd.DataFrame(rows, columns=columns)
    grown = table.loc[table["corrected_p_value"] <= alpha, "measure"]
    return GrowthSummary(
        table, len(late), num_shadows, alpha, bool(len(grown)), _sentence(list(grown), which, table, alpha, num_shadows)
    )


def shadow_band(frame: pd.DataFrame, shadow: pd.DataFrame, measure: str, which: str, statistic: str) -> pd.DataFrame:
    """Where 90 % of a shadow's replicates are, as in ``growth_curves``.

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


def _late_niches(frame: pd.DataFrame, which: str) -> list[int]:
    """Ids of the last third of the niches that count."""
    counts = frame["parent_id"].notna() & (frame["solved"].notna() if which == "solved" else True)
    ids = frame.loc[counts, "niche_id"].sort_values().tolist()
    return ids[len(ids) - len(ids) // 3 :]


def _late_values(frame: pd.DataFrame, shadow: pd.DataFrame, measure: str, late: list[int]) -> NDArray[np.float64]:
    """(1 + replicates, late niches): the run's, then each replicate's."""
    by_replicate = shadow.pivot_table(index="replicate", columns="niche_id", values=measure)
    missing = [niche_id for niche_id in late if niche_id not in by_replicate]
    if missing:
        raise ValueError(f"the shadow must have every niche of the run, but lacks {missing}")
    own = frame.set_index("niche_id").loc[late, measure].to_numpy(np.float64)
    return np.vstack([own, by_replicate[late].to_numpy(np.float64)])


def _statistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 + replicates,) how hard late terrains are."""
    positive = values[values > 0.0]
    typical = float(np.median(positive)) if positive.size else 1.0
    level: NDArray[np.float64] = np.log1p(values / typical).mean(axis=1)
    return level


def _p_values(statistics: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each measure alone, and corrected for all, from (1 + replicates, measures) with the run first."""
    own = (statistics >= statistics[0]).mean(axis=0)
    deviations = statistics.std(axis=0)
    varies = deviations > 1e-12
    scores = np.where(varies, (statistics - statistics.mean(axis=0)) / np.where(varies, deviations, 1.0), -np.inf)
    corrected = (scores.max(axis=1)[:, None] >= scores[0]).mean(axis=0)
    return own, corrected


def _too_little(num_late: int, num_shadows: int, alpha: float, which: str) -> str:
    """Why nothing can be said; empty where something can."""
    if 1.0 / (1 + num_shadows) > alpha:
        needed = int(np.ceil(1.0 / alpha)) - 1
        return f"{num_shadows} replicates of the neutral shadow are too few to tell growth from drift: make {needed}."
    if num_late == 0:
        return f"Fewer than three terrains besides the root were {which}: too few to tell growth from drift."
    return ""


def _sentence(grown: list[str], which: str, table: pd.DataFrame, alpha: float, num_shadows: int) -> str:
    least = table["corrected_p_value"].min()
    basis = f"{num_shadows} replicates of the neutral shadow, alpha {alpha:g}"
    if not grown:
        return f"The late {which} terrains are not harder than drift alone makes them (p = {least:.3g}; {basis})."
    words = "; ".join(GROWTH_MEASURES[name][0] for name in grown)
    return f"The late {which} terrains are harder than drift alone makes them, by: {words} (p = {least:.3g}; {basis})."
