"""After how many env-steps runs first solve a terrain of each class, and whether arms differ in that.

A terrain counts if the run made it: the root is left out. ``robust`` is the headline: 80 % of the validation pushes
(``poet.validation``); ``once`` is one good episode of any agent. A time is that of the measurement, which may lag
behind the agent by ``validation.interval`` iterations. A run that has not got there by the compared env-steps is
censored then.

Four families of questions are each corrected on their own (Holm): robust or once, by the paper's classes or by
roughness. The family of ``HEADLINE`` is the one that was asked beforehand, the others are explored. In each family
every pair of arms is asked about in each class that some run of any arm reached. If none of the pair did, its p is 1.
So the size of a family does not depend on how runs are dealt to arms, which every test takes for chance. A class that
no run of any arm reached is left out: there is nothing to test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.frames import niches_table
from experiments.analysis.genes import challenge_level, upper_end
from experiments.analysis.milestones import CLASSES, ROUGHNESSES, classes_of
from experiments.comparison.comparing import by_sizes
from experiments.comparison.snapshots import ComparedRun
from experiments.comparison.statistics import Array, holm, least_attainable_p, permutation_p, share_interval
from experiments.comparison.survival import RATIOS, kaplan_meier, logrank_power, logrank_scores, median_time

#: Below this adjusted p a difference is said to be shown.
ALPHA = 0.05
#: Each kind of class with its classes. A terrain of a harder class is mostly of the easier ones, too.
KINDS = {
    "challenge": CLASSES[1:],
    "roughness": tuple(f"roughness >= {least:g}" for least in ROUGHNESSES),
}
ALL_CLASSES = (CLASSES[0], *KINDS["challenge"], *KINDS["roughness"])
#: What may happen first, headline first.
OUTCOMES = ("robust", "once")
HEADLINE = ("robust", "challenge")
NOT_VALIDATED = "nobody was validated (validation.episodes = 0)"
NOBODY = "no run got there"
NO_CLASSES = "its terrains have no genes that the classes are made of"

_COLUMNS = {"once": "solved", "robust": "robust"}


def all_classes_of(genotype: Mapping[str, Any]) -> list[str]:
    """Those of ``ALL_CLASSES`` that a terrain is of, from its genotype in JSON values."""
    if challenge_level(genotype) is None:
        return classes_of(genotype)
    roughness = upper_end(genotype, "roughness")
    rough = [name for name, least in zip(KINDS["roughness"], ROUGHNESSES, strict=True) if roughness >= least]
    return [*classes_of(genotype), *rough]


def classes_table(run: ComparedRun) -> pd.DataFrame:
    """What a run made and solved within the compared env-steps, by class.

    Returns:
        A row for each of ``ALL_CLASSES``: columns class; created, once, robust (how many of its terrains; <NA> where
        that does not apply); once_env_steps, robust_env_steps (spent by the end of the iteration of the first; missing
        if there was none); once_why, robust_why (why it does not apply, else empty).
    """
    niches = niches_table(run.tables)
    niches = niches[niches["parent_id"].notna()]
    genotypes = run.tables.niches.set_index("niche_id")["genotype"]
    classes = [all_classes_of(genotypes[niche_id]) for niche_id in niches["niche_id"]]
    has_classes = all(challenge_level(genotype) is not None for genotype in genotypes)
    rows = []
    for name in ALL_CLASSES:
        mine = niches[pd.Series([name in some for some in classes], niches.index, dtype=bool)]
        why = "" if run.makes_terrains else run.why_no_terrains
        why = why or ("" if has_classes or name == CLASSES[0] else NO_CLASSES)
        row: dict[str, Any] = {"class": name, "created": None if why else len(mine)}
        for outcome, column in _COLUMNS.items():
            unknown = NOT_VALIDATED if outcome == "robust" and run.tables.validations.empty else ""
            row[f"{outcome}_why"] = why or unknown
            is_known = not row[f"{outcome}_why"]
            row[outcome] = int(mine[column].notna().sum()) if is_known else None
            first = mine[f"{column}_env_steps"].min() if is_known and len(mine) else None
            row[f"{outcome}_env_steps"] = None if first is None or pd.isna(first) else int(first)
        rows.append(row)
    numbers = ["created", "once", "robust", "once_env_steps", "robust_env_steps"]
    names = ["class", *numbers, "once_why", "robust_why"]
    return pd.DataFrame(rows)[names].astype(dict.fromkeys(numbers, "Int64"))


def reached_table(classes: pd.DataFrame, end: int) -> pd.DataFrame:
    """In how many runs of each arm each class was first solved, and when.

    Args:
        classes: of ``classes_table``, with columns arm and run.
        end: the compared env-steps.

    Returns:
        Columns outcome, arm, class, seeds, reached (runs), share, low, high (its exact 95 % interval), median_env_steps
        (Kaplan-Meier; NaN if less than half got there), why (it does not apply; then numbers are NaN).
    """
    rows = []
    for (outcome, arm, name), mine in _by_class(classes):
        row: dict[str, Any] = {
            "outcome": outcome,
            "arm": arm,
            "class": name,
            "seeds": len(mine),
            "why": _why(mine, outcome),
        }
        if not row["why"]:
            times, happened = _times(mine, outcome, end)
            row |= {"reached": int(happened.sum()), "share": float(happened.mean())}
            row["low"], row["high"] = share_interval(row["reached"], len(mine))
            row["median_env_steps"] = median_time(kaplan_meier(times, happened))
        rows.append(row)
    names = ["outcome", "arm", "class", "seeds", "reached", "share", "low", "high", "median_env_steps", "why"]
    return pd.DataFrame(rows).reindex(columns=names).astype({"reached": "Int64", "median_env_steps": "float64"})


def curves_table(classes: pd.DataFrame, end: int) -> pd.DataFrame:
    """The Kaplan-Meier curve of each arm and class to which it applies; arguments as for ``reached_table``.

    Returns:
        Columns outcome, arm, class, env_steps, not_yet (see ``kaplan_meier``).
    """
    parts = []
    for (outcome, arm, name), mine in _by_class(classes):
        if not _why(mine, outcome):
            parts.append(kaplan_meier(*_times(mine, outcome, end)).assign(outcome=outcome, arm=arm, **{"class": name}))
    names = ["outcome", "arm", "class", "env_steps", "not_yet"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def first_pairs_table(classes: pd.DataFrame, arms: Mapping[str, Sequence[str]], end: int) -> pd.DataFrame:
    """Whether two arms differ in when they first solve a class: exact permuted log-rank tests.

    Args:
        classes, end: as for ``reached_table``.
        arms: names of runs by arm.

    Returns:
        Columns outcome, kind (of class), ours, theirs, class, ours_reached, theirs_reached (runs), p (two-sided),
        least_p (that any deal of these very times gives), questions (asked in the family), p_adjusted (Holm over them),
        verdict. p is NaN where nothing is asked; the verdict says why.
    """
    rows = []
    for outcome in OUTCOMES:
        for kind, names in KINDS.items():
            reached = {name for name in names if _is_reached(classes, outcome, name)}
            family = [
                _pair(classes, outcome, a, b, name, end, name in reached)
                for a, b in combinations(arms, 2)
                for name in names
            ]
            asked = [row for row in family if not np.isnan(row["p"])]
            adjusted = holm([row["p"] for row in asked])
            attainable = holm([row["least_p"] for row in asked])
            for row, found, least in zip(asked, adjusted, attainable, strict=True):
                row["p_adjusted"] = found
                row["verdict"] = _verdict(row, least)
            rows += [{"outcome": outcome, "kind": kind, **row, "questions": len(asked)} for row in family]
    columns = [
        "outcome", "kind", "ours", "theirs", "class", "ours_reached", "theirs_reached", "p", "least_p", "questions",
        "p_adjusted", "verdict",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype({"ours_reached": "Int64", "theirs_reached": "Int64"})


def logrank_power_table(pairs: pd.DataFrame, arms: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """How likely an arm that gets there so many times as fast is found by the family of ``HEADLINE``, if all runs do.

    Args:
        pairs: of ``first_pairs_table``.
        arms: names of runs by arm.

    Returns:
        A row for each pair of numbers of seeds: columns seeds, and one for each of ``RATIOS``, at ``logrank_alpha``.
        The first number is that of the faster arm, which matters much: being late counts more in the test than being
        early. Empty where nothing was asked.
    """
    asked, level = _headline(pairs), logrank_alpha(pairs)
    both = [pair for a, b in asked[["ours", "theirs"]].to_numpy().tolist() for pair in ((a, b), (b, a))]
    sizes = [(len(arms[faster]), len(arms[slower])) for faster, slower in both]
    return by_sizes(sizes, lambda a, b: {f"{ratio:g} times": logrank_power(a, b, ratio, level) for ratio in RATIOS})


def logrank_alpha(pairs: pd.DataFrame) -> float:
    """The level of the first step of Holm's correction in the family of ``HEADLINE``."""
    return ALPHA / max(1, len(_headline(pairs)))


def _headline(pairs: pd.DataFrame) -> pd.DataFrame:
    """What the family of ``HEADLINE`` asks."""
    outcome, kind = HEADLINE
    return pairs[(pairs["outcome"] == outcome) & (pairs["kind"] == kind) & pairs["p"].notna()]


def _pair(
    classes: pd.DataFrame, outcome: str, ours: str, theirs: str, name: str, end: int, is_asked: bool
) -> dict[str, Any]:
    """One question, asked or not; ``sooner`` is the arm that is sooner on the whole."""
    row: dict[str, Any] = {"ours": ours, "theirs": theirs, "class": name, "p": np.nan, "least_p": np.nan}
    parts = [classes[(classes["arm"] == arm) & (classes["class"] == name)] for arm in (ours, theirs)]
    if why := _why(parts[0], outcome) or _why(parts[1], outcome):
        return row | {"verdict": why}
    found = [_times(part, outcome, end) for part in parts]
    row |= {"ours_reached": int(found[0][1].sum()), "theirs_reached": int(found[1][1].sum())}
    times, happened = np.concatenate([found[0][0], found[1][0]]), np.concatenate([found[0][1], found[1][1]])
    if not is_asked:
        return row | {"verdict": NOBODY}
    if not happened.any():
        return row | {"p": 1.0, "least_p": 1.0}
    scores = logrank_scores(times, happened)
    mine, other = scores[: len(parts[0])], scores[len(parts[0]) :]
    sooner = ours if mine.mean() > other.mean() else theirs
    return row | {"p": permutation_p(mine, other), "least_p": least_attainable_p(mine, other), "sooner": sooner}


def _verdict(row: Mapping[str, Any], least_adjusted: float) -> str:
    """A sentence; ``least_adjusted`` is the adjusted p if every question of the family had its least one."""
    if not row["ours_reached"] and not row["theirs_reached"]:
        return "no run of either got there"
    if row["p_adjusted"] <= ALPHA:
        return f"{row['sooner']} gets there sooner"
    if least_adjusted > ALPHA:
        return "not testable with so few seeds"
    return "no difference shown"


def _is_reached(classes: pd.DataFrame, outcome: str, name: str) -> bool:
    """Whether a run of any arm to which the class applies got there."""
    mine = classes[classes["class"] == name]
    return any(not _why(of_arm, outcome) and _times(of_arm, outcome, 0)[1].any() for _, of_arm in mine.groupby("arm"))


def _by_class(classes: pd.DataFrame) -> list[tuple[tuple[str, str, str], pd.DataFrame]]:
    """The rows of each arm's runs in each class, for each outcome."""
    grouped = list(classes.groupby(["arm", "class"], sort=False))
    return [((outcome, str(arm), str(name)), mine) for outcome in OUTCOMES for (arm, name), mine in grouped]


def _times(mine: pd.DataFrame, outcome: str, end: int) -> tuple[Array, np.ndarray[Any, np.dtype[np.bool_]]]:
    first = mine[f"{outcome}_env_steps"]
    return first.fillna(end).to_numpy(np.float64), first.notna().to_numpy(np.bool_)


def _why(mine: pd.DataFrame, outcome: str) -> str:
    """Why an outcome does not apply to an arm: if it does not to one of its runs."""
    return next((why for why in mine[f"{outcome}_why"] if why), "")
