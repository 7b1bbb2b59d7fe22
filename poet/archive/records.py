"""Records of an archive that are not events: who wrote it, where it comes from, what it gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poet.events import AgentVersion


@dataclass(frozen=True)
class SessionInfo:
    """Who goes on with a run; the archive adds when. None of it changes a result.

    Attributes:
        host: the machine's name.
        versions: of Python and of packages, by name.
        engine, executor, workers: who integrates, where, and how many at a time.
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
    """Where a forked run comes from.

    Attributes:
        run: the folder of the other run, as it was then.
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
