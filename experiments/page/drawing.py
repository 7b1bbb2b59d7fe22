"""What the page needs to make and draw terrains: the genes of the run, and the fixed sizes of every course."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from environments.errors import InputError
from environments.terrain import constants
from environments.terrain.gene import AbstractGene, IntervalGene
from environments.terrain.generation import FIRST_KINDS
from environments.terrain.genes import enabled_groups, known_genes
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from experiments.text import visible
from poet.roots import drawn_roots

if TYPE_CHECKING:
    from poet.config import Config

#: The groups of genes that ``obstacles.mjs`` can lay; the others' terrains can only be drawn by hand.
KNOWN_GROUPS = ("roughness", *FIRST_KINDS)


def drawing_data(config: Config, niches: Iterable[tuple[int, Mapping[str, Any], int]]) -> dict[str, Any]:
    """What the page's section "Draw a terrain" needs.

    Args:
        config: of the run.
        niches: id, genotype as JSON values, and terrain seed of each.

    Keys:
        sizes: numbers of every course, in metres or terrain steps, and the order of the kinds of obstacles.
        genes: those that a reader can choose, one object each; null where there are none.
        why: why there are none; null where there are some.
        limits: the greatest value of each gene, by name.
        absent: the genes of flat ground.
        made: of each niche whose terrain genes make, these genes and the seed, by niche id.
    """
    genes, why = _genes(config)
    drawn = drawn_roots(config)
    return {
        "sizes": course_sizes(),
        "genes": genes,
        "why": why,
        "limits": {name: gene.limit for name, gene in known_genes().items()},
        "absent": ObstacleGenotype().to_json(),
        "made": {} if genes is None else _made(niche for niche in niches if niche[0] not in drawn),
    }


def course_sizes() -> dict[str, Any]:
    """What ``obstacles.mjs`` lays courses with."""
    return {
        "scale": constants.SCALE,
        "step": constants.TERRAIN_STEP,
        "length": constants.TERRAIN_LENGTH,
        "height": constants.TERRAIN_HEIGHT,
        "startpad": constants.TERRAIN_STARTPAD,
        "grass": constants.TERRAIN_GRASS,
        "damping": constants.GRASS_DAMPING,
        "pull": constants.GRASS_PULL,
        "greatest_push": constants.INITIAL_RANDOM,
        "pit_depth": constants.PIT_DEPTH,
        "pit_wall": constants.PIT_WALL_WIDTH,
        "stump_width": constants.STUMP_WIDTH,
        "stair_width": constants.STAIR_WIDTH,
        "least_height": constants.MIN_OBSTACLE_HEIGHT,
        "least_area": constants.MIN_POLYGON_AREA,
        "least_gap": constants.MIN_VERTEX_GAP,
        "kinds": FIRST_KINDS,
    }


def _genes(config: Config) -> tuple[list[dict[str, Any]] | None, str | None]:
    """The genes that the run lets mutate, or why a reader cannot choose any."""
    kind = config.terrain.genotype
    if kind != ObstacleGenotype.kind:
        why = f"The terrains of this run come from the genotype {visible(kind)}, which has no genes to slide"
        return None, f"{why}: draw on a niche's."
    settings = ObstacleSettings(obstacles=config.terrain.obstacles, max_pit_gap=config.terrain.max_pit_gap)
    groups = enabled_groups(settings)
    unknown = [group.name for group in groups if group.name not in KNOWN_GROUPS]
    if unknown:
        return None, f"The page cannot make terrains with the genes of {' and '.join(map(visible, unknown))}."
    return [_gene(group.name, gene, settings) for group in groups for gene in group.genes], None


def _gene(group: str, gene: AbstractGene[Any], settings: ObstacleSettings) -> dict[str, Any]:
    return {
        "group": group,
        "name": gene.name,
        "unit": gene.unit,
        "least": gene.least,
        "greatest": gene.greatest(settings),
        "initial": gene.initial if isinstance(gene, IntervalGene) else None,
        "is_whole": isinstance(gene, IntervalGene) and gene.is_whole,
    }


def _made(niches: Iterable[tuple[int, Mapping[str, Any], int]]) -> dict[str, dict[str, Any]]:
    known = ((niche_id, _known_genes(genotype), seed) for niche_id, genotype, seed in niches)
    return {str(niche_id): {"genes": genes, "seed": seed} for niche_id, genes, seed in known if genes is not None}


def _known_genes(genotype: Mapping[str, Any]) -> dict[str, Any] | None:
    """The genes of a genotype, as it writes them; None if an archive has something else there."""
    try:
        read = ObstacleGenotype.from_json(dict(genotype))
    except InputError:
        return None
    return None if read.later else read.to_json()
