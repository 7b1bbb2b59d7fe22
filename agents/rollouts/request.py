"""What an executor is asked for: blocks of episodes, whose rows are named rather than sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agents.policies.base import AbstractPolicy
from environments.terrain.terrain import Terrain


class Sample(Protocol):
    """Thetas by row number: ``Perturbations`` or ``Thetas``."""

    @property
    def num_rows(self) -> int:
        """How many thetas there are."""
        ...

    def theta(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The thetas (len(rows), P) float32 of the given rows."""
        ...

    def fill_theta(self, theta_out: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Write the thetas of the given rows into ``theta_out`` (len(rows), P) float32; threads may, side by side."""
        ...


@dataclass(frozen=True, eq=False)
class Thetas:
    """Thetas as they are.

    Attributes:
        values: (rows, P) float32.
    """

    values: NDArray[np.float32]

    @property
    def num_rows(self) -> int:
        """How many thetas there are."""
        return int(self.values.shape[0])

    def theta(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The thetas (len(rows), P) float32 of the given rows."""
        return self.values[rows]

    def fill_theta(self, theta_out: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Write the thetas of the given rows into ``theta_out`` (len(rows), P) float32."""
        theta_out[:] = self.values[rows]


@dataclass(frozen=True, eq=False)
class Block:
    """Episodes of one sample.

    Attributes:
        sample: where thetas come from.
        rows: (B,) int64, the row of the sample that each episode runs.
        terrains: the grounds.
        terrain_index: (B,) int64, which of them each episode runs on.
    """

    sample: Sample
    rows: NDArray[np.int64]
    terrains: tuple[Terrain, ...]
    terrain_index: NDArray[np.int64]

    def part(self, start: int, stop: int) -> Block:
        """Episodes start..stop-1, with the terrains that they need."""
        used, index = np.unique(self.terrain_index[start:stop], return_inverse=True)
        rows = self.rows[start:stop]
        sample = Thetas(self.sample.values[rows]) if isinstance(self.sample, Thetas) else self.sample
        rows = np.arange(rows.size) if isinstance(self.sample, Thetas) else rows
        return Block(sample, rows, tuple(self.terrains[t] for t in used), index.astype(np.int64))


def joined(chunks: Sequence[EvaluationRequest]) -> EvaluationRequest:
    """The episodes of chunks of one request as one chunk."""
    return replace(chunks[0], blocks=tuple(block for chunk in chunks for block in chunk.blocks))


def every_row(sample: Sample, terrains: tuple[Terrain, ...]) -> Block:
    """Each row of the sample on each terrain: episode = row * len(terrains) + terrain."""
    rows, index = np.divmod(np.arange(sample.num_rows * len(terrains)), len(terrains))
    return Block(sample, rows, terrains, index)


@dataclass(frozen=True, eq=False)
class EvaluationRequest:
    """A phase's episodes.

    Attributes:
        blocks: answered by one ``RolloutResult`` each, in this order.
        policy: of all of them.
        max_steps: control steps after which an episode times out.
        engine: who integrates, see ``agents.rollouts.load_engine``.
        label: what the episodes are for, for people who watch; changes no result.
    """

    blocks: tuple[Block, ...]
    policy: AbstractPolicy
    max_steps: int = 2000
    engine: str = "simd"
    label: str = ""

    @property
    def num_episodes(self) -> int:
        """Episodes of all blocks."""
        return sum(block.rows.size for block in self.blocks)

    def chunks(self, num_episodes: int) -> Iterator[EvaluationRequest]:
        """The request in pieces of ``num_episodes`` and a last one with the rest, across its blocks, in order."""
        parts: list[Block] = []
        room = num_episodes
        for block in self.blocks:
            start = 0
            while start < block.rows.size:
                stop = min(start + room, block.rows.size)
                parts.append(block.part(start, stop))
                room -= stop - start
                start = stop
                if room == 0:
                    yield self._of(parts)
                    parts, room = [], num_episodes
        if parts:
            yield self._of(parts)

    def _of(self, parts: list[Block]) -> EvaluationRequest:
        return EvaluationRequest(tuple(parts), self.policy, self.max_steps, self.engine)
