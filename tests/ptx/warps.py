"""What warps issue: threads of a warp go together, so that one alone on its way keeps 31 waiting.

Threads run one after the other on the CPU, and note which basic blocks of PTX they enter. The warp is then led through
its threads' notes as NVIDIA describes it: where they part, one part after the other goes on to the block that all ways
from there pass (the immediate post-dominator), and there they wait for each other.

The model knows no time: neither how long memory takes nor how many warps hide that. It tells what there is to issue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments import cuda
from environments.compiled import allocating_kernel
from tests.ptx.cpu import PtxKernel
from tests.ptx.gpu import CAPABILITY
from tests.ptx.translate import Block

WARP = 32
_DONE = -1
_TRACE_SIZE = 1 << 24
_MOST_PARTS = 64 * WARP


@dataclass
class Counted:
    """One kernel's blocks, and how often a warp issued each, and for how many threads in all."""

    program: PtxKernel
    issued: NDArray[np.int64]
    lanes: NDArray[np.int64]

    @cached_property
    def joins(self) -> NDArray[np.int64]:
        """(blocks,) int64: where threads that part after a block meet again; -1 for the end."""
        return post_dominators(self.program.program.blocks)

    @cached_property
    def slots(self) -> NDArray[np.float64]:
        """(blocks,) float64: what a block takes of a scheduler, in slots."""
        return np.array([sum(map(slots, block.opcodes)) for block in self.program.program.blocks])


class Warps:
    """Counts while kernels are launched on the CPU: give ``launch`` to ``ptx_on_cpu``.

    Attributes:
        kernels: what was counted, by name.
        is_counting: whether it is being counted.
    """

    def __init__(self) -> None:
        self.kernels = dict[str, Counted]()
        self.is_counting = False
        self._trace = np.empty(_TRACE_SIZE, np.int32)

    def launch(self, kernel: cuda.GpuKernel, num: int, *arguments: Any, block_size: int = cuda.BLOCK_SIZE) -> None:
        """Run a kernel's threads, warp by warp."""
        name = kernel.function.__name__
        if name not in self.kernels:
            program = PtxKernel(kernel.compile_for(CAPABILITY, *arguments).ptx, traced=True)
            zeros = np.zeros((2, len(program.program.blocks)), np.int64)
            self.kernels[name] = Counted(program, *zeros)
        counted, ends = self.kernels[name], np.zeros(WARP + 1, np.int64)
        for i, run in enumerate(counted.program.threads(num, arguments, block_size)):
            if i % WARP == 0:
                counted.program.trace_into(self._trace)
            run()
            ends[i % WARP + 1] = counted.program.trace_size()
            if ends[i % WARP + 1] > _TRACE_SIZE // 2:  # the next thread might not find room
                raise MemoryError(f"a warp of {name} has done more than {_TRACE_SIZE // 2:,} blocks")
            if i % WARP == WARP - 1 and self.is_counting:
                _follow(self._trace, ends, counted.joins, counted.issued, counted.lanes)


def slots(opcode: str) -> float:
    """About how many instructions NVIDIA's assembler makes of one of PTX.

    A GPU's integers have 32 bits; signs are part of another instruction; divisions and roots are short programs. In
    each kernel that takes long ``nvdisasm`` finds 0.8 to 1.2 times as many.
    """
    operation, *suffixes = opcode.split(".")
    kind = suffixes[-1] if suffixes else ""
    is_wide = kind in ("s64", "u64", "b64")
    if (
        operation in _FREE
        or (operation in ("abs", "neg") and kind[0] == "f")
        or (operation, suffixes[:1]) == _PARAMETER
    ):
        return 0
    if operation in _PROGRAMS and kind in _PROGRAMS[operation]:
        return _PROGRAMS[operation][kind]
    if operation in ("ld", "st", "atom", "cvt", "call", "ret"):
        return 1
    if operation == "bra":
        return 1.5  # and the instruction at which threads wait for each other
    if operation == "mov" or kind == "pred":
        return 0.5
    if is_wide:
        return 4 if operation in ("min", "max") or (operation == "mul" and "lo" in suffixes) else 2
    return 2 if kind == "f64" else 1


_FREE = ("cvta",)
_PARAMETER = ("ld", ["param"])
_PROGRAMS = {
    "div": {"f32": 12.0, "f64": 30.0, "s64": 60.0, "u64": 60.0, "u32": 20.0, "s32": 20.0},
    "rcp": {"f32": 8.0},
    "sqrt": {"f32": 10.0, "f64": 30.0},
}


def post_dominators(blocks: list[Block]) -> NDArray[np.int64]:
    """Of each block, the next one that all ways from it to the end pass; -1 for the end.

    Source: Cooper, Harvey and Kennedy, A Simple, Fast Dominance Algorithm, 2001, on the graph turned around.
    """
    end = len(blocks)
    after = [block.next or [end] for block in blocks]
    before: list[list[int]] = [[] for _ in range(end + 1)]
    for i, following in enumerate(after):
        for j in following:
            before[j].append(i)
    order = _reverse_postorder(end, before)
    rank = {block: i for i, block in enumerate(order)}
    join = {end: end}
    is_changed = True
    while is_changed:
        is_changed = False
        for block in order[1:]:
            known = [j for j in after[block] if j in join]
            common = known[0]
            for j in known[1:]:
                while common != j:
                    common, j = (join[common], j) if rank[common] > rank[j] else (common, join[j])
            is_changed |= join.get(block) != common
            join[block] = common
    return np.array([_DONE if join.get(i, end) == end else join[i] for i in range(end)], np.int64)


def _reverse_postorder(start: int, following: list[list[int]]) -> list[int]:
    order, seen = [], {start}
    stack = [(start, iter(following[start]))]
    while stack:
        block, ways = stack[-1]
        for other in ways:
            if other not in seen:
                seen.add(other)
                stack.append((other, iter(following[other])))
                break
        else:
            order.append(block)
            stack.pop()
    return order[::-1]


@allocating_kernel
def _follow(trace, ends, joins, issued, lanes):  # type: ignore[no-untyped-def]
    """Lead a warp through its threads' notes.

    Args:
        trace: int32, blocks that threads entered, thread after thread.
        ends: (33,) int64, where each thread's notes end; 0 first.
        joins: see ``Counted``.
        issued, lanes: (blocks,) int64, counted up.
    """
    num = ends.size - 1
    place, following, going = ends[:num].copy(), np.zeros(num, np.int64), np.zeros(num, np.bool_)
    # Parts of the warp that wait, the one that goes on last: where it is, where it waits for others, and its threads.
    at, until = np.zeros(_MOST_PARTS, np.int64), np.zeros(_MOST_PARTS, np.int64)
    members = np.ones((_MOST_PARTS, num), np.bool_)
    at[0], until[0], top = trace[0], _DONE, 0
    while top >= 0:
        block = at[top]
        if block in (_DONE, until[top]):
            top -= 1
            continue
        goes_on = _DONE - 1
        is_one = True
        for i in range(num):
            if members[top, i]:
                if trace[place[i]] != block:
                    raise AssertionError
                lanes[block] += 1
                place[i] += 1
                following[i] = trace[place[i]] if place[i] < ends[i + 1] else _DONE
                is_one &= goes_on in (_DONE - 1, following[i])
                goes_on = following[i]
        issued[block] += 1
        if is_one:
            at[top] = goes_on
            continue
        going[:] = members[top]
        # Whoever waits where the part itself is awaited waits in the entry below; else a loop would add one each time.
        if joins[block] == until[top]:
            top -= 1
        else:
            at[top] = joins[block]
        first = top + 1
        for i in range(num):
            if going[i] and following[i] != joins[block]:
                part = first
                while part <= top and at[part] != following[i]:
                    part += 1
                if part > top:
                    if part == _MOST_PARTS:
                        raise MemoryError
                    top = part
                    at[part], until[part] = following[i], joins[block]
                    members[part, :] = False
                members[part, i] = True
