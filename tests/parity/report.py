"""What the parity test prints: the share of identical episodes, what they hold, and every difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from environments.walker.ending import Outcome
from tests.parity.compare import Verdict

#: Lines of one difference, and differences, that are shown in full.
_MAX_VALUES, _MAX_SHOWN = 8, 20
#: A hull beyond this angle, rad, has turned over; a walker beyond this distance, m, has walked far.
_TURNED_OVER, _FAR = 1.6, 20.0


def report(verdicts: Sequence[Verdict]) -> str:
    """The whole report, for people; the last line says the share of identical episodes."""
    lines = [*_table("terrain", verdicts, lambda v: v.case.terrain_kind), ""]
    lines += [*_table("policy", verdicts, lambda v: v.case.policy_kind), ""]
    lines += [*_contents(verdicts), ""]
    lines += _differences(verdicts)
    num, num_identical = len(verdicts), sum(verdict.is_identical for verdict in verdicts)
    zeros = sum(v.difference is not None and v.difference.is_zero_sign_only for v in verdicts)
    if zeros:
        lines.append(f"{zeros} of the {num - num_identical} others differ first in nothing but the sign of a zero.")
    # Rounded down: 100 % means all.
    share = f"{np.floor(10_000 * num_identical / num) / 100:.2f} %"
    num_steps = sum(verdict.num_steps for verdict in verdicts)
    lines.append(
        f"{num_identical:,} of {num:,} episodes identical in every bit ({share}), {num_steps:,} steps compared"
    )
    return "\n".join(lines)


def _table(name: str, verdicts: Sequence[Verdict], kind: Callable[[Verdict], str]) -> Iterator[str]:
    """A row for each kind, in the order of the cases' numbers."""
    by_kind: dict[str, list[Verdict]] = {}
    for verdict in sorted(verdicts, key=lambda v: v.case.number):
        by_kind.setdefault(kind(verdict), []).append(verdict)
    yield f"{name:24}episodes  identical     steps  median  furthest"
    for title, rows in by_kind.items():
        num_steps = [verdict.num_steps for verdict in rows]
        furthest = max(verdict.furthest for verdict in rows)
        yield (
            f"{title:24}{len(rows):8,}{sum(v.is_identical for v in rows):11,}{sum(num_steps):10,}"
            f"{np.median(num_steps):8.0f}{furthest:8.1f} m"
        )


def _contents(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """How the episodes ended, and how many of them did what is hard to repeat."""
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    ends = [f"{outcomes[outcome]:,} {outcome.name}" for outcome in Outcome]
    yield f"ends: {', '.join(ends)}" + (f", {outcomes[None]:,} not reached" if outcomes[None] else "")
    lengths = np.percentile([verdict.num_steps for verdict in verdicts], (10, 25, 50, 75, 90, 100))
    yield "steps (10, 25, 50, 75, 90, 100 %): " + ", ".join(f"{length:,.0f}" for length in lengths)
    held = (
        (f"went beyond {_FAR:.0f} m", sum(v.furthest > _FAR for v in verdicts)),
        ("turned over", sum(v.turned > _TURNED_OVER for v in verdicts)),
        ("lay at rest", sum(v.slept for v in verdicts)),
    )
    yield "of these " + ", ".join(f"{num:,} {what}" for what, num in held)


def _differences(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The first differences of the episodes that are not identical, by number."""
    others = sorted((v for v in verdicts if not v.is_identical), key=lambda v: v.case.number)
    for verdict in others[:_MAX_SHOWN]:
        yield from describe(verdict)
        yield ""
    if len(others) > _MAX_SHOWN:
        yield f"and {len(others) - _MAX_SHOWN:,} more: cases {[v.case.number for v in others[_MAX_SHOWN:]]}"
        yield ""


def describe(verdict: Verdict) -> Iterator[str]:
    """Where an episode differs first, with values, and how to run it alone."""
    case, difference = verdict.case, verdict.difference
    again = f"python -m tests.parity --seed {case.seed} --first {case.number} --episodes 1"
    yield f"case {case.number} ({case.terrain_kind}, {case.policy_kind}); alone: {again}"
    if verdict.error is not None:
        yield f"  {verdict.error}"
    if difference is not None:
        zeros = ", the sign of a zero only" if difference.is_zero_sign_only else ""
        yield f"  step {difference.step}, {difference.phase}{zeros}; what differs, expected and found:"
        for label, expected, found in difference.values[:_MAX_VALUES]:
            yield f"    {label:32} {expected:30} {found}"
        if len(difference.values) > _MAX_VALUES:
            yield f"    and {len(difference.values) - _MAX_VALUES} more"
