"""Archives for which it is known whether terrains grow: made by mutation alone, or with selection.

All have one schedule: a niche an iteration from 1 on, and the oldest retires beyond 20.
"""

from __future__ import annotations

from pathlib import Path

from environments.streams import Stream
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from experiments.analysis.terrain_measures import measure_terrain
from poet.config import make_config
from poet.events import Cost, Event, NicheAdmitted, NicheRetired, NicheSolved
from poet.types import Origin, Purpose
from tests.experiments.synthetic_runs import difficulty, record_run, version

NUM_NICHES, MAX_ACTIVE = 61, 20
Interval = tuple[float, float]


def planted_run(
    folder: Path,
    seed: int,
    num_trials: int,
    num_niches: int = NUM_NICHES,
    root: AbstractGenotype | None = None,
    band: Interval | None = None,
) -> Path:
    """An archive of some niches.

    Each is the hardest (``hardness``) of some mutations of active niches, each with a parent of its own drawn
    uniformly: with one trial it only drifts, with eight, POET's number of children, it is selected. Of the easier half
    of what is active 80 % are solved, of the harder half 50 %.

    Args:
        folder: new.
        seed: keys every draw, by names that the shadow does not use.
        num_trials: mutations of which the hardest is admitted.
        num_niches: the root included.
        root: the first genotype; None for flat ground.
        band: a criterion that never changes: between what ``variation`` every terrain but the root's lies, m/m.
    """
    events: list[Event] = []
    active: list[tuple[int, AbstractGenotype]] = []
    first = root or ObstacleGenotype()
    for niche_id in range(num_niches):
        stream = Stream(seed, "planted", niche_id)
        parent_id, genotype, terrain_seed = None, first, 0
        if active:
            parent_id, genotype, terrain_seed = _child(stream, active, num_trials, band)
        terrain, genes = genotype.express(terrain_seed), genotype.to_json()
        events += [
            NicheAdmitted(niche_id, niche_id, parent_id, None, genes, terrain_seed, terrain, 100.0, None, niche_id),
            version(niche_id, niche_id, niche_id, 100.0, Origin.INITIAL),
            Cost(niche_id, niche_id, Purpose.ES, 1000, 1),
        ]
        active.append((niche_id, genotype))
        is_hard = hardness(genotype) > sorted(hardness(g) for _, g in active)[len(active) // 2]
        if stream.uniform() < (0.5 if is_hard else 0.8):
            events.append(NicheSolved(niche_id, niche_id, niche_id, 0, Origin.ES, Purpose.SELF_EVAL, 240.0, ""))
        if len(active) > MAX_ACTIVE:
            events.append(NicheRetired(active.pop(0)[0], niche_id, 0, 100.0))
    sections = {"poet": {"max_active": MAX_ACTIVE, "reproduction_interval": 1}, "terrain": {"genotype": first.kind}}
    return record_run(folder, events, num_niches, make_config({"run": {"seed": seed}}, sections))


def hardness(genotype: AbstractGenotype) -> float:
    """What selection goes by: ``difficulty``, a weighted sum of genes; without such genes the terrain's variation."""
    if isinstance(genotype, ObstacleGenotype):
        return difficulty(genotype)
    return measure_terrain(genotype.express(0)).variation


def _child(
    stream: Stream, active: list[tuple[int, AbstractGenotype]], num_trials: int, band: Interval | None
) -> tuple[int, AbstractGenotype, int]:
    """The hardest of some mutations that no active niche equals, with its parent and its terrain's seed."""
    trials: list[tuple[int, AbstractGenotype, int]] = []
    while len(trials) < num_trials:
        parent_id, parent = stream.choice(active)
        child, terrain_seed = parent.mutate(stream, ObstacleSettings()), stream.integer(0, 1_000_000)
        if any(child == genotype for _, genotype in active):
            continue
        if band is None or band[0] < measure_terrain(child.express(terrain_seed)).variation < band[1]:
            trials.append((parent_id, child, terrain_seed))
    return max(trials, key=lambda trial: hardness(trial[1]))
