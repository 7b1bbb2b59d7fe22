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
from experiments.replay.pairs import Pair, choose_pair, choose_pair_on
from experiments.replay.verify_worker import run_episode
from experiments.replay.walk import Walk, record_walk, seconds
from poet.archive.reader import Run
from poet.events import AgentVersion

#: Return, length and outcome.
Episode = tuple[float, int, Outcome]


@dataclass(frozen=True)
class ReplayReport:
    """What was shown, and how it compares with the archive.

    Attributes:
        pair: who walked where.
        version: the agent version that walked.
        until: the version is the latest stored at or before this iteration; None: the latest of all.
        own_return, length, outcome: of this episode, by the engine asked for.
        is_as_drawn: whether Box2D, whose bodies the pictures show, gives the same three.
        in_gymnasium: the same three from Gymnasium's env in Box2D; None if nobody asked.
        path: the file that was written; None for none.
    """

    pair: Pair
    until: int | None
    own_return: float
    length: int
    outcome: Outcome
    is_as_drawn: bool
    in_gymnasium: Episode | None
    path: Path | None

    @property
    def niche_id(self) -> int | None:
        """Whose terrain; None for that of a file."""
        return self.pair.niche_id

    @property
    def version(self) -> AgentVersion:
        """The agent version that walked."""
        return self.pair.agent.version

    @property
    def expected(self) -> Episode | None:
        """What the archive, or the terrain file, says of this very episode; None if it says nothing."""
        archived, walk = self.pair.archived, self.pair.walk
        if archived is not None:
            return archived.own_return, archived.own_length, Outcome(archived.own_outcome)
        return None if walk is None else (walk.own_return, walk.length, walk.outcome)

    @property
    def is_equal(self) -> bool | None:
        """Whether return, length and outcome equal the expected ones to the last bit; None if none are."""
        return None if self.expected is None else self.expected == self._episode

    @property
    def exit_status(self) -> int:
        """The exit code: 1 if what a terrain file says is not so, or Gymnasium gives something else."""
        is_claim_wrong = self.pair.walk is not None and not self.is_equal
        return int(is_claim_wrong or self.in_gymnasium not in (None, self._episode))

    @property
    def _episode(self) -> Episode:
        return self.own_return, self.length, self.outcome

    def lines(self) -> list[str]:
        """The report for people."""
        version, pair = self.version, self.pair
        why = f" ({pair.choice})" if pair.choice else ""
        latest = "" if self.until is None else f", the latest stored at or before {self.until}"
        shown = [
            f"{pair.place}{why if pair.file is None else ''}, agent {version.niche_id}{why if pair.file else ''}: "
            f"version {version.id} of iteration {version.iteration}{latest}, made by {version.origin}",
            f"{self.outcome.name} after {self.length} steps ({seconds(self.length):.2f} s), return {self.own_return!r}",
            self._comparison(),
        ]
        if self.in_gymnasium == self._episode:
            shown.append("Gymnasium in real Box2D gives the same")
        elif self.in_gymnasium is not None:
            shown.append(f"NOT equal to Gymnasium in real Box2D, where it is {_words(self.in_gymnasium)}")
        if not self.is_as_drawn:
            shown.append("the pictures show the episode of Box2D, which is NOT equal to that of this engine")
        return shown if self.path is None else [*shown, f"written to {self.path}"]

    def _comparison(self) -> str:
        """With what the archive, or the file, says."""
        agent_id, expected = self.version.niche_id, self.expected
        source = "the archive" if self.pair.file is None else "the walk in the file"
        if expected is None and self.pair.file is not None:
            return "the file says nothing of this agent"
        if expected is None:
            return f"not in the archive: it holds agent {agent_id} on its own niche {agent_id} only"
        if self.is_equal:
            return f"equal to {source}: return, length and outcome"
        return f"NOT equal to {source}: {_words(expected)}; here it is {_words(self._episode)}"


def replay(
    run: Run,
    niche_id: int | None = None,
    agent_id: int | None = None,
    iteration: int | None = None,
    output: Path | None = None,
    engine: str = "box2d",
    progress: Progress = lambda num_done, num_pictures: None,
    prepare_engine: Callable[[str, AbstractPolicy], None] = prepare,
    terrain: Path | None = None,
    is_verified: bool = False,
) -> ReplayReport:
    """Show an agent of a run on a terrain of it, or of a file.

    Args:
        run: the archive.
        niche_id, agent_id, iteration: see ``choose_pair``, or, with a terrain, ``choose_pair_on``.
        output: a .gif, .mp4 or .png (the whole walk in one picture) to write; None for a window.
        engine: whose return, length and outcome are reported; pictures are always drawn from bodies in Box2D.
        progress: told how many pictures are done.
        prepare_engine: compiles what the engine of that name needs for a policy, once all that can be checked has been.
        terrain: a terrain's file; None for a niche's terrain.
        is_verified: whether the episode is run in Gymnasium too. Then there is no window.

    Raises:
        InputError: no such pair or file, an unknown format or engine, or no display for a window.
        OSError: the file cannot be written.
    """
    check_engine(engine)
    if output is not None:
        check_format(output)
    elif not is_verified and not has_display():
        raise InputError("there is no display for a window here: give --output FILE, ending in .gif, .mp4 or .png")
    chosen = (niche_id, agent_id, iteration)
    pair = choose_pair(run, *chosen) if terrain is None else choose_pair_on(run, terrain, *chosen)
    policy, theta = pair.policy, pair.agent.theta
    prepare_engine(engine, policy)
    result = rollout(policy, theta, pair.terrain, engine=engine, max_steps=pair.max_steps)
    episode = (float(result.returns[0]), int(result.lengths[0]), Outcome(result.outcomes[0]))
    act, is_as_drawn = policy.controller(theta), True
    in_gymnasium = run_episode(pair.terrain, act, pair.max_steps) if is_verified else None
    if output is not None or not is_verified:
        walk = record_walk(pair.terrain, act, pair.max_steps)
        is_as_drawn = episode == (walk.returns[-1], walk.length, walk.outcome)
        if output is None:
            _show(pair, walk, progress)
        else:
            write_replay(output, pair, walk, progress)
    return ReplayReport(pair, iteration, *episode, is_as_drawn, in_gymnasium, output)


def _words(episode: Episode) -> str:
    own_return, length, outcome = episode
    return f"{outcome.name} after {length} steps, return {own_return!r}"


def has_display() -> bool:
    """Whether a window can be opened: macOS always has a screen, elsewhere the session names it."""
    return sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    )


def _show(pair: Pair, walk: Walk, progress: Progress) -> None:
    """A window that plays the walk once and closes."""
    film = Film(pair, walk, MP4_SIZE)
    window = Window(f"{pair.place}, agent {pair.agent.version.niche_id}", round(1 / film.seconds_apart))
    try:
        for num_done, picture in enumerate(film, 1):
            window.show(picture)
            progress(num_done, len(film))
        for _ in range(round(LAST_SECONDS / film.seconds_apart)):
            window.show(picture)
    finally:
        window.close()
