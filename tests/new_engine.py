"""The engine that CONTRIBUTING.md adds."""

from __future__ import annotations

import re
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.house import ROOT

_MODULE = "adding_an_engine"


@cache
def new_engine() -> str:
    """The name of what the example makes, in a module of its own that can be imported from now on."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^## Adding an engine\n.*?^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    folder = tempfile.mkdtemp()
    (Path(folder) / f"{_MODULE}.py").write_text(code, encoding="utf-8")
    sys.path.append(folder)
    return f"{_MODULE}:Lockstep"
