"""Robust prioritised level replay: an agent trains on levels that are worth it, and only looks at new ones.

Reference: Jiang et al. 2021, Replay-Guided Adversarial Environment Design (robust PLR); settings of
``train_scripts/grid_configs/bipedal`` of facebookresearch/dcd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from environments.arithmetic import exact
from environments.errors import InputError
from poet import streams
from poet.events import AnyEvent, Event
from poet.levels import Level, Played, ReplayRule, draw_places
from poet.loop import close_iteration
from poet.parts import Parts
from poet.trainers.levels import AbstractLevelTrainer, Fate, LevelNoted, LevelsState, note
from poet.validation import validate

#: What a phase of an iteration gives: the state, events, and the record of levels.
Phase = tuple[LevelsState, list[Event], list[LevelNoted]]


@dataclass(frozen=True)
class Plr(AbstractLevelTrainer):
    """Each iteration is either an ES step on K levels of the buffer, or a look at K new levels without any step.

    Levels are drawn with replacement, as in dcd: the best level gets about half of all places.

    Attributes:
        capacity: most levels in the buffer. dcd has 1000, of which it replays 16 for each of 30,000 gradient updates.
            With 256, the half of all replays that goes by age comes to each level about every 32 ES steps, so scores
            are not much older than that; and the buffer is half full after 8 iterations.
        replay_prob: how probable a replay is, once there are enough levels; from above 0 to 1 (dcd: 0.5). In dcd it is
            the fill of the buffer at most, which matters to ``Accel`` alone, while its buffer fills.
        replay_from: the share of ``capacity`` from which there are enough, 0 to 1 (dcd: 0.5).
        staleness: the weight of age against that of scores, 0 to 1 (dcd: 0.5).
        rank_power: the n-th best level has the weight n^-rank_power; the inverse of dcd's temperature, 0.1.

    Raises:
        InputError: as ``AbstractLevelTrainer``, or a share is out of range, or the buffer is smaller than a generation.
    """

    kind = "plr"

    capacity: int = 256
    replay_prob: float = 0.5
    replay_from: float = 0.5
    staleness: float = 0.5
    rank_power: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("replay_prob", "replay_from", "staleness"):
            if not 0.0 <= getattr(self, name) <= 1.0 or (name == "replay_prob" and self.replay_prob == 0.0):
                above = "above 0, and at most 1" if name == "replay_prob" else "from 0 to 1"
                what = f"trainer.settings: {name} of the trainer {self.kind!r}"
                raise InputError(f"{what} must be {above}, found {getattr(self, name)}")
        if self.capacity < self.terrains:
            raise InputError(
                f"trainer.settings: capacity of the trainer {self.kind!r} must be at least terrains, which is "
                f"{self.terrains}, found {self.capacity}"
            )

    @property
    def rule(self) -> ReplayRule:
        """How levels are drawn from the buffer."""
        return ReplayRule(self.capacity, self.staleness, self.rank_power)

    @exact
    def iterate(self, state: LevelsState, parts: Parts) -> tuple[LevelsState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        self.check_parts(parts)
        before, iteration = state, state.iteration + 1
        stream = streams.level_choice(parts.seed, iteration)
        has_enough = len(state.buffer) >= max(self.terrains, self.replay_from * self.capacity)
        if has_enough and stream.uniform() < self.replay_prob:
            weights = self.rule.probabilities(state.buffer, iteration)
            levels = [state.buffer[i].level for i in draw_places(stream, weights, self.terrains)]
            state, events, noted = self.replay(state, parts, levels)
        else:
            state, levels = self.new_levels(state, parts, self.terrains)
            state, events, noted = self.look_at(state, parts, levels)
        state, validated = validate(state, events, before, parts, iteration)
        return close_iteration(state, [*noted, *events, *validated])

    def replay(self, state: LevelsState, parts: Parts, levels: Sequence[Level]) -> Phase:
        """Take an ES step on levels of the buffer."""
        state, found, events = self.train(state, parts, levels)
        return state, events, note(state.iteration + 1, Fate.PLAYED, found)

    def look_at(self, state: LevelsState, parts: Parts, levels: Sequence[Level]) -> Phase:
        """Score new levels, take no step, and put those into the buffer that are worth it."""
        found, spent = self.try_out(state, parts, levels)
        iteration, noted = state.iteration + 1, list[LevelNoted]()
        for newcomer in found:
            buffer, outside = self.rule.enter(state.buffer, newcomer, iteration)
            state = replace(state, buffer=buffer)
            if outside is not newcomer:
                left: list[Played] = [] if outside is None else [outside]
                noted += note(iteration, Fate.LEFT, left) + note(iteration, Fate.ENTERED, [newcomer], is_first=True)
        return state, [spent], noted
