"""Times until something happens for the first time, in runs that end before it may have happened.

References: Kaplan and Meier 1958; Mantel 1966 and Peto and Peto 1972 (the log-rank test and its scores); Savage 1956
(how likely each order of runs is under proportional hazards).
"""

from __future__ import annotations

from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import CensoredData, ecdf

from experiments.comparison.statistics import SAME, Array, deals, least_p

Flags = NDArray[np.bool_]

#: How many times as fast one arm is, for which the power of the log-rank test is told: the ratio of hazards.
RATIOS = (2.0, 4.0, 8.0, 16.0)


def kaplan_meier(times: Array, happened: Flags) -> pd.DataFrame:
    """The share of runs in which it has not happened yet, over time (Kaplan-Meier).

    Args:
        times: (runs,) when it happened, or when the run was last looked at.
        happened: (runs,) whether it did; a run in which it did not is censored.

    Returns:
        Columns env_steps (0, then every time at which it happened in some run, ascending) and not_yet (the share from
        that time on, 1 to 0).
    """
    if not happened.any():
        return pd.DataFrame({"env_steps": [0.0], "not_yet": [1.0]})
    found = ecdf(CensoredData(uncensored=times[happened], right=times[~happened])).sf
    is_event = np.isin(found.quantiles, times[happened])
    return pd.DataFrame(
        {
            "env_steps": np.append(0.0, found.quantiles[is_event]),
            "not_yet": np.append(1.0, found.probabilities[is_event]),
        }
    )


def median_time(curve: pd.DataFrame) -> float:
    """The first time from which on it has happened in half of the runs or more; NaN if that never came.

    Args:
        curve: of ``kaplan_meier``.
    """
    reached = curve["env_steps"][curve["not_yet"] <= 0.5 + 1e-12]
    return float(reached.iloc[0]) if len(reached) else float("nan")


def logrank_scores(times: Array, happened: Flags) -> Array:
    """Each run's part in the log-rank statistic: 1 if it happened, less the hazard of all runs up to its time.

    The sum over an arm is the log-rank test's "observed less expected", and over all runs it is 0. With scores the test
    is one of means. So ``permutation_p`` of two arms' scores is the permuted log-rank test. It needs no great number of
    runs, but it is exact only if arms are censored alike, as where all are looked at until the same time.

    Args:
        times, happened: (runs,) of all arms that are compared, as for ``kaplan_meier``.

    Returns:
        (runs,).
    """
    moments = np.unique(times[happened])
    hazards = [(happened & (times == moment)).sum() / (times >= moment).sum() for moment in moments]
    so_far = np.append(0.0, np.cumsum(hazards))
    return np.asarray(happened - so_far[np.searchsorted(moments, times, side="right")], np.float64)


def logrank_power(num_ours: int, num_theirs: int, ratio: float, alpha: float = 0.05) -> float:
    """How often the permuted log-rank test finds that ours get there ``ratio`` times as fast as theirs, if all do.

    It is exact. At each moment a run of ours is so many times as likely to be the next one (proportional hazards). The
    test depends on the order of runs alone, and every order is counted with its probability (Savage 1956). Runs that
    end before they get there tell less, so the power is lower then.
    """
    if least_p(num_ours, num_theirs) > alpha:
        return 0.0
    places = deals(num_ours, num_theirs)  # of our runs in order of time
    number = num_ours + num_theirs
    scores = logrank_scores(np.arange(number, dtype=np.float64), np.ones(number, np.bool_))
    excess = np.abs(scores[places].sum(axis=1))  # in proportion to the difference in means, since all scores sum to 0
    at_least = len(places) - np.searchsorted(np.sort(excess), excess - SAME * excess.max())
    hazards = np.ones((len(places), number))
    np.put_along_axis(hazards, places, ratio, axis=1)
    at_risk = np.cumsum(hazards[:, ::-1], axis=1)[:, ::-1]
    likely = factorial(num_ours) * factorial(num_theirs) * (hazards / at_risk).prod(axis=1)
    return float(likely[at_least <= alpha * len(places)].sum())
