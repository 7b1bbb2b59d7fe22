"""Records of an archive that are not events: its writers, the run it was forked from, and stored agents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poet.events import AgentVersion


@dataclass(frozen=True)
class SessionInfo:
    """Describes a program that writes a run; the archive adds the time. None of it affects results.

    Attributes:
        host: the machine's name.
        versions: of Python and of packages, by name.
        engine, executor, workers: the physics engine, where it runs, and in how many workers.
        code_version: of POET itself, such as a git commit.
    """

    host: str
    versions: dict[str, str]
    engine: str
    executor: str
    workers: int
    code_version: str


@dataclass(frozen=True)
class ForkOrigin:
    """The origin of a forked run.

    Attributes:
        run: the folder of the other run at that time.
        iteration: the last iteration that both share.
    """

    run: str
    iteration: int


@dataclass(frozen=True, eq=False)
class StoredAgent:
    """An agent version whose theta the archive kept.

    Attributes:
        version: its record.
        theta: (P,) float32, read-only.
    """

    version: AgentVersion
    theta: NDArray[np.float32]
