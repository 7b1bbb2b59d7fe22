"""What a CPPN computes: as neat-python 0.92 has it, but over all inputs at once, the same bits on every machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from environments.terrain.cppn_genes import INPUT_ID, OUTPUT_ID, ConnectionGene, NodeGene
from environments.terrain.elementary import sigmoid, sine, tanh

Array = NDArray[np.float64]

#: Bound of a scaled sum in sin, tanh and sigmoid (neat-python 0.92, ``activations.py``).
SATURATION = 60.0


def _clamped(z: Array) -> Array:
    return np.clip(z, -SATURATION, SATURATION)


#: A node's function of its sum; the scalings are neat-python 0.92's.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "sin": lambda z: sine(_clamped(5.0 * z)),
    "sigmoid": lambda z: sigmoid(_clamped(5.0 * z)),
    "square": lambda z: z * z,
    "tanh": lambda z: tanh(_clamped(2.5 * z)),
}


def evaluate(nodes: Sequence[NodeGene], connections: Sequence[ConnectionGene], inputs: Array) -> Array:
    """The output node's value at each input.

    Inputs of a node are summed in the order of ``connections``. A node without an enabled connection to it has no
    value, and neither has a node with such a source. An output without a value is 0. (neat-python 0.92 evaluates a
    node once all of its sources are evaluated.)

    Args:
        nodes, connections: an acyclic network.
        inputs: (X,) the input node's values.

    Returns:
        (X,) float64; not finite where numbers overflow.
    """
    enabled = [gene for gene in connections if gene.is_enabled]
    incoming = {node.id: [gene for gene in enabled if gene.target == node.id] for node in nodes}
    waiting = [node for node in nodes if incoming[node.id]]
    values = {INPUT_ID: inputs}
    with np.errstate(over="ignore", invalid="ignore"):
        while ready := [node for node in waiting if all(gene.source in values for gene in incoming[node.id])]:
            for node in ready:
                total = np.zeros_like(inputs)
                for gene in incoming[node.id]:
                    total = total + gene.weight * values[gene.source]
                values[node.id] = ACTIVATIONS[node.activation](node.bias + node.response * total)
            waiting = [node for node in waiting if node.id not in values]
    return values.get(OUTPUT_ID, np.zeros_like(inputs))
