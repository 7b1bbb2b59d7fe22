"""Terrains that draw themselves: in a notebook, on axes, and in brief."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from environments import ObstacleGenotype, Terrain

SQUARE = np.array([[2.0, 1.0], [3.0, 1.0], [3.0, 2.0], [2.0, 2.0]])
HILL = Terrain(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 3.0]]), (SQUARE,), push=-2.5)
COURSE = ObstacleGenotype(roughness=2.0, pit_gap=(1.0, 2.0), stump_height=(1.0, 2.0)).express(seed=3)


def test_a_terrain_says_in_one_line_what_it_is() -> None:
    """Arrays would fill a notebook's cell."""
    assert "Terrain(ground of 3 vertices from x = 0.0 m to 4.0 m, 1 obstacles, push -2.50 N)" == repr(HILL)


@pytest.mark.parametrize("terrain", [HILL, COURSE])
def test_a_notebook_shows_a_terrain_in_true_proportion(terrain: Terrain) -> None:
    """Every vertex of ground and obstacles is in the SVG, lengths and heights in one scale, inside of the picture."""
    root = ET.fromstring(terrain._repr_svg_())
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    title, *shapes = list(root)
    assert repr(terrain) == title.text
    paths = {shape.attrib["fill"]: shape.attrib["d"] for shape in shapes if "d" in shape.attrib}
    ground = _points(next(shape.attrib["d"] for shape in shapes if shape.attrib.get("stroke") == "#5f7055"))
    scale = width / (terrain.ground[-1, 0] - terrain.ground[0, 0])
    moved = terrain.ground[0]
    np.testing.assert_allclose(ground[:, 0] - ground[0, 0], (terrain.ground[:, 0] - moved[0]) * scale, atol=0.11)
    np.testing.assert_allclose(ground[0, 1] - ground[:, 1], (terrain.ground[:, 1] - moved[1]) * scale, atol=0.11)
    assert len(terrain.obstacles) == paths["#66745c"].count("M")
    everything = np.vstack([_points(path) for path in paths.values()])
    assert -0.1 <= everything.min() and (everything <= [width + 0.1, height + 0.1]).all()


def _points(path: str) -> np.ndarray:
    return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), float)


def test_an_endless_terrain_has_a_small_picture() -> None:
    """A stranger's terrain of any size makes an SVG of a cell's size."""
    huge = Terrain(np.array([[0.0, -1e30], [1.0, 1e30]]))
    root = ET.fromstring(huge._repr_svg_())
    assert 420.0 >= float(root.attrib["height"])
    assert 940.0 >= float(root.attrib["width"])


def test_a_terrain_is_plotted_on_given_axes_or_new_ones() -> None:
    """Metres on both axes in one scale; the axes come back, so that more can be drawn."""
    mpl.use("agg")
    from matplotlib import pyplot

    _, (first, second) = pyplot.subplots(2)
    assert COURSE.plot(second) is second
    assert not first.lines
    np.testing.assert_array_equal(COURSE.ground.astype(float), second.lines[0].get_xydata())
    assert len(COURSE.obstacles) + 1 == len(second.patches)
    assert 1.0 == second.get_aspect()
    assert HILL.plot() is not second
    pyplot.close("all")
