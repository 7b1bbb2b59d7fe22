"""Makes the module and its layout anew: ``python -m agents.wasm.build [FOLDER]``, in a minute or two of one core.

Without a folder, the committed files beside this one are replaced.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

#: Numba must not optimise for this processor. With fewer lanes, an option of LLVM is set: ``environments.compiled``.
_SETTINGS = {"NUMBA_OPT": "0", "POET_LANES": "32"}


def build(folder: Path) -> None:
    """Write ``walker.wasm`` and ``walker.json`` to a folder.

    Raises:
        RuntimeError: Numba is imported already, so that it would optimise for this processor.
        ValueError: the module would import a function.
    """
    if "numba" in sys.modules:
        raise RuntimeError("the module is made in a process of its own: python -m agents.wasm.build")
    with TemporaryDirectory() as cache:  # a cached kernel is optimised for this processor
        os.environ.update(_SETTINGS, NUMBA_CACHE_DIR=cache)
        from numba.core.errors import NumbaWarning

        warnings.simplefilter("ignore", NumbaWarning)  # what is not optimised often cannot be cached
        from agents.wasm.compilation import compile_object
        from agents.wasm.kernels import exports
        from agents.wasm.layout import layout
        from agents.wasm.linking import link

        kernels = exports()
        module = link(compile_object(kernels), list(kernels))
        text = json.dumps(layout(), indent=1) + "\n"
    (folder / "walker.wasm").write_bytes(module)
    (folder / "walker.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Read the command line, and build."""
    folders = [Path(argument) for argument in sys.argv[1:]] or [Path(__file__).parent]
    if len(folders) != 1 or not folders[0].is_dir():
        raise SystemExit("usage: python -m agents.wasm.build [FOLDER]; the folder must exist")
    build(folders[0])


if __name__ == "__main__":
    main()
