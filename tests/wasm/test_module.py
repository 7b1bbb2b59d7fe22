"""The committed WebAssembly module against the engine ``simd``, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wasmtime

from agents import wasm
from agents.policies import POLICIES, make_policy
from agents.policies.base import AbstractPolicy
from agents.policies.gru import GRUPolicy
from agents.policies.mlp import MLPPolicy
from agents.rollouts import simd
from agents.wasm.build import build
from agents.wasm.layout import layout
from agents.wasm.linking import STACK_SIZE
from environments.streams import Stream
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.terrain import Terrain
from experiments.walkers import load_walker
from tests.agents import courses
from tests.parity.compare import compare
from tests.parity.episodes import Case, batches
from tests.parity.report import describe
from tests.parity.run import worlds_of
from tests.wasm.episodes import bits, in_module
from tests.wasm.host import WasmWalker, compiled, make_wasm_worlds

_NUM_EPISODES, _SEED = 200, 16
_NUM_STEPPED = 30


def test_it_imports_nothing_and_exports_what_pages_call() -> None:
    """No function of somebody else's libm. It has no vectors either, since it compiles where there are none."""
    _, module = compiled(wasm.read_module())
    assert [] == list(module.imports)
    found = {export.name: export.type for export in module.exports}
    calls = {"lay", "start", "step", *(f"{call}_{kind}" for call in ("begin", "act") for kind in POLICIES)}
    assert {"memory", "heap_base"} | calls == set(found)
    for name in calls:
        kind = found[name]
        assert isinstance(kind, wasmtime.FuncType)
        assert (["i32"], []) == ([str(each) for each in kind.params], list(kind.results))


def test_its_layout_is_what_python_says() -> None:
    """The committed file, after an edit of anything that it is made from: ``python -m agents.wasm.build`` renews it."""
    assert layout() == wasm.read_layout()


def test_whole_episodes_have_the_bits_of_lanes() -> None:
    """Return, length and outcome, the policy included, on all kinds of courses of the parity test."""
    request = courses.request(_NUM_EPISODES, _SEED)
    np.testing.assert_array_equal(bits(courses.in_lanes(request)), bits(in_module(request)))


def test_every_number_of_every_step_has_the_bits_of_lanes() -> None:
    """Bodies, contact flags, observations, rewards and ends, on all kinds of courses and under all kinds of actions."""
    cases = [Case(number, _SEED) for number in range(_NUM_STEPPED)]
    verdicts = [
        verdict
        for batch in batches(cases, _NUM_STEPPED)
        for verdict in compare(batch, worlds_of("simd"), make_wasm_worlds)
    ]
    assert len(verdicts) == _NUM_STEPPED
    assert [] == [line for verdict in verdicts if not verdict.is_identical for line in describe(verdict)]


@pytest.mark.parametrize(
    "policy",
    [
        MLPPolicy((24, 4), ("linear",)),
        MLPPolicy((24, 7, 64, 3, 4), ("relu", "tanh", "linear", "tanh")),
        GRUPolicy(),
        GRUPolicy((24, 16, 4), ("relu", "tanh"), units=13),
    ],
    ids=lambda policy: policy.description,
)
def test_every_policy_of_ours_acts_with_the_same_bits(policy: AbstractPolicy) -> None:
    """Perceptrons of any shape, and those with a memory, which begins anew with each episode."""
    rng = np.random.default_rng(policy.num_parameters)
    terrains = [Case(number, _SEED).terrain() for number in range(4)]
    thetas = (0.5 * rng.standard_normal((4, policy.num_parameters))).astype(np.float32)
    expected = simd.run_episodes(policy, thetas, terrains, np.arange(4), 200)
    for i, (terrain, theta) in enumerate(zip(terrains, thetas, strict=True)):
        walker = WasmWalker(terrain, policy, theta)
        for _ in range(2):  # one episode leaves nothing behind for the next
            found = walker.episode(terrain.push, 200)
            assert (expected.returns[i], expected.lengths[i], expected.outcomes[i]) == found


def test_every_policy_of_ours_is_tested() -> None:
    """A policy that joins ``POLICIES`` joins the module at its next build."""
    assert {"mlp", "gru"} == set(POLICIES) == set(wasm.read_layout()["policies"])
    assert wasm.policy_record(make_policy("gru", units=3))["shape"] == list(make_policy("gru", units=3).shape)


def test_grounds_of_networks_have_the_same_bits() -> None:
    """A CPPN's terrain is only heights."""
    stream, theta, policy = Stream(_SEED, "wasm cppn"), load_walker("flat").theta, MLPPolicy()
    genotype, terrains = CppnGenotype.initial(CppnSettings(), stream), list[Terrain]()
    for _ in range(4):
        for _ in range(5):
            genotype = genotype.mutate(stream, CppnSettings())
        terrains.append(genotype.express(0).with_push(stream.uniform(-5.0, 5.0)))
    expected = simd.run_episodes(policy, np.stack([theta] * 4), terrains, np.arange(4), 2000)
    found = [WasmWalker(terrain, policy, theta).episode(terrain.push, 2000) for terrain in terrains]
    assert list(zip(expected.returns, expected.lengths, expected.outcomes, strict=True)) == found


def test_the_stack_stays_in_its_place() -> None:
    """Data lies below it, and nothing would stop it: an episode with many contacts leaves three quarters unused."""
    (number,) = [n for n in range(13) if Case(n, _SEED).terrain_kind == "polygons"]
    terrain, policy = Case(number, _SEED).terrain(), GRUPolicy()
    theta = policy.initial_theta(np.zeros(policy.num_parameters, np.float32))
    theta[: policy.mlp.num_parameters] = load_walker("flat").theta
    walker = WasmWalker(terrain, policy, theta)
    walker.stack[:] = 0xA5
    walker.episode(terrain.push, 300)
    assert (walker.stack[: 3 * STACK_SIZE // 4] == 0xA5).all()
    assert not (walker.stack == 0xA5).all()


def test_it_is_made_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Where Numba has compiled anything, kernels are this processor's."""
    with pytest.raises(RuntimeError, match="process of its own"):
        build(tmp_path)
