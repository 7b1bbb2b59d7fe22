"""The progress of a run in words: as plain lines here, or on a live panel in ``experiments.commands.display``."""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from agents.rollouts.request import EvaluationRequest
from environments.signals import held
from experiments.settings import NO_END
from experiments.text import visible
from poet.types import Purpose, RunState

#: Seconds between two plain lines within an iteration.
LINE_INTERVAL = 10.0
#: Seconds over which steps/s is averaged.
_RATE_WINDOW = 30.0
#: How many iterations are used to estimate the time left: enough to include a transfer round of most presets.
_ITERATION_WINDOW = 25

#: The activity by the label of a request, and what each block of the request stands for, if that is worth counting.
_PHASES: dict[str, tuple[str, str]] = {
    Purpose.ES: ("ES of", "niche"),
    Purpose.SELF_EVAL: ("evaluation of", "agent"),
    Purpose.TRANSFER_DIRECT: ("transfers into", "niche"),
    Purpose.TRANSFER_PROPOSAL: ("transfers by", "proposal"),
    Purpose.TRANSFER_CONFIRMATION: ("confirmation of transfers into", "niche"),
    Purpose.CANDIDATE_CRITERION: ("criterion of", "candidate"),
    Purpose.CANDIDATE_TRANSFER: ("transfers into candidates", ""),
    Purpose.NOVELTY: ("all agents in", "environment"),
    Purpose.ANNECS: ("other agents in", "new niche"),
    Purpose.VALIDATION: ("validation of", "agent"),
    Purpose.BOUNDARY: ("trials at", "boundary"),
    Purpose.LEVEL_SCORE: ("scores of levels", ""),
    Purpose.ORDER: ("panel on the terrains", ""),
}


class RunTracker:
    """Tracks how far a run is and how fast. The runner updates it, and a display reads it, also from another thread.

    Args:
        iterations: the number of iterations that the run should reach.
        clock: seconds, monotonic.
        facts: what the trainer reports on a state, see ``AbstractTrainer.facts``.
        env_steps: the total of env-steps at which it stops before that; None if only iterations count.
    """

    def __init__(
        self,
        iterations: int,
        clock: Callable[[], float] = time.monotonic,
        facts: Callable[[Any], Sequence[str]] = lambda state: (),
        env_steps: int | None = None,
    ) -> None:
        self.iterations = iterations
        self.env_steps = env_steps
        self._clock = clock
        self._facts = facts
        self._state: RunState | None = None
        self._phase = "starting"
        self._steps_of_phase = 0
        self._steps_before = 0
        self._rates: deque[tuple[float, int]] = deque()
        self._ends: deque[tuple[float, int]] = deque(maxlen=_ITERATION_WINDOW + 1)

    def begin_phase(self, request: EvaluationRequest) -> None:
        """Call this before the episodes of a request run."""
        self._rates = self._rates or deque([(self._clock(), 0)])
        self._steps_before += self._steps_of_phase
        self._steps_of_phase = 0
        verb, noun = _PHASES.get(request.label, (request.label, ""))
        self._label = f"{verb} {count(len(request.blocks), noun)}" if noun else verb
        self.advance(0, request.num_episodes, 0)

    def advance(self, num_done: int, num_episodes: int, num_steps: int) -> None:
        """Call this while episodes run; see ``agents.evaluation.executor.Progress``."""
        self._phase = f"{self._label}, {num_done}/{num_episodes} episodes"
        self._steps_of_phase = num_steps
        now = self._clock()
        self._rates.append((now, self._steps_before + num_steps))
        while len(self._rates) > 2 and self._rates[1][0] < now - _RATE_WINDOW:
            self._rates.popleft()

    def end_iteration(self, state: RunState) -> None:
        """Call this when the state is on disk."""
        self._state = state
        self._ends.append((self._clock(), state.env_steps))
        self._phase = "between iterations"

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return self._state.iteration if self._state else 0

    @property
    def steps_per_second(self) -> float:
        """Recent env-steps per second of this process and its workers; 0 before the first step."""
        if not self._rates:
            return 0.0
        (then, before), (_, steps) = self._rates[0], self._rates[-1]
        return (steps - before) / max(self._clock() - then, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """The estimated time left, from recent iterations; None before the first is done."""
        ends, state = list(self._ends), self._state
        if state is None or len(ends) < 2:
            return None
        (begun, steps_before), (ended, steps) = ends[0], ends[-1]
        left = (ended - begun) / (len(ends) - 1) * max(0, self.iterations - state.iteration)
        if self.env_steps is None or steps == steps_before:
            return left
        return min(left, (ended - begun) / (steps - steps_before) * max(0, self.env_steps - steps))

    @property
    def phase(self) -> str:
        """``iteration 12/40: ES of 5 niches, 213/640 episodes``."""
        number = 0 if self._state is None else min(self.iteration + 1, self.iterations)
        return f"{self._numbered(number)}: {self._phase}"

    @property
    def facts(self) -> str:
        """Niches, best score, the trainer's facts, speed, time left."""
        state = self._state
        of_state = [] if state is None else [*_population(state), *self._facts(state)]
        return ", ".join([*of_state, *self._pace()])

    def done_line(self) -> str:
        """One line about the iteration that has just ended."""
        return f"{self._numbered(self.iteration)} done: {self.facts}"

    def _numbered(self, iteration: int) -> str:
        return f"iteration {iteration}" + (f"/{self.iterations}" if self.iterations < NO_END else "")

    def _pace(self) -> list[str]:
        left = self.seconds_left
        return [f"{self.steps_per_second:,.0f} steps/s", *([] if left is None else [f"{duration(left)} left"])]


class AbstractDisplay(ABC):
    """Shows a tracker during a run; a context manager around the run."""

    @abstractmethod
    def iteration_done(self) -> None:
        """Called after the tracker's ``end_iteration``."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PlainLines(AbstractDisplay):
    """Prints a line for each iteration, and one every ten seconds during an iteration.

    Args:
        tracker: what to show.
        stream: where lines are printed.
        interval: seconds between lines within an iteration.
    """

    def __init__(self, tracker: RunTracker, stream: TextIO, interval: float = LINE_INTERVAL) -> None:
        self._tracker = tracker
        self._stream = stream
        self._interval = interval
        self._stop = threading.Event()
        self._spoken = threading.Event()
        self._thread = threading.Thread(target=self._speak_now_and_then, daemon=True)

    def iteration_done(self) -> None:
        """See ``AbstractDisplay``."""
        self._say(self._tracker.done_line())
        with held():  # if interrupted, it would stay locked for ever
            self._spoken.set()

    def __enter__(self) -> Self:
        with held():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with held():
            self._stop.set()
            self._spoken.set()
            self._thread.join()

    def _speak_now_and_then(self) -> None:
        while not self._stop.is_set():
            if not self._spoken.wait(self._interval):
                self._say(f"{self._tracker.phase}; {self._tracker.facts}")
            self._spoken.clear()

    def _say(self, line: str) -> None:
        print(visible(line), file=self._stream, flush=True)


def duration(seconds: float) -> str:
    """A duration for people: ``40 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    for limit, unit, form in ((90.0, 1.0, "{:.0f} s"), (5400.0, 60.0, "{:.0f} min"), (129_600.0, 3600.0, "{:.1f} h")):
        if seconds < limit:
            return form.format(seconds / unit)
    return f"{seconds / 86_400.0:.1f} days"


def count(number: int, noun: str) -> str:
    """``1 niche``, ``5 niches``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def best_score(scores: Sequence[float]) -> str:
    """``best 231.4``, or a note that no score is finite."""
    finite = [score for score in scores if math.isfinite(score)]
    return f"best {max(finite):.1f}" if finite else "no finite score"


def _population(state: RunState) -> list[str]:
    retired = [f"{len(state.retired)} retired"] if state.retired else []
    return [count(len(state.active), "niche"), *retired, best_score([niche.evaluation.score for niche in state.active])]
