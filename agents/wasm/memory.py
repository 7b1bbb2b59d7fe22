"""Where a walker's numbers lie in the module's memory: a block of fields, the same for Python, kernels and JavaScript.

Tables whose size depends on the terrain or the policy lie elsewhere; the block has their addresses and sizes. Kernels
get the block's address, and read places from here. JavaScript gets the same places as JSON, see ``layout``.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.core import cgutils
from numba.core import types as numba_types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from environments.biped import NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE
from environments.compiled import inline_kernel
from environments.physics.constants import TOUCHING_CAPACITY
from environments.physics.layout import WORLD_SIZE
from environments.physics.lidar import RAYS_SIZE
from environments.physics.solver_layout import SOLVER_SIZE
from environments.walker.judge import NUM_READINGS

# Numba's internals have no _types.
_intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
_types: Any = numba_types
_unpack_tuple: Any = cgutils.unpack_tuple
_populate_array: Any = populate_array

_FLOAT32, _FLOAT64, _INT32, _INT64 = "float32", "float64", "int32", "int64"
_BYTES = {_FLOAT32: 4, _FLOAT64: 8, _INT32: 4, _INT64: 8}
#: The block's address, and its size, are multiples of this.
ALIGNMENT = 16


class Field(NamedTuple):
    """A field of the block.

    Attributes:
        kind: of its numbers, as NumPy calls it.
        size: how many.
        at: bytes from the beginning of the block.
    """

    kind: str
    size: int
    at: int


# The widest first, so that each is aligned.
_SIZES: dict[str, dict[str, int]] = {
    _FLOAT64: {
        "shaping": 1,  # of the latest step
        "reward": 1,  # of the latest step
        "total": 1,  # of all rewards so far
    },
    _INT64: {
        "ground_edges": 1,  # what ``fill_edges`` reads
        "num_slots": NUM_BODIES,  # see ``solve_world``
        "members": TOUCHING_CAPACITY,  # see ``solve_island``
    },
    # Each one number; those that end in ``_at`` are addresses of tables.
    _INT32: dict.fromkeys(
        (
            "num_steps",
            "max_steps",
            "outcome",
            "num_edges",
            "ground_at",
            "edges_at",
            "num_polygons",
            "num_points",
            "polygon_columns",
            "points_at",
            "point_counts_at",
            "polygons_at",
            "num_parameters",
            "theta_at",
            "shape_size",
            "shape_at",
            "state_size",
            "state_at",
            "scratch_rows",
            "scratch_columns",
            "scratch_at",
        ),
        1,
    ),
    _FLOAT32: {
        "push": 1,  # N
        "action": NUM_JOINTS,
        "observation": OBSERVATION_SIZE,
        "readings": NUM_READINGS,
        "rays": RAYS_SIZE,
        "world": WORLD_SIZE,
        "m": SOLVER_SIZE,
        "slots": SOLVER_SIZE,
    },
}


def _fields() -> dict[str, Field]:
    fields, at = dict[str, Field](), 0
    for kind, sizes in _SIZES.items():
        for name, size in sizes.items():
            fields[name] = Field(kind, size, at)
            at += size * _BYTES[kind]
    return fields


#: Every field, in the order of places.
FIELDS = _fields()
_last = list(FIELDS.values())[-1]
#: Bytes.
BLOCK_SIZE = -(-(_last.at + _last.size * _BYTES[_last.kind]) // ALIGNMENT) * ALIGNMENT

_Places: Any = namedtuple("_Places", list(FIELDS))  # type: ignore[misc]
#: The place of each field in bytes, for kernels: ``AT.world``.
AT: Any = _Places(*(field.at for field in FIELDS.values()))


def _view(kind: Any, num_axes: int) -> Any:
    """For kernels: a function that takes an address and the size of each axis, all int64, and gives the array there."""
    array_type = _types.Array(kind, num_axes, "C")

    @_intrinsic
    def view(typing_context: Any, address: Any, sizes: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(array_type)(context, builder)
            pointer = builder.inttoptr(arguments[0], context.get_data_type(kind).as_pointer())
            shape = _unpack_tuple(builder, arguments[1])
            item_size = context.get_constant(_types.intp, kind.bitwidth // 8)
            strides = [item_size]
            for size in shape[:0:-1]:
                strides.insert(0, builder.mul(strides[0], size))
            _populate_array(array, pointer, shape, strides, item_size, meminfo=None)
            return array._getvalue()

        return array_type(_types.int64, _types.UniTuple(_types.int64, num_axes)), generate

    return view


# For kernels: ``float32_at(address, (size,))`` is the array of that size at that address.
float32_at, float64_at = _view(_types.float32, 1), _view(_types.float64, 1)
int32_at, int64_at = _view(_types.int32, 1), _view(_types.int64, 1)
#: ``table_at(address, (rows, columns))``, float32.
table_at = _view(_types.float32, 2)


@inline_kernel
def number_at(address):  # type: ignore[no-untyped-def]
    """The int32 at an address, as int64."""
    return np.int64(int32_at(address, (1,))[0])
