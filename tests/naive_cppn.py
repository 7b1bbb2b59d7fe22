"""Slow twins of the CPPN terrains: one place at a time, in libm's arithmetic; graphs taken apart edge by edge."""

from __future__ import annotations

import math
from collections.abc import Sequence

from environments.terrain.cppn_genes import ConnectionGene, NodeGene

#: Activations as neat-python 0.92 has them.
NAIVE_ACTIVATIONS = {
    "identity": lambda z: z,
    "sin": lambda z: math.sin(max(-60.0, min(60.0, 5.0 * z))),
    "sigmoid": lambda z: 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, 5.0 * z)))),
    "square": lambda z: z * z,
    "tanh": lambda z: math.tanh(max(-60.0, min(60.0, 2.5 * z))),
}


def naive_cppn(nodes: Sequence[NodeGene], connections: Sequence[ConnectionGene], x: float) -> float:
    """The output at ``x``; 0 where it depends on a node that no enabled connection leads to."""
    value = _node_value(0, nodes, connections, x)
    return 0.0 if value is None else value


def _node_value(
    node_id: int, nodes: Sequence[NodeGene], connections: Sequence[ConnectionGene], x: float
) -> float | None:
    if node_id == -1:
        return x
    (node,) = (node for node in nodes if node.id == node_id)
    incoming = [gene for gene in connections if gene.target == node_id and gene.is_enabled]
    values = [_node_value(gene.source, nodes, connections, x) for gene in incoming]
    if not values or None in values:
        return None
    total = 0.0
    for gene, value in zip(incoming, values, strict=True):
        total += gene.weight * (value or 0.0)
    return NAIVE_ACTIVATIONS[node.activation](node.bias + node.response * total)


def naive_heights(nodes: Sequence[NodeGene], connections: Sequence[ConnectionGene]) -> list[float]:
    """Heights above the start pad by the formula of POET.md 1.7, m."""
    middle = 200 * 14 / 30 / 2
    values = [naive_cppn(nodes, connections, (i * 14 / 30 - middle) * math.pi / middle) for i in range(200)]
    return [0.0 if i <= 20 else values[i] - values[21] for i in range(200)]


def is_series_parallel(pairs: Sequence[tuple[int, int]]) -> bool:
    """Whether edges (source, target) are one edge from -1 to 0 that was split again and again.

    Nodes that lead nowhere or come from nowhere do not count: taking out a node leaves such ones.
    """
    edges = list(pairs)
    while True:
        sources, targets = [a for a, _ in edges], [b for _, b in edges]
        inner = {*sources, *targets} - {-1, 0}
        dead = next((n for n in inner if n not in sources or n not in targets), None)
        passed = next((n for n in inner if sources.count(n) == 1 == targets.count(n)), None)
        if len(set(edges)) < len(edges):
            edges = list(set(edges))
        elif dead is not None:
            edges = [edge for edge in edges if dead not in edge]
        elif passed is not None:
            ((before, _),) = (edge for edge in edges if edge[1] == passed)
            ((_, after),) = (edge for edge in edges if edge[0] == passed)
            edges = [*(edge for edge in edges if passed not in edge), (before, after)]
        else:
            return edges == [(-1, 0)]
