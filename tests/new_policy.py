"""The policy that docs/how-to/add-policy.md adds."""

from __future__ import annotations

import importlib
import sys
import tempfile
from functools import cache
from pathlib import Path

from agents.policies.base import AbstractPolicy
from tests.house import example

#: What the example's module is called.
MODULE = "adding_a_policy"


@cache
def new_policy() -> type[AbstractPolicy]:
    """Put the example into a module that can be imported from now on."""
    folder = tempfile.mkdtemp()
    (Path(folder) / f"{MODULE}.py").write_text(example("add-policy.md"), encoding="utf-8")
    sys.path.append(folder)
    found: type[AbstractPolicy] = importlib.import_module(MODULE).RhythmPolicy
    return found
