"""From a CPPN to ground: heights at the course's vertices, which CPPNs are fit to walk on, and their scale."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from environments.streams import Stream
from environments.terrain.constants import TERRAIN_GRASS, TERRAIN_LENGTH, TERRAIN_STARTPAD
from environments.terrain.cppn_genes import OUTPUT_ID, ConnectionGene, NodeGene
from environments.terrain.cppn_network import evaluate

Array = NDArray[np.float64]
Nodes = tuple[NodeGene, ...]
Connections = tuple[ConnectionGene, ...]

#: A ground's amplitude in m, and the ranges into which a smaller and a larger one is brought (released code).
LEAST_AMPLITUDE, GREATEST_AMPLITUDE = 0.25, 16.0
SMALL_AMPLITUDES, LARGE_AMPLITUDES = (0.25, 0.75), (12.0, 16.0)
#: Ground whose heights differ by less than this share of the CPPN's values is flat except for rounding. Scaled to an
#: amplitude of 0.75 m, rounding errors stay below the resolution of a float32 at the start pad's height.
LEAST_SHARE = 1e-9
#: The greatest height or depth with ``released_quirks``, m, which set no bound: far below what float32 physics can
#: handle, far above what anybody climbs. The released code goes on until a number overflows.
MAX_HEIGHT = 1e6

_FIRST = TERRAIN_STARTPAD + 1  # the first vertex after the start pad
_PLACES = (np.arange(TERRAIN_LENGTH, dtype=np.float64) - TERRAIN_LENGTH / 2) / (TERRAIN_LENGTH / 2)  # -1 to 0.99
_INPUTS = _PLACES * math.pi


def cppn_heights(nodes: Nodes, connections: Connections) -> Array:
    """(200,) float64: the height of each vertex above the start pad, m: 0 up to vertex 20, f(x) - f(x_21) from there.

    Vertex i has the input x = (i - 100) / 100 pi.
    """
    return _above_start(evaluate(nodes, connections, _INPUTS))


def hold_vertices(heights: Array, stream: Stream) -> Array:
    """The heights, with every fifth to ninth vertex after the start pad set to the height of the one before it.

    The released code's state machine ends a stretch of grass there (POET.md 1.5), in a course without obstacles too.
    """
    held = heights.copy()
    vertex = TERRAIN_STARTPAD
    while vertex < TERRAIN_LENGTH:
        held[vertex] = held[vertex - 1]
        vertex += stream.integer(TERRAIN_GRASS // 2, TERRAIN_GRASS)
    return held


def fit_to_walk(nodes: Nodes, connections: Connections, stream: Stream) -> Nodes | None:
    """The nodes with the output's response such that the ground's amplitude is 0.25 to 16 m.

    The amplitude is the greatest |height| above the start pad, at the course's own vertices. A response of 1 stays if
    it gives one in range; else one of 0.25 to 0.75 m, or of 12 to 16 m, is drawn.

    Returns:
        None for a ground that is flat except for rounding, or not finite.
    """
    values = evaluate(with_response(nodes, 1.0), connections, _INPUTS)
    amplitude = _greatest(_above_start(values))
    if not amplitude > LEAST_SHARE * _greatest(values):  # also refuses NaN and infinity
        return None
    scaled = _scaled(nodes, amplitude, stream)
    if scaled is None or not LEAST_AMPLITUDE <= _greatest(cppn_heights(scaled, connections)) <= GREATEST_AMPLITUDE:
        return None
    return scaled


def fit_to_walk_as_released(nodes: Nodes, connections: Connections, stream: Stream) -> Nodes | None:
    """As ``fit_to_walk``, but by the greatest rise above the first of the inputs -1 to 0.99, as in the released code.

    The course has other inputs and another first vertex, so its amplitude may be anything. Descents are never fit.

    Returns:
        None for a CPPN that never rises there, or a ground that is not finite or beyond ``MAX_HEIGHT``.
    """
    values = evaluate(with_response(nodes, 1.0), connections, _PLACES)
    with np.errstate(invalid="ignore"):
        rise = float(np.max(values - values[0]))
    if not 0.0 < rise < math.inf:
        return None
    scaled = _scaled(nodes, rise, stream)
    if scaled is None or not _greatest(cppn_heights(scaled, connections)) <= MAX_HEIGHT:
        return None
    return scaled


def with_response(nodes: Nodes, response: float) -> Nodes:
    """The nodes with this response of the output."""
    return tuple(replace(node, response=response) if node.id == OUTPUT_ID else node for node in nodes)


def _scaled(nodes: Nodes, amplitude: float, stream: Stream) -> Nodes | None:
    """The nodes with the response that brings an amplitude at response 1 into its range; None if it is no float."""
    response = 1.0
    if amplitude < LEAST_AMPLITUDE:
        response = stream.uniform(*SMALL_AMPLITUDES) / amplitude
    elif amplitude > GREATEST_AMPLITUDE:
        response = stream.uniform(*LARGE_AMPLITUDES) / amplitude
    return None if math.isinf(response) else with_response(nodes, response)


def _above_start(values: Array) -> Array:
    """The CPPN's values at all vertices as heights above the start pad."""
    with np.errstate(invalid="ignore"):
        heights: Array = values - values[_FIRST]
    heights[:_FIRST] = 0.0
    return heights


def _greatest(numbers: Array) -> float:
    """The greatest absolute value; NaN if any value is."""
    return float(np.max(np.abs(numbers)))
