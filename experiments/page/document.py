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
    "live.mjs", "main.mjs",
)  # fmt: skip

#: What the page of several runs needs.
OVERVIEW_MODULES = ("dom.mjs", "data.mjs", "tree_view.mjs", "plot.mjs", "live.mjs", "overview.mjs")

_IMPORT = re.compile(r"^import .*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def make_document(
    name: str,
    data: dict[str, Any],
    template: str = "page.html",
    modules: Sequence[str] = PAGE_MODULES,
    is_served: bool = False,
) -> str:
    """The whole page.

    Its policy allows the scripts and the style that are in it and, where walkers walk, WebAssembly and workers made of
    these scripts: no request, no other code, whatever the archive's texts contain. They are in the compressed data,
    which is no markup.

    Args:
        name: of the run, for the title.
        data: what the modules read, such as ``experiments.page.data.page_data``.
        template: a file beside this one, with slots; the slot ``physics`` is for pages in which walkers walk.
        modules: the page's own files of JavaScript, each after what it imports.
        is_served: whether it may ask the server that it comes from, and nobody else.
    """
    text, style, page = _read(template), _read("page.css"), join_modules(*map(_read, modules))
    texts = {
        "title": as_html(name),
        "style": style,
        "data": _packed(json_bytes(data), 1 if is_served else 9),
        "page": page,
    }
    scripts, workers = [_source(page)], []
    if "physics" in _SLOT.findall(text):
        texts["physics"] = join_modules(read_script(), *map(_read, PHYSICS_MODULES))
        texts["wasm"] = _packed(read_module())
        scripts += [_source(texts["physics"]), "'wasm-unsafe-eval'"]
        workers = ["worker-src blob:"]
    texts["policy"] = "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src", *scripts)),
            f"style-src {_source(style)}",
            *workers,
            "base-uri 'none'",
            "form-action 'none'",
            *(["connect-src 'self'"] if is_served else []),
        )
    )
    return _SLOT.sub(lambda slot: texts[slot[1]], text)


def make_overview(data: dict[str, Any]) -> str:
    """The page of several runs, which is only served.

    Args:
        data: of ``experiments.view.overview.Overview.curves``.
    """
    return make_document("Runs side by side", data, "overview.html", OVERVIEW_MODULES, is_served=True)


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


def json_bytes(data: Any) -> bytes:
    """Plain values, as ``experiments.page.data.plain`` makes them, as JSON."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")


def _packed(content: bytes, level: int = 9) -> str:
    """Compressed, always to the same bytes, and as base64."""
    return base64.b64encode(gzip.compress(content, level, mtime=0)).decode("ascii")
