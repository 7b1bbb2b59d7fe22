"""What a study's runs say to its questions: a test each, with Holm's correction over these questions and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.comparison.comparing import CLAIM, pair_row, power_rows, scores_of, with_verdicts
from experiments.comparison.statistics import MAX_SEEDS, Array, least_p
from experiments.studies.plan import Plan, Question, Study
from poet.validation import ROBUST_RATE

#: What the better arm does, by measure.
CLAIMS = {"success_rate": CLAIM, "robust_cells": "robustly solves more cells than"}
#: The verdict before its time.
NO_RUNS = "no finished runs of both arms"


def answers(
    study: Study, tried: Mapping[str, pd.DataFrame], names: Mapping[str, Sequence[str]], is_interim: bool
) -> pd.DataFrame:
    """One row for each question.

    Args:
        study: the study.
        tried: of ``try_runs``, by suite, as ``plan.suites`` has it.
        names: the finished runs of each arm; an arm may have none if this is interim.
        is_interim: whether runs are still to come; each verdict says so.

    Returns:
        Columns number, question, suite, measure, ours_seeds, theirs_seeds, ours_mean and theirs_mean (over runs), those
        of ``pair_row``, p_adjusted (Holm, over all questions of the study, answered or not) and verdict. Where an arm
        has no run, numbers are NaN.
    """
    questions = study.plan.questions
    answered, unanswered, claims = [], [], []
    for number, question in enumerate(questions, 1):
        suite, (ours, theirs) = study.suite_of(question), question.arms
        asked = {"number": number, "question": question.text, "suite": suite, "measure": question.measure}
        if names[ours] and names[theirs]:
            answered.append(asked | _found(question, tried[suite], names))
            claims.append(CLAIMS[question.measure])
        else:
            unanswered.append(asked | {"ours": ours, "theirs": theirs, "verdict": NO_RUNS})
    frames = [with_verdicts(pd.DataFrame(answered), study.plan.alpha, claims, len(questions))] if answered else []
    table = pd.concat([*frames, *([pd.DataFrame(unanswered)] if unanswered else [])])
    if is_interim:
        table["verdict"] = "interim: " + table["verdict"]
    return table.sort_values("number", ignore_index=True)


def power_of(study: Study) -> pd.DataFrame:
    """``power_rows`` of a question of the finished study, at the first step of Holm."""
    number = len(study.plan.seeds)
    return power_rows([(number, number)], study.plan.alpha / len(study.plan.questions))


def seeds_needed(plan: Plan) -> int | None:
    """The fewest seeds with which every question can be answered; None if those of exact tests are too few."""
    for number in range(1, MAX_SEEDS + 1):
        if least_p(number, number) * len(plan.questions) <= plan.alpha:
            return number
    return None


def _found(question: Question, tried: pd.DataFrame, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    ours, theirs = question.arms
    a, b = (_measured(scores_of(tried, names[arm]), question.measure) for arm in (ours, theirs))
    return {
        "ours_seeds": len(a),
        "theirs_seeds": len(b),
        "ours_mean": float(a.mean()),
        "theirs_mean": float(b.mean()),
        **pair_row(ours, theirs, a, b),
    }


def _measured(rates: Array, measure: str) -> Array:
    """(runs, cells) what a question is about, from success rates."""
    return (rates >= ROBUST_RATE).astype(np.float64) if measure == "robust_cells" else rates
