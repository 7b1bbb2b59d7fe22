"""The neutral shadow of a run: the same births and deaths, without selection.

Niche k of a replicate stands for niche k of the run: it is admitted in the same iteration, and it retires in the same
iteration, since the rule of retirement looks at age alone. Its parent is drawn uniformly among the niches active when
its iteration began, mutated once under the settings that the run then had, and what comes of it is admitted whatever it
is: nobody walks, and nobody ranks. Terrains of a run drift upward by mutation alone, since flat ground has only one
side; a run has to go beyond its shadow.
How far is what ``experiments.analysis.growth`` asks.

A child that equals an active niche is drawn again, its parent too, as the run refuses it before anything is run: this
is no judgement of terrains, and shadows that kept it would drift more slowly than the run's mutation does. So is one
that no engine can stand on, such as ground beyond float32.

Every draw is keyed by the run's seed, "neutral", the replicate and the niche, so that a longer run, or more replicates,
add to a shadow and change nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from environments.errors import InputError, whole_number
from environments.streams import Stream
from environments.terrain import genotype_class
from environments.terrain.genotype import AbstractGenotype, TerrainSettings
from experiments.analysis.complexity import measure_niche
from experiments.analysis.gene_space import gene_space
from experiments.analysis.terrain_measures import MEASURES_VERSION
from experiments.controls.shadow_file import birth_origins
from poet.archive.reader import Run
from poet.parts import terrain_settings
from poet.scoring import draw_terrain_seed, express

#: Draws until the last parent's terrain is admitted once more: where genes can take few values.
MAX_DRAWS = 100


@dataclass(frozen=True)
class Birth:
    """When a niche of the run was there.

    Attributes:
        admitted: iteration of its admission.
        retired: iteration of its retirement; None while it is active.
    """

    admitted: int
    retired: int | None


@dataclass(frozen=True)
class ShadowNiche:
    """A niche of one replicate.

    Attributes:
        niche_id: the niche of the run that it stands for.
        parent_id: the niche of the replicate that it was mutated from; None for the root.
        genotype, terrain_seed: its own instance is ``genotype.express(terrain_seed)``.
    """

    niche_id: int
    parent_id: int | None
    genotype: AbstractGenotype
    terrain_seed: int


def neutral_shadow(
    run: Run,
    num_replicates: int,
    progress: Callable[[int, int], None] = lambda num_done, num_all: None,
    genotype_type: type[AbstractGenotype] | None = None,
) -> pd.DataFrame:
    """The niches of all replicates of a run's shadow, with their measures.

    Args:
        run: as it stands at one moment, if it goes on.
        num_replicates: how many.
        progress: told how many replicates are done, of how many.
        genotype_type: the run's; None if it is one of ours. Code that an archive names is imported by nobody else.

    Returns:
        A row for each replicate and niche, the root's included: ``COLUMNS`` of ``experiments.controls.shadow_file``,
        with genotypes as JSON values, and the measures of ``experiments.analysis.complexity.measure_niche``.

    Raises:
        InputError: fewer than 1 replicate, nothing of the run is recorded yet, its genotype is neither ours nor given.
    """
    num_replicates = whole_number("--replicates", num_replicates, 1)
    with run.at_one_moment():
        iteration, config, births, root = run.iteration, run.config, births_of(run), _root(run, genotype_type)
        configs = {birth.admitted: run.config_at(birth.admitted) for birth in births}
        origins = birth_origins(run.niches, run.config_at)
    settings = {admitted: terrain_settings(in_force) for admitted, in_force in configs.items()}
    space, rows = gene_space(config), []
    same = {"run_seed": config.run.seed, "run_iteration": iteration, "measures_version": MEASURES_VERSION}
    for replicate in range(num_replicates):
        for niche in drift(births, root, settings.__getitem__, config.run.seed, replicate):
            birth, genotype = births[niche.niche_id], niche.genotype.to_json()
            row = {
                "replicate": replicate,
                "niche_id": niche.niche_id,
                "parent_id": niche.parent_id,
                "admitted": birth.admitted,
                "retired": birth.retired,
                "origin": origins[niche.niche_id],
                "genotype": genotype,
                "terrain_seed": niche.terrain_seed,
            }
            rows.append(same | row | measure_niche(genotype, express(niche.genotype, niche.terrain_seed), space))
        progress(replicate + 1, num_replicates)
    return pd.DataFrame(rows).astype({"parent_id": "Int64", "retired": "Int64"})


def births_of(run: Run) -> list[Birth]:
    """When each niche of a run came and went, in order of ids.

    Raises:
        InputError: nothing is recorded yet.
    """
    niches, retirements = run.niches, run.retirements
    if niches.empty:
        raise InputError(f"the run {run.folder} has not begun: nothing is recorded yet; try again a little later")
    gone = dict(zip(retirements["niche_id"].tolist(), retirements["iteration"].tolist(), strict=True))
    ordered = niches.sort_values("niche_id")
    pairs = zip(ordered["niche_id"].tolist(), ordered["iteration"].tolist(), strict=True)
    return [Birth(admitted, gone.get(niche_id)) for niche_id, admitted in pairs]


def drift(
    births: Sequence[Birth],
    root: ShadowNiche,
    settings_at: Callable[[int], TerrainSettings],
    seed: int,
    replicate: int,
) -> list[ShadowNiche]:
    """One replicate.

    Args:
        births: of the run, in order of niche ids; the root first.
        root: the run's.
        settings_at: what mutation may do in an iteration.
        seed: of the run.
        replicate: which one, from 0.

    Returns:
        A niche for each birth, the root first.
    """
    niches = [root]
    for niche_id, birth in enumerate(births[1:], start=1):
        active = [niches[i] for i in active_at(births, birth.admitted)]
        stream = Stream(seed, "neutral", replicate, niche_id)
        niches.append(_child(niche_id, active, stream, settings_at(birth.admitted)))
    return niches


def active_at(births: Sequence[Birth], iteration: int) -> list[int]:
    """The ids of niches active when an iteration began: who is admitted in it is not, who retires in it still is."""
    return [
        niche_id
        for niche_id, birth in enumerate(births)
        if birth.admitted < iteration and (birth.retired is None or birth.retired >= iteration)
    ]


def _root(run: Run, genotype_type: type[AbstractGenotype] | None) -> ShadowNiche:
    """The run's root, which every replicate shares."""
    row = run.niches.sort_values("niche_id").iloc[0]
    name = run.config.terrain.genotype
    if genotype_type is None and ":" in name:
        raise InputError(f"the run {run.folder} has the genotype {name!r}, which is not ours: give its genotype_type")
    genotype = (genotype_type or genotype_class(name)).from_json(row["genotype"])
    return ShadowNiche(0, None, genotype, int(row["terrain_seed"]))


def _child(niche_id: int, active: Sequence[ShadowNiche], stream: Stream, settings: TerrainSettings) -> ShadowNiche:
    """A mutation of an active niche, drawn in the order of ``poet.reproduction.reproduce``."""
    known = {niche.genotype for niche in active}
    for _ in range(MAX_DRAWS):
        parent = stream.choice(active)
        genotype = parent.genotype.child(stream, settings)
        terrain_seed = draw_terrain_seed(stream)
        if genotype not in known and _is_terrain(genotype, terrain_seed):
            return ShadowNiche(niche_id, parent.niche_id, genotype, terrain_seed)
    return ShadowNiche(niche_id, parent.niche_id, parent.genotype, parent.terrain_seed)


def _is_terrain(genotype: AbstractGenotype, terrain_seed: int) -> bool:
    """Whether there is anything to stand on: a height beyond float32 is none."""
    try:
        express(genotype, terrain_seed)
    except InputError:
        return False
    return True
