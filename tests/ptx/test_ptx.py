"""PTX on the CPU: what the ISA says of each operation, what is refused, and how warps go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.ptx.cpu import PtxKernel
from tests.ptx.translate import Block, translate
from tests.ptx.warps import _follow, post_dominators, slots

_TYPES = {"f32": np.float32, "f64": np.float64, "s32": np.int32, "u32": np.uint32, "s64": np.int64, "u64": np.uint64}
_REGISTERS = "".join(f".reg .{kind} %{kind}<9>;\n" for kind in (*_TYPES, "pred"))


def _module(body: str, num_parameters: int = 3) -> str:
    parameters = ",\n".join(f".param .u64 p{i}" for i in range(num_parameters))
    return f".visible .entry tried(\n{parameters}\n)\n{{\n{_REGISTERS}{body}\nret;\n}}\n"


def _loads(kind: str, num: int) -> str:
    """Two operands and the result's place: p0, p1 and p2."""
    return "".join(f"ld.param.u64 %u64{i}, [p{i}];\n" for i in range(3)) + "".join(
        f"ld.global.{kind} %{kind}{i}, [%u64{i}];\n" for i in range(num)
    )


def _run(body: str, result: str, *operands: object) -> object:
    places = [np.array([operand]) for operand in operands] + [np.zeros(1)] * (2 - len(operands))
    found = np.full(1, 77, _TYPES[result])
    PtxKernel(_module(body)).launch(1, *(place.ctypes.data for place in places), found.ctypes.data, block_size=1)
    return found[0]


def _binary(opcode: str, a: object, b: object, result: str = "") -> object:
    """What an operation with two operands of its type gives."""
    kind = opcode.rpartition(".")[2]
    result = result or kind
    body = _loads(kind, 2) + f"{opcode} %{result}8, %{kind}0, %{kind}1;\nst.global.{result} [%u642], %{result}8;"
    return _run(body, result, _TYPES[kind](a), _TYPES[kind](b))  # type: ignore[call-overload]


def _converted(opcode: str, value: object) -> object:
    to, of = opcode.split(".")[-2:]
    body = _loads(of, 1) + f"{opcode} %{to}8, %{of}0;\nst.global.{to} [%u642], %{to}8;"
    return _run(body, to, _TYPES[of](value))  # type: ignore[call-overload]


floats = st.floats(width=32)


@given(a=floats, b=floats)
def test_arithmetic_rounds_as_numpy_does(a: float, b: float) -> None:
    """Every bit, with numbers below the normal ones, infinities and what is no number."""
    with np.errstate(all="ignore"):
        x, y = np.float32(a), np.float32(b)
        for opcode, expected in (("add.rn.f32", x + y), ("sub.rn.f32", x - y), ("mul.rn.f32", x * y)):
            assert _same(_binary(opcode, a, b), expected)
        assert _same(_binary("div.rn.f32", a, b), x / y)


def _same(found: object, expected: object) -> bool:
    numbers = np.array([found, expected], np.float32)
    return bool(np.isnan(numbers).all()) or numbers[0].tobytes() == numbers[1].tobytes()


def test_the_smaller_number_is_a_number_and_negative_zero_is_smaller() -> None:
    """PTX ISA, ``min`` and ``max``: where C and Python may take either."""
    for a, b in ((0.0, -0.0), (-0.0, 0.0)):
        assert np.signbit(_binary("min.f32", a, b))  # type: ignore[call-overload]
        assert not np.signbit(_binary("max.f32", a, b))  # type: ignore[call-overload]
    for a, b in ((np.nan, 2.0), (2.0, np.nan)):
        assert _binary("min.f32", a, b) == _binary("max.f32", a, b) == 2.0
    assert _binary("min.s64", -5, 3) == -5
    assert _binary("max.u64", 5, 2**63) == 2**63


def test_shifts_by_a_word_and_more_leave_nothing() -> None:
    """PTX ISA, ``shl`` and ``shr``: but the sign."""
    for by in (31, 32, 64, 1000):
        assert _binary("shl.u32", 5, by) == (5 << by) % 2**32 * (by < 32)
        assert _binary("shr.u32", 2**31, by) == 2**31 >> by
        assert _binary("shr.s32", -8, by) == -1


@pytest.mark.parametrize(
    ("opcode", "value", "expected"),
    [
        ("cvt.rzi.s64.f32", -1.9, -1),
        ("cvt.rzi.s32.f32", 1e30, 2**31 - 1),
        ("cvt.rzi.u32.f32", -3.0, 0),
        ("cvt.rzi.s32.f32", np.nan, 0),
        ("cvt.rzi.s64.f32", np.nan, -(2**63)),
        ("cvt.rzi.s32.f64", np.nan, -(2**31)),
        ("cvt.rmi.s64.f64", -1.1, -2),
        ("cvt.s64.s32", -7, -7),
        ("cvt.u64.u32", 2**32 - 1, 2**32 - 1),
        ("cvt.u32.u64", 2**32 + 3, 3),
        ("cvt.rn.f32.s64", 2**24 + 1, 2.0**24),
        ("cvt.rn.f32.f64", 1.0 + 2.0**-30, 1.0),
    ],
)
def test_conversions(opcode: str, value: object, expected: object) -> None:
    """PTX ISA, ``cvt``: what is too large, and what is no number."""
    assert _converted(opcode, value) == expected


@pytest.mark.parametrize(
    "instruction",
    [
        "fma.rn.f32 %f320, %f321, %f322, %f323",
        "mul.f32 %f320, %f321, %f322",
        "add.rn.ftz.f32 %f320, %f321, %f322",
        "div.approx.f32 %f320, %f321, %f322",
        "sqrt.approx.f32 %f320, %f321",
        "bar.sync 0",
        "setp.lt.and.f32 %pred0, %f320, %f321, %pred1",
        "setp.lt.ftz.f32 %pred0, %f320, %f321",
        "min.NaN.f32 %f320, %f321, %f322",
        "max.ftz.f32 %f320, %f321, %f322",
        "neg.ftz.f32 %f320, %f321",
        "cvt.sat.s32.s64 %s320, %s641",
        "cvt.rzi.ftz.s32.f32 %s320, %f321",
    ],
)
def test_what_would_give_other_bits_is_refused(instruction: str) -> None:
    """Also a product that NVIDIA's assembler may join with a sum, as it has no rounding."""
    with pytest.raises(NotImplementedError):
        translate(_module(f"{instruction};"))


def test_threads_of_blocks_count_atomically() -> None:
    """Each finds its number, and adds it once."""
    body = (
        "ld.param.u64 %u640, [p0];\nmov.u32 %u321, %tid.x;\nmov.u32 %u322, %ntid.x;\nmov.u32 %u323, %ctaid.x;\n"
        "mul.lo.u32 %u324, %u322, %u323;\nadd.u32 %u325, %u324, %u321;\ncvt.u64.u32 %u641, %u325;\n"
        "atom.global.add.u64 %u642, [%u640], %u641;"
    )
    total = np.zeros(1, np.int64)
    PtxKernel(_module(body, 1)).launch(70, total.ctypes.data, block_size=32)
    assert total[0] == sum(range(96))


def _followed(ptx: str, arguments: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Block]]:
    """How often a warp issues each block, and for how many threads in all."""
    kernel = PtxKernel(ptx, traced=True)
    trace, ends = np.empty(10_000, np.int32), [0]
    kernel.trace_into(trace)
    for run in kernel.threads(32, arguments, 32):
        run()
        ends.append(kernel.trace_size())
    blocks = kernel.program.blocks
    issued, lanes = np.zeros((2, len(blocks)), np.int64)
    _follow(trace, np.array(ends), post_dominators(blocks), issued, lanes)
    return issued, lanes, blocks


def _diamond() -> str:
    """Threads below p1 go one way, others another; then both the same."""
    return (
        "ld.param.u64 %u641, [p1];\nmov.u32 %u320, %tid.x;\ncvt.u64.u32 %u642, %u320;\n"
        "setp.lt.u64 %pred0, %u642, %u641;\n@%pred0 bra $A;\nadd.u64 %u643, %u642, 1;\nbra.uni $B;\n"
        "$A:\nadd.u64 %u643, %u642, 2;\n$B:\nadd.u64 %u644, %u643, 3;"
    )


@pytest.mark.parametrize("num_first", [0, 1, 5, 32])
def test_a_warp_that_parts_does_both_ways_and_meets_again(num_first: int) -> None:
    """The block after them is issued once, for all."""
    issued, lanes, blocks = _followed(_module(_diamond(), 2), (0, num_first))
    by_size = dict(zip([tuple(block.opcodes) for block in blocks], zip(issued, lanes, strict=True), strict=True))
    assert by_size["add.u64", "bra.uni"] == (num_first < 32, 32 - num_first)
    assert by_size["add.u64",] == (num_first > 0, num_first)
    assert by_size["add.u64", "ret"] == (1, 32)


def test_signs_reach_into_wider_registers() -> None:
    """PTX ISA, ``ld``: a signed number fills the register with its sign."""
    places = [np.array([-5], np.int32), np.zeros(1, np.int64), np.zeros(1, np.uint64)]
    body = (
        "ld.param.u64 %u640, [p0];\nld.param.u64 %u641, [p1];\nld.param.u64 %u642, [p2];\n"
        "ld.global.s32 %s640, [%u640];\nst.global.s64 [%u641], %s640;\n"
        "ld.global.u32 %u643, [%u640];\nst.global.u64 [%u642], %u643;"
    )
    PtxKernel(_module(body)).launch(1, *(place.ctypes.data for place in places), block_size=1)
    assert (places[1][0], places[2][0]) == (-5, 2**32 - 5)


def _loop() -> str:
    """Each thread goes round once more than its number."""
    return (
        "mov.u32 %u320, %tid.x;\nmov.u32 %u321, 0;\n$A:\nadd.u32 %u321, %u321, 1;\n"
        "setp.le.u32 %pred0, %u321, %u320;\n@%pred0 bra $A;\nxor.b32 %u322, %u321, 1;"
    )


def test_a_warp_goes_round_as_often_as_any_of_its_threads() -> None:
    """Those that are through wait, and the block after the loop is issued once."""
    issued, lanes, blocks = _followed(_module(_loop(), 0), ())
    counted = {block.opcodes[0]: (i, j) for block, i, j in zip(blocks, issued, lanes, strict=True)}
    assert counted["add.u32"] == (32, 32 * 33 / 2)
    assert counted["xor.b32"] == (1, 32)


def test_wide_integers_and_divisions_cost_more() -> None:
    """What NVIDIA's assembler makes of them."""
    assert slots("add.s64") == 2 * slots("add.s32")
    assert slots("div.rn.f32") > slots("mul.rn.f32") > slots("neg.f32") == 0
