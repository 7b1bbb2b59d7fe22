"""What help texts have in common."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Commands for the end of a help text, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
