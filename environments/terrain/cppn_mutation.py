"""How a CPPN mutates: NEAT as neat-python 0.92 has it, with the numbers of the released code's ``config-cppn``.

Connections are neither added nor deleted by themselves, nor enabled again; responses and activations do not mutate. So
every network is one edge, split again and again, with some nodes taken out.
"""

from __future__ import annotations

from dataclasses import replace

from environments.streams import Stream
from environments.terrain.cppn_genes import (
    ACTIVATION_NAMES,
    GENE_LIMIT,
    INPUT_ID,
    OUTPUT_ID,
    ConnectionGene,
    NodeGene,
    in_order,
)
from environments.terrain.elementary import normal

Nodes = tuple[NodeGene, ...]
Connections = tuple[ConnectionGene, ...]

#: Standard deviations of first biases and weights (``bias_init_stdev``, ``weight_init_stdev``).
FIRST_BIAS_STD, FIRST_WEIGHT_STD = 0.1, 0.25
#: How likely a child gains a node, or loses one; never both (``single_structural_mutation``).
ADD_NODE, DELETE_NODE = 0.1, 0.075
#: How likely each weight and each bias moves, and the standard deviation of the move.
MOVE_RATE, MOVE_STD = 0.75, 0.1


def first_network(stream: Stream) -> tuple[Nodes, Connections]:
    """The input connected to an output that is the identity: a straight slope, its bias drawn before its weight."""
    bias = _clamped(normal(stream, FIRST_BIAS_STD))
    weight = _clamped(normal(stream, FIRST_WEIGHT_STD))
    return (NodeGene(OUTPUT_ID, bias, 1.0, "identity"),), (ConnectionGene(INPUT_ID, OUTPUT_ID, weight, True),)


def mutate_network(nodes: Nodes, connections: Connections, stream: Stream) -> tuple[Nodes, Connections]:
    """One mutation: a node may be added or removed; then each weight and each bias, even a new one, may move.

    Genes come in order of id, and of source and target; draws are made and genes returned in that order.
    """
    draw = stream.uniform()
    if draw < ADD_NODE:
        nodes, connections = _with_node(nodes, connections, stream)
    elif draw < ADD_NODE + DELETE_NODE:
        nodes, connections = _without_node(nodes, connections, stream)
    connections = tuple(replace(gene, weight=_moved(gene.weight, stream)) for gene in connections)
    nodes = tuple(replace(node, bias=_moved(node.bias, stream)) for node in nodes)
    return nodes, connections


def _with_node(nodes: Nodes, connections: Connections, stream: Stream) -> tuple[Nodes, Connections]:
    """Split any connection, enabled or not, which disables it: a weight of 1 leads to the new node, its own from it."""
    split = stream.choice(connections)
    bias = _clamped(normal(stream, FIRST_BIAS_STD))
    new = NodeGene(max(node.id for node in nodes) + 1, bias, 1.0, stream.choice(ACTIVATION_NAMES))
    kept = (replace(gene, is_enabled=False) if gene is split else gene for gene in connections)
    halves = (
        ConnectionGene(split.source, new.id, 1.0, True),
        ConnectionGene(new.id, split.target, split.weight, True),
    )
    return (*nodes, new), in_order((*kept, *halves))


def _without_node(nodes: Nodes, connections: Connections, stream: Stream) -> tuple[Nodes, Connections]:
    """Take out any hidden node with its connections, if there is one."""
    hidden = [node.id for node in nodes if node.id != OUTPUT_ID]
    if not hidden:
        return nodes, connections
    gone = stream.choice(hidden)
    return (
        tuple(node for node in nodes if node.id != gone),
        tuple(gene for gene in connections if gone not in (gene.source, gene.target)),
    )


def _moved(value: float, stream: Stream) -> float:
    return _clamped(value + normal(stream, MOVE_STD)) if stream.uniform() < MOVE_RATE else value


def _clamped(value: float) -> float:
    return max(-GENE_LIMIT, min(GENE_LIMIT, value))
