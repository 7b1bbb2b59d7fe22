"""Archives of which is known whether difficulty grows: planted by mutation alone, or with a hand that helps.

All have one schedule: a niche an iteration from 1 on, and the oldest retires beyond 20.
"""

from __future__ import annotations

from pathlib import Path

from environments.streams import Stream
from environments.terrain.genotype import TerrainSettings
from environments.terrain.obstacles import ObstacleGenotype
from poet.config import make_config
from poet.events import Cost, Event, NicheAdmitted, NicheRetired, NicheSolved
from poet.types import Origin, Purpose
from tests.experiments.synthetic_runs import difficulty, record_run, version

NUM_NICHES, MAX_ACTIVE = 61, 20


def planted_run(folder: Path, seed: int, num_trials: int, num_niches: int = NUM_NICHES) -> Path:
    """An archive of some niches.

    Each is the hardest (by ``difficulty``, a weighted sum of genes) of some mutations of active niches, each with a
    parent of its own drawn uniformly: with one trial it only drifts, with three it is selected, mildly: POET tries
    eight children a reproduction. Of the easier half of what is active 80 % are solved, of the harder half 50 %.

    Args:
        folder: new.
        seed: keys every draw, by names that the shadow does not use.
        num_trials: mutations of which the hardest is admitted.
        num_niches: the root included.
    """
    events: list[Event] = []
    active: list[tuple[int, ObstacleGenotype]] = []
    for niche_id in range(num_niches):
        stream = Stream(seed, "planted", niche_id)
        parent_id, genotype = _child(stream, active, num_trials) if active else (None, ObstacleGenotype())
        terrain_seed = stream.integer(0, 1_000_000)
        terrain, genes = genotype.express(terrain_seed), genotype.to_json()
        events += [
            NicheAdmitted(niche_id, niche_id, parent_id, None, genes, terrain_seed, terrain, 100.0, None, niche_id),
            version(niche_id, niche_id, niche_id, 100.0, Origin.INITIAL),
            Cost(niche_id, niche_id, Purpose.ES, 1000, 1),
        ]
        active.append((niche_id, genotype))
        is_hard = difficulty(genotype) > sorted(difficulty(g) for _, g in active)[len(active) // 2]
        if stream.uniform() < (0.5 if is_hard else 0.8):
            events.append(NicheSolved(niche_id, niche_id, niche_id, 0, Origin.ES, Purpose.SELF_EVAL, 240.0, ""))
        if len(active) > MAX_ACTIVE:
            events.append(NicheRetired(active.pop(0)[0], niche_id, 0, 100.0))
    config = make_config({"run": {"seed": seed}, "poet": {"max_active": MAX_ACTIVE, "reproduction_interval": 1}})
    return record_run(folder, events, num_niches, config)


def _child(stream: Stream, active: list[tuple[int, ObstacleGenotype]], num_trials: int) -> tuple[int, ObstacleGenotype]:
    """The hardest of some mutations that no active niche equals, with its parent."""
    trials: list[tuple[int, ObstacleGenotype]] = []
    while len(trials) < num_trials:
        parent_id, parent = stream.choice(active)
        child = parent.mutate(stream, TerrainSettings())
        if all(child != genotype for _, genotype in active):
            trials.append((parent_id, child))
    return max(trials, key=lambda trial: difficulty(trial[1]))
