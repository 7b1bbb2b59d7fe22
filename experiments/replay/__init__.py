"""Archived pairs walk again: they are drawn, or checked against the archive."""

from __future__ import annotations

from collections.abc import Callable

#: Told how many pictures or pairs are done, of how many.
Progress = Callable[[int, int], None]
