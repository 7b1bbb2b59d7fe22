"""States as bytes: exact, without pickle, and refused where they do not fit."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from agents.strategies.base import StrategyState
from agents.strategies.openai_es import OpenAIESState
from environments.errors import InputError
from environments.terrain.obstacles import ObstacleGenotype
from poet.archive.checkpoint import decode_state
from poet.archive.grown import Grown
from poet.types import Evaluation, Niche, PoetState, RetiredNiche, theta_digest
from tests.poet.archive_examples import encoded, plain, recorded, toy_steps

counts = st.integers(0, 2**62)
scores = st.floats(allow_nan=False)
seeds = st.integers(0, 2**63 - 1)


@dataclass(frozen=True, eq=False)
class OtherState(StrategyState):
    """A strategy state of another shape: integers, one matrix per niche, and one number per niche."""

    ages: NDArray[np.int64]
    covariance: NDArray[np.float64]


def _decode(data: bytes, state: PoetState, state_type: type[StrategyState] = OpenAIESState) -> PoetState:
    thetas = {theta_digest(niche.theta): niche.theta for niche in state.retired}
    return decode_state(
        data, thetas.__getitem__, lambda _: recorded(state), lambda name, _: Grown(getattr(state, name)), PoetState,
        state_type, ObstacleGenotype,
    )  # fmt: skip


@st.composite
def genotypes(draw: Any) -> ObstacleGenotype:
    """Genotypes of any roughness, with or without pits."""
    return ObstacleGenotype(
        roughness=draw(st.floats(0.0, 10.0)), pit_gap=draw(st.sampled_from([None, (0.0, 0.8), (0.4, 1.2)]))
    )


@st.composite
def states(draw: Any) -> PoetState:
    """States of one to three active niches and up to two retired ones, with any bits in their arrays."""
    num, size = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    active, retired = [], []
    for _ in range(num):
        optimiser = OtherState(
            centre=draw(hnp.arrays(np.float32, (1, size))),
            ages=draw(hnp.arrays(np.int64, (1,))),
            covariance=draw(hnp.arrays(np.float64, (1, size, size))),
        )
        evaluation = Evaluation(draw(scores), draw(scores), draw(counts), draw(st.integers(0, 3)))
        active.append(
            Niche(
                draw(counts), draw(genotypes()), draw(seeds), draw(st.none() | counts), draw(counts), optimiser,
                draw(counts), evaluation, tuple(draw(st.lists(scores, max_size=5))), draw(st.booleans()),
            )
        )  # fmt: skip
    for niche_id in draw(st.lists(counts, max_size=2, unique=True)):
        theta = draw(hnp.arrays(np.float32, (size,)))
        retired.append(
            RetiredNiche(
                niche_id, draw(genotypes()), draw(seeds), draw(st.none() | counts), draw(counts),
                draw(st.booleans()), draw(counts), draw(counts), theta,
            )
        )  # fmt: skip
    table = draw(hnp.arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 4))))
    counters = {field.name: draw(counts) for field in fields(PoetState) if field.type == "int"}
    return PoetState(active=tuple(active), retired=tuple(retired), retired_scores=table, **counters)


@given(states())
def test_any_state_comes_back_to_the_bit(state: PoetState) -> None:
    """Arrays, -inf, None, long counters and signs of zero survive; equal states have equal bytes."""
    data = encoded(state)
    back = _decode(data, state, OtherState)
    assert plain(state) == plain(back)
    assert data == encoded(back)


def test_a_state_of_the_default_strategy_comes_back() -> None:
    """A run's own states survive, and the restored niches can be trained: their arrays are writable."""
    for step in toy_steps(6):
        back = _decode(encoded(step.state), step.state)
        assert plain(step.state) == plain(back)
        assert back.active[0].theta.flags.writeable


def test_a_state_does_not_grow_with_retired_niches() -> None:
    """However many have retired, whatever state comes then is as large; only another order costs a number each."""
    state = toy_steps(6)[-1].state
    last = state.retired[-1]
    many = tuple(replace(last, id=100 + i, retired=6) for i in range(1000))
    few, all_of_them = encoded(state), encoded(replace(state, retired=(*state.retired, *many)))
    assert len(few) == len(all_of_them)
    assert len(few) < len(encoded(replace(state, retired=(*state.retired, *many[::-1])))) < len(few) + 10_000


def test_a_trainers_own_order_of_retired_niches_comes_back() -> None:
    """It may be another than that of the record, and novelty's sums go by it."""
    state = toy_steps(6)[-1].state
    turned = replace(state, retired=state.retired[::-1], retired_scores=np.zeros((0, 0)))
    assert 2 <= len(turned.retired)
    assert plain(turned) == plain(_decode(encoded(turned), turned))


@pytest.mark.parametrize("ids", [[1], [7], ["0"], [True], [[]]])
def test_drawn_grounds_of_others_than_roots_are_refused(ids: list[Any]) -> None:
    """A child, an unknown niche, and no niches."""
    state = toy_steps(6)[-1].state
    with np.load(io.BytesIO(encoded(state))) as arrays:
        parts = dict(arrays)
    header = json.loads(parts["header"].tobytes()) | {"retired_drawn": ids}
    buffer = io.BytesIO()
    np.savez(buffer, **{**parts, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    with pytest.raises(InputError, match="retired"):
        _decode(buffer.getvalue(), state)


@pytest.mark.parametrize("ids", [[0], [0, 0], [0, 1, 2], ["0", 1], [1, True]])
def test_an_order_of_other_niches_is_refused(ids: list[Any]) -> None:
    """Lost, double, unknown and no niches."""
    state = toy_steps(6)[-1].state
    with np.load(io.BytesIO(encoded(state))) as arrays:
        parts = dict(arrays)
    header = json.loads(parts["header"].tobytes()) | {"retired": ids}
    buffer = io.BytesIO()
    np.savez(buffer, **{**parts, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)})
    assert [0, 1] == [niche.id for niche in state.retired]
    with pytest.raises(InputError, match="its retired niches are not those recorded"):
        _decode(buffer.getvalue(), state)


def test_another_strategys_state_is_refused() -> None:
    """A state is not read as that of a strategy whose fields it does not have."""
    state = toy_steps(0)[0].state
    with pytest.raises(InputError, match=r"of another strategy: OtherState has the fields .*es\.strategy"):
        _decode(encoded(state), state, OtherState)


@pytest.mark.parametrize("damage", [lambda d: d[:100], lambda d: b"", lambda d: d[:200] + b"!" + d[201:]])
def test_damaged_bytes_are_refused(damage: Any) -> None:
    """A state that lost bytes is an input error, not a crash or another state."""
    state = toy_steps(0)[0].state
    data = encoded(state)
    with pytest.raises(InputError, match="a stored state is damaged"):
        _decode(damage(data), state)


def test_python_objects_are_neither_written_nor_read() -> None:
    """A strategy state of objects is refused, and a pickle in its place is not loaded."""
    state = toy_steps(0)[0].state
    (niche,) = state.active
    objects = OtherState(niche.optimiser.centre, np.array([object()]), np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match=r"optimiser\.ages must be an array of numbers"):
        encoded(replace(state, active=(replace(niche, optimiser=objects),)))
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="allow_pickle=False"):
        _decode(buffer.getvalue(), state)


def test_a_state_without_niches_is_refused() -> None:
    """Without an active niche a run cannot go on."""
    with pytest.raises(ValueError, match="at least one active niche"):
        encoded(PoetState(0, ()))
