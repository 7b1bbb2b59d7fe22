"""The physics and the policies as a WebAssembly module, for pages: the same kernels, the same bits.

``walker.wasm`` and ``walker.json`` are made by ``python -m agents.wasm.build``; ``walker.mjs`` is written by hand. The
room is in ``agents`` since the module holds policies too, and imports run one way: ``environments`` knows none.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.policies.base import AbstractPolicy


def read_module() -> bytes:
    """The WebAssembly module; it imports nothing."""
    return files(__name__).joinpath("walker.wasm").read_bytes()


def read_layout() -> dict[str, Any]:
    """What ``walker.mjs`` has to know of the module; see ``agents.wasm.layout``."""
    found: dict[str, Any] = json.loads(files(__name__).joinpath("walker.json").read_text(encoding="utf-8"))
    return found


def read_script() -> str:
    """The source of the JavaScript module ``walker.mjs``, which exports ``Walker``."""
    return files(__name__).joinpath("walker.mjs").read_text(encoding="utf-8")


def policy_record(policy: AbstractPolicy) -> dict[str, Any]:
    """What ``Walker.setPolicy`` takes, as plain JSON values. The module knows ``agents.policies.POLICIES`` alone."""
    return {
        "kind": policy.kind,
        "shape": list(policy.shape),
        "num_parameters": policy.num_parameters,
        "state_size": policy.state_size,
        "scratch_shape": list(policy.scratch_shape),
    }
