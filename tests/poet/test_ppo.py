"""The trainer ``ppo``: its learner against Stable-Baselines3's own, the agent that comes of it, and what it refuses."""

from __future__ import annotations

import math
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from agents.policies.mlp import MLPPolicy
from environments import ObstacleGenotype, make_vec_env
from environments.errors import InputError
from environments.streams import stream_key, words
from poet.archive.fingerprint import fingerprint
from poet.config import Config, make_config
from poet.events import Cost, GenerationDone
from poet.parts import Parts, make_parts
from poet.ppo_config import PpoConfig
from poet.trainers import make_trainer, sb3
from poet.trainers.ppo import NetworkUpdated
from poet.trainers.walkers import WalkerVecEnv
from poet.types import Purpose
from tests.experiments.command_line import Poet, begin, end, in_process, wait_for
from tests.experiments.test_bad_input import assert_refused
from tests.poet.builders import Judge, first_weight

#: Iterations of four short walks.
SMALL: dict[str, Any] = {"envs": 4, "steps": 64, "batch": 32, "epochs": 2, "learning_rate": 1e-3}
LAYERS = (24, 8, 6, 4)
MAX_STEPS = 60
PLACES = tuple(stream_key(3, "a test", i) for i in range(4))


def config_of(**layers: dict[str, Any]) -> Config:
    """A small config of the trainer."""
    layers["ppo"] = SMALL | layers.get("ppo", {})
    layers["run"] = {"trainer": "ppo"} | layers.get("run", {})
    layers["evaluation"] = {"max_steps": MAX_STEPS} | layers.get("evaluation", {})
    layers["policy"] = {"layer_sizes": list(LAYERS)} | layers.get("policy", {})
    return make_config(layers)


def parts_of(judge: Judge | None = None, **layers: dict[str, Any]) -> Parts:
    """Its parts; agents are scored by their first weight."""
    return make_parts(config_of(**layers), judge or Judge(first_weight))


def learned(config: PpoConfig, policy: MLPPolicy, num: int, engine: str = "simd") -> list[sb3.Learned]:
    """So many iterations from random weights, on a rough terrain and a flat one."""
    state, found = sb3.first_state(config, policy, None, PLACES[0]), []
    terrains = [ObstacleGenotype(roughness=2.0).express(1), ObstacleGenotype().express(2)]
    for i in range(num):
        places = PLACES[1 + i], stream_key(3, "batches", i)
        found.append(sb3.learn(config, policy, state, terrains, MAX_STEPS, engine, *places))
        state = found[-1].state
    return found


def plain_ppo(config: PpoConfig, policy: MLPPolicy) -> tuple[PPO, VecNormalize]:
    """Stable-Baselines3's own learner with the same network and numbers, which is kept from iteration to iteration."""
    terrains = [ObstacleGenotype(roughness=2.0).express(1), ObstacleGenotype().express(2)]
    walkers = make_vec_env(terrains, config.envs, max_steps=MAX_STEPS, autoreset_mode="SameStep", threads=1)
    envs = VecNormalize(WalkerVecEnv(walkers), gamma=0.99, clip_obs=math.inf)
    torch.manual_seed(PLACES[0].key[0] | PLACES[0].key[1] << 32)
    hidden = list(policy.layer_sizes[1:-1])
    ppo = PPO(
        "MlpPolicy", envs, learning_rate=1e-3, n_steps=64, batch_size=32, n_epochs=2, gamma=0.99, gae_lambda=0.95,
        clip_range=0.2, ent_coef=0.001, vf_coef=0.5, max_grad_norm=0.5, device="cpu",
        policy_kwargs={"net_arch": {"pi": hidden, "vf": hidden}},
    )  # fmt: skip
    return ppo, envs


def test_it_is_the_learner_of_stable_baselines3_that_was_never_put_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made anew for each iteration it has the same parameters, to the bit, as one that goes on: weights, moments of
    Adam and statistics are all that is needed. Only noise and order of batches come from streams."""
    config, policy = PpoConfig(**SMALL), MLPPolicy(LAYERS, ("tanh", "tanh", "linear"))
    ours = learned(config, policy, 3)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ppo, envs = plain_ppo(config, policy)
        for i, one in enumerate(ours):
            epoch = iter(range(99))

            def order(number: int, i: int = i, epoch: Any = epoch) -> NDArray[np.int64]:
                drawn = words(stream_key(3, "batches", i), next(epoch) * number // 4, number // 4)
                return np.argsort(drawn, kind="stable")

            monkeypatch.setattr(np.random, "permutation", order)
            torch.manual_seed(PLACES[1 + i].key[0] | PLACES[1 + i].key[1] << 32)
            ppo.learn(4 * 64, log_interval=None)
            theirs = torch.nn.utils.parameters_to_vector(ppo.policy.parameters()).detach().numpy()
            assert np.array_equal(theirs, one.state.parameters[0])
            assert np.array_equal(envs.obs_rms.var, one.state.observations[0, 1])
            assert float(envs.ret_rms.var) == one.state.rewards[0, 1]
            assert 16 * (i + 1) == one.state.num_steps[0]
    finally:
        torch.set_num_threads(num_threads)


@pytest.mark.parametrize("last", ["tanh", "linear"])
def test_the_agent_acts_as_the_actors_mean(last: str) -> None:
    """Our policy, on plain observations, and SB3's network, on normalised ones, differ in the last bits alone."""
    config, policy = PpoConfig(**SMALL), MLPPolicy(LAYERS, ("tanh", "tanh", last))
    state = learned(config, policy, 2)[-1].state
    observations = np.linspace(-1.0, 1.0, 5 * 24, dtype=np.float32).reshape(5, 24)
    mean, variance = state.observations[0]
    x = (observations - mean) / np.sqrt(variance + 1e-8)
    at = 4  # the noise comes first
    for sizes, name in zip([(24, 8), (8, 6)], ("tanh", "tanh"), strict=True):
        at, x = _layer(state.parameters[0], at, sizes, x, name)
    at += (24 + 1) * 8 + (8 + 1) * 6  # the critic's
    _, x = _layer(state.parameters[0], at, (6, 4), x, last)
    ours = np.stack([_act(policy, state.theta[0], row) for row in observations])
    np.testing.assert_allclose(ours, x, atol=2e-6, rtol=0)
    assert np.abs(mean).max() > 0.1, "the normalisation says something"


def _layer(
    parameters: NDArray[np.float32], at: int, sizes: tuple[int, int], x: NDArray[Any], name: str
) -> tuple[int, NDArray[Any]]:
    """Where the next layer's parameters begin, and this one's output."""
    num_in, num_out = sizes
    bias = at + num_in * num_out
    weights = parameters[at:bias].reshape(num_out, num_in)
    h = x @ weights.T.astype(np.float64) + parameters[bias : bias + num_out]
    return bias + num_out, np.tanh(h) if name == "tanh" else h


def _act(policy: MLPPolicy, theta: NDArray[np.float32], observation: NDArray[np.float32]) -> NDArray[np.float64]:
    """A perceptron by its definition."""
    x, at = observation.astype(np.float64), 0
    for num_in, num_out, name in zip(policy.layer_sizes, policy.layer_sizes[1:], policy.activations, strict=False):
        bias = at + num_in * num_out
        x = x @ theta[at:bias].reshape(num_in, num_out).astype(np.float64) + theta[bias : bias + num_out]
        x, at = np.tanh(x) if name == "tanh" else x, bias + num_out
    return x


def test_torchs_generator_and_threads_change_nothing_and_stay() -> None:
    """Whatever this process does with torch and NumPy besides."""
    config, policy = PpoConfig(**SMALL), MLPPolicy(LAYERS)
    found = []
    num_threads = torch.get_num_threads()
    try:
        for i in (1, 2):
            torch.manual_seed(i)
            np.random.seed(i)
            torch.set_num_threads(i)
            before = torch.get_rng_state(), np.random.get_state()[1]
            found.append(learned(config, policy, 1)[0].state)
            assert torch.equal(before[0], torch.get_rng_state()) and i == torch.get_num_threads()
            assert np.array_equal(before[1], np.random.get_state()[1])
    finally:
        torch.set_num_threads(num_threads)
    assert np.array_equal(found[0].parameters, found[1].parameters)


def test_every_epoch_takes_each_step_once_in_another_order() -> None:
    """As ``RolloutBuffer`` does; orders come from the stream."""
    config, policy = PpoConfig(**SMALL), MLPPolicy(LAYERS)
    envs = VecNormalize(WalkerVecEnv(make_vec_env(ObstacleGenotype().express(1), 4, autoreset_mode="SameStep")))
    buffer = sb3._learner(config, policy, envs, PLACES[0]).rollout_buffer
    buffer.rewards[:] = np.arange(64 * 4).reshape(64, 4)
    buffer.returns[:], buffer.full = buffer.rewards, True
    orders = [torch.cat([batch.returns for batch in buffer.get(32)]).tolist() for _ in range(2)]
    assert [*range(256)] == sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1] != [*range(256)] != orders[0]


def test_a_run_begins_with_its_walker() -> None:
    """To the bit, with the critic that it would have otherwise; from random weights, with SB3's."""
    parts = parts_of()
    theta = np.linspace(-0.1, 0.1, parts.policy.num_parameters, dtype=np.float32)
    trainer = make_trainer(parts.config)
    given, drawn = (trainer.start(parts, first)[0].active[0] for first in (theta, None))
    assert np.array_equal(theta, given.theta)
    ours, theirs = (cast(sb3.LearnerState, niche.optimiser).parameters[0] for niche in (given, drawn))
    assert not np.array_equal(ours, theirs) and np.array_equal(ours[:4], theirs[:4])
    critic = slice(4 + 25 * 8 + 9 * 6, 4 + 2 * (25 * 8 + 9 * 6))
    assert np.array_equal(ours[critic], theirs[critic])
    assert np.abs(drawn.theta[-28:]).max() < 0.05, "SB3's last layer has a gain of 0.01"


def test_an_iteration_is_booked_as_it_was_walked() -> None:
    """All steps of all walkers, whole episodes and those that the end cuts off; numbers of the whole ones."""
    parts = parts_of()
    trainer = make_trainer(parts.config)
    state, _ = trainer.start(parts, None)
    _, events = trainer.iterate(state, parts)
    (updated,) = [event for event in events if isinstance(event, NetworkUpdated)]
    (done,) = [event for event in events if isinstance(event, GenerationDone)]
    (es,) = [event for event in events if isinstance(event, Cost) and event.purpose == Purpose.ES]
    assert (4 * 64, updated.episodes + 4) == (es.env_steps, es.episodes)
    assert 4 <= updated.episodes and done.length_mean <= MAX_STEPS
    assert done.return_min <= done.return_median <= done.return_max
    assert 0.0 <= updated.clip_fraction <= 1.0 and 0.9 < done.noise_std < 1.1
    assert (1e-3, 0) == (done.learning_rate, done.num_diverged)


def test_random_terrains_are_those_of_domain_randomisation() -> None:
    """One for each walker, from the stream of the trainer ``dr``; the agent is scored on the same."""
    judge = Judge(first_weight)
    parts = parts_of(judge, ppo={"terrains": "dr"}, niche={"instances": 9})
    trainer = make_trainer(parts.config)
    state, _ = trainer.start(parts, None)
    assert [1] == [len(block.terrains) for request in judge.requests for block in request.blocks]
    trainer.iterate(state, parts)
    assert 1 + 4 == len(judge.requests[-1].blocks[0].terrains)
    dr_judge = Judge(first_weight)
    of_dr = make_parts(
        make_config({"run": {"trainer": "dr"}, "trainer": {"settings": {"terrains": 4}}, "es": {"pairs": 4}}), dr_judge
    )
    make_trainer(of_dr.config).iterate(make_trainer(of_dr.config).start(of_dr, None)[0], of_dr)
    assert dr_judge.requests[-1].blocks[0].terrains[1:] == judge.requests[-1].blocks[0].terrains[1:]


def test_fresh_instances_are_dealt_to_the_walkers() -> None:
    """On its own terrain it trains on the instances that ES would."""
    judge = Judge(first_weight)
    parts = parts_of(judge, niche={"instances": 3, "vary": "push"})
    trainer = make_trainer(parts.config)
    trainer.iterate(trainer.start(parts, None)[0], parts)
    terrains = judge.requests[-1].blocks[0].terrains
    assert 1 + 3 == len(terrains) == len({terrain.push for terrain in terrains})


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ({"ppo": {"steps": 32, "batch": 32}}, "ppo.steps must be evaluation.max_steps = 60 or more, but is 32"),
        ({"niche": {"instances": 5}}, "niche.instances = 5 instances, but ppo.envs is 4"),
        ({"ppo": {"terrains": "dr"}, "terrain": {"genotype": "cppn"}}, "set it to 'obstacles'"),
        ({"policy": {"kind": "gru"}}, "perceptrons with one activation"),
        ({"policy": {"activations": ["tanh", "relu", "tanh"]}}, "perceptrons with one activation"),
        ({"policy": {"activations": ["relu"]}}, "tanh or none at the end"),
    ],
)
def test_what_ppo_cannot_do_is_refused(layers: dict[str, Any], words: str) -> None:
    """In a sentence, before anything runs, and when a fork has changed it."""
    parts, good = parts_of(**layers), parts_of()
    trainer = make_trainer(parts.config)
    with pytest.raises(InputError, match=words):
        trainer.start(parts, None)
    state = trainer.start(good, None)[0]
    with pytest.raises(InputError, match=words):
        trainer.iterate(state, parts)


def test_a_batch_divides_the_steps() -> None:
    """Or the config is refused."""
    with pytest.raises(InputError, match="batch must divide envs times steps, but 48 does not divide 4 times 64"):
        config_of(ppo={"batch": 48})


def test_a_learner_that_diverges_says_so() -> None:
    """No traceback of torch's, and nothing of it gets into an archive."""
    parts = parts_of(ppo={"learning_rate": 1e30})
    trainer = make_trainer(parts.config)
    state, _ = trainer.start(parts, None)
    with pytest.raises(InputError, match=r"the trainer 'ppo' has diverged: .* lower ppo\.learning_rate"):
        trainer.iterate(state, parts)


def test_a_killed_run_goes_on_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After kill -9, to the fingerprint of a run of a third process that was never stopped, on more threads."""
    settings = [f"ppo.{key}={value}" for key, value in SMALL.items()]
    words = ["--preset", "tiny", *(word for text in ("run.trainer=ppo", *settings) for word in ("--set", text))]
    killed = begin("run", tmp_path / "killed", *words, "--iterations", 6, "--workers", 1)
    wait_for(killed, "iteration 2/6")
    killed.kill()
    assert -signal.SIGKILL == end(killed).code
    poet: Poet = in_process(capsys, monkeypatch)
    assert 0 == poet("run", tmp_path / "whole", *words, "--iterations", 6, "--workers", 2).code
    ended = end(begin("resume", tmp_path / "killed"))
    assert 0 == ended.code, ended.err
    assert fingerprint(tmp_path / "whole") == fingerprint(tmp_path / "killed")


def test_a_missing_package_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With how to install it, exit code 2, and no folder."""
    poet: Poet = in_process(capsys, monkeypatch)
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    ended = poet("run", tmp_path / "run", "--preset", "tiny", "--set", "run.trainer=ppo")
    assert_refused(ended, "the trainer 'ppo' needs the package stable_baselines3", "pip install 'poet-open-ended[sb3]'")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("parameters", np.nan), ("first_moments", np.inf), ("second_moments", -1.0), ("observations", -1.0),
        ("rewards", -1.0), ("counts", -1.0), ("num_steps", -1),
    ],
)  # fmt: skip
def test_a_state_that_cannot_be_is_refused(name: str, change: float) -> None:
    """A stranger's archive cannot make the root of a negative number."""
    state = sb3.first_state(PpoConfig(**SMALL), MLPPolicy(LAYERS), None, PLACES[0])
    state.check()
    wrong = getattr(state, name).copy()
    wrong.reshape(-1)[-1] = change
    with pytest.raises(ValueError, match="of its learner is"):
        replace(state, **{name: wrong}).check()
