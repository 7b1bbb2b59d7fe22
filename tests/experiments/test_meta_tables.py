"""Tables of adaptability and of adaptation curves: rank correlations by hand, and which units intervals have."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from experiments.meta.adaptability import correlations, over_runs
from experiments.meta.curves import gains
from experiments.meta.report import curves_summary


def agents(run: str, first: list[float], gain: list[float]) -> pd.DataFrame:
    """Agents of one run, made one after the other."""
    rows: list[dict[str, Any]] = [
        {"run": run, "iteration": 10 * i, "first": a, "last": a + b, "gain": b}
        for i, (a, b) in enumerate(zip(first, gain, strict=True))
    ]
    return pd.DataFrame(rows)


def test_correlations_with_the_time_of_creation() -> None:
    """By ranks; with the first rate held fixed; and unknown where that rate has the order of time itself."""
    table = pd.concat(
        [
            agents("a", [0.1, 0.4, 0.2, 0.8], [0.1, 0.2, 0.5, 0.3]),
            agents("b", [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]),
        ]
    )
    a, b = correlations(table).to_dict("records")

    assert (0.8, 0.8) == (pytest.approx(a["first"]), pytest.approx(a["gain"]))
    between = 0.4  # of gain and first rate, by ranks
    assert pytest.approx((0.8 - between * 0.8) / math.sqrt((1 - between**2) * (1 - 0.8**2))) == a["gain_given_first"]
    assert (1.0, -1.0) == (pytest.approx(b["first"]), pytest.approx(b["gain"]))
    assert math.isnan(b["gain_given_first"])
    means = over_runs(correlations(table), "runs").set_index("measure")
    assert [2, 1] == [*means.loc[["gain", "gain, success before held fixed"], "runs"]]
    assert pytest.approx(-0.1) == means.loc["gain", "mean"] and math.isnan(means.loc["gain", "low"])


def test_what_differs_by_rounding_alone_is_one_rank() -> None:
    """Means over three tasks: what was gained on one and lost on another is no less than nothing."""
    lost = (0.1 + 0.2 - 0.3) / 3.0
    (found,) = correlations(agents("a", [0.1, 0.4, 0.2, 0.8], [0.0, 0.2, 0.1, -lost])).to_dict("records")
    (exact,) = correlations(agents("a", [0.1, 0.4, 0.2, 0.8], [0.0, 0.2, 0.1, 0.0])).to_dict("records")

    assert lost != 0.0 and exact == found


def curves_of(runs: dict[str, dict[int, list[float]]]) -> pd.DataFrame:
    """Curves of one arm: the last rates of the tasks of each clade of each run; all begin at 0.5."""
    rows = [
        {"run": run, "niche": 10 * clade + i, "clade": clade, "arm": "x", "generation": k, "success_rate": rate,
         "return_mean": 100.0 * rate}
        for run, clades in runs.items()
        for clade, rates in clades.items()
        for i, last in enumerate(rates)
        for k, rate in ((0, 0.5), (10, last))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_unit_is_a_run_or_a_clade_and_never_a_task() -> None:
    """Many relatives of one clade weigh no more than one task; with three runs each run counts once."""
    few = curves_summary(curves_of({"a": {1: [1.0, 1.0, 1.0, 1.0], 2: [0.0]}, "b": {1: [0.5]}}))
    gain = few.set_index("measure").loc["gain"]
    assert (3, 6, 0.0) == (gain["units"], gain["tasks"], pytest.approx(gain["mean"], abs=1e-12))
    assert gain["low"] < 0.0 < gain["high"]

    runs = curves_summary(curves_of({"a": {1: [1.0, 1.0], 2: [0.0]}, "b": {1: [0.5]}, "c": {1: [0.5]}}))
    gain = runs.set_index("measure").loc["gain"]
    assert 3 == gain["units"] and pytest.approx((1.0 / 6.0) / 3.0) == gain["mean"]


def test_what_a_curve_comes_to() -> None:
    """Its ends, its mean height, whether it hurt, and whether it ends at 80 % or more."""
    (up, down) = gains(curves_of({"a": {1: [0.9, 0.1]}})).to_dict("records")

    assert (0.5, 0.9, 0.7) == (up["first"], up["last"], pytest.approx(up["area"]))
    assert [(False, True), (True, False)] == [(one["is_hurt"], one["is_solved"]) for one in (up, down)]
