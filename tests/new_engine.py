"""The engine that docs/how-to/add-engine.md adds."""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.house import example

_MODULE = "adding_an_engine"


@cache
def new_engine() -> str:
    """The name of what the example makes, in a module of its own that can be imported from now on."""
    folder = tempfile.mkdtemp()
    (Path(folder) / f"{_MODULE}.py").write_text(example("add-engine.md"), encoding="utf-8")
    sys.path.append(folder)
    return f"{_MODULE}:Lockstep"
