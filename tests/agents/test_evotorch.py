"""EvoTorch as our strategies' engine (PGPE, CEM) and as the oracle of our own OpenAI-ES."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agents.strategies import evotorch
from agents.strategies.evotorch import Cem, Pgpe, load_functional
from agents.strategies.openai_es import OpenAIES
from agents.strategies.perturbations import Perturbations
from environments.streams import Stream, stream_key
from tests.environments.rounding import computing

_EVO = load_functional()
_P, _PAIRS = 37, 16


def _theta() -> NDArray[np.float32]:
    stream = Stream(3, "test evotorch theta")
    return np.array([[stream.uniform(-1.0, 1.0) for _ in range(_P)]], np.float32)


def _rows(sample: Perturbations) -> torch.Tensor:
    return torch.tensor(sample.theta(np.arange(sample.num_rows)))


def _fitness(rows: torch.Tensor) -> torch.Tensor:
    """Minus the squared distance to (1, ..., 1): no ties."""
    return -torch.square(rows.double() - 1.0).sum(dim=1).float()


def _told(fitness: torch.Tensor) -> NDArray[np.float64]:
    return fitness.double().numpy()[None, :]


@pytest.fixture
def torch_as_it_was() -> Iterator[None]:
    """Restores torch's settings in this process."""
    num_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(num_threads)
    torch.set_flush_denormal(False)
    torch.set_default_dtype(torch.float32)


def test_openai_es_is_evotorchs_pgpe_on_the_same_samples() -> None:
    """
    Without ties, weight decay and decays, our ES walks where EvoTorch's PGPE with Adam walks, to 1e-5.

    EvoTorch's gradient is sum((f+ - f-) / 2 * sigma eps) / M, POET's sum((f+ - f-) * eps) / (M sigma), which is
    2 / sigma^2 as much.
    """
    scale = 2.0 / 0.1**2

    def tell(state: Any, follow_grad: torch.Tensor) -> Any:
        return _EVO.adam_tell(state, follow_grad=scale * follow_grad)

    es = OpenAIES(pairs=_PAIRS, weight_decay=0.0, learning_rate_decay=1.0, noise_decay=1.0)
    ours = es.initial_state(_theta())
    theirs = _EVO.pgpe(
        center_init=torch.tensor(_theta()[0]),
        center_learning_rate=0.01,
        stdev_init=0.1,
        stdev_learning_rate=0.0,
        objective_sense="max",
        optimizer=(_EVO.adam, _EVO.adam_ask, tell),
        optimizer_config={"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    )
    for generation in range(30):
        (sample,) = es.ask(ours, [stream_key(3, "test evotorch", generation)])
        rows = _rows(sample)
        fitness = _fitness(rows)

        ours, theirs = es.tell(ours, [sample], _told(fitness)), _EVO.pgpe_tell(theirs, rows, fitness)

        np.testing.assert_allclose(ours.centre[0], theirs.optimizer_state.center.numpy(), rtol=0.0, atol=1e-5)
    assert np.abs(ours.centre - _theta()).max() > 0.1


def test_our_rows_are_ordered_as_evotorchs() -> None:
    """EvoTorch's own samples alternate plus and minus a direction, as ours do."""
    theirs = _EVO.pgpe(
        center_init=torch.zeros(_P),
        center_learning_rate=0.1,
        stdev_init=0.1,
        stdev_learning_rate=0.0,
        objective_sense="max",
    )
    rows = _EVO.pgpe_ask(theirs, popsize=8)

    assert torch.equal(rows[0::2], -rows[1::2])


def test_pgpe_is_evotorchs_to_the_bit() -> None:
    """Our state between the steps, as arrays, loses nothing: EvoTorch's own state, told the same, walks the same."""
    strategy = Pgpe(pairs=_PAIRS)
    ours = strategy.initial_state(_theta())
    theirs = _EVO.pgpe(
        center_init=torch.tensor(_theta()[0]),
        center_learning_rate=0.175,
        stdev_learning_rate=0.1,
        objective_sense="max",
        stdev_init=0.1,
        stdev_min=0.01,
    )
    for generation in range(10):
        (sample,) = strategy.ask(ours, [stream_key(3, "test evotorch", generation)])
        rows = _rows(sample)
        fitness = _fitness(rows)

        ours, theirs = strategy.tell(ours, [sample], _told(fitness)), _EVO.pgpe_tell(theirs, rows, fitness)

        assert theirs.optimizer_state.center.tolist() == ours.centre[0].tolist()
        assert theirs.stdev.tolist() == ours.stdev[0].tolist()
        assert theirs.optimizer_state.velocity.tolist() == ours.velocity[0].tolist()
    assert 1 < len(set(ours.stdev[0].tolist()))


def test_cem_is_evotorchs_to_the_bit() -> None:
    """Our state between the steps loses nothing, and rows are drawn one by one, not in pairs."""
    strategy = Cem(pairs=_PAIRS)
    ours = strategy.initial_state(_theta())
    theirs = _EVO.cem(
        center_init=torch.tensor(_theta()[0]),
        stdev_init=0.1,
        parenthood_ratio=0.5,
        objective_sense="max",
        stdev_min=0.01,
        stdev_max_change=0.01,
    )
    for generation in range(10):
        (sample,) = strategy.ask(ours, [stream_key(3, "test evotorch", generation)])
        rows = _rows(sample)
        fitness = _fitness(rows)

        ours, theirs = strategy.tell(ours, [sample], _told(fitness)), _EVO.cem_tell(theirs, rows, fitness)

        assert not sample.antithetic
        assert theirs.center.tolist() == ours.centre[0].tolist()
        assert theirs.stdev.tolist() == ours.stdev[0].tolist()


def test_returns_that_float32_cannot_tell_apart_are_ranked() -> None:
    """Fitness is ranked in float64: a hair's breadth decides, as it does in our own ES."""
    strategy = Pgpe(pairs=_PAIRS)
    state = strategy.initial_state(_theta())
    samples = strategy.ask(state, [stream_key(3, "hair")])
    close = 300.0 + 1e-10 * np.arange(2 * _PAIRS)[None, ::-1]
    far = np.arange(2.0 * _PAIRS)[None, ::-1]

    assert strategy.tell(state, samples, far).centre.tolist() == strategy.tell(state, samples, close).centre.tolist()


@pytest.mark.parametrize("strategy", [Pgpe(), Pgpe(step_length=1e-39), Cem(), Cem(noise_std=1e-39, noise_limit=0.0)])
@pytest.mark.usefixtures("torch_as_it_was")
def test_what_else_uses_torch_changes_no_bit(strategy: Pgpe | Cem) -> None:
    """Threads, default type and flushed denormals of this process change no step, and threads stay as they were."""
    state: Any = strategy.initial_state(np.zeros((1, 2804), np.float32))
    samples = strategy.ask(state, [stream_key(3, "threads")])
    fitness = np.arange(512.0)[None, :]
    told = []
    for num_threads, dtype in ((1, torch.float32), (2, torch.float64)):
        torch.set_num_threads(num_threads)
        torch.set_default_dtype(dtype)
        torch.set_flush_denormal(num_threads == 2)
        told.append([values.tobytes() for values in vars(strategy.tell(state, samples, fitness)).values()])
        assert num_threads == torch.get_num_threads()

    assert told[0] == told[1]
    assert any(told[0][0])


@pytest.mark.parametrize("strategy", [Pgpe(pairs=_PAIRS), Cem(pairs=_PAIRS)], ids=["pgpe", "cem"])
def test_what_is_set_while_torch_is_loaded_changes_no_bit(
    strategy: Pgpe | Cem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries that round otherwise may do so from when they are loaded: in the middle of a tell."""
    state = strategy.initial_state(_theta())
    samples = strategy.ask(state, [stream_key(5, "test evotorch")])
    fitness = _told(_fitness(_rows(samples[0])))
    expected = [values.tobytes() for values in vars(strategy.tell(state, samples, fitness)).values()]
    with ExitStack() as stack:
        monkeypatch.setattr(evotorch, "load_functional", lambda: (stack.enter_context(computing("up")), _EVO)[1])
        told = strategy.tell(state, samples, fitness)
    assert expected == [values.tobytes() for values in vars(told).values()]


def test_torch_is_loaded_by_the_first_tell_only() -> None:
    """Settings and samples cost no torch: what workers and a run's first sentence need is there at once."""
    code = (
        "import sys, numpy as np\n"
        "from agents.strategies import make_strategy\n"
        "from environments.streams import stream_key\n"
        "strategy = make_strategy('pgpe', pairs=2)\n"
        "state = strategy.initial_state(np.zeros((1, 3), np.float32))\n"
        "strategy.ask(state, [stream_key(1, 'x')])[0].theta(np.arange(4))\n"
        "print(*{'torch', 'evotorch', 'ray'} & set(sys.modules))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()
