"""The parts of plots: positions of niches, thumbnails of terrains, and marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from environments.terrain.obstacles import ObstacleGenotype
from experiments.analysis import theme
from experiments.analysis.frames import agent_genealogy
from experiments.analysis.gene_plot import plot_genes
from experiments.analysis.matrix_plot import MAX_FIGURES, plot_matrix
from experiments.analysis.phylogeny import MAX_ARCS, MAX_THUMBNAILS, bundle_arcs, busiest_arcs, plot_phylogeny
from experiments.analysis.run_tables import RunTables
from experiments.analysis.score_plot import MAX_MARKED, plot_scores, scores_at
from experiments.analysis.thumbnail import make_thumbnail, thumbnail_svg
from experiments.analysis.tree import tree_rows
from tests.experiments.synthetic_runs import read, simulated_run, three_niches


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """The small run."""
    return read(three_niches(tmp_path_factory.mktemp("runs") / "three"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """A run with only the root and no transfer."""
    return read(simulated_run(tmp_path_factory.mktemp("runs") / "root", iterations=20))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """A run with more than a hundred niches and several hundred transfers."""
    folder = tmp_path_factory.mktemp("runs") / "large"
    sections = {"poet": {"reproduction_interval": 4, "max_active": 10}, "transfer": {"interval": 4}}
    return read(simulated_run(folder, iterations=600, **sections))


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_branches_cross_nothing(draws: list[int]) -> None:
    """Between a niche and its parent stand only niches that begin later, so that the branch passes left of them."""
    parents: dict[int, int | None] = {0: None}
    for niche_id, draw in enumerate(draws, start=1):
        parents[niche_id] = draw % niche_id
    rows = tree_rows(parents)
    at = {row: niche_id for niche_id, row in rows.items()}

    assert list(range(len(parents))) == sorted(at)
    for niche_id, parent_id in parents.items():
        if parent_id is not None:
            assert rows[parent_id] < rows[niche_id]
            assert all(at[row] > niche_id for row in range(rows[parent_id] + 1, rows[niche_id]))


def test_the_youngest_child_stands_nearest() -> None:
    """Children of one parent stand below it from the youngest to the oldest, each with its own children below."""
    assert {0: 0, 3: 1, 2: 2, 4: 3, 1: 4} == tree_rows({0: None, 1: 0, 2: 0, 3: 0, 4: 2})


def test_a_thumbnail_holds_the_whole_course() -> None:
    """Ground spans the width and is closed at the bottom; a stump stands on it, a pit is cut into it."""
    terrain = ObstacleGenotype(stump_height=(2.0, 2.0), pit_gap=(2.0, 2.0)).express(3)
    thumbnail = make_thumbnail(terrain, 100.0, 20.0)
    pad = thumbnail.ground[0, 1]

    assert (0.0, 100.0) == (thumbnail.ground[:, 0].min(), thumbnail.ground[:, 0].max())
    assert [[100.0, 0.0], [0.0, 0.0]] == thumbnail.ground[-2:].tolist()
    assert len(terrain.obstacles) == len(thumbnail.obstacles)
    tops = {round(float(polygon[:, 1].max() - pad), 6) for polygon in thumbnail.obstacles}
    assert 2 == len(tops)
    assert min(tops) == 0.0
    assert thumbnail.ground[:-2, 1].min() < pad


def test_a_thumbnail_never_leaves_its_frame() -> None:
    """A course too high or too deep for the picture is drawn smaller, and what still sticks out is cut off."""
    terrain = ObstacleGenotype(roughness=10.0, stump_height=(5.0, 5.0)).express(1)
    thumbnail = make_thumbnail(terrain, 50.0, 4.0)

    for vertices in (thumbnail.ground, *thumbnail.obstacles):
        assert (vertices >= 0.0).all()
        assert (vertices <= [50.0, 4.0]).all()
    inside = thumbnail.ground[:-2, 1]
    assert 0.0 < inside.min() < inside.max() < 4.0


def test_a_thumbnail_of_a_page_has_y_down() -> None:
    """SVG counts y from the top: the flat ground's bottom is at the full height."""
    svg = thumbnail_svg(ObstacleGenotype().express(0), width=90, height=30)

    assert "L90.0 30.0L0.0 30.0Z" in svg
    assert 1 == svg.count('class="ground"') == svg.count('class="obstacle"')


def test_transfers_are_bundled_by_direction_and_time() -> None:
    """Two transfers the same way at the same time are one arc; a first agent from the parent is the branch itself."""
    moved = pd.DataFrame(
        [
            (0, 1, "admission_direct", 10),
            (1, 2, "admission_direct", 20),
            (0, 2, "proposal", 500),
            (0, 2, "direct", 500),
            (2, 0, "direct", 500),
            (0, 2, "direct", 900),
        ],
        columns=["source_id", "target_id", "origin", "env_steps"],
    )
    arcs = bundle_arcs(moved, {0: None, 1: 0, 2: 0}, 1000)

    assert [(0, 2, 500.0, 2), (0, 2, 900.0, 1), (1, 2, 20.0, 1), (2, 0, 500.0, 1)] == list(
        arcs.itertuples(index=False, name=None)
    )


def test_many_transfers_are_bundled_over_longer_times(large: RunTables) -> None:
    """However many there are, none is lost from the bundles' counts, and few enough arcs are drawn to be told apart."""
    moved = agent_genealogy(large)
    is_periodic = moved["origin"].isin(["direct", "proposal"])
    arcs = bundle_arcs(moved[is_periodic], {}, int(large.ledger["env_steps"].sum()))
    figure = plot_phylogeny(large)
    lines = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    (drawn,) = [c for c in lines if to_hex(c.get_color()[0]) == theme.TRANSFER]

    assert len(arcs) < is_periodic.sum()
    assert is_periodic.sum() == arcs["count"].sum() > 2 * MAX_ARCS
    assert MAX_ARCS == len(drawn.get_paths())
    assert f"of {arcs['count'].sum() + num_adopted(large)} transfers" in texts(figure)


def test_of_too_many_arcs_the_busiest_are_drawn_and_equals_evenly_over_time() -> None:
    """No stretch of the run is favoured because its niches come first in a table."""
    arcs = pd.DataFrame({"env_steps": [*range(100), 7, 8], "count": [1] * 100 + [3, 2]})
    shown = busiest_arcs(arcs, 12)

    assert [3, 2] == shown["count"].tolist()[:2]
    assert [0, 11, 22, 33, 44, 55, 66, 77, 88, 99] == shown["env_steps"].tolist()[2:]
    assert arcs.equals(busiest_arcs(arcs, 102))


def num_adopted(run: RunTables) -> int:
    """Niches whose first agent did not come from their parent."""
    first = run.versions[run.versions["origin"] == "admission_direct"].set_index("niche_id")["source_id"]
    parents = run.niches.set_index("niche_id")["parent_id"].dropna()
    return int((first != parents).sum())


def polygons(figure: Figure) -> list[PolyCollection]:
    """Ground and obstacles of the thumbnails."""
    return [c for c in figure.axes[0].collections if isinstance(c, PolyCollection)]


def texts(figure: Figure) -> str:
    """All words of a figure."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return "\n".join([*found, *legends, *(text.get_text() for text in figure.texts)])


def test_the_phylogeny_shows_each_niche_with_its_terrain(three: RunTables) -> None:
    """A node with its id and a picture of its terrain stands where each niche was admitted."""
    figure = plot_phylogeny(three)
    ids = [text for text in figure.axes[0].texts if text.get_text() in "012"]

    assert {("0", 100.0, 0.0), ("1", 3450.0, 1.0), ("2", 7450.0, 2.0)} == {
        (text.get_text(), *text.get_position()) for text in ids
    }
    assert 2 * 3 == len(polygons(figure))


def test_a_large_phylogeny_leaves_the_pictures_out(large: RunTables) -> None:
    """Above the limit, nodes are dots with small ids; the tree stays whole."""
    figure = plot_phylogeny(large)

    assert len(large.niches) > MAX_THUMBNAILS
    assert [] == polygons(figure)
    assert len(large.niches) == len(figure.axes[0].texts)


def test_scores_hold_until_the_next_iteration_ends(three: RunTables) -> None:
    """A niche has a score from its admission until it retires, and none where a world diverged or it does not exist."""
    points = np.array([0.0, 100.0, 1099.0, 1100.0, 3450.0, 7449.0, 7450.0])
    nan = np.nan

    np.testing.assert_array_equal(
        [
            [nan, -50.0, -50.0, 240.0, 250.0, 250.0, nan],
            [nan, nan, nan, nan, 90.0, 90.0, 235.0],
            [nan, nan, nan, nan, nan, nan, 65.0],
        ],
        scores_at(three, points),
    )


def test_scores_of_diverged_worlds_are_not_drawn(three: RunTables) -> None:
    """A score of minus infinity is a hole in the curve."""
    versions = three.versions.assign(score=three.versions["score"].where(three.versions["id"] != 3, -np.inf))
    diverged = RunTables(**{**vars(three), "versions": versions})

    assert np.isnan(scores_at(diverged, np.array([3450.0]))[0, 0])
    plot_scores(diverged)


def test_a_run_in_which_every_world_diverged_is_drawn(three: RunTables) -> None:
    """Its curves are empty, and their axis is that of other runs; nothing warns."""
    diverged = RunTables(**{**vars(three), "versions": three.versions.assign(score=-np.inf)})
    curves = next(axes for axes in plot_scores(diverged).axes if axes.get_ylabel() == "score")

    assert all(np.isnan(line.get_ydata()).all() for line in curves.lines if line.get_drawstyle() == "steps-post")
    assert (-115.0, 365.0) == curves.get_ylim()


def test_the_scores_that_decide_are_named(three: RunTables) -> None:
    """The criterion's bounds, the reproduction threshold and the bound of solved stand beside the curves."""
    words = texts(plot_scores(three))

    for name in ("too hard below 50", "reproduces from 200", "solved once from 230", "too easy above 300"):
        assert name in words


def test_transfers_are_marked_on_bands_while_there_is_room(three: RunTables, large: RunTables) -> None:
    """With many niches the marks go, and the legend does not speak of them."""
    assert len(large.niches) > MAX_MARKED
    assert "agent transferred in" in texts(plot_scores(three))
    assert "agent transferred in" not in texts(plot_scores(large))


def test_genes_that_never_vary_have_no_panel(three: RunTables, root: RunTables) -> None:
    """A panel for each gene that is ever above 0; no plot where there is none."""
    figure = plot_genes(three)

    assert figure is not None
    titles = [axes.get_title(loc="left").split(",")[0] for axes in figure.axes]
    assert ["Roughness", "Pit gap", "Stump height"] == titles
    assert plot_genes(root) is None


def test_the_matrix_writes_scores_while_they_can_be_read() -> None:
    """Small matrices say each score, bold where solved, and where a world diverged; large ones have dots."""
    small = plot_matrix(matrix([[300.0, -np.inf], [120.4, 231.0]]))
    cells = {text.get_text(): text.get_weight() for text in small.axes[0].texts}

    assert {"300": "bold", "div.": "normal", "120": "normal", "231": "bold"} == cells
    large = plot_matrix(matrix([[240.0] * (MAX_FIGURES + 1)] * (MAX_FIGURES + 1)))
    assert [] == list(large.axes[0].texts)
    assert (MAX_FIGURES + 1) ** 2 == len(large.axes[0].lines[0].get_xdata())


def matrix(scores: list[list[float]]) -> pd.DataFrame:
    """A score matrix in which 230 solves."""
    rows = [(a, t, score, score >= 230.0) for a, row in enumerate(scores) for t, score in enumerate(row)]
    return pd.DataFrame(rows, columns=["agent_id", "terrain_id", "score", "is_solved"])


@pytest.mark.parametrize("plot", [plot_phylogeny, plot_scores])
@pytest.mark.parametrize("name", ["three", "root", "large"])
def test_plots_are_the_same_each_time(
    plot: Callable[[RunTables], Figure], name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A run gives the same picture to the bit, whether it has one niche or more than a hundred, and nothing warns."""
    run = request.getfixturevalue(name)
    for file in ("first.png", "second.png"):
        theme.save_figure(plot(run), tmp_path / file)

    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert b"\x89PNG" == (tmp_path / "first.png").read_bytes()[:4]


def test_counts_are_written_short() -> None:
    """Three digits and a unit."""
    assert ["0", "950", "1 k", "12.5 k", "3.1 M", "1.2 G", "none"] == [
        theme.format_count(value) for value in (0, 950, 1000, 12_500, 3_100_000, 1_200_000_000, float("nan"))
    ]
