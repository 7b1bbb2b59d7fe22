"""Which of a run's stored agents its page holds: all of a small run, a documented choice of a larger one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poet.archive.records import StoredAgent
from poet.types import Origin

#: Bytes of parameters that a page holds at most: some 350 agents of the default policy. Base64 makes them a third more.
MOST_BYTES = 4_000_000


@dataclass(frozen=True, eq=False)
class Choice:
    """The agents that a page holds.

    Attributes:
        agents: in order of version ids.
        sentence: how many of how many, and which.
    """

    agents: tuple[StoredAgent, ...]
    sentence: str


def choose_agents(stored: Sequence[StoredAgent], most_bytes: int = MOST_BYTES) -> Choice:
    """All stored agents if their parameters fit, else the first of ``by_interest`` that do.

    Parameters that several versions share count once, as the page holds them once.

    Args:
        stored: all of a run, in order of version ids.
        most_bytes: of parameters.
    """
    chosen: list[StoredAgent] = []
    sizes: dict[str, int] = {}
    for agent in by_interest(stored):
        sizes.setdefault(agent.version.theta_digest, agent.theta.nbytes)
        if sum(sizes.values()) > most_bytes:
            break
        chosen.append(agent)
    chosen.sort(key=lambda agent: agent.version.id)
    if len(chosen) == len(stored):
        return Choice(tuple(chosen), f"This page holds every agent that the archive has stored: {len(stored):,}.")
    return Choice(
        tuple(chosen),
        f"This page holds {len(chosen):,} of the {len(stored):,} agents that the archive has stored, as many as fit "
        f"into {most_bytes / 1e6:g} MB: first each niche's last agent and its first one, newest niches first; then "
        "agents that came by a transfer, then the others, newest first.",
    )


def by_interest(stored: Sequence[StoredAgent]) -> Iterator[StoredAgent]:
    """Each agent once: the last and the first of each niche, newest niches first, then transfers, then the others."""
    of_niche: dict[int, list[StoredAgent]] = {}
    for agent in stored:
        of_niche.setdefault(agent.version.niche_id, []).append(agent)
    ends = [
        agent
        for niche_id in sorted(of_niche, reverse=True)
        for agent in (of_niche[niche_id][-1], of_niche[niche_id][0])
    ]
    newest_first = sorted(stored, key=lambda agent: agent.version.id, reverse=True)
    moved = [agent for agent in newest_first if agent.version.origin in (Origin.DIRECT, Origin.PROPOSAL)]
    seen: set[int] = set()
    for agent in (*ends, *moved, *newest_first):
        if agent.version.id not in seen:
            seen.add(agent.version.id)
            yield agent
