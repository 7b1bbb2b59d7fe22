"""Requests for episodes, the executors that run them, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from environments.errors import InputError, nearest

if TYPE_CHECKING:
    from agents.evaluation.executor import AbstractExecutor

#: Who can run episodes.
EXECUTORS = ("local", "ray")


def make_executor(name: str, workers: int | None = None, ray_address: str | None = None) -> AbstractExecutor:
    """The executor called ``name``; each is imported when it is asked for.

    Args:
        name: ``"local"``: this process and others on this machine; ``"ray"``: a Ray cluster.
        workers: cores that run episodes at the same time; None for all.
        ray_address: of a running cluster, for ``"ray"``; None to start one here.

    Raises:
        InputError: no executor of that name, fewer than one worker, or the cluster cannot be used.
    """
    if name not in EXECUTORS:
        raise InputError(f"executor must be one of {', '.join(EXECUTORS)}, but is {name!r}; {nearest(name, EXECUTORS)}")
    if workers is not None and workers < 1:
        raise InputError(f"workers must be a whole number from 1 on, but is {workers!r}")
    if name == "ray":
        from agents.evaluation.ray import RayExecutor

        return RayExecutor(workers, ray_address)
    if ray_address is not None:
        raise InputError(f"a Ray address is for executor 'ray', but executor is {name!r}; choose one of the two")
    from agents.evaluation.local import LocalExecutor

    return LocalExecutor(workers)
