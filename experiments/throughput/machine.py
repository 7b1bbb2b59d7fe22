"""The machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from environments.compiled import LANES
from environments.machine import available_cores
from experiments.runner import code_version

_PACKAGES = ("numpy", "numba", "llvmlite", "gymnasium", "Box2D", "envpool")


def machine_facts() -> dict[str, str]:
    """What the reader of a figure must know, by name: date, code, machine, versions."""
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "code": code_version(),
        "CPU": _cpu_name(),
        "cores": _cores(),
        "load": f"{os.getloadavg()[0]:.2f} before the first measurement (processes that run or wait, mean of a minute)",
        "worlds in a pack": str(LANES),
        "system": platform.platform(),
        "Python": platform.python_version(),
    }
    return facts | {name: found for name in _PACKAGES if (found := _version(name))}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _cores() -> str:
    """The cores that this process may use, and all cores of the machine."""
    usable, present = available_cores(), os.cpu_count()
    return str(usable) if usable == present else f"{usable} of {present}"


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
