"""What ``poet bench`` found: tables for people, in a terminal or as Markdown, and JSON for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environments.errors import InputError
from experiments.files import write_text
from experiments.text import as_code
from experiments.throughput.measure import NUM_REPEATS, Measurement, Ratio, ratios
from experiments.throughput.ours import MAX_STEPS, NOISE_STD, NUM_WALKERS, ONE_BY_ONE_DIVISOR
from experiments.throughput.start import Start


@dataclass(frozen=True)
class Table:
    """Texts in rows and columns.

    Attributes:
        title: what it shows.
        how: how to read it, one paragraph.
        columns: their names.
        rows: one text for each column.
    """

    title: str
    how: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class BenchReport:
    """All figures of one run.

    Attributes:
        command: what was typed.
        facts: date, machine and versions, by name.
        ours, others: speeds.
        stages: microseconds a control step spends in each stage, by engine and ground.
        start: how long a run takes to start; None if nobody asked.
        missing: sentences about what could not be measured.
    """

    command: str
    facts: Mapping[str, str]
    ours: Sequence[Measurement]
    others: Sequence[Measurement]
    stages: Mapping[str, Mapping[str, Mapping[str, float]]]
    start: Start | None
    missing: Sequence[str]

    @property
    def ratios(self) -> list[Ratio]:
        """Every comparison within this run."""
        return ratios(self.ours, self.others)

    def tables(self) -> list[Table]:
        """The tables that have rows, in reading order."""
        tables = [
            _speed_table([*self.ours, *self.others]),
            ratio_table(self.ratios, _HOW_RATIOS),
            *(_stage_table(engine, by_ground) for engine, by_ground in self.stages.items()),
            *([_start_table(self.start)] if self.start else []),
        ]
        return [table for table in tables if table.rows]

    def to_markdown(self) -> str:
        """The report as a chapter in Markdown."""
        parts = [f"Measured by {as_code(self.command)}:"]
        parts.append("\n".join(f"- {name}: {value}" for name, value in self.facts.items()))
        parts += self.missing
        for table in self.tables():
            lines = [table.columns, tuple("---" if i < 2 else "--:" for i in range(len(table.columns))), *table.rows]
            rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
            parts += [f"## {table.title}", *([table.how] if table.how else []), rows]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Everything that was measured, each repetition by itself."""
        return {
            "command": self.command,
            "facts": dict(self.facts),
            "measurements": [
                asdict(row) | {"median": row.median, "spread": row.spread} for row in [*self.ours, *self.others]
            ],
            "ratios": [
                {
                    "faster": _name(ratio.faster),
                    "slower": _name(ratio.slower),
                    "median": ratio.median,
                    "values": ratio.values,
                }
                for ratio in self.ratios
            ],
            "stage_microseconds": {engine: dict(by_ground) for engine, by_ground in self.stages.items()},
            "start": asdict(self.start) if self.start else None,
            "missing": list(self.missing),
        }


def check_output(path: Path) -> None:
    """Raise ``InputError`` unless a report can be written there: the ending is known, the folder exists."""
    if path.suffix.lower() not in (".md", ".json"):
        raise InputError(f"--output ends in .md for tables or .json for all figures, found {str(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"--output {str(path)!r} needs the folder {str(path.parent)!r}, which does not exist: make it")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"--output {str(path)!r} cannot be written: name a file in a folder that you may write to")


def write_report(report: BenchReport, path: Path) -> None:
    """Write the report as Markdown or JSON, by the name's ending. A file of that name is replaced.

    Raises:
        InputError: see ``check_output``.
    """
    check_output(path)
    is_json = path.suffix.lower() == ".json"
    text = json.dumps(report.to_json(), indent=2) + "\n" if is_json else report.to_markdown()
    write_text(path, text)


def _speed_table(rows: Sequence[Measurement]) -> Table:
    how = (
        f"Control steps a second, median of {NUM_REPEATS} repetitions in which all rows take turns; spread is greatest "
        f"minus least over the median. Our engines run whole episodes with policy, resets included: perturbations "
        f"(standard deviation {NOISE_STD}) of the shipped walker, {NUM_WALKERS} on each ground, at most {MAX_STEPS} "
        f"steps each; an engine that runs one after the other gets a {ONE_BY_ONE_DIVISOR}th of them. The others get "
        f"random actions, drawn beforehand, and no policy. First call: compilation, or the loading of what was "
        f"compiled before. What EnvPool's resets take is estimated from its first one."
    )
    columns = ("who", "ground", "threads", "resets", "steps/s", "spread", "steps/episode", "first call, s")
    return Table(
        "Speed",
        how,
        columns,
        [
            (
                row.who,
                row.ground,
                str(row.num_threads),
                row.resets,
                f"{row.median:,.0f}",
                f"{row.spread:.1%}",
                f"{row.steps_per_episode:.0f}",
                f"{row.first_seconds:.1f}",
            )
            for row in rows
        ],
    )


_HOW_RATIOS = (
    "Each repetition is compared with the same repetition of the other: median, least and greatest. "
    "Others stand with the fastest of their counts."
)


def ratio_table(rows: Sequence[Ratio], how: str) -> Table:
    """How many times as fast one is as another, with ``how`` to read it."""
    return Table(
        "Ratios",
        how,
        ("who", "over", "times", "least", "greatest"),
        [
            (
                _name(row.faster),
                _name(row.slower),
                f"{row.median:.2f}",
                f"{min(row.values):.2f}",
                f"{max(row.values):.2f}",
            )
            for row in rows
        ],
    )


def _name(row: Measurement) -> str:
    threads = f", {row.num_threads} threads" if row.num_threads > 1 else ""
    resets = ", resets out" if row.resets == "out" else ""
    return f"{row.who} {row.ground}{threads}{resets}"


def _stage_table(engine: str, by_ground: Mapping[str, Mapping[str, float]]) -> Table:
    rows = []
    for ground, stages in by_ground.items():
        whole = sum(stages.values())
        rows += [
            (ground, stage, f"{spent:.2f}", f"{spent / whole:.1%}")
            for stage, spent in [*stages.items(), ("all", whole)]
        ]
    how = (
        "One thread. The shares are of a run with a clock between the stages, which costs a little; the time is of "
        "another without. Lidar and reward: all that is made of a world's state after its step."
    )
    return Table(f"Where the time of {engine} goes", how, ("ground", "stage", "microseconds/step", "share"), rows)


def _start_table(start: Start) -> Table:
    how = (
        "Seconds from the command `poet run` to its end, after one iteration of a few episodes of 0.4 s: "
        "more than what passes until the first episode runs. Cold: the cache of kernels is empty, so everything is "
        f"compiled. Warm: the next {len(start.warm_seconds)} starts, median, with least and greatest."
    )
    warm = f"{start.warm_median:.1f} ({min(start.warm_seconds):.1f} to {max(start.warm_seconds):.1f})"
    return Table(
        "Start of a run", how, ("engine", "start", "s"),
        [(start.engine, "cold", f"{start.cold_seconds:.1f}"), (start.engine, "warm", warm)],
    )  # fmt: skip
