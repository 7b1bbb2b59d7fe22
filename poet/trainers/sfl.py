"""Sampling for learnability: an agent trains on the best of many random levels, and on as many random ones.

Reference: Rutherford et al. 2024, No Regrets: Investigating and Improving Regret Approximations for Curriculum
Discovery; ``sfl/train`` of amacrutherford/sampling-for-learnability.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from environments.arithmetic import exact
from environments.errors import InputError
from poet import streams
from poet.events import AnyEvent, Event
from poet.levels import best_first, draw_some
from poet.loop import close_iteration
from poet.parts import Parts
from poet.trainers.levels import AbstractLevelTrainer, Fate, LevelNoted, LevelsState, note
from poet.validation import validate


@dataclass(frozen=True)
class Sfl(AbstractLevelTrainer):
    """Half of the levels of each generation are from the buffer, drawn evenly; the others are new and random.

    The buffer is made anew every few iterations, of the levels with the highest scores among many random ones. The
    episodes that score them are booked, which those of the released code are not.

    Attributes:
        refresh: iterations between two buffers. Published: 50 updates, of which an ES run has fewer. With 20, scoring
            takes an eighth as many episodes as generations of 256 pairs do.
        sampled: random levels that are scored for a buffer (published: 1000 to 5000).
        kept: levels in the buffer (published: 100 to 1000).
        episodes: on each of the random levels (published: 5).

    Raises:
        InputError: as ``AbstractLevelTrainer``, or more levels are kept than scored, or fewer than half a generation.
    """

    kind = "sfl"

    refresh: int = 20
    sampled: int = 256
    kept: int = 32
    episodes: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.terrains // 2 <= self.kept <= self.sampled:
            raise InputError(
                f"trainer.settings: kept of the trainer {self.kind!r} must be from {self.terrains // 2}, half of "
                f"terrains, to {self.sampled}, which is sampled, found {self.kept}"
            )

    @exact
    def iterate(self, state: LevelsState, parts: Parts) -> tuple[LevelsState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        self.check_parts(parts)
        before, iteration = state, state.iteration + 1
        events: list[Event] = []
        noted: list[LevelNoted] = []
        if state.iteration % self.refresh == 0:
            state, events, noted = self.renew(state, parts)

        # A fork may keep fewer levels.
        num_old = min(self.terrains // 2, len(state.buffer))
        places = draw_some(streams.level_choice(parts.seed, iteration), [1.0] * len(state.buffer), num_old)
        old = [state.buffer[i].level for i in places]
        state, new = self.new_levels(state, parts, self.terrains - num_old)
        state, found, happened = self.train(state, parts, [*old, *new])
        noted += note(iteration, Fate.PLAYED, found[:num_old])
        noted += note(iteration, Fate.PLAYED, found[num_old:], is_first=True)

        events += happened
        state, validated = validate(state, events, before, parts, iteration)
        return close_iteration(state, [*noted, *events, *validated])

    def renew(self, state: LevelsState, parts: Parts) -> tuple[LevelsState, list[Event], list[LevelNoted]]:
        """Score random levels, and make a new buffer of the best."""
        iteration, old = state.iteration + 1, state.buffer
        state, levels = self.new_levels(state, parts, self.sampled)
        found, spent = self.try_out(state, parts, levels)
        buffer = tuple(sorted(best_first(found)[: self.kept], key=lambda played: played.level.id))
        noted = note(iteration, Fate.LEFT, old) + note(iteration, Fate.ENTERED, buffer, is_first=True)
        return replace(state, buffer=buffer), [spent], noted
