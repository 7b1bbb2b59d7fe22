"""The neutral shadow of a run: the same births and deaths, without selection.

Niche k of a replicate stands for niche k of the run: it is admitted in the same iteration, and it retires in the same
iteration, since the rule of retirement looks at age alone. Its parent is drawn uniformly among the niches active when
its iteration began, and mutated once under the run's settings at that time. The child is admitted whatever it is: no
agent walks, and nothing is ranked. Mutation alone makes a run's terrains drift upward, since flat ground has only one
side. A run has to go beyond its shadow.
``experiments.analysis.growth`` asks how far.

A child that equals an active niche is drawn again, with its parent. The run refuses it too, before running anything:
this does not judge terrains, and shadows that kept it would drift more slowly than the run's mutation. A child that no
engine can stand on, such as ground beyond float32, is also drawn again.

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
from environments.terrain.terrain import Terrain
from experiments.analysis.complexity import measure_niche
from experiments.analysis.gene_space import gene_space
from experiments.analysis.shadow_file import birth_origins
from experiments.analysis.terrain_measures import MEASURES_VERSION
from poet.archive.reader import Run
from poet.parts import terrain_settings
from poet.roots import drawn_roots
from poet.scoring import draw_terrain_seed, express

#: Draws until the last parent's terrain is admitted again, which happens if genes can take few values.
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
        parent_id: the niche of the replicate that it was mutated from; None for a root.
        genotype, terrain_seed: its own instance is ``genotype.express(terrain_seed)``, unless it is drawn.
        drawn: see ``poet.roots``; None for a terrain that a genotype makes.
    """

    niche_id: int
    parent_id: int | None
    genotype: AbstractGenotype
    terrain_seed: int
    drawn: Terrain | None = None

    @property
    def terrain(self) -> Terrain:
        """Its own instance."""
        made: Terrain = express(self.genotype, self.terrain_seed) if self.drawn is None else self.drawn
        return made


def neutral_shadow(
    run: Run,
    num_replicates: int,
    progress: Callable[[int, int], None] = lambda num_done, num_all: None,
    genotype_type: type[AbstractGenotype] | None = None,
) -> pd.DataFrame:
    """The niches of all replicates of a run's shadow, with their measures.

    Args:
        run: the run; if it is still going on, as it stands at one moment.
        num_replicates: how many.
        progress: told how many replicates are done, of how many.
        genotype_type: the run's; None if it is one of ours. No code that an archive names is imported otherwise.

    Returns:
        A row for each replicate and niche, the roots included: ``COLUMNS`` of ``experiments.analysis.shadow_file``,
        with genotypes as JSON values, and the measures of ``experiments.analysis.complexity.measure_niche``.

    Raises:
        InputError: fewer than 1 replicate, nothing of the run is recorded yet, its genotype is neither ours nor given.
    """
    num_replicates = whole_number("--replicates", num_replicates, 1)
    with run.at_one_moment():
        iteration, config, births = run.iteration, run.config, births_of(run)
        encoding = genotype_type or _our_genotype(run)
        roots = _roots(run, encoding)
        configs = {birth.admitted: run.config_at(birth.admitted) for birth in births}
        origins = birth_origins(run.niches, run.config_at)
    settings = {admitted: terrain_settings(in_force, encoding) for admitted, in_force in configs.items()}
    space, rows = gene_space(config), []
    same = {"run_seed": config.run.seed, "run_iteration": iteration, "measures_version": MEASURES_VERSION}
    for replicate in range(num_replicates):
        for niche in drift(births, roots, settings.__getitem__, config.run.seed, replicate):
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
            rows.append(same | row | measure_niche(genotype, niche.terrain, space))
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
    roots: Sequence[ShadowNiche],
    settings_at: Callable[[int], TerrainSettings],
    seed: int,
    replicate: int,
) -> list[ShadowNiche]:
    """One replicate.

    Args:
        births: of the run, in order of niche ids; the roots first.
        roots: the run's.
        settings_at: what mutation may do in an iteration.
        seed: of the run.
        replicate: which one, from 0.

    Returns:
        A niche for each birth, the roots first.
    """
    niches = [*roots]
    for niche_id, birth in enumerate(births[len(roots) :], start=len(roots)):
        active = [niches[i] for i in active_at(births, birth.admitted)]
        stream = Stream(seed, "neutral", replicate, niche_id)
        niches.append(_child(niche_id, active, stream, settings_at(birth.admitted)))
    return niches


def active_at(births: Sequence[Birth], iteration: int) -> list[int]:
    """The ids of niches active when an iteration began: without those admitted in it, with those that retire in it."""
    return [
        niche_id
        for niche_id, birth in enumerate(births)
        if birth.admitted < iteration and (birth.retired is None or birth.retired >= iteration)
    ]


def _our_genotype(run: Run) -> type[AbstractGenotype]:
    name = run.config.terrain.genotype
    if ":" in name:
        raise InputError(f"the run {run.folder} has the genotype {name!r}, which is not ours: give its genotype_type")
    return genotype_class(name)


def _roots(run: Run, genotype_type: type[AbstractGenotype]) -> list[ShadowNiche]:
    """The run's roots, which every replicate shares."""
    niches, drawn = run.niches.sort_values("niche_id"), drawn_roots(run.config)
    rows = niches[niches["parent_id"].isna()].to_dict("records")
    return [
        ShadowNiche(
            row["niche_id"],
            None,
            genotype_type.from_json(row["genotype"]),
            int(row["terrain_seed"]),
            drawn.get(row["niche_id"]),
        )
        for row in rows
    ]


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
    """Whether there is ground to stand on; heights beyond float32 are none."""
    try:
        express(genotype, terrain_seed)
    except InputError:
        return False
    return True
