"""A further gene in whole runs: none changes for which it is not enabled; where it is, archive and analysis have it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agents.strategies.openai_es import OpenAIESState
from environments.errors import InputError
from environments.terrain.genes import GENE_GROUPS
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.ending import Outcome
from experiments.analysis.frames import niches_table
from experiments.analysis.gene_plot import plot_genes
from experiments.analysis.gene_space import coverage_table, gene_space
from experiments.analysis.genes import challenge_level, gene_names, gene_text, genes_table
from experiments.analysis.milestones import milestones_table
from experiments.analysis.run_tables import RunTables
from experiments.settings import parse_assignment, resolve_config
from poet.archive.fingerprint import fingerprint
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from poet.archive.verify import find_damage
from poet.loop import poet_iteration
from poet.novelty import Environment
from poet.parts import Parts
from poet.types import PoetState
from tests.experiments.synthetic_runs import read
from tests.new_gene import failures_with_it, new_group
from tests.poet.archive_examples import SESSION, plain
from tests.poet.builders import make_test_parts, start
from tests.poet.test_loop import rugged


@dataclass(frozen=True, eq=False)
class Finished:
    """A run with bumps in its terrains, and the state in which it ended."""

    folder: Path
    parts: Parts
    state: PoetState
    tables: RunTables


@pytest.fixture(scope="module")
def bumpy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """A run of seven iterations without physics, in which the gene of docs/how-to/add-gene.md is enabled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(GENE_GROUPS, "bumps", new_group())
        parts = make_test_parts(
            lambda theta, terrain: 129.0 + rugged(theta, terrain), Outcome.FINISHED,
            run={"seed": 7}, terrain={"obstacles": ["bumps", "pit_gap"]}, novelty={"scale": "gene_max"},
            poet={"reproduction_interval": 2, "reproduction_threshold": 0.0, "criterion_lower": -1000.0,
                  "criterion_upper": 1000.0, "max_children": 3, "max_admitted": 2},
        )  # fmt: skip
        folder = tmp_path_factory.mktemp("runs") / "bumpy"
        with create_run(folder, parts.config, session=SESSION) as archive:
            state, events = start(parts)
            archive.append(state, events, seconds=0.25)
            for _ in range(7):
                state, events = poet_iteration(state, parts)
                archive.append(state, events, seconds=0.25)
        yield Finished(folder, parts, state, read(folder))


def test_with_a_gene_that_nobody_enables_all_tests_of_runs_hold() -> None:
    """Digests of whole runs, an old archive and its fingerprint, novelty, tables and figures are as they were."""
    files = (
        "tests/poet/test_archive_old.py",
        "tests/poet/test_streams_used.py",
        "tests/poet/test_novelty.py",
        "tests/experiments/test_complexity.py",
        "tests/experiments/test_milestones.py",
        "tests/experiments/test_analysis_tables.py",
    )
    assert "" == failures_with_it(*files)


def test_a_config_names_the_gene_where_there_is_one(bumpy: Finished) -> None:
    """``terrain.obstacles`` takes a group as soon as it exists, and suggests it for a misspelt name."""
    given = "terrain.obstacles=[bumps,pit_gap]"

    assert {"terrain": {"obstacles": ["bumps", "pit_gap"]}} == parse_assignment(given)
    assert ("bumps", "pit_gap") == resolve_config(assignments=[given]).terrain.obstacles
    with pytest.raises(InputError, match=r"terrain\.obstacles .*'bump': did you mean 'bumps'"):
        resolve_config(assignments=["terrain.obstacles=[bump]"])  # by a shell that took the quotes away


def test_a_run_breeds_the_gene_and_keeps_it(bumpy: Finished) -> None:
    """All children have bumps, and bumps grow; the state comes back from the archive, which is whole."""
    found = [niche.genotype.genes["bump_height"] for niche in bumpy.state.niches]
    assert found.count(None) == 1 and (0.0, 0.2) in found and max(high for _, high in filter(None, found)) > 0.2

    with open_run(bumpy.folder) as run:
        state = run.load_state(None, state_type=PoetState, optimiser_type=OpenAIESState, genotype_type=ObstacleGenotype)
        stored = [ObstacleGenotype.from_json(genotype) for genotype in run.niches["genotype"]]
    assert plain(bumpy.state) == plain(state)
    assert {niche.genotype for niche in bumpy.state.niches} == set(stored)
    assert [] == find_damage(bumpy.folder, ObstacleGenotype)
    assert 64 == len(fingerprint(bumpy.folder))


def test_novelty_of_a_run_sees_the_gene(bumpy: Finished) -> None:
    """Two terrains that differ in bumps alone are as far apart as these are, over their greatest height."""
    one, other = (ObstacleGenotype(later={"bump_height": ends}) for ends in ((0.0, 0.2), (0.6, 1.0)))

    (distance,) = bumpy.parts.novelty.measure([Environment(one)], [Environment(other)])
    assert pytest.approx(math.hypot(0.6 / 2.0, 0.8 / 2.0)) == distance


def test_the_analysis_shows_the_gene(bumpy: Finished) -> None:
    """Table, columns, words, plot and coverage have it, behind the genes of today."""
    run, table = bumpy.tables, genes_table(bumpy.tables)
    expected = {
        niche.id: ends for niche in bumpy.state.niches if (ends := niche.genotype.genes["bump_height"]) is not None
    }
    rows = table[table["gene"] == "bump_height"]

    assert ["roughness", "pit_gap", "bump_height"] == gene_names(table)
    assert expected == {row.niche_id: (row.low, row.high) for row in rows.itertuples()}
    assert {"bump_height_low", "bump_height_high"} <= {*niches_table(run).columns}
    assert gene_text(run.niches["genotype"][1]).endswith("bump height 0 to 0.2")
    figure, space = plot_genes(run), gene_space(run.config)
    assert figure is not None and space is not None
    assert "Bump height, terrain steps" in [axes.get_title(loc="left") for axes in figure.axes]
    assert {"pit_gap": 1, "bump_height": 3} == space.uppers
    assert (coverage_table(run)["cells_share"] > 0.0).all()
    assert "hardcore-like" in milestones_table(run)["class"].tolist()


def test_a_bound_of_a_later_gene_counts_beside_the_first_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terrain without the gene is as challenging as it was; more than three conditions are called like three."""
    bumps = new_group()
    genes = (replace(bumps.genes[0], challenging=1.0),)
    monkeypatch.setitem(GENE_GROUPS, "bumps", replace(bumps, genes=genes))
    hardest = {"roughness": 4.5, "pit_gap": (0.0, 6.0), "stump_height": (0.0, 2.4)}

    def level(bump: float, **first: Any) -> int | None:
        return challenge_level(ObstacleGenotype(**first, later={"bump_height": (0.0, bump)}).to_json())

    assert 1 == challenge_level(ObstacleGenotype(4.5).to_json()) == level(0.8, roughness=4.5)
    assert (1, 2, 3) == (level(1.0), level(1.0, roughness=4.5), level(1.0, **hardest))
    assert challenge_level({"nodes": [], "bump_height": [0.0, 1.0]}) is None
