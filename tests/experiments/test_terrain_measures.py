"""Measures of terrains: by hand on small courses, against slow twins, and by what must not change them."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.terrain.constants import TERRAIN_STEP
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from experiments.analysis.terrain_measures import (
    FOOT_WIDTH,
    HOLLOW_DEPTH,
    REACH,
    RELIEF_WINDOW,
    SAMPLE_SPACING,
    largest_step,
    measure_terrain,
    relief,
    slope_spectrum,
    total_variation,
    upper_envelope,
    walked_profile,
    widest_hollow,
)
from tests.naive_measures import naive_height, naive_largest_step, naive_power, naive_relief

FLAT = ((0.0, 1.0), (20.0, 1.0))
#: How many samples a course of 20 m has: a third of a terrain step (14/30 m) apart, 128.57 of them, rounded.
NUM_SAMPLES = 129


def terrain(ground: tuple[tuple[float, float], ...], *obstacles: list[tuple[float, float]]) -> Terrain:
    """A course of a few vertices."""
    return Terrain(np.array(ground, np.float32), tuple(np.array(polygon, np.float32) for polygon in obstacles))


def box(left: float, right: float, bottom: float, top: float) -> list[tuple[float, float]]:
    """A rectangle, clockwise from the upper left corner."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


#: A pit as ``generate_course`` lays it: two walls, the ground dips under them.
PIT = terrain(
    ((0.0, 1.0), (5.0, 1.0), (5.5, -1.0), (7.5, -1.0), (8.0, 1.0), (20.0, 1.0)),
    box(5.0, 5.5, -1.0, 1.0),
    box(7.25, 8.0, -1.0, 1.0),
)

courses = st.builds(
    lambda roughness, gap, stump, stair, steps, seed: ObstacleGenotype(
        roughness, (0.0, gap), (0.0, stump), (0.0, stair), (1, steps)
    ).express(seed),
    st.floats(0.0, 10.0),
    st.floats(0.8, 10.0),
    st.floats(0.4, 5.0),
    st.floats(0.4, 3.0),
    st.integers(1, 5),
    st.integers(0, 10**6),
)


def test_flat_ground_has_nothing() -> None:
    """Every measure is 0, but for the two that speak of a spectrum without power."""
    measured = measure_terrain(ObstacleGenotype().express(0))

    assert [0.0] * 9 == list(astuple(measured)[:9])
    assert math.isnan(measured.spectral_centroid)
    assert math.isnan(measured.spectral_entropy)


def test_a_ramp_is_variation_and_one_long_wave() -> None:
    """A slope of 0.2 rises 0.2 m a metre, and by 0.2 times the reach in one step; it has neither bumps nor hollows."""
    measured = measure_terrain(terrain(((0.0, 0.0), (16.0, 3.2))))

    assert pytest.approx(0.2) == measured.variation
    assert pytest.approx(0.2 * REACH, abs=1e-5) == measured.largest_step
    assert pytest.approx(0.0, abs=1e-12) == measured.relief
    assert pytest.approx(0.04) == measured.slope_power == pytest.approx(measured.power_over_8m)
    assert pytest.approx(0.0, abs=1e-9) == measured.spectral_centroid
    assert pytest.approx(0.0, abs=1e-9) == measured.spectral_entropy


def test_a_stump_is_a_rise_and_a_fall() -> None:
    """One of 1.5 m on 20 m: 3 m up and down, a step of its height, relief where it stands, two steep slopes."""
    stump = terrain(FLAT, box(5.25, 6.25, 1.0, 2.5))
    measured = measure_terrain(stump)
    spacing = 20.0 / NUM_SAMPLES
    num_on_top = sum(5.25 < (i + 0.5) * spacing < 6.25 for i in range(NUM_SAMPLES))

    assert [[0, 1], [5.25, 1], [5.25, 2.5], [6.25, 2.5], [6.25, 1], [20, 1]] == walked_profile(stump).tolist()
    assert pytest.approx(3.0 / 20.0) == measured.variation
    assert measured.largest_step == 1.5
    assert pytest.approx(1.5 * num_on_top / NUM_SAMPLES) == measured.relief
    assert pytest.approx(2 * (1.5 / spacing) ** 2 / (NUM_SAMPLES - 1)) == measured.slope_power
    assert measured.widest_hollow == 0.0


def test_a_pit_is_cut_between_the_inner_edges_of_its_walls() -> None:
    """The ground below the walls is out of reach: down 2 m where one wall ends, up 2 m where the other begins."""
    measured = measure_terrain(PIT)

    pit = [[5.5, 1], [5.5, -1], [7.25, -1], [7.25, 1]]
    assert [[0, 1], [5, 1], *pit, [7.5, 1], [8, 1], [20, 1]] == walked_profile(PIT).tolist()
    assert pytest.approx(4.0 / 20.0) == measured.variation
    assert measured.largest_step == 2.0
    num_in_pit = sum(5.5 < (i + 0.5) * 20.0 / NUM_SAMPLES < 7.25 for i in range(NUM_SAMPLES))
    assert pytest.approx(2.0 * num_in_pit / NUM_SAMPLES) == measured.relief
    assert pytest.approx(20.0 / NUM_SAMPLES * num_in_pit) == measured.widest_hollow


def test_a_hollow_wider_than_the_window_is_no_relief() -> None:
    """A valley with steep sides counts in variation; relief speaks of what a walker has to get over."""
    narrow, wide = (
        terrain(((0.0, 1.0), (5.0, 1.0), (5.01, 0.0), (5.0 + width, 0.0), (5.01 + width, 1.0), (20.0, 1.0)))
        for width in (0.9 * RELIEF_WINDOW, 1.2 * RELIEF_WINDOW)
    )

    assert pytest.approx(0.9 * RELIEF_WINDOW / 20.0, rel=0.05) == measure_terrain(narrow).relief
    assert pytest.approx(0.0, abs=1e-12) == measure_terrain(wide).relief


def test_a_stairs_step_is_what_a_foot_has_to_climb() -> None:
    """Two steps farther apart than the reach are two steps; nearer ones are one."""
    for width, height in ((REACH + 0.01, 0.3), (REACH - 0.01, 0.6)):
        stairs = terrain(FLAT, box(5.0, 9.0, 1.0, 1.3), box(5.0 + width, 9.0 - width, 1.3, 1.6))
        assert pytest.approx(height, abs=1e-5) == measure_terrain(stairs).largest_step


@pytest.mark.parametrize(
    ("wavelength", "band"),
    [(16.0, "power_over_8m"), (6.0, "power_4_to_8m"), (3.0, "power_2_to_4m"), (1.5, "power_under_2m")],
)
def test_a_sine_has_its_power_at_its_wavelength(wavelength: float, band: str) -> None:
    """The spectrum's peak and centroid lie at one over the wavelength, nearly all power in its band."""
    x = np.linspace(0.0, 96.0, 2401)
    wave = Terrain(np.column_stack([x, 0.5 * np.sin(2.0 * np.pi * x / wavelength)]).astype(np.float32))
    wave_numbers, power = slope_spectrum(walked_profile(wave))
    measured = measure_terrain(wave)

    assert pytest.approx(1.0 / wavelength, abs=1.0 / 96.0) == wave_numbers[np.argmax(power)]
    assert getattr(measured, band) > 0.97 * measured.slope_power
    assert pytest.approx(1.0 / wavelength, rel=0.1) == measured.spectral_centroid
    # A difference over d knows a sine less by sin(pi d / wavelength) / (pi d / wavelength).
    damping = np.sinc(SAMPLE_SPACING / wavelength)
    assert pytest.approx(0.5 * (np.pi / wavelength * damping) ** 2, rel=0.02) == measured.slope_power


def test_entropy_tells_one_wave_from_noise() -> None:
    """Low for a sine, high for stumps and pits, whose walls have waves of every length."""
    x = np.linspace(0.0, 93.0, 2401)
    sine = Terrain(np.column_stack([x, np.sin(2.0 * np.pi * x / 9.3)]).astype(np.float32))
    walls = ObstacleGenotype(pit_gap=(0.0, 3.0), stump_height=(1.0, 3.0)).express(1)

    assert measure_terrain(sine).spectral_entropy < 0.2
    assert measure_terrain(walls).spectral_entropy > 0.8


def test_obstacles_may_overlap_lean_and_sink_into_the_ground() -> None:
    """The envelope follows the topmost line: two triangles that cross, on a slope that covers the foot of one."""
    heap = terrain(
        ((0.0, 0.0), (4.0, 1.0), (10.0, 1.0)),
        [(1.0, 0.0), (5.0, 0.0), (3.0, 3.0)],
        [(3.0, 0.0), (4.5, 2.75), (7.0, 0.0)],
        box(9.0, 12.0, 0.0, 1.5),
    )
    profile = walked_profile(heap)

    for x in np.linspace(0.0123, 9.987, 301):
        assert pytest.approx(naive_height(heap, x)) == np.interp(x, profile[:, 0], profile[:, 1])
    assert (0.0, 10.0) == (profile[0, 0], profile[-1, 0])


@settings(max_examples=20)
@given(courses)
def test_the_profile_is_the_upper_envelope(course: Terrain) -> None:
    """Between vertices it is as high as the highest of ground and obstacles; it goes right, and up or down on walls."""
    profile = upper_envelope(course)
    vertices = np.unique(np.concatenate([profile[:, 0], *(polygon[:, 0] for polygon in course.obstacles)]))
    vertices = vertices[vertices <= profile[-1, 0]]
    gaps = np.flatnonzero(np.diff(vertices) > 1e-3)

    assert (np.diff(profile[:, 0]) >= 0.0).all()
    for i in gaps[:: max(1, len(gaps) // 20)]:
        x = float(vertices[i] + vertices[i + 1]) / 2
        assert pytest.approx(naive_height(course, x), abs=1e-6) == np.interp(x, profile[:, 0], profile[:, 1])


@settings(max_examples=15)
@given(courses, st.integers(0, 150))
def test_the_largest_step_is_that_of_all_pairs(course: Terrain, start: int) -> None:
    """As a search through all pairs of places finds it."""
    profile = walked_profile(course)[start : start + 25]

    assert pytest.approx(naive_largest_step(profile.tolist(), REACH), abs=1e-5) == largest_step(profile)


@settings(max_examples=10)
@given(courses)
def test_relief_is_closing_minus_opening(course: Terrain) -> None:
    """As loops over windows find it, on samples in the middle of equal stretches."""
    profile = walked_profile(course)
    profile = profile[: int(np.searchsorted(profile[:, 0], 25.0))]
    start, length = profile[0, 0], profile[-1, 0] - profile[0, 0]
    count = round(length / SAMPLE_SPACING)
    places = [start + (i + 0.5) * length / count for i in range(count)]
    heights = [float(np.interp(place, profile[:, 0], profile[:, 1])) for place in places]

    # The window has ten terrain steps of three samples: 30 on it, or one more; it must reach beyond them.
    reach = int(30 * TERRAIN_STEP / 3 / (length / count) / 2) + 1
    assert pytest.approx(naive_relief(heights, reach)) == relief(profile)


@given(st.lists(st.floats(-2.0, 2.0, width=32), min_size=4, max_size=40))
def test_the_spectrum_is_the_fourier_transform_of_slopes(heights: list[float]) -> None:
    """Wave by wave as by definition; all waves together are the mean square slope."""
    x = np.arange(len(heights)) * SAMPLE_SPACING
    profile = np.column_stack([x, heights])
    count = max(2, round(x[-1] / SAMPLE_SPACING))
    spacing = x[-1] / count
    sampled = np.interp((np.arange(count) + 0.5) * spacing, x, heights)
    slopes = np.diff(sampled) / spacing
    wave_numbers, power = slope_spectrum(profile)

    assert pytest.approx(naive_power(slopes.tolist()), abs=1e-9) == power.tolist()
    assert pytest.approx(float((slopes * slopes).mean())) == float(power.sum())
    assert pytest.approx([k / (len(slopes) * spacing) for k in range(len(power))]) == wave_numbers.tolist()


def moved(course: Terrain, scale: tuple[float, float], shift: tuple[float, float]) -> Terrain:
    """Every vertex times ``scale``, plus ``shift``; a mirrored ground is turned round."""

    def place(vertices: np.ndarray) -> np.ndarray:
        return (vertices.astype(np.float64) * scale + shift).astype(np.float32)

    ground = place(course.ground)
    return Terrain(ground if scale[0] > 0 else ground[::-1], tuple(place(polygon) for polygon in course.obstacles))


@settings(max_examples=20)
@given(courses, st.sampled_from([-16.0, 4.0, 32.0]), st.sampled_from([-8.0, 0.5, 64.0]))
def test_measures_do_not_depend_on_where_a_course_lies(course: Terrain, right: float, up: float) -> None:
    """Shifted right and up, nothing changes but the last digits of float32."""
    assert pytest.approx(astuple(measure_terrain(course)), rel=2e-3, abs=2e-3, nan_ok=True) == astuple(
        measure_terrain(moved(course, (1.0, 1.0), (right, up)))
    )


@settings(max_examples=20)
@given(courses)
def test_a_course_is_as_hard_from_right_to_left(course: Terrain) -> None:
    """Mirroring changes nothing: up and down count the same."""
    end = float(course.ground[-1, 0])

    assert pytest.approx(astuple(measure_terrain(course)), rel=2e-3, abs=2e-3, nan_ok=True) == astuple(
        measure_terrain(moved(course, (-1.0, 1.0), (end, 0.0)))
    )


@settings(max_examples=20)
@given(courses)
def test_measures_scale_with_height(course: Terrain) -> None:
    """Twice as high: lengths double, power is four times as much, its distribution stays."""
    once, twice = measure_terrain(course), measure_terrain(moved(course, (1.0, 2.0), (0.0, 0.0)))
    doubled = {name: 2.0 * getattr(once, name) for name in ("variation", "largest_step", "relief")}
    doubled["widest_hollow"] = twice.widest_hollow  # deep is what is 0.5 m deep: a hollow may become one
    power = {name: 4.0 * getattr(once, name) for name in vars(once) if "power" in name}

    assert pytest.approx(astuple(replace(once, **doubled, **power)), abs=2e-5, nan_ok=True) == astuple(twice)


@settings(max_examples=20)
@given(courses)
def test_variation_is_no_less_than_what_lies_between_top_and_bottom(course: Terrain) -> None:
    """Whoever comes from the lowest to the highest point climbs that much; bands add up to all power."""
    profile = walked_profile(course)
    measured = measure_terrain(course)
    length = profile[-1, 0] - profile[0, 0]

    assert total_variation(profile) * length >= np.ptp(profile[:, 1]) - 1e-9
    bands = (measured.power_over_8m, measured.power_4_to_8m, measured.power_2_to_4m, measured.power_under_2m)
    assert pytest.approx(sum(bands)) == measured.slope_power


@pytest.mark.parametrize(("width", "is_crack"), [(0.02, True), (FOOT_WIDTH - 0.01, True), (FOOT_WIDTH + 0.01, False)])
def test_a_crack_that_no_foot_can_enter_is_none(width: float, is_crack: bool) -> None:
    """Between walls less than 0.2133 m apart, a lower leg's width, the ground goes on at the lower rim's height."""
    assert pytest.approx(0.8 * 8 / 30) == FOOT_WIDTH
    pit = terrain(
        ((0.0, 1.0), (5.0, 1.0), (5.25, -1.0), (5.75 + width, -1.0), (6.0 + width, 1.0), (20.0, 1.0)),
        box(5.0, 5.5, -1.0, 1.0),
        box(5.5 + width, 6.0 + width, -1.0, 1.25),
    )
    measured = measure_terrain(pit)

    assert measured.largest_step == (0.25 if is_crack else 2.25)
    assert (measured.widest_hollow == 0.0) == is_crack
    rises_and_falls = 0.5 if is_crack else 2.0 + 2.25 + 0.25
    assert pytest.approx(rises_and_falls / 20.0) == measured.variation


def test_measures_of_pits_by_the_width_of_the_gap() -> None:
    """Wider gaps: a wider hollow and more relief, the same step; fewer walls, so less variation and slope power."""
    by_gap = []
    for gap in (0.6, 1.5, 3.0, 6.0, 10.0):
        courses_of_one = [measure_terrain(ObstacleGenotype(pit_gap=(gap, gap)).express(seed)) for seed in range(10)]
        assert all(abs(one.widest_hollow - gap * TERRAIN_STEP) <= SAMPLE_SPACING for one in courses_of_one)
        by_gap.append(np.mean([astuple(one)[:5] for one in courses_of_one], axis=0))
    variation, step, relief_, hollow, power = np.array(by_gap).T

    assert (np.diff(relief_) > 0.0).all()
    assert (np.diff(hollow) > 0.0).all()
    assert pytest.approx([4 * TERRAIN_STEP] * 5, abs=1e-4) == step.tolist()
    assert (np.diff(variation) < 0.0).all()
    assert (np.diff(power) < 0.0).all()


@pytest.mark.parametrize(("depth", "width"), [(HOLLOW_DEPTH - 0.01, 0.0), (HOLLOW_DEPTH + 0.01, 2.0)])
def test_a_hollow_counts_from_half_a_metre_on(depth: float, width: float) -> None:
    """A shallow one is none; one wider than the window is a valley, however deep."""
    hollow = terrain(((0.0, 1.0), (5.0, 1.0), (5.001, 1 - depth), (7.0, 1 - depth), (7.001, 1.0), (20.0, 1.0)))
    valley = terrain(((0.0, 9.0), (5.0, 9.0), (5.1, 1.0), (11.0, 1.0), (11.1, 9.0), (20.0, 9.0)))

    assert pytest.approx(width, abs=20.0 / NUM_SAMPLES) == widest_hollow(walked_profile(hollow))
    assert widest_hollow(walked_profile(valley)) == 0.0
