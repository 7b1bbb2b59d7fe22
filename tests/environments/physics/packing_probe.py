"""What LLVM makes of the hot lane loops, as JSON.

In a process of its own, with an empty cache: kernels that come from the disk have no code to look at.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from numba import types

from environments.physics import contact_solver, islands, joints, solver

_MEMORY = types.float32[::1]
#: Lane loops of each kind, and what they take besides the memory: a joint with and without its limit, contacts of one
#: point and of both, a joint's position; an island's contact of one point and of both.
LOOPS = {
    "solver._hip_1": (types.int64,),
    "solver._lower_1": (types.int64[::1], types.int64),
    "solver._place_hip_1": (),
    "islands._first": (),
    "islands._flat_first": (),
}
_INDICES = {"lane", "n", "j", "a", "b", "c", "point"}
#: Arithmetic of single precision in vector registers, packed or scalar; and fused, which rounds once instead of twice.
_KINDS = {"packed": r"\bv?(?:mul|add|sub)ps\b", "scalar": r"\bv?(?:mul|add|sub)ss\b", "fused": r"\bvfn?m(?:add|sub)"}


def _code(name: str) -> dict[str, int]:
    """How many instructions of each kind a lane loop has, and how many promotions to float64."""
    module, function = name.split(".")
    loop = getattr({"solver": solver, "islands": islands}[module], function)
    loop.compile((_MEMORY, *LOOPS[name]))
    (signature,) = loop.signatures
    counts = {kind: len(re.findall(pattern, loop.inspect_asm(signature))) for kind, pattern in _KINDS.items()}
    return {**counts, "promotions": len(re.findall(r"= fpext ", loop.inspect_llvm(signature)))}


def _type_of(parameter: str) -> Any:
    if parameter in ("m", "q"):
        return _MEMORY
    if parameter in _INDICES:
        return types.int64
    return types.boolean if parameter.startswith(("has_", "is_", "faces_")) else types.float32


def _wide_variables(function: Any) -> list[str]:
    """The variables of a kernel that are float64, when its numbers are float32."""
    arguments = tuple(_type_of(name) for name in inspect.signature(function.py_func).parameters)
    function.compile(arguments)
    (overload,) = (o for signature, o in function.overloads.items() if signature == arguments)
    return sorted(name for name, kind in overload.type_annotation.typemap.items() if kind == types.float64)


def _wide() -> dict[str, list[str]]:
    """Of each function that is written in the modules of the two solvers: its float64 variables."""
    return {
        f"{module.__name__}.{name}": _wide_variables(function)
        for module in (joints, contact_solver)
        for name, function in vars(module).items()
        if hasattr(function, "py_func") and function.py_func.__module__ == module.__name__
    }


if __name__ == "__main__":
    print(json.dumps({"code": {name: _code(name) for name in LOOPS}, "wide": _wide()}))
