"""The resources of this process: cores by affinity and quota, memory by the limits of its control groups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments import machine
from environments.machine import available_cores, check_memory

#: What /proc/self/cgroup says of a service, of a container of version 2 and of two of version 1.
_SERVICE = "0::/system.slice/poet.service\n"
_CONTAINER = "0::/\n"
_OLD = "9:name=systemd:/\n4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n"


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the control groups, with 16 cores of affinity."""
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(machine, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(16), raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 16, raising=False)
    machine._quota.cache_clear()
    yield tmp_path / "groups"
    machine._quota.cache_clear()


def _write(groups: Path, own: str, files: dict[str, str]) -> None:
    (groups.parent / "own").write_text(own)
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        (_CONTAINER, {"cpu.max": "200000 100000\n"}, 2),
        (_CONTAINER, {"cpu.max": "150000 100000\n"}, 2),
        (_CONTAINER, {"cpu.max": "5000 100000\n"}, 1),
        (_CONTAINER, {"cpu.max": "max 100000\n"}, 16),
        (_CONTAINER, {"cpu.max": "6400000 100000\n"}, 16),
        (_CONTAINER, {}, 16),
        (_SERVICE, {"system.slice/poet.service/cpu.max": "300000 100000\n"}, 3),
        (
            _SERVICE,
            {
                "system.slice/poet.service/cpu.max": "max 100000\n",
                "system.slice/cpu.max": "40000 10000\n",
                "cpu.max": "max 1\n",
            },
            4,
        ),
        (_OLD, {"cpu,cpuacct/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/cpu.cfs_period_us": "50000\n"}, 5),
        (
            _OLD,
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "60000\n",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "10000\n",
            },
            6,
        ),
        (_OLD, {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 16),
    ],
)
def test_a_quota_counts_as_fewer_cores(groups: Path, own: str, files: dict[str, str], expected: int) -> None:
    """Of either version, of the own group or of one above it; a part of a core counts as one, "max" and -1 as no
    limit."""
    _write(groups, own, files)
    assert expected == available_cores()
    _write(groups, "", {})
    assert expected == available_cores()  # and nothing is read for each rollout


def test_without_control_groups_the_affinity_counts(groups: Path) -> None:
    """On macOS and in a jail without /proc nothing is read, and nothing breaks."""
    assert 16 == available_cores()


@pytest.mark.parametrize(
    ("own", "name"),
    [
        (_CONTAINER, "memory.max"),
        (_SERVICE, "system.slice/memory.max"),
        (_OLD, "memory/memory.limit_in_bytes"),
        (_OLD, "memory/docker/abc/memory.limit_in_bytes"),
    ],
)
def test_a_containers_memory_is_what_there_is(groups: Path, own: str, name: str) -> None:
    """Worlds that fit into the machine and not into the container are refused, whatever the version."""
    _write(groups, own, {name: f"{2**20}\n"})
    with pytest.raises(ValueError, match=r"2000 worlds need 0\.0 GiB .* ask for fewer than 1048"):
        check_memory(2000, 1000)
    check_memory(1000, 1000)
