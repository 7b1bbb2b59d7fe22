"""Text that may come from a stranger's archive or path, made harmless where it is shown, and lines for a shell."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

#: Characters that start markup in Markdown or HTML within a line.
_MARKS = re.compile(r"([\\`*_\[\]<>|~$&])")

_BARS = "▁▂▃▄▅▆▇█"

#: The most letters of a value that is shown in full.
_LONGEST = 1000


def visible(text: str) -> str:
    """The text with every invisible letter escaped, as in TOML and Python: ``\\u001b``.

    Such letters may control a terminal, reverse the order of letters, end a line, or be impossible to encode.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\u00a0" else _spelled(letter) for letter in text)


def shortened(text: str) -> str:
    """The text, or the beginning of a very long one, such as a drawn terrain in JSON."""
    return text if len(text) <= _LONGEST else f"{text[:60]}... ({len(text):,} letters)"


def as_html(text: str) -> str:
    """The text for a page."""
    return html.escape(visible(text))


def as_markdown(text: str) -> str:
    """The text for a line or a cell of Markdown, without any markup."""
    return _MARKS.sub(r"\\\1", visible(text))


def as_code(text: str) -> str:
    """The text as a code span of Markdown."""
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{visible(text)}{space}{fence}"


def poet_command(*words: str | Path) -> str:
    """A command to copy into a shell, such as ``poet resume 'my run'``. No path in it is taken for an option."""
    safe = (f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word) for word in words)
    return shlex.join(["poet", *safe])


def sparkline(shares: Sequence[float], width: int) -> str:
    """Shares from 0 to 1 over time, as bars of eight heights; if there are more than ``width``, some in even steps."""
    last = len(shares) - 1
    shown = shares if last < width else [shares[i * last // (width - 1)] for i in range(width)]
    return "".join(_BARS[int(share * (len(_BARS) - 1) + 0.5)] for share in shown)


def _spelled(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
