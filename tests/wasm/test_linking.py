"""Objects that LLVM makes, as modules without a linker."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest
import wasmtime

from agents.wasm.linking import link
from tests.wasm.host import engine

_TRIPLE = "wasm32-unknown-unknown"


def _object(ir: str) -> bytes:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(_TRIPLE).create_target_machine(cpu="mvp")
    return bytes(machine.emit_object(llvm.parse_assembly(f'target triple = "{_TRIPLE}"\n{ir}')))


_SUM = """
@first = internal constant [3 x i32] [i32 5, i32 6, i32 7]
@second = internal constant [2 x i32] [i32 100, i32 200]
define internal i32 @load(ptr %from, i32 %i) noinline {
  %place = getelementptr i32, ptr %from, i32 %i
  %value = load volatile i32, ptr %place
  ret i32 %value
}
define i32 @other(i32 %i) { ret i32 %i }
define i32 @tried(i32 %i) {
  %local = alloca [300 x i32]
  %place = getelementptr i32, ptr %local, i32 %i
  %a = call i32 @load(ptr @first, i32 %i)
  store volatile i32 %a, ptr %place
  %b = call i32 @load(ptr @second, i32 1)
  %again = load volatile i32, ptr %place
  %sum = add i32 %again, %b
  ret i32 %sum
}
"""


def test_functions_data_and_stack_find_their_places() -> None:
    """A module by itself reads the right constants, also those behind the first, and has a stack."""
    host = engine()
    module = wasmtime.Module(host, link(_object(_SUM), ["tried", "other"]))
    store = wasmtime.Store(host)
    exports = wasmtime.Instance(store, module, []).exports(store)
    assert [] == list(module.imports)
    assert ["memory", "heap_base", "tried", "other"] == [export.name for export in module.exports]
    assert [205, 206, 207] == [exports["tried"](store, i) for i in range(3)]  # type: ignore[operator]
    assert exports["other"](store, 70000) == 70000  # type: ignore[operator]


@pytest.mark.parametrize(
    ("ir", "message"),
    [
        ("declare float @sinf(float)\ndefine float @tried() {\n%y = call float @sinf(float 1.0)\nret float %y\n}",
         "imports the function sinf"),
        ("@out = external global i32\ndefine i32 @tried() {\n%y = load i32, ptr @out\nret i32 %y\n}", "lacks out"),
        ("define void @tried(ptr %f) {\ncall void %f()\nret void\n}", "imports the table __indirect_function_table"),
        ("define void @another() {\nret void\n}", "lacks tried"),
    ],
)  # fmt: skip
def test_what_somebody_else_would_have_to_bring_is_refused(ir: str, message: str) -> None:
    """A function of libm would have bits of its own."""
    with pytest.raises(ValueError, match=message):
        link(_object(ir), ["tried"])


def test_broken_objects_are_refused() -> None:
    """What is no object, and what is cut off."""
    with pytest.raises(ValueError, match="no WebAssembly"):
        link(b"\0asm\2\0\0\0", [])
    with pytest.raises(ValueError, match="cut off"):
        link(_object(_SUM)[:-1], ["tried"])
