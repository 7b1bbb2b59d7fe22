"""Walkers that turn farther than the sines of lane loops reach. No real walker does, but every bit must be right."""

from __future__ import annotations

import numpy as np
import pytest

from agents.rollouts import box2d, simd
from agents.rollouts.result import RolloutResult
from environments.biped import NUM_BODIES
from environments.physics import layout
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.ending import Outcome
from environments.walker.judge import OVERFLOWED, SPUN
from environments.walker.worlds import make_worlds
from tests.agents import crowd


@pytest.mark.parametrize("turns", [-17, 17])
def test_a_world_goes_on_in_box2d(turns: int) -> None:
    """From the first of its actions on, not from wrong numbers; fifteen turns are none too many."""
    worlds = make_worlds("simd", [ObstacleGenotype().express(seed=1)], np.zeros(3, np.int64), max_steps=9, threads=1)
    worlds.reset()
    places = layout.BODY + layout.BODY_SIZE * np.arange(NUM_BODIES) + layout.ANGLE
    walker = worlds._teams[0].state.reshape(-1, layout.WORLD_SIZE)[1]
    walker[places] += np.float32(np.sign(turns) * 15 * 2 * np.pi)
    worlds.step(np.ones((3, 4), np.float32))
    assert np.abs(worlds.body_state()[1, :, 2]).min() > 90.0

    walker[places] += np.float32(np.sign(turns) * 2 * 2 * np.pi)
    for _ in range(2):
        worlds.step(np.ones((3, 4), np.float32))
        assert worlds.body_state()[0].tobytes() == worlds.body_state()[1].tobytes()
        assert worlds.observations[0].tobytes() == worlds.observations[1].tobytes()
        assert worlds.rewards[0] == worlds.rewards[1]


def test_an_episode_that_was_given_up_is_box2ds() -> None:
    """The episode is rerun in Box2D, and the others are left alone."""
    rows, terrains = np.arange(6), crowd.terrains()
    theta, index = crowd.thetas()[rows], rows % len(terrains)
    expected = box2d.run_episodes(crowd.POLICY, theta, terrains, index, 30)
    result = RolloutResult(np.full(6, np.nan), np.zeros(6, np.int32), np.full(6, int(Outcome.FELL), np.int8))
    result.outcomes[[1, 4]] = SPUN, OVERFLOWED

    simd.finish_in_box2d(crowd.POLICY, lambda few: theta[few], terrains, index, 30, result)

    given_up = np.array([1, 4])
    assert expected.returns[given_up].tobytes() == result.returns[given_up].tobytes()
    assert expected.lengths[given_up].tolist() == result.lengths[given_up].tolist()
    assert expected.outcomes[given_up].tolist() == result.outcomes[given_up].tolist()
    assert np.isnan(np.delete(result.returns, given_up)).all()
    assert {int(Outcome.FELL)} == set(np.delete(result.outcomes, given_up).tolist())
