"""A Ray cluster of several nodes on this machine, whose nodes come and go, for tests and benchmarks of faults.

Only processes that it has started itself are killed.
"""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import psutil

_STORE_BYTES = 80 * 2**20


class SmallCluster:
    """A head without CPUs, to which nodes are added."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes: dict[str, tuple[Any, psutil.Process]] = {}

    @property
    def address(self) -> str:
        """Where it is joined."""
        return str(self._cluster.address)

    @property
    def nodes(self) -> list[str]:
        """The names of those that are there."""
        return [*self._nodes]

    def add(self, name: str, num_cpus: int = 1) -> None:
        """Start a node."""
        before = _raylets()
        node = self._cluster.add_node(num_cpus=num_cpus, object_store_memory=_STORE_BYTES)
        (raylet,) = _raylets() - before
        self._nodes[name] = node, raylet

    def remove(self, name: str) -> None:
        """End a node at once, as if its machine were switched off."""
        node, _ = self._nodes.pop(name)
        self._cluster.remove_node(node, allow_graceful=False)

    def workers(self, name: str) -> list[psutil.Process]:
        """The processes that run episodes on a node."""
        with suppress(psutil.NoSuchProcess):
            return [child for child in self._nodes[name][1].children() if _title(child) == "ray::run_timed"]
        return []

    def kill_worker(self, name: str) -> bool:
        """Kill a process that runs episodes on a node; whether there was one."""
        for worker in self.workers(name):
            with suppress(psutil.NoSuchProcess):
                worker.kill()
                return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.shutdown()


def _raylets() -> set[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return {child for child in children if _title(child).endswith("/raylet")}


def _title(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess, IndexError):  # a zombie has no command line
        return process.cmdline()[0].split()[0] if process.cmdline()[0] else ""
    return ""
