"""Discovery of names: ``dir``, ``help``, tab completion, ``from poet import *``."""

from __future__ import annotations

import pydoc
from importlib import import_module

import pytest

from tests.house import modules

#: Every package or module whose names are imported when first asked for.
LAZY = [
    module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for module in modules("environments", "agents", "poet", "experiments")
    if "\ndef __getattr__" in module.text
]


@pytest.mark.parametrize("name", LAZY)
def test_names_that_are_imported_late_can_be_found(name: str) -> None:
    """They are in ``dir()`` and in ``help()``, and a star brings them all."""
    module, found = import_module(name), {}
    exec(f"from {name} import *", found)

    assert module.__all__
    assert {*module.__all__} <= {*dir(module)} & {*found}
    shown = pydoc.plain(pydoc.render_doc(module))
    assert all(public in shown for public in module.__all__)
    assert "__name__" in dir(module)


def test_the_packages_that_people_import_are_looked_at() -> None:
    """The table above is not empty by mistake."""
    assert {"environments", "agents", "poet"} <= {*LAZY}
