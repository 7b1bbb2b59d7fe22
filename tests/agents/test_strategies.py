"""The contract of evolution strategies, over every registered one and a user's own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies import STRATEGIES, make_strategy
from agents.strategies.base import AbstractStrategy, StrategyState, concatenate, split, take
from agents.strategies.perturbations import Perturbations
from environments.errors import InputError
from environments.streams import Stream, StreamKey, stream_key

_N, _P, _PAIRS = 3, 5, 4
#: What lets a strategy work with few parameters, and how many it then needs; others take _P.
_SMALL: dict[str, dict[str, Any]] = {key: {"hidden_units": 1} for key in ("standardised_es", "averaged_es")}
_SIZES = dict.fromkeys(_SMALL, 25 + _P)
_OWN = "tests.agents.test_strategies:OwnStrategy"


@dataclass(frozen=True)
class OwnStrategy(AbstractStrategy[StrategyState]):
    """A strategy that a user might write: the best row becomes the centre."""

    kind = "own"

    pairs: int = 10
    noise_std: float = 0.2

    def initial_state(self, theta: NDArray[np.float32]) -> StrategyState:
        """See ``AbstractStrategy``."""
        return StrategyState(theta.copy())

    def ask(self, state: StrategyState, places: Sequence[StreamKey]) -> tuple[Perturbations, ...]:
        """See ``AbstractStrategy``."""
        scale = np.full(state.centre.shape[1], self.noise_std, np.float32)
        return tuple(Perturbations(c, scale, p, self.pairs) for c, p in zip(state.centre, places, strict=True))

    def tell(
        self, state: StrategyState, samples: Sequence[Perturbations], fitness: NDArray[np.float64]
    ) -> StrategyState:
        """See ``AbstractStrategy``."""
        return StrategyState(self.propose(state, samples, fitness))

    def propose(
        self, state: StrategyState, samples: Sequence[Perturbations], fitness: NDArray[np.float64], plain: bool = False
    ) -> NDArray[np.float32]:
        """See ``AbstractStrategy``."""
        if np.isnan(fitness).any():
            raise ValueError("fitness holds NaN")
        best = [s.theta(np.array([row.argmax()]))[0] for s, row in zip(samples, fitness, strict=True)]
        return np.stack(best)

    def step_sizes(self, state: StrategyState) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See ``AbstractStrategy``."""
        return np.full(state.centre.shape[0], self.noise_std), np.ones(state.centre.shape[0])


@pytest.fixture(params=[*STRATEGIES, _OWN])
def strategy(request: pytest.FixtureRequest) -> AbstractStrategy[Any]:
    """Each strategy in turn, with few samples."""
    return make_strategy(request.param, pairs=_PAIRS, **_SMALL.get(request.param, {}))


def _size(strategy: AbstractStrategy[Any]) -> int:
    return _SIZES.get(strategy.kind, _P)


def _theta(strategy: AbstractStrategy[Any]) -> NDArray[np.float32]:
    stream = Stream(2, "test strategies theta")
    return np.array([[stream.uniform(-1.0, 1.0) for _ in range(_size(strategy))] for _ in range(_N)], np.float32)


def _places(generation: int = 0, num_niches: int = _N) -> list[StreamKey]:
    return [stream_key(2, "test strategies", generation, n) for n in range(num_niches)]


def _fitness(num_rows: int, generation: int = 0, num_niches: int = _N) -> NDArray[np.float64]:
    stream = Stream(2, "test strategies fitness", generation)
    return np.array([[stream.uniform(-100.0, 300.0) for _ in range(num_rows)] for _ in range(num_niches)])


def _bits(state: StrategyState) -> dict[str, bytes]:
    return {f.name: getattr(state, f.name).tobytes() for f in fields(state)}


def _worn(strategy: AbstractStrategy[Any]) -> Any:
    """A state that has taken some steps."""
    state = strategy.initial_state(_theta(strategy))
    for generation in range(3):
        samples = strategy.ask(state, _places(generation))
        state = strategy.tell(state, samples, _fitness(samples[0].num_rows, generation))
    return state


def test_a_generation_costs_twice_the_pairs(strategy: AbstractStrategy[Any]) -> None:
    """Each niche gets a sample around its centre, of as many rows whatever the strategy, all unlike."""
    state = strategy.initial_state(_theta(strategy))

    samples = strategy.ask(state, _places())

    assert _N == len(samples)
    for sample, place, centre in zip(samples, _places(), _theta(strategy), strict=True):
        assert 2 * _PAIRS == sample.num_rows
        assert place == sample.place
        assert centre.tolist() == sample.centre.tolist()
        assert (sample.scale > 0).all()
        assert 2 * _PAIRS == len(np.unique(sample.theta(np.arange(2 * _PAIRS)), axis=0))


def test_an_optimiser_moves_to_another_theta(strategy: AbstractStrategy[Any]) -> None:
    """Its centre and its agent are then that theta, and step sizes are as before; nothing else is forgotten."""
    state, other = _worn(strategy), _theta(strategy) + np.float32(1.0)

    moved = strategy.moved(state, other)

    assert other.tolist() == moved.centre.tolist() == moved.theta.tolist()
    assert all(
        np.array_equal(a, b) for a, b in zip(strategy.step_sizes(state), strategy.step_sizes(moved), strict=True)
    )
    changed = {name for name, bits in _bits(moved).items() if bits != _bits(state)[name]}
    assert {"centre"} == changed - {"average", "num_steps"}
    with pytest.raises(InputError, match="theta must be finite"):
        strategy.moved(state, np.full_like(other, np.inf))


def test_a_state_is_arrays_with_niches_first(strategy: AbstractStrategy[Any]) -> None:
    """Any state can be joined, split and stored without knowing the strategy: every field is an array (N, ...)."""
    state = _worn(strategy)

    assert np.float32 == state.centre.dtype
    assert (_N, _size(strategy)) == state.centre.shape
    for f in fields(state):
        assert _N == getattr(state, f.name).shape[0]
    assert _bits(state) == _bits(concatenate(split(state)))
    assert _bits(state) == _bits(concatenate([take(state, 0, 1), take(state, 1, 3)]))


def test_a_stored_state_goes_on_as_if_nothing_had_happened(strategy: AbstractStrategy[Any]) -> None:
    """A state written to disk as plain arrays and read back takes the same next step, to the bit."""
    state = _worn(strategy)
    file = io.BytesIO()
    np.savez(file, **{f.name: getattr(state, f.name) for f in fields(state)})
    file.seek(0)
    with np.load(file) as arrays:
        read = type(state)(**dict(arrays))
    fitness = _fitness(2 * _PAIRS, 9)

    expected = strategy.tell(state, strategy.ask(state, _places(9)), fitness)
    assert _bits(expected) == _bits(strategy.tell(read, strategy.ask(read, _places(9)), fitness))


def test_tell_keeps_hands_off_the_state(strategy: AbstractStrategy[Any]) -> None:
    """State in, state out: a step moves every centre and changes no array of the state that it was given."""
    state = _worn(strategy)
    before = _bits(state)

    after = strategy.tell(state, strategy.ask(state, _places(9)), _fitness(2 * _PAIRS, 9))

    assert before == _bits(state)
    assert (state.centre != after.centre).any(axis=1).all()


def test_niches_do_not_feel_each_other(strategy: AbstractStrategy[Any]) -> None:
    """A niche takes the same step alone as among others, to the bit."""
    state, fitness = _worn(strategy), _fitness(2 * _PAIRS, 9)
    together = strategy.tell(state, strategy.ask(state, _places(9)), fitness)
    alone = [
        strategy.tell(one, strategy.ask(one, [place]), fitness[n : n + 1])
        for n, (one, place) in enumerate(zip(split(state), _places(9), strict=True))
    ]

    assert _bits(together) == _bits(concatenate(alone))


def test_returns_are_maximised(strategy: AbstractStrategy[Any]) -> None:
    """Told minus the distance to a target, in parameters without coordinates of their own, a strategy walks there."""
    target = np.full(_P, 1.0, np.float32)
    state = strategy.initial_state(np.zeros((1, _size(strategy)), np.float32))
    for generation in range(200):
        (sample,) = strategy.ask(state, _places(generation, 1))
        found = sample.theta(np.arange(2 * _PAIRS))[:, -_P:].astype(np.float64)
        distance = np.square(found - target).sum(axis=1)
        state = strategy.tell(state, [sample], -distance[None, :])

    assert np.sqrt(np.square(state.centre[0, -_P:] - target).sum()) < 0.25 * np.sqrt(_P)


def test_a_diverged_world_ranks_below_every_other(strategy: AbstractStrategy[Any]) -> None:
    """-inf counts as the worst return, no more and no less: the step is the one for a very low number."""
    state = _worn(strategy)
    samples, fitness = strategy.ask(state, _places(9)), _fitness(2 * _PAIRS, 9)
    low, diverged = fitness.copy(), fitness.copy()
    low[:, 3], diverged[:, 3] = -1e6, -np.inf

    after = strategy.tell(state, samples, diverged)

    assert np.isfinite(after.centre).all()
    assert _bits(strategy.tell(state, samples, low)) == _bits(after)


def test_nan_is_refused(strategy: AbstractStrategy[Any]) -> None:
    """A return that is no number is an error, not a theta of NaN."""
    state = strategy.initial_state(_theta(strategy))
    fitness = _fitness(2 * _PAIRS)
    fitness[1, 2] = np.nan

    with pytest.raises(ValueError, match="NaN"):
        strategy.tell(state, strategy.ask(state, _places()), fitness)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_what_does_not_fit_is_refused(name: str) -> None:
    """One sentence, instead of a kernel that reads or writes outside its arrays."""
    strategy = make_strategy(name, pairs=_PAIRS, **_SMALL.get(name, {}))
    for theta in (np.zeros(3, np.float32), np.zeros((1, 3)), np.zeros((0, 3), np.float32), [[0.0]]):
        with pytest.raises(InputError, match=r"^theta must be \(N, P\) float32"):
            strategy.initial_state(theta)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^theta must be finite"):
        strategy.initial_state(np.full((1, _size(strategy)), np.inf, np.float32))
    state = strategy.initial_state(_theta(strategy))
    for places in (_places()[:1], [1] * _N):
        with pytest.raises(InputError, match=r"^places must be a StreamKey for each of"):
            strategy.ask(state, places)  # type: ignore[arg-type]
    samples = strategy.ask(state, _places())
    short = strategy.ask(strategy.initial_state(_theta(strategy)[:, :-1]), _places())
    fitness = _fitness(2 * _PAIRS)
    for verb in (strategy.tell, strategy.propose):
        for unfit in (fitness[:, 1:], fitness[0], fitness[1:], fitness.astype(str), fitness.tolist()[0], None):
            with pytest.raises(InputError, match=r"^fitness must be"):
                verb(state, samples, unfit)  # type: ignore[arg-type, operator]
        for unfit in (samples[1:], (*samples[1:], short[0]), short):
            with pytest.raises(InputError, match=r"^samples must be one of"):
                verb(state, unfit, fitness)  # type: ignore[operator]


def test_a_proposal_is_where_a_step_would_lead(strategy: AbstractStrategy[Any]) -> None:
    """Around the target's own centre a proposal is the theta that tell gives; it keeps nothing."""
    state, fitness = _worn(strategy), _fitness(2 * _PAIRS, 9)
    samples, before = strategy.ask(state, _places(9)), _bits(state)

    proposed = strategy.propose(state, samples, fitness)

    assert before == _bits(state)
    assert strategy.tell(state, samples, fitness).centre.tolist() == proposed.tolist()
    assert np.float32 == proposed.dtype


@pytest.mark.parametrize("plain", [False, True])
def test_a_proposal_starts_at_the_source(strategy: AbstractStrategy[Any], plain: bool) -> None:
    """Samples around another agent's theta lead to a theta near that one, not near the target's own."""
    state = _worn(strategy)
    source = type(state)(**{**vars(state), "centre": state.centre + np.float32(100.0)})

    proposed = strategy.propose(state, strategy.ask(source, _places(9)), _fitness(2 * _PAIRS, 9), plain)

    assert (_N, _size(strategy)) == proposed.shape
    assert (np.abs(proposed - source.centre) < 10.0).all()
    assert (proposed != source.centre).any(axis=1).all()


def test_step_sizes_are_one_a_niche(strategy: AbstractStrategy[Any]) -> None:
    """Statistics are told a noise and a learning rate above 0 for each niche."""
    for sizes in strategy.step_sizes(_worn(strategy)):
        assert (_N,) == sizes.shape
        assert np.float64 == sizes.dtype
        assert (sizes > 0).all()


def test_settings_are_the_fields() -> None:
    """What a config sets reaches the strategy, and what it leaves out keeps its default."""
    for name in STRATEGIES:
        made = make_strategy(name, pairs=7, noise_std=0.25)
        assert name == made.kind
        assert (7, 0.25, 0.01) == tuple(vars(made)[key] for key in ("pairs", "noise_std", "noise_limit"))


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("opneai_es", {}, "unknown strategy 'opneai_es': did you mean 'openai_es'"),
        (
            "openai_es",
            {"pears": 3},
            "strategy 'openai_es' has 'pears', but OpenAIES has no such setting: did you mean 'pairs'",
        ),
        ("pgpe", {"weight_decay": 0.1}, "strategy 'pgpe' has 'weight_decay', but Pgpe has no such setting"),
        (_OWN, {"momentum": 0.1}, "has 'momentum', but .* has no such setting"),
        ("openai_es", {"pairs": 0}, "openai_es setting pairs must be a whole number from 1 on, but is 0"),
        ("openai_es", {"pairs": 2.5}, "pairs must be a whole number"),
        ("openai_es", {"pairs": True}, "pairs must be a whole number"),
        ("pgpe", {"noise_std": 0.0}, "pgpe setting noise_std must be a positive number, but is 0.0"),
        ("cem", {"noise_limit": -1.0}, "noise_limit must be a positive number"),
        ("pgpe", {"momentum": float("nan")}, "momentum must be a positive number"),
        ("openai_es", {"learning_rate": "fast"}, "learning_rate must be a positive number, but is 'fast'"),
        ("cem", {"pairs": 1, "parenthood_ratio": 0.5}, "between 2 and all of the 2 rows"),
        ("cem", {"parenthood_ratio": 1.5}, "between 2 and all of the 512 rows"),
        (
            "tests.agents.test_strategies:_N",
            {},
            "a concrete subclass of agents.strategies.base.AbstractStrategy",
        ),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, Any], sentence: str) -> None:
    """A name or a value that does not exist is refused with what was expected, before any episode runs."""
    with pytest.raises(InputError, match=sentence):
        make_strategy(name, **settings)
