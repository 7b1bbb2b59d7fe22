"""The PPO example: what it saves is a walker of ours, and its last lines are commands that work."""

from __future__ import annotations

import shlex
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import environments  # noqa: F401 - registers poet/BipedalWalker-v3
from experiments.examples import train_ppo
from experiments.walkers import load_walker
from tests.experiments.command_line import Poet


def test_scales_are_taken_into_the_networks(tmp_path: Path) -> None:
    """Saved without VecNormalize, the agent acts on plain observations as it did on scaled ones, and so does ours."""
    rng = np.random.default_rng(5)
    envs = VecNormalize(DummyVecEnv([lambda: gymnasium.make("poet/BipedalWalker-v3")]))
    envs.obs_rms.mean, envs.obs_rms.var = rng.normal(size=24), rng.uniform(0.5, 3.0, 24)
    observations = rng.normal(size=(50, 24)).astype(np.float32)
    ppo = PPO("MlpPolicy", envs, seed=3, device="cpu")
    expected, _ = ppo.predict(envs.normalize_obs(observations), deterministic=True)
    assert not np.allclose(expected, ppo.predict(observations, deterministic=True)[0], atol=0.01)
    train_ppo.take_in_scales(ppo, envs)
    ppo.save(tmp_path / "ppo.zip")

    np.testing.assert_allclose(ppo.predict(observations, deterministic=True)[0], expected, atol=1e-5)
    walker = load_walker(str(tmp_path / "ppo.zip"))
    act = walker.policy.controller(walker.theta)
    ours = np.clip([act(row) for row in observations], -1.0, 1.0)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_ppo_goes_from_poet_to_poet(
    tiny_run: Path, tmp_path: Path, poet: Poet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One torch thread; a film; the printed commands try the agent on the run's terrains, and start a run from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_ppo, "NUM_ENVS", 4)
    torch.set_num_threads(2)
    train_ppo.main(tiny_run, 1)
    said = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines()[-3:])

    assert 1 == torch.get_num_threads()
    assert Path("ppo.gif").read_bytes().startswith(b"GIF") and Path("ppo.zip").is_file()
    assert "cross" in said["ppo.gif"]
    tried = poet(*shlex.split(said["try it"])[1:], "--episodes", "2")
    assert (0, "") == (tried.code, tried.err) and "ppo" in tried.out
    evolve = shlex.split(said["evolve it"].replace("--preset demo", "--preset tiny"))[1:]
    begun = poet(*evolve, "--iterations", "1")
    assert (0, "") == (begun.code, begun.err)
