"""What a CPPN is made of: nodes and connections, and which of them make a network."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from environments.errors import InputError, check_name

#: The node that is the input, which has no gene, and the one that is the output (neat-python 0.92).
INPUT_ID, OUTPUT_ID = -1, 0
#: Weights and biases stay within -10 to 10 (released code, ``config-cppn``).
GENE_LIMIT = 10.0
#: The functions that a node may have, in the order in which a new node draws one (released code, ``config-cppn``).
ACTIVATION_NAMES = ("identity", "sin", "sigmoid", "square", "tanh")


@dataclass(frozen=True)
class NodeGene:
    """A node: activation(bias + response * sum of weighted inputs).

    Attributes:
        id: 0 for the output, from 1 for hidden nodes.
        bias: -10 to 10.
        response: any finite number. Mutation leaves 1 in hidden nodes; the output's scales the terrain.
        activation: one of ``ACTIVATION_NAMES``; the output's is ``"identity"``.

    Raises:
        InputError: a value out of its range.
    """

    id: int
    bias: float
    response: float
    activation: str

    def __post_init__(self) -> None:
        """Check every value and give it its canonical type."""
        _check_id("node", "id", self.id, least=OUTPUT_ID)
        what = f"CPPN node {self.id}"
        object.__setattr__(self, "bias", _number(f"{what}: bias", self.bias, GENE_LIMIT))
        object.__setattr__(self, "response", _number(f"{what}: response", self.response))
        check_name(f"{what}: activation", str(self.activation), ACTIVATION_NAMES)
        if self.id == OUTPUT_ID and self.activation != "identity":
            raise InputError(f"{what}, the output, must have the activation 'identity', found {self.activation!r}")


@dataclass(frozen=True)
class ConnectionGene:
    """A connection. A disabled one carries nothing, but may be split again.

    Attributes:
        source: -1 for the input, or a hidden node's id.
        target: a node's id.
        weight: -10 to 10.
        is_enabled: whether it carries a signal.

    Raises:
        InputError: a value out of its range.
    """

    source: int
    target: int
    weight: float
    is_enabled: bool

    def __post_init__(self) -> None:
        """Check every value and give it its canonical type."""
        _check_id("connection", "source", self.source, least=INPUT_ID)
        _check_id("connection", "target", self.target, least=OUTPUT_ID)
        what = f"CPPN connection {self.source} to {self.target}"
        object.__setattr__(self, "weight", _number(f"{what}: weight", self.weight, GENE_LIMIT))
        if not isinstance(self.is_enabled, bool):
            raise InputError(f"{what}: is_enabled must be true or false, found {self.is_enabled!r}")


def check_network(nodes: Sequence[NodeGene], connections: Sequence[ConnectionGene]) -> None:
    """Check that genes fit together; connections count whether they are enabled or not.

    Raises:
        InputError: no output node, two genes for one thing, a connection from or to a node that is not there, a cycle,
            or no way from the input to the output.
    """
    ids = [node.id for node in nodes]
    pairs = [(gene.source, gene.target) for gene in connections]
    for what, keys in (("node", ids), ("connection", pairs)):
        twice = [key for i, key in enumerate(keys) if key in keys[:i]]
        if twice:
            raise InputError(f"a CPPN has one gene for each {what}, found two for {twice[0]}: leave one out")
    if OUTPUT_ID not in ids:
        raise InputError(f"a CPPN has the output node {OUTPUT_ID}, found the nodes {ids}")
    for source, target in pairs:
        for end in {source, target} - {INPUT_ID, *ids}:
            raise InputError(
                f"CPPN connection {source} to {target}: there is no node {end}, found the nodes {sorted(ids)}"
            )
    if cycle := _on_cycles(ids, pairs):
        raise InputError(f"a CPPN has no cycles, found one among the nodes {cycle}")
    if not has_path(pairs):
        raise InputError(f"a CPPN leads from the input {INPUT_ID} to the output {OUTPUT_ID}, found {pairs}")


def in_order(connections: Iterable[ConnectionGene]) -> tuple[ConnectionGene, ...]:
    """Connections by source, then target."""
    return tuple(sorted(connections, key=lambda gene: (gene.source, gene.target)))


def has_path(pairs: Sequence[tuple[int, int]]) -> bool:
    """Whether connections (source, target) lead from the input to the output."""
    reached, found = {INPUT_ID}, {INPUT_ID}
    while found:
        found = {target for source, target in pairs if source in found} - reached
        reached |= found
    return OUTPUT_ID in reached


def _on_cycles(ids: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """What is left after nodes without sources are removed again and again: cycles and what follows them."""
    left = set(ids)
    while free := left - {target for source, target in pairs if source in left and target in left}:
        left -= free
    return sorted(left)


def _check_id(what: str, name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"a CPPN {what}'s {name} must be a whole number from {least} on, found {value!r}")


def _number(name: str, value: object, limit: float = sys.float_info.max) -> float:
    """``value`` as a float, zero without a sign."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
        bounds = "finite" if limit == sys.float_info.max else f"from {-limit:g} to {limit:g}"
        raise InputError(f"{name} must be a number, {bounds}, found {value!r:.60}")
    return float(value) + 0.0
