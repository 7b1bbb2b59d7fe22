"""What this process may use of the machine it runs on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from environments.errors import InputError

_GIB = 2.0**30
#: Where Linux says which control groups this process is in, and where their limits are.
_OWN_GROUPS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_cores() -> int:
    """The cores this process may use: those of its affinity, or fewer where a container or service has a quota.

    A fraction of a core counts as one. Python 3.13's ``PYTHON_CPU_COUNT`` takes the place of the affinity.
    """
    if hasattr(os, "process_cpu_count"):
        cores = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count()
    return max(1, math.ceil(min(cores or 1, _quota())))


@cache  # reading this takes as long as a short episode
def _quota() -> float:
    """How many cores' time control groups leave this process. No limit is "max" in version 2 and -1 in version 1."""
    quotas = [math.inf]
    for group in _groups("cpu"):
        words = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        if len(words) == 2 and all(word.isdigit() for word in words):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control groups of either version, from its own to the topmost one seen here."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") or not controllers:
            own = _GROUPS / controllers / path.lstrip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(_GROUPS / controllers))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def check_memory(num: int, each_bytes: int, what: str = "worlds") -> None:
    """Refuse what cannot fit into memory, before the system kills the process for it.

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
    """Bytes of the machine's memory, or of the container's or service's if that has less."""
    files = [group / name for group in _groups("memory") for name in ("memory.max", "memory.limit_in_bytes")]
    limits = [int(word) for file in files for word in _words(file) if word.isdigit()]
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits])
