"""Which events of a run a fork may refuse, and how the algorithm names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from environments.errors import InputError
from poet.events import CandidateOutcome, TransferOutcome
from poet.reproduction import refused_candidate
from poet.transfer import refused_transfer

if TYPE_CHECKING:
    import pandas as pd

    from poet.archive.reader import Run


def find_rejection(run: Run, event: str, at: int) -> str:
    """What ``run.reject`` must hold for a fork after iteration ``at`` to refuse an event of the source.

    Args:
        run: the source.
        event: ``transfer:ID`` of a periodic transfer that was accepted, or ``candidate:ID`` of one that was admitted.
        at: the last iteration that both runs share.

    Returns:
        The event's place: its iteration and target, or its iteration and number. A change before the event may add
        or remove other events, which moves ids but not places.

    Raises:
        InputError: it names no such event, or one that happened no later than ``at``.
    """
    kind, _, number = event.partition(":")
    if kind not in ("transfer", "candidate") or not number.isdecimal():
        raise InputError(f"--reject takes transfer:ID or candidate:ID, such as transfer:12, found {event!r}")
    happened = _accepted_transfers(run) if kind == "transfer" else _admitted_candidates(run)
    later = happened[happened["iteration"] > at].set_index("id")
    if int(number) not in later.index:
        ids = [int(i) for i in later.index]
        known = ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "") if ids else "none"
        verb = "accepted" if kind == "transfer" else "admitted"
        raise InputError(
            f"--reject {event}: {run.folder} {verb} no {kind} of that id after iteration {at}; it {verb} then: {known}"
        )
    found = later.loc[[int(number)]].iloc[0].to_dict()
    if kind == "transfer":
        return refused_transfer(int(found["iteration"]), int(found["target_id"]))
    return refused_candidate(int(found["iteration"]), int(found["trial"]))


def _accepted_transfers(run: Run) -> pd.DataFrame:
    """Only periodic transfers: the transfer test of a candidate is refused with its candidate."""
    transfers = run.transfers
    is_accepted = transfers["outcome"] == TransferOutcome.ACCEPTED
    return transfers[transfers["candidate_id"].isna() & is_accepted]


def _admitted_candidates(run: Run) -> pd.DataFrame:
    candidates = run.candidates
    first = candidates.groupby("iteration")["id"].transform("min")
    numbered = candidates.assign(trial=candidates["id"] - first)
    return numbered[numbered["outcome"] == CandidateOutcome.ADMITTED]
