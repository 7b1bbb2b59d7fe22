"""The genes of admitted niches, and how hard their terrains are by the paper's three conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from environments.terrain.genes import known_genes
from environments.terrain.obstacles import FIRST_GENES
from experiments.analysis.run_tables import RunTables
from poet.roots import drawn_roots

#: Names of terrains by how many of the conditions they meet (Wang et al. 2019).
CHALLENGE_NAMES = ("not yet challenging", "challenging", "very challenging", "extremely challenging")


def challenges() -> dict[str, float]:
    """Each gene that can make a terrain challenging, with the upper end from which it does so (``AbstractGene``)."""
    return {name: gene.challenging for name, gene in known_genes().items() if gene.challenging is not None}


def hardcore_bounds() -> dict[str, float]:
    """Upper ends from which a terrain is as hard as those of Gymnasium's BipedalWalkerHardcore."""
    return {name: gene.hardcore for name, gene in known_genes().items() if gene.hardcore is not None}


def unit_text(gene: str) -> str:
    """What follows a gene's name in a title: a comma and its unit, or nothing for an unknown gene."""
    genes = known_genes()
    return f", {genes[gene].unit}" if gene in genes else ""


def genes_table(run: RunTables) -> pd.DataFrame:
    """The numeric genes of every niche, one row each.

    A number is an interval with equal ends. A gene that a niche lacks, or that is not a number, has no row.

    Returns:
        Columns niche_id, gene, low, high; in the order of niches, then of genes.
    """
    rows = [
        (niche_id, gene, *ends)
        for niche_id, genotype in zip(run.niches["niche_id"], run.niches["genotype"], strict=True)
        for gene, value in _in_order(genotype)
        if (ends := _ends(value)) is not None
    ]
    table = pd.DataFrame(rows, columns=["niche_id", "gene", "low", "high"])
    return table.astype({"niche_id": "int64", "low": "float64", "high": "float64"})


def gene_names(genes: pd.DataFrame) -> list[str]:
    """The genes of a ``genes_table``: the known ones in their order, then others as they come."""
    return [gene for gene, _ in _in_order(dict.fromkeys(genes["gene"]))]


def gene_columns(genotype: Mapping[str, Any]) -> dict[str, float]:
    """A genotype's genes as columns: ``NAME`` for a number, ``NAME_low`` and ``NAME_high`` for an interval."""
    columns: dict[str, float] = {}
    for gene, value in _in_order(genotype):
        ends = _ends(value)
        if ends is not None and isinstance(value, list | tuple):
            columns |= {f"{gene}_low": ends[0], f"{gene}_high": ends[1]}
        elif ends is not None:
            columns[gene] = ends[0]
    return columns


def gene_text(genotype: Mapping[str, Any]) -> str:
    """One line for a genotype, such as ``roughness 1.2, pit gap 0.4 to 1.2``."""
    words = []
    for gene, value in _in_order(genotype):
        ends = _ends(value)
        if ends is not None:
            size = f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g} to {ends[1]:g}"
            words.append(f"{gene.replace('_', ' ')} {size}")
    return ", ".join(words)


def gene_texts(run: RunTables) -> dict[int, str]:
    """``gene_text`` of each niche by its id; that it is drawn, where no genotype makes its ground."""
    drawn = drawn_roots(run.config)
    niches = zip(run.niches["niche_id"], run.niches["genotype"], strict=True)
    return {niche_id: "drawn" if niche_id in drawn else gene_text(genotype) for niche_id, genotype in niches}


def challenge_level(genotype: Mapping[str, Any]) -> int | None:
    """How many of the paper's three conditions a terrain meets, 0 to 3.

    Args:
        genotype: as JSON values; an absent obstacle is null.

    Returns:
        None for a genotype without these genes, such as a user's own.
    """
    if not challenges().keys() & set(FIRST_GENES) <= genotype.keys():
        return None
    return level_of({gene: upper_end(genotype, gene) for gene in challenges()})


def level_of(uppers: Mapping[str, float]) -> int:
    """``challenge_level`` of a terrain with these upper ends. More than three conditions count as three."""
    met = sum(uppers[gene] >= bound for gene, bound in challenges().items() if gene in uppers)
    return min(met, len(CHALLENGE_NAMES) - 1)


def upper_end(genotype: Mapping[str, Any], gene: str) -> float:
    """The greater end of a gene; 0 where a terrain lacks it."""
    ends = _ends(genotype.get(gene))
    return 0.0 if ends is None else ends[1]


def hardness(genotype: Mapping[str, Any]) -> tuple[int, float]:
    """How hard a terrain is by the paper's conditions, for comparisons: how many it meets, then how near it comes.

    Returns:
        ``challenge_level`` and the sum of roughness, gap and stump, upper ends over where each becomes challenging; (0,
        0.0) for a genotype without these genes.
    """
    level = challenge_level(genotype)
    if level is None:
        return 0, 0.0
    return level, sum(upper_end(genotype, gene) / bound for gene, bound in challenges().items())


def _in_order(genotype: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Genes with their values: the known ones in their order, then others as they come."""
    known = [gene for gene in known_genes() if gene in genotype]
    return [(gene, genotype[gene]) for gene in dict.fromkeys([*known, *genotype])]


def _ends(value: Any) -> tuple[float, float] | None:
    """Both ends of a gene; None for anything but one number or two."""
    ends = value if isinstance(value, list | tuple) else [value, value]
    if len(ends) != 2 or any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        return None
    return float(ends[0]), float(ends[1])
