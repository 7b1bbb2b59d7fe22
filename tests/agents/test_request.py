"""Requests: however they are cut into chunks, the same episodes are asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.policies.mlp import MLPPolicy
from agents.rollouts.request import Block, EvaluationRequest, Sample, Thetas, every_row
from agents.strategies.perturbations import Perturbations
from environments import Terrain
from environments.streams import stream_key

_P = 3
_GROUNDS = tuple(Terrain(ground=np.array([[0, i], [1, i], [2, i]], np.float32)) for i in range(4))


def _sample(kind: str, number: int) -> Sample:
    if kind == "thetas":
        return Thetas(np.arange(6 * _P, dtype=np.float32).reshape(6, _P) + number)
    scale = np.ones(_P, np.float32)
    return Perturbations(scale * number, scale, stream_key(number, "test request"), 3)


@st.composite
def _blocks(draw: st.DrawFn) -> Block:
    sample = _sample(draw(st.sampled_from(["thetas", "perturbations"])), draw(st.integers(0, 3)))
    num_terrains = draw(st.integers(1, 4))
    episodes = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, num_terrains - 1)), max_size=12))
    rows, index = np.array(episodes, np.int64).reshape(-1, 2).T
    return Block(sample, rows, _GROUNDS[:num_terrains], index)


def _episodes(request: EvaluationRequest) -> list[tuple[list[float], Terrain]]:
    """Every theta and its ground, in order."""
    return [
        (theta.tolist(), block.terrains[t])
        for block in request.blocks
        for theta, t in zip(block.sample.theta(block.rows), block.terrain_index, strict=True)
    ]


@given(blocks=st.lists(_blocks(), max_size=4), num_episodes=st.integers(1, 9))
def test_chunks_are_the_request_cut_up(blocks: list[Block], num_episodes: int) -> None:
    """Chunks hold the request's episodes in order, so many each across its blocks and the rest in the last one, with
    its settings and no ground too many."""
    request = EvaluationRequest(tuple(blocks), MLPPolicy((2, 1)), max_steps=7, engine="some", label="es")

    chunks = list(request.chunks(num_episodes))

    assert _episodes(request) == [episode for chunk in chunks for episode in _episodes(chunk)]
    whole, rest = divmod(request.num_episodes, num_episodes)
    assert [num_episodes] * whole + [rest] * (rest > 0) == [chunk.num_episodes for chunk in chunks]
    for chunk in chunks:
        assert (request.policy, 7, "some") == (chunk.policy, chunk.max_steps, chunk.engine)
        for block in chunk.blocks:
            assert set(range(len(block.terrains))) == set(block.terrain_index.tolist())


@given(blocks=st.lists(_blocks(), min_size=1, max_size=4))
def test_a_chunk_ships_no_theta_that_it_does_not_run(blocks: list[Block]) -> None:
    """Thetas sent as they are go only where they run; perturbations go by name."""
    for chunk in EvaluationRequest(tuple(blocks), MLPPolicy((2, 1))).chunks(2):
        for block in chunk.blocks:
            assert isinstance(block.sample, Perturbations) or block.rows.size == block.sample.num_rows


def test_every_row_runs_on_every_ground() -> None:
    """Episode row * len(terrains) + terrain runs that row on that ground."""
    sample = _sample("thetas", 0)

    block = every_row(sample, _GROUNDS[:2])

    assert [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5] == block.rows.tolist()
    assert [0, 1] * 6 == block.terrain_index.tolist()
