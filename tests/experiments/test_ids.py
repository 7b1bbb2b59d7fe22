"""Ids, iterations, seeds and counts as NumPy and pandas have them: what comes out of our frames goes into our calls."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest

from agents import MLPPolicy, rollout
from environments import ObstacleGenotype, make_vec_env
from environments.errors import InputError, whole_number
from experiments.controls.neutral import neutral_shadow
from experiments.replay.pairs import choose_pair
from poet.archive.reader import Run, open_run
from tests.experiments.synthetic_runs import theta_of, three_niches

#: A 1 in every kind that is a whole number.
ONES = (np.int64(1), np.int32(1), np.uint8(1), np.array(1), pd.Series([1, None], dtype="Int64")[0], 1.0, np.float64(1))
NO_NUMBERS = (True, np.bool_(True), 1.5, "1", pd.NA, None, float("nan"), float("inf"), [1])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small run."""
    return open_run(three_niches(tmp_path_factory.mktemp("runs") / "run"))


@pytest.mark.parametrize("one", ONES, ids=lambda one: f"{type(one).__name__}")
def test_a_run_takes_ids_and_iterations_of_every_kind(run: Run, one: Any) -> None:
    """``run.terrain(frame["niche_id"][i])`` is the terrain of that niche, and so with agents, configs and pairs."""
    assert run.terrain(1) == run.terrain(one)
    assert run.agent(1).version == run.agent(one, 4 * one).version
    assert run.config_at(1) == run.config_at(one)
    assert (1, 1) == ((pair := choose_pair(run, one, one)).niche_id, pair.agent.version.niche_id)
    assert 3 == len(neutral_shadow(run, one))


def test_every_id_of_a_frame_is_one_of_its_run(run: Run) -> None:
    """Rows as pandas gives them, whole numbers made float among them."""
    for _, row in run.niches[["niche_id", "score"]].iterrows():
        assert isinstance(row["niche_id"], float)
        assert run.agent(row["niche_id"]).version.niche_id == row["niche_id"]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_whole_number_is_refused(run: Run, value: Any) -> None:
    """A truth value, a fraction, a text and a missing value are none; the sentence shows what was found."""
    for call in (run.terrain, run.agent, run.config_at, lambda v: whole_number("it", v)):
        with pytest.raises(InputError, match="must be a whole number"):
            call(value)
    with pytest.raises(InputError, match="must be a whole number from 2 on, but is 1"):
        whole_number("it", 1, 2)


def test_environments_and_rollouts_take_seeds_and_counts_of_every_kind() -> None:
    """Seeds of terrains and resets, numbers of worlds, steps and threads, and which terrain each row walks on."""
    env = gymnasium.make("BipedalTerrain-v0")
    terrains = [ObstacleGenotype().express(seed) for seed in (1, 2)]
    thetas = np.stack([theta_of(1), theta_of(2)])
    expected = rollout(MLPPolicy(), thetas, terrains, [1, 0], "box2d", 3, 1).returns.tolist()
    for one in ONES[:5]:
        env.reset(seed=one)
        assert terrains[0] == ObstacleGenotype().express(one)
        envs = make_vec_env(terrains, num_envs=2 * one, engine="box2d", threads=one, max_steps=one)
        envs.reset(seed=one)
        envs.close()
        for index in (np.array([1, 0], np.uint8), pd.Series([1, 0], dtype="Int64"), [one, 0 * one]):
            assert expected == rollout(MLPPolicy(), thetas, terrains, index, "box2d", 3 * one, one).returns.tolist()
