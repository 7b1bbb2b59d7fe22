"""The WebAssembly module in wasmtime: what ``walker.mjs`` does in a page; every byte that nobody wrote is poisoned."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import NDArray

from agents import wasm
from agents.policies.base import AbstractPolicy
from agents.wasm.linking import PAGE, STACK_SIZE
from environments.biped import OBSERVATION_SIZE
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON
from tests.parity.compare import MakeWorlds

_LAYOUT = wasm.read_layout()
_POISON = 0xFF  # not a number, and -1
#: What means nothing before a step, so that it may hold anything.
_SCRATCH = ("m", "slots", "num_slots", "members", "readings", "rays", "reward")


def engine() -> wasmtime.Engine:
    """An engine without vectors: a module that has any does not compile."""
    config = wasmtime.Config()
    config.wasm_relaxed_simd = config.wasm_simd = False
    return wasmtime.Engine(config)


@cache
def compiled(code: bytes) -> tuple[wasmtime.Engine, wasmtime.Module]:
    """A module, compiled once, and its engine."""
    host = engine()
    return host, wasmtime.Module(host, code)


def _unwritten(size: int) -> NDArray[np.float32]:
    return np.full(size, np.nan, np.float32)


class WasmWalker:
    """A walker in an instance of its own.

    Args:
        terrain: what it walks on.
        policy, theta: who acts; without them the actions are the caller's.
        code: the module; None for the committed one.

    Attributes:
        fields: arrays in the module's memory, by name.
    """

    def __init__(
        self,
        terrain: Terrain,
        policy: AbstractPolicy | None = None,
        theta: NDArray[np.float32] | None = None,
        code: bytes | None = None,
    ) -> None:
        host, module = compiled(code or wasm.read_module())
        self._store = wasmtime.Store(host)
        exports: Any = wasmtime.Instance(self._store, module, []).exports(self._store)
        self._exports, self.memory = exports, exports["memory"]
        self.heap_base = int(exports["heap_base"].value(self._store))
        self._kind = policy.kind if policy else None
        self._lay(terrain, wasm.policy_record(policy) if policy else None, theta)

    def _lay(self, terrain: Terrain, policy: dict[str, Any] | None, theta: NDArray[np.float32] | None) -> None:
        counts = np.array([len(polygon) for polygon in terrain.obstacles], np.int64)
        columns = _LAYOUT["polygon_columns"] + _LAYOUT["vertex_columns"] * int(counts.max(initial=0))
        num_edges = len(terrain.ground) - 1
        rows, width = policy["scratch_shape"] if policy else (0, 0)
        tables = {
            "ground_at": terrain.ground,
            "edges_at": _unwritten(num_edges * _LAYOUT["edge_columns"]),
            "points_at": np.concatenate([np.zeros((0, 2), np.float32), *terrain.obstacles]),
            "point_counts_at": counts,
            "polygons_at": _unwritten(counts.size * columns),
            "theta_at": _unwritten(0) if theta is None else theta,
            "shape_at": np.array(policy["shape"] if policy else [], np.int64),
            "state_at": _unwritten(policy["state_size"] if policy else 0),
            "scratch_at": _unwritten(rows * width),
        }
        sizes = {"num_edges": num_edges, "num_polygons": counts.size, "num_points": counts.sum()}
        sizes |= {"polygon_columns": columns, "scratch_rows": rows, "scratch_columns": width}
        sizes |= {"num_parameters": tables["theta_at"].size, "shape_size": tables["shape_at"].size}
        sizes |= {"state_size": tables["state_at"].size}
        top = self.heap_base + _LAYOUT["block_size"]
        for name, table in tables.items():
            sizes[name] = top
            top += -(-table.nbytes // 16) * 16
        missing = top - self.memory.data_len(self._store)
        if missing > 0:
            self.memory.grow(self._store, -(-missing // PAGE))
        memory = self._bytes()
        memory[self.heap_base :] = _POISON
        self.fields = {name: self._field(memory, **field) for name, field in _LAYOUT["fields"].items()}
        for name, size in sizes.items():
            self.fields[name][0] = size
        for name, table in tables.items():
            memory[sizes[name] : sizes[name] + table.nbytes] = np.frombuffer(table.tobytes(), np.uint8)
        self.call("lay")

    def _field(self, memory: NDArray[np.uint8], kind: str, size: int, at: int) -> NDArray[Any]:
        first = self.heap_base + at
        return memory[first : first + size * np.dtype(kind).itemsize].view(kind)

    def _bytes(self) -> NDArray[np.uint8]:
        size = self.memory.data_len(self._store)
        return np.ctypeslib.as_array(self.memory.data_ptr(self._store), (size,))

    @property
    def stack(self) -> NDArray[np.uint8]:
        """The memory of the module's stack, which grows down from its end."""
        return self._bytes()[self.heap_base - STACK_SIZE : self.heap_base]

    def call(self, name: str) -> None:
        """Call an export for this walker."""
        self._exports[name](self._store, self.heap_base)

    def reset(self, push: float, max_steps: int) -> None:
        """Begin an episode, with the step inside the reset."""
        self.fields["push"][0], self.fields["max_steps"][0] = push, max_steps
        self.call("start")
        if self._kind:
            self.call(f"begin_{self._kind}")
        self.call("step")

    def step(self, action: NDArray[np.float32] | None = None) -> None:
        """Take a step; without an action the policy acts."""
        for name in _SCRATCH:
            self.fields[name].view(np.uint8)[:] = _POISON
        if action is None:
            self.call(f"act_{self._kind}")
        else:
            self.fields["action"][:] = action
        self.call("step")

    def episode(self, push: float, max_steps: int) -> tuple[float, int, int]:
        """The return, length and outcome of a whole episode."""
        self.reset(push, max_steps)
        fields = self.fields
        while fields["outcome"][0] == GOES_ON:
            self.step()
        return float(fields["total"][0]), int(fields["num_steps"][0]), int(fields["outcome"][0])

    def body_state(self) -> NDArray[np.float32]:
        """(5, 6) float32, as ``Worlds`` shows it."""
        bodies = _LAYOUT["body_at"] + _LAYOUT["body_size"] * np.arange(len(_LAYOUT["bodies"]))
        return np.asarray(self.fields["world"][bodies[:, None] + np.array(_LAYOUT["state_fields"])], np.float32)

    def touching(self) -> NDArray[np.float32]:
        """(2,) float32: whether each lower leg touches."""
        return np.asarray(self.fields["world"][_LAYOUT["touching"]], np.float32)


class WasmWorlds:
    """``Worlds`` of which each is a ``WasmWalker``."""

    def __init__(self, terrains: Sequence[Terrain], terrain_index: NDArray[np.int64], max_steps: int) -> None:
        self.num_worlds = num = len(terrain_index)
        self._pushes = [terrains[i].push for i in terrain_index]
        self._walkers = [WasmWalker(terrains[i]) for i in terrain_index]
        self._max_steps = max_steps
        self.observations = np.zeros((num, OBSERVATION_SIZE), np.float32)
        self.rewards, self.outcomes = np.zeros(num), np.zeros(num, np.int8)
        self.num_steps = np.zeros(num, np.int32)

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """See ``Worlds``."""
        for i in self._chosen(which):
            self._walkers[i].reset(self._pushes[i], self._max_steps)
            self._show(i)

    def step(self, actions: NDArray[np.float32], which: NDArray[np.bool_] | None = None) -> None:
        """See ``Worlds``."""
        for i in self._chosen(which):
            self._walkers[i].step(actions[i])
            self._show(i)

    def body_state(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        return np.stack([walker.body_state() for walker in self._walkers])

    @property
    def touching(self) -> NDArray[np.float32]:
        """See ``Worlds``."""
        return np.stack([walker.touching() for walker in self._walkers])

    def _chosen(self, which: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        return np.arange(self.num_worlds) if which is None else np.flatnonzero(which)

    def _show(self, i: np.int64) -> None:
        fields = self._walkers[i].fields
        self.observations[i], self.rewards[i] = fields["observation"], fields["reward"][0]
        self.outcomes[i], self.num_steps[i] = fields["outcome"][0], fields["num_steps"][0]


make_wasm_worlds: MakeWorlds = WasmWorlds
