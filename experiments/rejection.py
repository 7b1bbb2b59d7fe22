"""Which events of a run a fork may refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from environments.errors import InputError
from poet.events import CandidateOutcome, TransferOutcome

if TYPE_CHECKING:
    from poet.archive.reader import Run


def check_rejection(run: Run, event: str, at: int) -> None:
    """Check that ``--reject event`` names something that a fork after iteration ``at`` can refuse.

    Args:
        run: the source.
        event: ``transfer:ID`` of a periodic transfer that was accepted, or ``candidate:ID`` of one that was admitted.
        at: the last iteration that both runs share.

    Raises:
        InputError: it names nothing of that kind, or something that happened no later than ``at``.
    """
    kind, _, number = event.partition(":")
    if kind not in ("transfer", "candidate") or not number.isdecimal():
        raise InputError(f"--reject takes transfer:ID or candidate:ID, such as transfer:12, found {event!r}")
    if kind == "transfer":
        # The transfer test of a candidate is refused with its candidate.
        periodic = run.transfers[run.transfers["candidate_id"].isna()]
        accepted = periodic[periodic["outcome"] == TransferOutcome.ACCEPTED]
    else:
        accepted = run.candidates[run.candidates["outcome"] == CandidateOutcome.ADMITTED]
    later = accepted[accepted["iteration"] > at]
    if int(number) not in set(later["id"]):
        ids = [int(i) for i in later["id"]]
        known = ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "") if ids else "none"
        verb = "accepted" if kind == "transfer" else "admitted"
        raise InputError(
            f"--reject {event}: {run.folder} {verb} no {kind} of that id after iteration {at}; it {verb} then: {known}"
        )
