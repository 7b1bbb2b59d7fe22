"""Where each niche of a phylogeny stands."""

from __future__ import annotations

from collections.abc import Mapping


def tree_rows(parents: Mapping[int, int | None]) -> dict[int, int]:
    """A row for each niche, chosen so that branches cross neither each other nor a niche's line.

    A niche's line goes right from the time of its admission; a branch goes down to it from its parent's line at that
    time. Children stand below their parent, the youngest nearest. On its way down a branch passes only the younger
    siblings of its child, and their descendants. All of them begin later, to the right of the branch.

    Args:
        parents: niche id to parent id, None for a root; ids grow with admission.

    Returns:
        Niche id to row, 0 at the top.
    """
    children: dict[int | None, list[int]] = {}
    for niche_id in sorted(parents):
        children.setdefault(parents[niche_id], []).append(niche_id)
    rows: dict[int, int] = {}
    waiting = children.get(None, [])
    while waiting:
        niche_id = waiting.pop()
        rows[niche_id] = len(rows)
        waiting += children.get(niche_id, [])
    return rows
