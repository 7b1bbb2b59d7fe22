"""How complex a run's terrains are, by measures that do not depend on their encoding, and how that grows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from environments.terrain.terrain import Terrain
from experiments.analysis.frames import cumulative_steps, niches_table, terrain_genealogy
from experiments.analysis.gene_space import GeneSpace, gene_space
from experiments.analysis.genes import CHALLENGE_NAMES, challenge_level
from experiments.analysis.run_tables import RunTables
from experiments.analysis.terrain_measures import measure_terrain
from poet.parts import NOVELTY_MEASURES

#: Measures of the profile, which hold for every encoding.
PROFILE_MEASURES = ("variation", "largest_step", "relief", "widest_hollow", "slope_power")
#: The measures that tell whether terrains grow harder. The largest step is left out: once there are pits it stays
#: their depth, except for rare high stumps, whose few replicates would outweigh every other measure.
VERDICT_MEASURES = ("variation", "relief", "widest_hollow", "slope_power")
#: Measures of the genotype, which do not tell how hard its terrain is: flat ground may have many nodes.
GENOME_MEASURES = ("gene_distance", "challenge_level", "cppn_nodes", "cppn_connections")
#: The measures whose growth is examined, each with its title and unit.
GROWTH_MEASURES = {
    "variation": ("rise and fall of the walked profile", "m per m"),
    "largest_step": ("largest step", "m"),
    "relief": ("relief: bumps and hollows", "m"),
    "widest_hollow": ("widest hollow a foot does not step out of", "m"),
    "slope_power": ("power of the slope", "mean square"),
    "gene_distance": ("distance from flat ground in genes", "0 to 1"),
    "challenge_level": ("challenge level", "conditions met"),
    "cppn_nodes": ("CPPN nodes", "nodes"),
    "cppn_connections": ("CPPN connections", "enabled"),
}
_TIMES = ["created", "created_env_steps", "solved", "solved_env_steps", "retired", "retired_env_steps", "is_active"]


def measure_niche(genotype: Mapping[str, Any], terrain: Terrain, space: GeneSpace | None) -> dict[str, float]:
    """Every measure of one niche.

    Args:
        genotype: as JSON values.
        terrain: its own instance.
        space: of the run's genes; None where it has no obstacle genes.

    Returns:
        The fields of ``TerrainMeasures``, then gene_distance (from flat ground, see ``GeneSpace``), challenge_level,
        cppn_nodes and cppn_connections (enabled ones); NaN where the encoding has no such thing.
    """
    level = challenge_level(genotype)
    nodes, connections = cppn_size(genotype)
    return asdict(measure_terrain(terrain)) | {
        "gene_distance": math.nan if space is None else space.distance_from_flat(genotype),
        "challenge_level": math.nan if level is None else float(level),
        "cppn_nodes": nodes,
        "cppn_connections": connections,
    }


def cppn_size(genotype: Mapping[str, Any]) -> tuple[float, float]:
    """Nodes (output and hidden) and enabled connections of a CPPN genotype in JSON values; NaN for any other."""
    nodes, connections = genotype.get("nodes"), genotype.get("connections")
    if not isinstance(nodes, list) or not isinstance(connections, list):
        return math.nan, math.nan
    return float(len(nodes)), float(sum(bool(connection["is_enabled"]) for connection in connections))


def niche_complexity(run: RunTables) -> pd.DataFrame:
    """One row for each niche ever admitted, in order of ids.

    Returns:
        Columns niche_id, parent_id, depth (mutations from the root), children (niches admitted that were mutated from
        it); created, solved, retired (iterations; missing: not so far), each also as NAME_env_steps (spent by the whole
        run until then), is_active; iterations_to_solve and env_steps_to_solve (from admission; missing for a niche that
        is not solved); iterations_unsolved and env_steps_unsolved (for these alone: from admission for as long as
        anybody may have tried, see ``tries_retired``); and the measures of ``measure_niche``.
    """
    niches = niches_table(run)
    table = niches[["niche_id", "parent_id"]].copy()
    table["depth"] = terrain_genealogy(run)["depth"].astype("int64")
    table["children"] = niches["children"]
    table[_TIMES] = niches[_TIMES]
    steps = cumulative_steps(run)
    for unit, begin, now in (("iterations", "", run.iteration), ("env_steps", "_env_steps", int(steps.iloc[-1]))):
        until = now if tries_retired(run) else table[f"retired{begin}"].fillna(now)
        waited = until - table[f"created{begin}"]
        table[f"{unit}_to_solve"] = table[f"solved{begin}"] - table[f"created{begin}"]
        table[f"{unit}_unsolved"] = waited.where(table["solved"].isna()).astype("Int64")
    genotypes, space = run.niches.set_index("niche_id")["genotype"], gene_space(run.config)
    measures = [measure_niche(genotypes[i], run.terrains[i], space) for i in table["niche_id"].tolist()]
    return pd.concat([table, pd.DataFrame(measures)], axis=1)


def tries_retired(run: RunTables) -> bool:
    """Whether agents also run in retired niches, and may solve them, which is so if novelty needs scores (PATA-EC).

    It is unknown for a measure that is not ours, and then assumed.
    """
    measure = NOVELTY_MEASURES.get(run.config.novelty.measure)
    return measure is None or measure.needs_scores


def known_measures(frame: pd.DataFrame) -> list[str]:
    """Those of ``GROWTH_MEASURES`` that a frame's niches have."""
    return [name for name in GROWTH_MEASURES if name in frame and frame[name].notna().all()]


def growth_curves(run: RunTables) -> pd.DataFrame:
    """How complex the admitted and the solved terrains were by the end of each iteration.

    Returns:
        Indexed by iteration: env_steps; for each measure of ``known_measures`` ``MEASURE_admitted_max``,
        ``_admitted_median``, ``_solved_max`` and ``_solved_median``: greatest value and median of the niches admitted,
        and solved, so far; NaN before the first.
    """
    return curves_of(niche_complexity(run), cumulative_steps(run))


def curves_of(frame: pd.DataFrame, steps: pd.Series[int]) -> pd.DataFrame:
    """``growth_curves`` of niches.

    Args:
        frame: columns created and solved (iterations; missing: not so far), and measures.
        steps: env-steps spent by the end of each iteration, see ``cumulative_steps``.
    """
    columns = {"env_steps": steps}
    for measure in known_measures(frame):
        for which, when in (("admitted", "created"), ("solved", "solved")):
            values = frame[[measure]]
            for statistic, curve in so_far(values, frame[when]).items():
                columns[f"{measure}_{which}_{statistic}"] = curve[measure].reindex(steps.index).ffill()
    return pd.DataFrame(columns)


def greatest_so_far(run: RunTables) -> pd.DataFrame:
    """The greatest values of ``growth_curves`` as ``MEASURE_admitted`` and ``MEASURE_solved``: 0 before the first."""
    curves = growth_curves(run)
    greatest = [name for name in curves.columns if name.endswith("_max")]
    return curves[greatest].fillna(0.0).rename(columns=lambda name: name.removesuffix("_max"))


def so_far(values: pd.DataFrame, happened: pd.Series[int]) -> dict[str, pd.DataFrame]:
    """Greatest value and median of each column over the rows so far, for each iteration in which a row was added.

    Args:
        values: a row for each niche.
        happened: the iteration in which each began to count; missing where it never did.

    Returns:
        ``"max"`` and ``"median"``, each indexed by iteration.
    """
    counted = happened.notna()
    order = happened[counted].sort_values(kind="stable")
    ordered = values.loc[order.index].set_axis(pd.Index(order.astype("int64"), name="iteration"))
    by_name = {"max": ordered.cummax(), "median": ordered.expanding().median()}
    return {name: curve[~curve.index.duplicated(keep="last")] for name, curve in by_name.items()}


def levels_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Terrains by challenge level, and how long they took, from a ``niche_complexity`` frame.

    Returns:
        Columns level (in words), admitted, solved, unsolved_active, unsolved_retired, median_iterations_to_solve,
        median_env_steps_to_solve (both of those solved alone: what is not solved yet may take longer). Levels without a
        terrain are left out.
    """
    rows: list[dict[str, object]] = []
    for level in range(len(CHALLENGE_NAMES)):
        some = frame[frame["challenge_level"] == level]
        if some.empty:
            continue
        is_solved = some["solved"].notna()
        solved = some[is_solved]
        rows.append(
            {
                "level": CHALLENGE_NAMES[level],
                "admitted": len(some),
                "solved": len(solved),
                "unsolved_active": int((~is_solved & some["is_active"]).sum()),
                "unsolved_retired": int((~is_solved & ~some["is_active"]).sum()),
                "median_iterations_to_solve": solved["iterations_to_solve"].astype("float64").median(),
                "median_env_steps_to_solve": solved["env_steps_to_solve"].astype("float64").median(),
            }
        )
    return pd.DataFrame(rows)
