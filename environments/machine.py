"""What this process may use of the machine it runs on."""

from __future__ import annotations

import os
from pathlib import Path

from environments.errors import InputError

_GIB = 2.0**30


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_memory(num: int, each_bytes: int, what: str = "worlds") -> None:
    """Refuse what cannot fit, before the system ends the process for it.

    Args:
        num: how many are asked for.
        each_bytes: what one takes.
        what: their name.

    Raises:
        InputError: all together take more than the memory that this process may use.
    """
    needed, present = num * each_bytes, _memory()
    if needed > present:
        raise InputError(
            f"{num} {what} need {needed / _GIB:.1f} GiB of memory, but there are {present / _GIB:.1f} GiB: ask "
            f"for fewer than {present // each_bytes}"
        )


def _memory() -> int:
    """Bytes of the machine, or of the container where that has fewer (cgroup v2; "max" is no limit)."""
    of_machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text()
    except OSError:
        return of_machine
    return min(of_machine, int(limit)) if limit.strip().isdigit() else of_machine
