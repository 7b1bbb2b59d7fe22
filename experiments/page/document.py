"""Template, style, scripts, WebAssembly and data joined into one HTML file that asks nothing of any other."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from agents.wasm import read_module, read_script
from experiments.text import as_html

#: What a worker needs too, each after what it imports.
PHYSICS_MODULES = ("episode.mjs", "worker.mjs")
#: What only the page needs, each after what it imports.
PAGE_MODULES = (
    "dom.mjs", "data.mjs", "colours.mjs", "tree_view.mjs", "tree.mjs", "lane.mjs", "scene.mjs", "stage.mjs",
    "traces.mjs", "player.mjs", "pushes.mjs", "proof.mjs", "plot.mjs", "curves.mjs", "matrix.mjs", "stream.mjs",
    "obstacles.mjs", "sketch.mjs", "easel.mjs", "genes.mjs", "ranking.mjs", "terrain_file.mjs", "draw.mjs",
    "main.mjs",
)  # fmt: skip

_IMPORT = re.compile(r"^import .*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def make_document(
    name: str, data: dict[str, Any], template: str = "page.html", modules: Sequence[str] = PAGE_MODULES
) -> str:
    """The whole page.

    Its policy allows the scripts and the style that are in it, WebAssembly and workers made of these scripts: no
    request, no other code, whatever the archive's texts contain. They are in the compressed data, which is no markup.

    Args:
        name: of the run, for the title.
        data: what the modules read, such as ``experiments.page.data.page_data``.
        template: a file beside this one, with slots.
        modules: the page's own files of JavaScript, each after what it imports.
    """
    style = _read("page.css")
    physics = join_modules(read_script(), *map(_read, PHYSICS_MODULES))
    page = join_modules(*map(_read, modules))
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(physics)} {_source(page)} 'wasm-unsafe-eval'",
            f"style-src {_source(style)}",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    texts = {
        "policy": policy,
        "title": as_html(name),
        "style": style,
        "wasm": _packed(read_module()),
        "data": _packed(json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")),
        "physics": physics,
        "page": page,
    }
    return _SLOT.sub(lambda slot: texts[slot[1]], _read(template))


def join_modules(*sources: str) -> str:
    """One script of several modules that lie in the order of their imports.

    A page from disk can load no module, and one that is inline can name none. So lines of imports and the words
    ``export`` are left out, and all modules share one scope: no two may declare the same name.
    """
    return "'use strict';\n" + "\n".join(_EXPORT.sub("", _IMPORT.sub("", source)) for source in sources)


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """An inline script or style, as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _packed(content: bytes) -> str:
    """Compressed, always to the same bytes, and as base64."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")
