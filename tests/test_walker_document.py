"""Every file and name in the tables of ``docs/WALKER.md`` exists."""

from __future__ import annotations

import ast
import re

from tests.house import ROOT

ROW = re.compile(r"^\| `([\w/]+\.py)` \| (`.*?`) \|", re.MULTILINE)


def names_in(path: str) -> set[str]:
    """Functions, classes and constants at the top level of a file; none, if there is no such file."""
    names: set[str] = set()
    if not (ROOT / path).is_file():
        return names
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return names


def test_what_the_tables_name_exists() -> None:
    """If a name is moved or removed, the document must change too."""
    rows = ROW.findall((ROOT / "docs" / "WALKER.md").read_text(encoding="utf-8"))
    wrong = [(path, name) for path, cell in rows for name in re.findall(r"`(\w+)`", cell) if name not in names_in(path)]

    assert len(rows) > 30
    assert not wrong
