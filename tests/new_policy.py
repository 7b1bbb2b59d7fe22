"""The policy that CONTRIBUTING.md adds."""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

from agents.policies.base import AbstractPolicy
from tests.house import ROOT

#: What the example's module is called.
MODULE = "adding_a_policy"


def example() -> str:
    """The code of "Adding a policy"."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^## Adding a policy\n.*?^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(code)


@cache
def new_policy() -> type[AbstractPolicy]:
    """Put the example into a module that can be imported from now on."""
    folder = tempfile.mkdtemp()
    (Path(folder) / f"{MODULE}.py").write_text(example(), encoding="utf-8")
    sys.path.append(folder)
    found: type[AbstractPolicy] = importlib.import_module(MODULE).RhythmPolicy
    return found
