"""The report of a study: one page, its tables as CSV, and everything in one file for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.comparison.comparing import UNTESTABLE, Budget, arms_table, unequal
from experiments.drafts import new_folder
from experiments.files import write_text
from experiments.markdown import markdown_table
from experiments.studies.answers import answers, power_of
from experiments.studies.plan import Study
from experiments.studies.runs import StudyRun, commit_of
from experiments.suites import Suite
from experiments.tables import csv_text, json_records
from experiments.text import as_code, as_markdown, poet_command
from poet.archive.reader import Run


@dataclass(frozen=True)
class Findings:
    """What a report says.

    Attributes:
        study: the study.
        folder: of its runs.
        committed: ``commit_of`` the study's file before its first run.
        num_missing: how many runs have not spent the budget; the report is an interim one if there are any.
        suites: by their names in the study.
        remarks: sentences that a reader of the tables has to know.
        tables: by name: questions (``answers``), arms (``arms_table`` on each suite), power, costs (env-steps by arm
            and purpose), runs, and tried (``try_runs`` on each suite).
    """

    study: Study
    folder: Path
    committed: str
    num_missing: int
    suites: Mapping[str, Suite]
    remarks: Sequence[str]
    tables: Mapping[str, pd.DataFrame]


def findings(
    study: Study,
    folder: Path,
    committed: str,
    runs: Sequence[StudyRun],
    opened: Mapping[str, Run],
    at: Mapping[str, Budget],
    tried: Mapping[str, tuple[Suite, pd.DataFrame]],
) -> Findings:
    """Answer the questions of a study.

    Args:
        study, folder, committed: see ``Findings``.
        runs: all of the study.
        opened: the finished ones, by the name of their folder.
        at: where each is looked at.
        tried: each suite and what ``try_runs`` found on it, by its name in the study.
    """
    names = {
        arm: [run.folder.name for run in runs if run.arm == arm and run.folder.name in opened]
        for arm in study.plan.arms
    }
    with_runs = {arm: mine for arm, mine in names.items() if mine}
    on_suites = {suite: table for suite, (_, table) in tried.items()}
    num_missing = len(runs) - len(opened)
    tables = {
        "questions": answers(study, on_suites, names, num_missing > 0),
        "arms": pd.concat(
            [arms_table(table, with_runs, at).assign(suite=suite) for suite, table in on_suites.items()],
            ignore_index=True,
        ),
        "power": power_of(study),
        "costs": _costs(with_runs, opened),
        "runs": _runs(runs, opened, at),
        "tried": pd.concat([table.assign(suite=suite) for suite, table in on_suites.items()], ignore_index=True),
    }
    suites = {suite: found for suite, (found, _) in tried.items()}
    remarks = unequal(with_runs, at, study.plan.env_steps)
    return Findings(study, folder, committed, num_missing, suites, remarks, tables)


def write_report(found: Findings, output: Path) -> None:
    """Write README.md, a CSV for each table, and report.json to a new or empty folder, all or nothing.

    Raises:
        InputError: the folder holds anything or cannot be made.
        RuntimeError: it was removed in the meantime.
    """
    records = {name: json_records(table) for name, table in found.tables.items()}
    about = {
        "title": found.study.plan.title,
        "digest": found.study.digest,
        "committed_before_first_run": found.committed,
        "committed_now": commit_of(found.study.path),
        "is_interim": found.num_missing > 0,
        "runs_missing": found.num_missing,
        "remarks": list(found.remarks),
        "suites": {name: suite.digest for name, suite in found.suites.items()},
        "study": found.study.meaning,
    }
    parts = (_answers(found), _arms_text(found), _power(found), _costs_text(found), _runs_text(found), _study(found))
    with new_folder(output) as draft:
        for name, table in found.tables.items():
            write_text(draft / f"{name}.csv", csv_text(table))
        write_text(draft / "report.json", json.dumps(about | records, indent=1) + "\n")
        write_text(draft / "README.md", "\n\n".join(parts) + "\n")


def answers_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table of questions as texts for people."""
    rows: list[dict[str, str]] = []
    for row in table.to_dict("records"):
        is_answered = "p" in row and not pd.isna(row["p"])
        rows.append(
            {
                "question": f"{row['number']}. {row['question']}",
                "verdict": str(row["verdict"]),
                "means": f"{row['ours']} {row['ours_mean']:.3f}, {row['theirs']} {row['theirs_mean']:.3f}"
                if is_answered
                else f"{row['ours']}, {row['theirs']}",
                "difference (95 %)": f"{row['difference']:+.3f} {_interval(row['low'], row['high'])}"
                if is_answered
                else "",
                "p": f"{row['p']:.3g}" if is_answered else "",
                "p, Holm": f"{row['p_adjusted']:.3g}" if is_answered else "",
                "seeds": f"{row['ours_seeds']:.0f} and {row['theirs_seeds']:.0f}" if is_answered else "",
                "measure": f"{row['measure']} on {row['suite']}",
            }
        )
    return pd.DataFrame(rows)


def _interval(low: float, high: float) -> str:
    return "(not bounded with so few seeds)" if low == -float("inf") else f"({low:+.3f} to {high:+.3f})"


def _costs(names: Mapping[str, Sequence[str]], opened: Mapping[str, Run]) -> pd.DataFrame:
    """Columns arm, purpose, env_steps and episodes (of a run, on average, up to its end), share; the greatest first."""
    frames = []
    for arm, mine in names.items():
        ledger = pd.concat([opened[name].ledger for name in mine])
        spent = ledger.groupby("purpose")[["env_steps", "episodes"]].sum() / len(mine)
        spent = spent.round().astype("int64").sort_values("env_steps", ascending=False).reset_index()
        spent.insert(0, "arm", arm)
        frames.append(spent.assign(share=spent["env_steps"] / spent["env_steps"].sum()))
    return pd.concat(frames, ignore_index=True)


def _runs(runs: Sequence[StudyRun], opened: Mapping[str, Run], at: Mapping[str, Budget]) -> pd.DataFrame:
    """Columns run, iterations, env_steps, compared_at and agents_from (env-steps, see ``Budget``), sessions, code."""
    rows: list[dict[str, Any]] = []
    for name in (run.folder.name for run in runs if run.folder.name in opened):
        clock, sessions = opened[name].iterations, opened[name].sessions
        rows.append(
            {
                "run": name,
                "iterations": int(clock["iteration"].max()),
                "env_steps": int(clock["env_steps"].sum()),
                "compared_at": at[name].env_steps,
                "agents_from": at[name].agent_env_steps,
                "sessions": len(sessions),
                "code": ", ".join(dict.fromkeys(map(str, sessions["code_version"]))),
            }
        )
    return pd.DataFrame(rows)


def _answers(found: Findings) -> str:
    plan, questions = found.study.plan, found.tables["questions"]
    about = f"\n\n{as_markdown(plan.about)}" if plan.about else ""
    interim = (
        f"\n\n**This is an interim look: {found.num_missing} runs are missing. By its stopping rule the study has no "
        "verdict before all have spent their budget; what stands here is none.**"
        if found.num_missing
        else ""
    )
    untestable = (
        f"\n\n“{UNTESTABLE.capitalize()}” means that no outcome could have shown a difference: even the least p "
        "that so many runs can give is above the level once it is corrected."
        if questions["verdict"].str.contains(UNTESTABLE).any()
        else ""
    )
    return f"""# {as_markdown(plan.title)}{about}{interim}

{markdown_table(answers_shown(questions))}

Each run counts once: a number is that of the agent that the run hands over, the best one in other episodes of the
suite.
The test is the exact permutation test of the difference in means between runs, two-sided, with Holm's correction over
the questions of this study ({len(plan.questions)}) at the level {plan.alpha:g}. Differences are those of Hodges and
Lehmann, with the interval that an exact Mann-Whitney test gives.{untestable}"""


def _arms_text(found: Findings) -> str:
    arms = found.tables["arms"]
    shown = pd.DataFrame(
        {
            "suite": arms["suite"],
            "arm": arms["arm"],
            "seeds": arms["seeds"],
            "agents of a run": arms["agents"],
            "success": [f"{rate:.3f}" for rate in arms["success_rate"]],
            "95 % over seeds": [
                "" if pd.isna(low) else f"{low:.3f} to {high:.3f}"
                for low, high in zip(arms["low"], arms["high"], strict=True)
            ],
            "mean": [f"{rate:.3f}" for rate in arms["mean"]],
            "best of all agents": [f"{rate:.3f}" for rate in arms["best_of_all"]],
            "mean score": [f"{score:.1f}" for score in arms["score_mean"]],
        }
    )
    return f"""## What the arms can do

Success is the interquartile mean over runs and cells; its bootstrap interval is over whole seeds, too narrow with few.
The best of all agents, in each cell, is an upper bound that no single agent reaches. What no question is about is
described here, not tested.

{markdown_table(shown)}"""


def _power(found: Findings) -> str:
    return f"""## What the study could find

How likely a difference of so many standard deviations between runs is shown, whatever the other questions say.

{markdown_table(found.tables["power"])}"""


def _costs_text(found: Findings) -> str:
    costs = found.tables["costs"].assign(share=[f"{share:.1%}" for share in found.tables["costs"]["share"]])
    return f"""## What was spent, by purpose

Env-steps and episodes of a run, on average. The trials of this report are not among them; they are alike for all arms.

{markdown_table(costs)}"""


def _runs_text(found: Findings) -> str:
    remarks = "".join(f"\n\n**{as_markdown(remark)}**" for remark in found.remarks)
    return f"""## The runs

A run ends after the iteration that reaches the budget of {found.study.plan.env_steps:,} env-steps. It is compared after
its last iteration within the budget, by the agents that were stored last until then.{remarks}

{markdown_table(found.tables["runs"])}"""


def _study(found: Findings) -> str:
    study, plan = found.study, found.study.plan
    suites = "\n".join(f"- suite {as_code(name)}: {suite.digest}" for name, suite in found.suites.items())
    arms = "\n".join(
        f"- arm {as_code(name)}: preset {as_code(arm.preset)}"
        + "".join(f", {as_code(text)}" for text in (*plan.assignments, *arm.assignments))
        for name, arm in plan.arms.items()
    )
    commands = (
        poet_command("study", "run", study.name, found.folder),
        poet_command("study", "report", study.name, found.folder, "--output", "DIR"),
    )
    return f"""## The study

{as_code(study.path.name)}, with the seeds {", ".join(map(str, plan.seeds))}. Its stopping rule: all runs
spend their budget, and nobody looks at a verdict before.

- digest of what it says: {study.digest}
- its file before the first run: {as_markdown(found.committed)}; now: {as_markdown(commit_of(study.path))}
{suites}
{arms}

```
{commands[0]}
{commands[1]}
```"""
