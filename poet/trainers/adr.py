"""Automatic domain randomisation: the terrains that an agent trains on become more varied as it masters their limits.

Reference: OpenAI 2019, Solving Rubik's Cube with a Robot Hand (arXiv 1910.07113), section 4 and algorithm 1.

The dimensions are the enabled genes. For each episode of the paper, here for each terrain, one size per gene is drawn
from its range, and all obstacles of a kind have that size. A group is absent where one of its sizes is 0: no stairs
without height, however many steps. At first each range is one point, the gene's least value, so the terrain is flat.

Beside the training of a generation, trials of its unperturbed agent take place at the ends of the ranges: on terrains
with one size at an end and the others drawn. When an end has had m trials since it was last judged, their mean return
moves it by one of POET's mutation steps, or not. Trials do not train.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self

from agents.rollouts.request import Thetas, every_row
from environments.errors import InputError, nearest
from environments.streams import Stream
from environments.terrain.genes import enabled_genes, enabled_groups
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain
from poet import streams
from poet.events import AnyEvent, Cost, OwnEvent
from poet.loop import close_iteration
from poet.parts import Parts
from poet.scoring import cost
from poet.trainers.base import LEARNING
from poet.trainers.randomised import AbstractRandomisation, instances, settings_of
from poet.trainers.ranges import GeneRange, MoveRule, Side, entropy, most_steps
from poet.types import Niche, Purpose, RunState
from poet.validation import validate

#: The ends that may move, by the setting ``ends``.
_SIDES = {"upper": (Side.HIGH,), "both": (Side.LOW, Side.HIGH)}


@dataclass(frozen=True, eq=False)
class AdrState(RunState):
    """A run of automatic domain randomisation between two iterations.

    Attributes:
        ranges: of the enabled genes; one that is missing, as at the start, is a single point, the gene's least value.
    """

    ranges: tuple[GeneRange, ...] = ()

    def evaluated_at(self, max_steps: int) -> Self:
        """See ``RunState``; returns of trials in other episodes are dropped."""
        ranges = self.ranges if self.scored_steps == max_steps else tuple(one.without_returns() for one in self.ranges)
        return super(AdrState, replace(self, ranges=ranges)).evaluated_at(max_steps)

    def check(self) -> None:
        """See ``RunState``."""
        if len({one.gene for one in self.ranges}) < len(self.ranges):
            raise ValueError("one of its genes has two ranges")
        for one in self.ranges:
            if not 0 <= one.low <= one.high:
                raise ValueError(f"the range of {one.gene!r:.60} goes from {one.low} to {one.high} steps")
            if not all(map(math.isfinite, (*one.low_returns, *one.high_returns))):
                raise ValueError(f"a trial of {one.gene!r:.60} has a return that is not finite")


@dataclass(frozen=True)
class BoundaryMoved(OwnEvent):
    """An end of a range moves by a step.

    Attributes:
        gene: the range's.
        side: ``low`` or ``high``.
        value: of the gene, to which it moves.
        return_mean: of the trials that judged it.
        entropy: of all ranges after the move, see ``poet.trainers.ranges.entropy``.
    """

    table = "adr"

    gene: str
    side: Side
    value: float
    return_mean: float
    entropy: float


@dataclass(frozen=True)
class AutomaticDomainRandomisation(AbstractRandomisation[AdrState]):
    """An ES step in each generation on K terrains from the ranges, and trials that move their ends.

    Attributes:
        buffer: m, how many trials judge an end (paper: 240).
        upper: the mean return from which on an end moves outwards, t_H. The paper counts successes; 200 is the score
            from which POET's niches reproduce.
        lower: the mean return from which downwards an end moves inwards, t_L; the lower bound of POET's criterion.
        boundary_share: p_b, the share of trials among the episodes of training and trials (paper: 0.5).
        ends: ``"upper"``: lower ends stay at the genes' least values. ``"both"``: they may move inwards and back, as in
            algorithm 1. There a failure at an end makes the task easier, but without the smallest obstacles terrains
            become harder.

    Raises:
        InputError: ``lower`` is not below ``upper``, ``boundary_share`` is not between 0 and 1, or ``ends`` is unknown.
    """

    kind = "adr"
    state_type = AdrState
    events = LEARNING | {BoundaryMoved}

    buffer: int = 240
    upper: float = 200.0
    lower: float = 50.0
    boundary_share: float = 0.5
    ends: str = "upper"

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        what = f"of the trainer {self.kind!r}"
        if not self.lower < self.upper:
            raise InputError(
                f"trainer.settings: lower {what} must be below upper, but they are {self.lower} and {self.upper}"
            )
        if not 0.0 < self.boundary_share < 1.0:
            raise InputError(
                f"trainer.settings: boundary_share {what} must be between 0 and 1, but is {self.boundary_share}"
            )
        if self.ends not in _SIDES:
            raise InputError(
                f"trainer.settings: ends {what} must be {' or '.join(map(repr, _SIDES))}, found {self.ends!r}: "
                f"{nearest(str(self.ends), _SIDES)}"
            )

    def iterate(self, state: AdrState, parts: Parts) -> tuple[AdrState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        before, iteration, settings = state, state.iteration + 1, settings_of(parts)
        state = replace(state, ranges=_known_ranges(state.ranges, settings))
        (niche,) = state.active

        stream, bounds = streams.ranged_terrains(parts.seed, iteration), _bounds(state.ranges, settings)
        drawn = instances(lambda draws: ObstacleGenotype.drawn_between(bounds, settings, draws), stream)
        ends = _movable_ends(state.ranges, _SIDES[self.ends], settings)
        state, events = self.generation(state, parts, tuple(islice(drawn, self.terrains)))
        state, tried = self._try_ends(state, niche, ends, self._num_trials(events), parts)
        state, validated = validate(state, events, before, parts, iteration)
        return close_iteration(state, [*events, *tried, *validated])

    def facts(self, state: AdrState) -> Sequence[str]:
        """See ``AbstractTrainer``."""
        widths = [one.high - one.low for one in state.ranges]
        return [f"ranges of {math.fsum(widths) / len(widths):.1f} steps"] if widths else []

    def _num_trials(self, events: Iterable[AnyEvent]) -> int:
        """How many trials go with a generation, for ``boundary_share``; at least one."""
        (trained,) = [e.episodes for e in events if isinstance(e, Cost) and e.purpose is Purpose.ES]
        return max(1, round(trained * (self.boundary_share / (1.0 - self.boundary_share))))

    def _try_ends(
        self, state: AdrState, niche: Niche, ends: Sequence[tuple[str, Side]], num: int, parts: Parts
    ) -> tuple[AdrState, list[AnyEvent]]:
        """Run trials at the ends where they are, then let the ends move in the order of the trials.

        Once an end has moved, the later trials of this iteration say nothing about where it is now: they are not used.

        Args:
            state: after the generation.
            niche: the only one, before the generation; its agent is tried.
            ends: the movable ones, by gene and side.
            num: how many trials to run.
            parts: what the config names, and what runs episodes.
        """
        iteration, settings = state.iteration + 1, settings_of(parts)
        bounds = _bounds(state.ranges, settings)
        stream = streams.boundary_trials(parts.seed, iteration)
        trials = [_drawn_trial(ends, bounds, settings, stream) for _ in range(num)]
        block = every_row(Thetas(niche.theta[None, :]), tuple(terrain for _, _, terrain in trials))
        (result,) = parts.run_blocks([block], Purpose.BOUNDARY)

        rule = MoveRule(self.buffer, self.lower, self.upper)
        ranges = {one.gene: one for one in state.ranges}
        has_moved: set[tuple[str, Side]] = set()
        happened: list[AnyEvent] = []
        for (gene, side, _), value in zip(trials, result.returns.tolist(), strict=True):
            if (gene, side) in has_moved:
                continue
            was = ranges[gene]
            ranges[gene], mean = rule.after_trial(was, side, value, most_steps(gene, settings))
            if mean is not None and (was.low, was.high) != (ranges[gene].low, ranges[gene].high):
                has_moved.add((gene, side))
                now = ranges[gene].bounds(settings)[side is Side.HIGH]
                of_all = entropy([*ranges.values()], settings)
                happened.append(BoundaryMoved(iteration, gene, side, now, mean, of_all))
        happened.append(cost(iteration, niche.id, Purpose.BOUNDARY, result))
        return replace(state, ranges=tuple(ranges.values())), happened


def _known_ranges(found: Iterable[GeneRange], settings: ObstacleSettings) -> tuple[GeneRange, ...]:
    """A range for each enabled gene, within the bounds that the run now has: a fork may change both.

    Returns of trials at an end that is now elsewhere say nothing about the new one.
    """
    by_gene = {one.gene: one for one in found}
    ranges = [by_gene.get(gene.name, GeneRange(gene.name)) for gene in enabled_genes(settings)]
    most = {one.gene: most_steps(one.gene, settings) for one in ranges}
    return tuple(_within(one, most[one.gene]) for one in ranges)


def _within(one: GeneRange, most: int) -> GeneRange:
    low, high = min(one.low, most), min(one.high, most)
    return GeneRange(
        one.gene, low, high, one.low_returns if low == one.low else (), one.high_returns if high == one.high else ()
    )


def _bounds(ranges: Iterable[GeneRange], settings: ObstacleSettings) -> dict[str, tuple[float, float]]:
    return {one.gene: one.bounds(settings) for one in ranges}


def _movable_ends(
    ranges: Iterable[GeneRange], sides: Iterable[Side], settings: ObstacleSettings
) -> list[tuple[str, Side]]:
    """The ends to try. Of a group that no terrain can have yet, only those of the sizes that are 0: a flat terrain says
    nothing about the number of steps of a stair."""
    by_gene = {one.gene: one for one in ranges}
    found = []
    for group in enabled_groups(settings):
        missing = [
            gene for gene in group.genes if gene.absent is None and by_gene[gene.name].bounds(settings)[1] == 0.0
        ]
        of_group = [by_gene[gene.name] for gene in missing or group.genes]
        found += [(one.gene, side) for one in of_group for side in sides if one.is_movable(side, settings)]
    return found


def _drawn_trial(
    ends: Sequence[tuple[str, Side]],
    bounds: dict[str, tuple[float, float]],
    settings: ObstacleSettings,
    stream: Stream,
) -> tuple[str, Side, Terrain]:
    """An end, and a terrain with that size of its gene; the other sizes and the terrain seed are drawn."""
    gene, side = stream.choice(ends)
    end = bounds[gene][side is Side.HIGH]
    at_end = {**bounds, gene: (end, end)}
    return gene, side, next(instances(lambda draws: ObstacleGenotype.drawn_between(at_end, settings, draws), stream))
