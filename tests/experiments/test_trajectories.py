"""Episodes for offline learning: what Minari reads back is what happened, to the bit, and where it happened."""

from __future__ import annotations

import sys
from pathlib import Path

import minari
import numpy as np
import pytest

from environments import Terrain
from environments.walker.ending import Outcome
from environments.walker.env import BipedalTerrainEnv
from experiments.trajectories import DATASET
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused

NUM_EPISODES = 3


def test_minari_reads_what_an_archived_agent_did(
    poet: Poet, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first episode is the archived one; every episode can be walked again on the terrain in its metadata."""
    ended = poet(
        "export", tiny_run, "--output", tmp_path / "out", "--format", "minari", "--niche", 1, "--niche", 0,
        "--episodes", NUM_EPISODES,
    )  # fmt: skip
    assert 0 == ended.code
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "out"))
    dataset = minari.load_dataset(DATASET)
    assert 2 * NUM_EPISODES == dataset.total_episodes
    episodes, facts = [*dataset.iterate_episodes()], [*dataset.storage.get_episode_metadata(range(2 * NUM_EPISODES))]
    with open_run(tiny_run) as run:
        limit = run.config.evaluation.max_steps
        for at, niche_id in ((0, 1), (NUM_EPISODES, 0)):
            version = run.agent(niche_id).version
            assert (niche_id, version.id) == (facts[at]["niche_id"], facts[at]["version_id"])
            assert version.own_return == facts[at]["return"]
            assert version.own_length == len(episodes[at])
            assert Outcome(version.own_outcome).name == facts[at]["outcome"]
            assert run.terrain(niche_id) == Terrain.from_json(facts[at]["terrain"])
            pushes = {fact["terrain"]["push"] for fact in facts[at : at + NUM_EPISODES]}
            assert NUM_EPISODES == len(pushes)
    for episode, fact in zip(episodes, facts, strict=True):
        env = BipedalTerrainEnv(Terrain.from_json(fact["terrain"]), max_steps=limit)
        observations, rewards, ends = [env.reset()[0]], [], []
        for action in episode.actions:
            observation, reward, *is_over, _ = env.step(np.asarray(action))
            observations.append(observation)
            rewards.append(reward)
            ends.append(is_over)
        assert np.array(observations).tobytes() == np.asarray(episode.observations, np.float32).tobytes()
        assert np.array(rewards).tobytes() == np.asarray(episode.rewards).tobytes()
        assert ends == [[*pair] for pair in zip(episode.terminations, episode.truncations, strict=True)]
        assert any(ends[-1])
        assert not any(any(end) for end in ends[:-1])


def test_what_cannot_be_exported_is_said_in_a_sentence(
    poet: Poet, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such niche, a format nobody knows, a choice without effect, no Minari; nothing is left behind."""
    out = tmp_path / "out"
    assert_refused(poet("export", tiny_run, "--output", out, "--format", "minari", "--niche", 99), "no niche 99")
    assert_refused(poet("export", tiny_run, "--output", out, "--format", "minary"), "did you mean 'minari'")
    assert_refused(poet("export", tiny_run, "--output", out, "--niche", 1), "add --format minari")
    assert_refused(poet("export", tiny_run, "--output", out, "--format", "minari", "--episodes", 0), "from 1 on")
    monkeypatch.setitem(sys.modules, "minari", None)
    for name in [name for name in sys.modules if name.startswith("minari.")]:
        monkeypatch.delitem(sys.modules, name)
    needed = "pip install 'poet-open-ended[minari]'"
    assert_refused(poet("export", tiny_run, "--output", out, "--format", "minari"), needed)
    assert not out.exists()
