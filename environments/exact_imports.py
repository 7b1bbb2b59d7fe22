"""Our modules are imported with rounding to nearest, since Python rounds the constants of a source when it reads them.

Otherwise they could be wrong as long as this process lives, and longer: ``.pyc`` files keep the numbers as read, and
the kernel cache keeps what was compiled with them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from environments.arithmetic import exact

_PACKAGES = ("environments", "agents", "poet", "experiments")


class _ExactImports(MetaPathFinder):
    """Finds modules of our packages where Python would. Their ``__init__`` and this file have no such constants."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None or fullname.partition(".")[0] not in _PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = exact(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def import_exactly() -> None:
    """Import exactly from now on. A second call changes nothing."""
    if not any(isinstance(finder, _ExactImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, _ExactImports())
