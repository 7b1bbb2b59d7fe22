"""Kernels as a WebAssembly object: Numba's code before it is made for this processor, compiled by LLVM for another one.

Only a process with an empty cache may do this, and with ``NUMBA_OPT=0``: else Numba hands over code that is already
optimised for this processor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import llvmlite.binding as llvm
from numba import types

_TRIPLE = "wasm32-unknown-unknown"
#: What every browser has had for years. There are no vectors and no fused products, which would round otherwise.
_CPU, _FEATURES = "mvp", "+bulk-memory,+sign-ext"
_LEVEL = 3
#: What a kernel takes: the address of a block.
_SIGNATURE = (types.uint32,)
# Numba's kernels take places for a result and an error, and return a status. None of ours can fail; one that did would
# end the program.
_EXPORT = """
declare i32 @"{symbol}"(ptr, ptr, i32)
define void @{name}(i32 %at) {{
  %result = alloca ptr
  %error = alloca ptr
  %status = call i32 @"{symbol}"(ptr %result, ptr %error, i32 %at)
  %is_fine = icmp eq i32 %status, 0
  br i1 %is_fine, label %fine, label %failed
failed:
  call void @llvm.trap()
  unreachable
fine:
  ret void
}}
"""


def compile_object(kernels: Mapping[str, Callable[..., Any]]) -> bytes:
    """A relocatable object for wasm32.

    Args:
        kernels: by the names of the functions that the object defines; each takes an address (uint32).
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(_TRIPLE).create_target_machine(
        cpu=_CPU, features=_FEATURES, opt=_LEVEL, reloc="static", codemodel="default"
    )
    module = llvm.parse_assembly(_retargeted("declare void @llvm.trap()", machine))
    linked = set[str]()
    for name, kernel in kernels.items():
        text, symbol = _code_of(kernel)
        if symbol not in linked:  # one kernel may have several names
            linked.add(symbol)
            module.link_in(llvm.parse_assembly(_retargeted(text, machine)))
        module.link_in(llvm.parse_assembly(_retargeted(_EXPORT.format(name=name, symbol=symbol), machine)))
    # Whatever no export needs is left out, such as Numba's ways into Python.
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name not in kernels:
            value.linkage = "internal"
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=_LEVEL)
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))


def _code_of(kernel: Any) -> tuple[str, str]:
    """A kernel's code, with all that it calls, and the name of its function there."""
    kernel.compile(_SIGNATURE)
    (signature,) = kernel.signatures
    return kernel.inspect_llvm(signature), kernel.overloads[signature].fndesc.llvm_func_name


def _retargeted(text: str, machine: Any) -> str:
    """The same code for another processor."""
    text = re.sub(r"^target (triple|datalayout) = .*\n", "", text, flags=re.MULTILINE)
    return f'target triple = "{_TRIPLE}"\ntarget datalayout = "{machine.target_data}"\n{text}'
