"""The direct path from one obstacle terrain to a harder one, in mutation steps.

Reference: Wang et al. 2019, section 4.2 (direct-path curriculum-building control), and table 1 for the steps.

The paper says: for the next terrain each parameter either stays or takes one mutation step towards the target, with
equal probability. It says no more, so the rest is ours:

- A parameter is roughness, or one end of an interval of sizes. Obstacles that are still absent are one parameter: they
  appear with their first sizes, as in a mutation. The sizes of a group, such as a stair's, appear together.
- The last step may be shorter: a target, such as one that was read off a plot, need not be so many steps away.
- A lower end does not pass its upper end.
- If nothing has moved, all is drawn again, so that each terrain is another one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from environments.arithmetic import exact
from environments.streams import Stream
from environments.terrain.gene import AbstractGene, GeneGroup, Interval, IntervalGene
from environments.terrain.genes import GENE_GROUPS
from environments.terrain.obstacles import FIRST_GENES, ObstacleGenotype


@exact
def next_on_path(
    here: ObstacleGenotype, target: ObstacleGenotype, stream: Stream, is_step_drawn: bool
) -> ObstacleGenotype:
    """The next terrain on the path.

    The draws are in the order of ``GENE_GROUPS``: for each parameter that is not yet the target's, a coin, and then for
    a number that moves, its step.

    Args:
        here: where the path is. It has nothing that is larger than the target's.
        target: where it leads; not ``here``.
        stream: of all draws.
        is_step_drawn: whether a number moves by U(0, step), as the paper's roughness does in a mutation, or by a step.

    Raises:
        ValueError: the path is at its end.
    """
    if here == target:
        raise ValueError(f"{here.name} is the target of the path: there is no next terrain")
    while True:
        values = here.genes
        for group in GENE_GROUPS.values():
            values |= _moved(group, values, target.genes, stream, is_step_drawn)
        if values != here.genes:
            first = {name: values.pop(name) for name in FIRST_GENES}
            return ObstacleGenotype(**first, later=values)


@exact
def steps_between(here: ObstacleGenotype, target: ObstacleGenotype) -> int:
    """How many terrains there are at least until the target, if all parameters move each time by a whole step."""
    longest = 0
    for group in GENE_GROUPS.values():
        values, goals = here.genes, target.genes
        is_to_appear = _is_to_appear(group, values, goals)
        if is_to_appear:
            values |= _first_sizes(group, goals)
        ends = [
            (gene.step, goal - value)
            for gene in group.genes
            for value, goal in zip(gene.features(values[gene.name]), gene.features(goals[gene.name]), strict=True)
        ]
        # Rounded, since 5.2 / 0.4 is a little more than 13.
        most = max(math.ceil(round(ahead / step, 6)) for step, ahead in ends)
        longest = max(longest, most + is_to_appear)
    return longest


def _moved(
    group: GeneGroup, values: Mapping[str, Any], goals: Mapping[str, Any], stream: Stream, is_step_drawn: bool
) -> dict[str, Any]:
    """The genes of a group that may have moved, by name."""
    if _is_to_appear(group, values, goals):
        return _first_sizes(group, goals) if stream.integer(0, 2) else {}
    moved: dict[str, Any] = {}
    for gene in group.genes:
        value, goal = values[gene.name], goals[gene.name]
        if value == goal:
            continue
        if isinstance(gene, IntervalGene):
            low, high = (_end_moved(gene, *end, stream) for end in zip(value, goal, strict=True))
            moved[gene.name] = (min(low, high), high)
        elif stream.integer(0, 2):
            step = stream.uniform(0.0, gene.step) if is_step_drawn else gene.step
            moved[gene.name] = _nearer(value, goal, step)
    return moved


def _is_to_appear(group: GeneGroup, values: Mapping[str, Any], goals: Mapping[str, Any]) -> bool:
    """Whether the target has obstacles of a group that are absent so far."""
    return any(values[gene.name] is None and goals[gene.name] is not None for gene in group.genes)


def _first_sizes(group: GeneGroup, goals: Mapping[str, Any]) -> dict[str, Interval]:
    """The intervals with which a group's obstacles first appear, no larger than the target's."""
    return {
        gene.name: (gene.initial[0], min(gene.initial[1], goals[gene.name][1]))
        for gene in group.genes
        if isinstance(gene, IntervalGene)
    }


def _end_moved(gene: AbstractGene[Any], value: float, goal: float, stream: Stream) -> float:
    """An end of an interval, moved or not; nothing is drawn where it is the target's."""
    return _nearer(value, goal, gene.step) if value != goal and stream.integer(0, 2) else value


def _nearer(value: float, goal: float, step: float) -> float:
    """A value after a step towards a greater one. As in mutations it is rounded, except where it is the goal."""
    return min(round(value + step, 1), goal) if value + step < goal else goal
