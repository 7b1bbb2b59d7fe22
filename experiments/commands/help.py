"""What help texts have in common."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Commands for the end of a help text, each on its own line, as ``\\b`` makes it; without that, it is Markdown."""
    return "Examples:\n\n\b\n" + "\n".join(f"    {line}" for line in lines)
