"""The MODES toolbox on a run's niches: change, novelty, complexity and ecology of the lineages that persist.

Dolson et al. 2019, The MODES Toolbox: Measurements of Open-Ended Dynamics in Evolving Systems, Artificial Life 25(1),
50-73, define four measures of a population at equally spaced moments. A persistence filter leaves out whoever has no
descendants one window later. Change is the number of types that passed the filter and did not pass the last time,
novelty that of types which never passed before, complexity the greatest of any that passed, ecology the Shannon entropy
of the types that passed. What these words mean here is our choice:

- An organism is an active niche, with its terrain. It counts once, whoever walks in it.
- Its lineage is that of terrains: a niche's parent is the one that it was mutated from. Agents that move between niches
  do not change it.
- A niche passes the filter at a moment if it was active one window before, and it or a descendant is active now.
- A window is a tenth of the compared env-steps (``NUM_WINDOWS``), the same for all runs. The paper takes the time in
  which lineages coalesce. POET's niches live long and may all persist: ``persisted`` says how much the filter leaves.
- The type of an obstacle terrain is its cell in the space of genes (``GeneSpace.cell``), since two of them hardly ever
  have the same roughness to the last digit. That of a CPPN is its topology: activations and enabled connections,
  without weights. Any other genotype, and an obstacle terrain where arms mutate other genes, is a type of its own.
- Complexity is the rise and fall of the walked profile (``TerrainMeasures.variation``, m per m), which holds for every
  encoding; ``complexity_genes`` is the distance from flat ground in genes, 0 to 1.
- Entropy is in bits.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from environments.terrain.cppn import CppnGenotype
from experiments.analysis.gene_space import GeneSpace
from experiments.analysis.terrain_measures import measure_terrain
from experiments.comparison.snapshots import ComparedRun

_CPPN_KEYS = {field.name for field in fields(CppnGenotype)}


def modes_table(run: ComparedRun) -> pd.DataFrame:
    """The measures of a run at the end of each window.

    Returns:
        Columns env_steps (at the moment), iteration (the last done by then), active (niches), persisted (share of the
        niches active one window before that pass the filter), change, novelty (numbers of types), complexity (m per m),
        complexity_genes (0 to 1; NaN without a common space of obstacle genes), ecology (bits). The last three are NaN
        where nobody passes, which takes niches without parents, and persisted is where none was active.
    """
    niches = run.tables.niches.set_index("niche_id")
    ids = [int(niche_id) for niche_id in niches.index]
    parents = {i: None if pd.isna(parent) else int(parent) for i, parent in zip(ids, niches["parent_id"], strict=True)}
    genotypes: dict[int, dict[str, Any]] = dict(zip(ids, niches["genotype"], strict=True))
    moments = run.moments()
    iterations = run.iterations_at(moments)
    before, passed_before, seen = run.active(iterations[0]), set[Hashable](), set[Hashable]()
    variations: dict[int, float] = {}
    space, rows = run.space, []
    for moment, iteration in zip(moments[1:], iterations[1:], strict=True):
        active = run.active(iteration)
        passed = sorted(set(before) & with_ancestors(active, parents))
        variations |= {i: measure_terrain(run.tables.terrains[i]).variation for i in passed if i not in variations}
        counts = Counter(terrain_type(genotypes[i], space) for i in passed)
        rows.append(
            {
                "env_steps": int(moment),
                "iteration": iteration,
                "active": len(active),
                "persisted": len(passed) / len(before) if before else math.nan,
                "change": len(counts.keys() - passed_before),
                "novelty": len(counts.keys() - seen),
                "complexity": max((variations[i] for i in passed), default=math.nan),
                "complexity_genes": (
                    math.nan
                    if space is None
                    else max((space.distance_from_flat(genotypes[i]) for i in passed), default=math.nan)
                ),
                "ecology": entropy(counts.values()) if passed else math.nan,
            }
        )
        before, passed_before = active, set(counts)
        seen |= passed_before
    return pd.DataFrame(rows)


def with_ancestors(niche_ids: Iterable[int], parents: Mapping[int, int | None]) -> set[int]:
    """These niches and all that they descend from.

    Args:
        niche_ids: where to begin.
        parents: of every niche; None for the root.
    """
    found: set[int] = set()
    for niche_id in niche_ids:
        place: int | None = niche_id
        while place is not None and place not in found:
            found.add(place)
            place = parents[place]
    return found


def terrain_type(genotype: Mapping[str, Any], space: GeneSpace | None) -> Hashable:
    """What a terrain is counted as; see above.

    Args:
        genotype: JSON values.
        space: of obstacle genes that all runs share; None if there is none.
    """
    if space is not None:
        return space.cell(genotype)
    if genotype.keys() == _CPPN_KEYS:
        nodes = frozenset((node["id"], node["activation"]) for node in genotype["nodes"])
        links = frozenset((gene["source"], gene["target"]) for gene in genotype["connections"] if gene["is_enabled"])
        return nodes, links
    return json.dumps(genotype, sort_keys=True)


def entropy(counts: Iterable[int]) -> float:
    """The Shannon entropy of shares in proportion to these counts, in bits."""
    present = [count for count in counts if count]
    total = sum(present)
    return math.fsum(-count / total * math.log2(count / total) for count in present)
