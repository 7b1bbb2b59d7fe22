"""Tasks of the inner suite: grounds from flat to harder than any walker has crossed, each with an initial walker."""

from __future__ import annotations

from dataclasses import dataclass

from environments.terrain.obstacles import ObstacleGenotype


@dataclass(frozen=True)
class Task:
    """A genotype to learn, on fresh seeds of it.

    Attributes:
        name: shown in tables.
        genotype: training and tests use seeds of it.
        start: the name of a shipped walker, or ``"random"`` for random weights.
    """

    name: str
    genotype: ObstacleGenotype
    start: str = "flat"


TASKS = (
    Task("flat, from nothing", ObstacleGenotype(), "random"),
    Task("rough 1", ObstacleGenotype(roughness=1.0)),
    Task("rough 2.5", ObstacleGenotype(roughness=2.5)),
    Task("gaps 1.6", ObstacleGenotype(pit_gap=(0.4, 1.6))),
    Task("gaps 2.8", ObstacleGenotype(pit_gap=(1.2, 2.8))),
    Task("stumps 0.8", ObstacleGenotype(stump_height=(0.2, 0.8))),
    Task("stumps 1.6", ObstacleGenotype(stump_height=(0.6, 1.6))),
    Task("stairs 0.8", ObstacleGenotype(stair_height=(0.2, 0.8), stair_steps=(2, 4))),
    Task("mixed, easy", ObstacleGenotype(roughness=0.8, pit_gap=(0.4, 1.6), stump_height=(0.2, 0.6))),
    Task("mixed", ObstacleGenotype(roughness=1.5, pit_gap=(1.0, 2.4), stump_height=(0.4, 1.0))),
    Task("mixed, hard", ObstacleGenotype(roughness=3.0, pit_gap=(1.0, 2.8), stump_height=(0.6, 1.4))),
    Task("mixed, very hard", ObstacleGenotype(roughness=5.0, pit_gap=(2.0, 4.0), stump_height=(1.0, 2.0))),
)
