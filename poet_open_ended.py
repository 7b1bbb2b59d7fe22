"""Whose ``environments``, ``agents``, ``poet`` and ``experiments`` are imported; where the console script begins.

Their names are common. A folder ``agents`` of the user's, or an installed package, may come first on the path and hide
ours; openai-agents writes its own ``agents`` over it. This module is called like the distribution, as nothing else is.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

_ROOT = Path(__file__).resolve().parent
#: In the docstring of each of our packages; looked for in the text, so that nothing foreign is run.
_MARK = b"Part of poet-open-ended."


def main() -> None:
    """The console script ``poet``."""
    try:
        check_or_exit("environments", "agents", "poet", "experiments")
        from experiments.cli import main
    except KeyboardInterrupt:  # from here on ``experiments.interrupts`` says what becomes of signals
        print("poet: stopped", file=sys.stderr)
        sys.exit(130)
    main()


def check_or_exit(*packages: str) -> None:
    """``check_packages`` for programs: one sentence on standard error, and exit code 2."""
    try:
        check_packages(*packages)
    except ImportError as error:
        _fail(error)


def check_packages(*packages: str) -> None:
    """Look where packages of these names would be imported from, without importing them.

    Raises:
        ImportError: one is not ours.
    """
    for name in packages:
        face, found = _ROOT / name / "__init__.py", _place(name)
        # Ours may lie in another place: Ray gives each package a folder of its own.
        if found is not None and found.is_file() and _MARK in found.read_bytes():
            continue
        if found is None or (found == face and not face.is_file()):
            raise ImportError(f"POET's package {name} is missing in {_ROOT}: reinstall poet-open-ended", name=name)
        if found != face:
            place = found.parent if found.name == "__init__.py" else found
            raise ImportError(
                f"{place} is not POET's package {name}, and hides it: rename it, start in another folder, take it off "
                "PYTHONPATH, or, if it was installed, give POET a virtual environment of its own",
                name=name,
            )
        raise ImportError(
            f"{face} is not POET's: another package, such as openai-agents, was installed over it; reinstall "
            "poet-open-ended in a virtual environment of its own",
            name=name,
        )


def _place(name: str) -> Path | None:
    """The file that ``import name`` would run; in a folder without one, where it would be."""
    try:
        spec = find_spec(name)
    except ValueError:  # something without a spec was put in place of the module
        return None
    if spec is None:
        return None
    if spec.origin is None:
        return Path(next(iter(spec.submodule_search_locations or ())), "__init__.py").resolve()
    return Path(spec.origin).resolve()


def _fail(error: ImportError) -> NoReturn:
    print(f"poet: {error}", file=sys.stderr)
    sys.exit(2)
