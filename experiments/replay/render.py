"""``poet replay``: an archived agent walks again, in a window or into a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.evaluation.rollout import rollout
from agents.policies.base import AbstractPolicy
from agents.rollouts import check_engine, prepare
from environments.errors import InputError
from environments.walker.ending import Outcome
from environments.walker.window import Window
from experiments.replay import Progress
from experiments.replay.film import LAST_SECONDS, Film
from experiments.replay.formats import MP4_SIZE, check_format, write_replay
from experiments.replay.pairs import Pair, choose_pair
from experiments.replay.walk import Walk, record_walk, seconds
from poet.archive.reader import Run
from poet.events import AgentVersion


@dataclass(frozen=True)
class ReplayReport:
    """What was shown, and how it compares with the archive.

    Attributes:
        niche_id: whose terrain.
        choice: why this niche; empty when the user named it.
        version: the agent version that walked.
        until: the version is the latest stored at or before this iteration; None: the latest of all.
        own_return, length, outcome: of this episode, by the engine asked for.
        is_as_drawn: whether Box2D, whose bodies the pictures show, gives the same three.
        archived: the record of the very same episode; None for an agent on another's terrain, which has none.
        path: the file; None if it was shown in a window.
    """

    niche_id: int
    choice: str
    version: AgentVersion
    until: int | None
    own_return: float
    length: int
    outcome: Outcome
    is_as_drawn: bool
    archived: AgentVersion | None
    path: Path | None

    @property
    def is_equal(self) -> bool | None:
        """Whether return, length and outcome equal the archived ones to the last bit; None if none are archived."""
        if self.archived is None:
            return None
        then = (self.archived.own_return, self.archived.own_length, self.archived.own_outcome)
        return then == (self.own_return, self.length, self.outcome)

    def lines(self) -> list[str]:
        """The report for people."""
        version = self.version
        why = f" ({self.choice})" if self.choice else ""
        latest = "" if self.until is None else f", the latest stored at or before {self.until}"
        shown = [
            f"niche {self.niche_id}{why}, agent {version.niche_id}: version {version.id} of iteration "
            f"{version.iteration}{latest}, made by {version.origin}",
            f"{self.outcome.name} after {self.length} steps ({seconds(self.length):.2f} s), return {self.own_return!r}",
        ]
        if self.archived is None:
            shown.append(
                f"not in the archive: it holds agent {version.niche_id} on its own niche {version.niche_id} only"
            )
        elif self.is_equal:
            shown.append("equal to the archive: return, length and outcome")
        else:
            then = self.archived
            shown.append(
                f"NOT equal to the archive: {Outcome(then.own_outcome).name} after {then.own_length} steps, return "
                f"{then.own_return!r}"
            )
        if not self.is_as_drawn:
            shown.append("the pictures show the episode of Box2D, which is NOT equal to that of this engine")
        return shown if self.path is None else [*shown, f"written to {self.path}"]


def replay(
    run: Run,
    niche_id: int | None = None,
    agent_id: int | None = None,
    iteration: int | None = None,
    output: Path | None = None,
    engine: str = "box2d",
    progress: Progress = lambda num_done, num_pictures: None,
    prepare_engine: Callable[[str, AbstractPolicy], None] = prepare,
) -> ReplayReport:
    """Show an agent of a run on a terrain of it.

    Args:
        run: the archive.
        niche_id, agent_id, iteration: see ``choose_pair``.
        output: a .gif, .mp4 or .png (the whole walk in one picture) to write; None for a window.
        engine: whose return, length and outcome are reported; pictures are always drawn from bodies in Box2D.
        progress: told how many pictures are done.
        prepare_engine: compiles what the engine of that name needs for a policy, once all that can be checked has been.

    Raises:
        InputError: no such pair, an unknown format or engine, or no display for a window.
        OSError: the file cannot be written.
    """
    check_engine(engine)
    if output is not None:
        check_format(output)
    elif not has_display():
        raise InputError("there is no display for a window here: give --output FILE, ending in .gif, .mp4 or .png")
    pair = choose_pair(run, niche_id, agent_id, iteration)
    policy, theta = pair.policy, pair.agent.theta
    prepare_engine(engine, policy)
    result = rollout(policy, theta, pair.terrain, engine=engine, max_steps=pair.max_steps)
    episode = (float(result.returns[0]), int(result.lengths[0]), Outcome(result.outcomes[0]))
    walk = record_walk(pair.terrain, policy.controller(theta), pair.max_steps)
    if output is None:
        _show(pair, walk, progress)
    else:
        write_replay(output, pair, walk, progress)
    own_return, length, outcome = episode
    return ReplayReport(
        niche_id=pair.niche_id,
        choice=pair.choice,
        version=pair.agent.version,
        until=iteration,
        own_return=own_return,
        length=length,
        outcome=outcome,
        is_as_drawn=episode == (walk.returns[-1], walk.length, walk.outcome),
        archived=pair.archived,
        path=output,
    )


def has_display() -> bool:
    """Whether a window can be opened: macOS always has a screen, elsewhere the session names it."""
    return sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    )


def _show(pair: Pair, walk: Walk, progress: Progress) -> None:
    """A window that plays the walk once and closes."""
    film = Film(pair, walk, MP4_SIZE)
    window = Window(f"niche {pair.niche_id}, agent {pair.agent.version.niche_id}", round(1 / film.seconds_apart))
    try:
        for num_done, picture in enumerate(film, 1):
            window.show(picture)
            progress(num_done, len(film))
        for _ in range(round(LAST_SECONDS / film.seconds_apart)):
            window.show(picture)
    finally:
        window.close()
