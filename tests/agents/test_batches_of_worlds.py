"""Worlds are independent: any number, order, company, threads, team size and lanes give the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.rollouts import simd
from environments.compiled import LANES
from environments.physics import layout
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from environments.walker.worlds import make_worlds
from tests.agents import crowd

ALL = np.arange(crowd.NUM)
_ROOT = Path(__file__).parents[2]

sizes = st.sampled_from((1, 2, 3, 17, 60))
teams = st.sampled_from((1, 2, 5, 31, 192))
seeds = st.integers(0, 2**32 - 1)


@cache
def _episodes() -> NDArray[np.float64]:
    """(NUM, 3) of all walkers, in order, in one thread."""
    return crowd.rows(crowd.run(ALL))


@cache
def _traces() -> NDArray[np.float64]:
    """(MAX_STEPS + 1, NUM, 58) of all walkers, in order, in one thread."""
    return crowd.trace(ALL)


def _drawn(seed: int, num: int) -> NDArray[np.int64]:
    """A number of walkers in any order, perhaps some of them twice."""
    rng = np.random.default_rng(seed)
    return rng.integers(crowd.NUM, size=num) if rng.integers(2) else rng.permutation(crowd.NUM)[:num]


def _assert_same(expected: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    """Every bit."""
    assert expected.tobytes() == found.tobytes(), f"differ at {np.argwhere(expected != found)[:10].tolist()}"


def test_the_crowd_is_mixed() -> None:
    """Walkers fall early, late and not at all, so that lanes are refilled, and they touch and fly."""
    episodes, traces = _episodes(), _traces()
    assert {int(Outcome.FELL), int(Outcome.TIMEOUT)} <= set(episodes[:, 2])
    assert 20 < np.unique(episodes[:, 1]).size
    assert 0.1 < traces[..., 27].mean() < 0.9


@settings(max_examples=25)
@given(seed=seeds, num=sizes, threads=st.sampled_from((1, 2)), team_size=teams)
def test_episodes_depend_on_nothing_beside_them(seed: int, num: int, threads: int, team_size: int) -> None:
    """Each episode ends the same, whichever walkers are in the batch, and in any order, team and thread."""
    walkers = _drawn(seed, num)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simd, "TEAM_SIZE", team_size)
        _assert_same(_episodes()[walkers], crowd.rows(crowd.run(walkers, threads)))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("num", [1, 2, 3, 17, 1000])
def test_permuting_walkers_permutes_results(num: int, threads: int) -> None:
    """So many walkers backwards: the same episodes and, step by step, the same worlds, backwards."""
    walkers = ALL[:num][::-1].copy()
    _assert_same(_episodes()[walkers], crowd.rows(crowd.run(walkers, threads)))
    _assert_same(_traces()[:, walkers], crowd.trace(walkers, threads))


@settings(max_examples=15)
@given(seed=seeds, num=sizes, threads=st.sampled_from((1, 2)))
def test_worlds_step_when_they_are_told_to(seed: int, num: int, threads: int) -> None:
    """Worlds of which some are stepped now and others later see, each at its own step, what they see side by side."""
    walkers, rng = _drawn(seed, num), np.random.default_rng(seed)
    worlds = crowd.make_worlds(walkers, threads)
    share = rng.uniform(0.2, 0.9)
    for _ in range(20):
        which = rng.random(num) < share
        worlds.step(crowd.actions()[worlds.num_steps, walkers], which)
        _assert_same(_traces()[worlds.num_steps, walkers], crowd.sights(worlds))


@settings(max_examples=10)
@given(seed=seeds, threads=st.sampled_from((1, 2)))
def test_a_nan_in_a_theta_ends_its_own_episode_alone(seed: int, threads: int) -> None:
    """Walkers with a NaN among their weights diverge; all others have the episodes that they have without those."""
    walkers, rng = _drawn(seed, 60), np.random.default_rng(seed)
    theta, is_spoiled = crowd.thetas()[walkers], rng.random(60) < 0.2
    theta[is_spoiled, rng.integers(crowd.POLICY.num_parameters)] = np.nan
    found = crowd.rows(crowd.run(walkers, threads, theta))
    _assert_same(_episodes()[walkers[~is_spoiled]], found[~is_spoiled])
    assert (found[is_spoiled, 2] == Outcome.DIVERGED).all()


@settings(max_examples=10)
@given(seed=seeds)
def test_a_nan_in_a_world_stays_there(seed: int) -> None:
    """Whatever number of a world's memory becomes NaN, in a body or a joint, the other worlds keep all their bits."""
    walkers, rng = _drawn(seed, 60), np.random.default_rng(seed)
    worlds, is_spoiled = crowd.make_worlds(walkers), rng.random(60) < 0.2
    (team,) = worlds._teams
    state = team.state.reshape(-1, layout.WORLD_SIZE)
    for step in range(30):
        if step == 10:
            for world in np.flatnonzero(is_spoiled):
                state[world, rng.integers(layout.BODY, layout.CONTACT)] = np.nan
        worlds.step(crowd.actions()[step, walkers])
        _assert_same(_traces()[step + 1, walkers[~is_spoiled]], crowd.sights(worlds)[~is_spoiled])


def test_subnormal_speeds_are_kept_in_every_thread() -> None:
    """In the air a torque of 1e-38 N m turns legs by less than the least normal number; Box2D has the same bits."""
    abyss = Terrain(np.array([[-50.0, -900.0], [60.0, -900.0]], np.float32))
    ours = make_worlds("simd", [abyss], np.zeros(64, np.int64), max_steps=99, threads=2)
    theirs = make_worlds("box2d", [abyss], np.zeros(1, np.int64), max_steps=99, threads=1)
    for worlds in (ours, theirs):
        worlds.reset()
    for _ in range(5):
        for worlds in (ours, theirs):
            worlds.step(np.full((worlds.num_worlds, 4), (1e-40, 0.0, -1e-40, 0.0), np.float32))
        state = theirs.body_state()[0]
        assert ((state[:, 5] != 0.0) & (np.abs(state[:, 5]) < np.finfo(np.float32).tiny)).all()
        assert {state.tobytes()} == {own.tobytes() for own in ours.body_state()}


def test_another_number_of_lanes_gives_the_same_bits() -> None:
    """A process with other lanes has the same episodes and worlds; ``tests/benchmarks/lanes.py`` tries them all."""
    environment = {**os.environ, "POET_LANES": "4" if LANES == 8 else "8"}
    command = [sys.executable, "-m", "tests.agents.crowd"]
    done = subprocess.run(command, env=environment, cwd=_ROOT, capture_output=True, text=True, check=True)
    assert crowd.digest() == done.stdout.strip()
