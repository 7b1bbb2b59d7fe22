"""How the house rules read the project: its files, its modules, and the origin of names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: Folders that are no part of the project: caches anywhere, and what people make at the top.
_MADE = re.compile(r"\.(?!ci$).*|__pycache__|.*\.egg-info")
_MADE_AT_TOP = ("build", "dist", "runs", "demo", "shared")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file; ``path`` is relative to the root, with slashes."""

    path: str
    text: str
    tree: ast.Module

    def functions(self) -> Iterator[Function]:
        """Every function and method, also those inside others."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def function_at(self, line: int) -> str:
        """The name of the innermost function around a line, or an empty string."""
        around = [f for f in self.functions() if f.lineno <= line <= (f.end_lineno or line)]
        return max(around, key=lambda f: f.lineno).name if around else ""


def examples(page: str) -> list[str]:
    """The Python code of a page in ``docs/how-to``, block by block."""
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def example(page: str) -> str:
    """The first of them, which is what the page adds."""
    return examples(page)[0]


def files(folder: Path) -> Iterator[Path]:
    """The project's own files in a folder and below, in order."""
    for path in sorted(folder.iterdir()):
        if path == ROOT / ".git":  # a file in a worktree, a folder elsewhere
            continue
        if path.is_file():
            yield path
        elif not _MADE.fullmatch(path.name) and not (folder == ROOT and path.name in _MADE_AT_TOP):
            yield from files(path)


def parse(text: str, path: str) -> Module:
    """Parse a text as the module of that path."""
    return Module(path, text, ast.parse(text, path))


def modules(*folders: str) -> list[Module]:
    """Every module in these folders of the project."""
    paths = [path for folder in folders for path in files(ROOT / folder) if path.suffix == ".py"]
    return [parse(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()) for path in paths]


def _imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(local name, dotted origin) of what an import statement binds."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _lines_for_types_only(tree: ast.Module) -> set[int]:
    """The lines of ``if TYPE_CHECKING:`` blocks: what they import is never loaded."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for child in node.body
        for line in range(child.lineno, (child.end_lineno or child.lineno) + 1)
    }


def loads(module: Module) -> Iterator[tuple[str, int]]:
    """(dotted module, line) of everything that is imported when the module or one of its functions runs."""
    types_only = _lines_for_types_only(module.tree)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import) and node.lineno not in types_only:
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.lineno not in types_only:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), node.lineno


def uses(module: Module) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of everything that comes from an import, under its full name: ``np.dot`` is ``numpy.dot``."""
    origins = dict(pair for node in ast.walk(module.tree) for pair in _imports(node))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((origin, node.lineno) for _, origin in _imports(node))
        elif isinstance(node, ast.Attribute | ast.Name):
            first, _, rest = ast.unparse(node).partition(".")
            if first in origins:
                yield f"{origins[first]}.{rest}".rstrip("."), node.lineno


def calls(module: Module, *builtins: str) -> Iterator[tuple[str, int]]:
    """(name, line) of each call of one of these built-in functions."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in builtins:
            yield node.func.id, node.lineno
