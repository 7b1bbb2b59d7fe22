"""Batches of worlds, as EnvPool has them: sent, stepped in the background, received."""

from __future__ import annotations

import copy
import time
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from environments import make_vec_env
from environments.engines import engines_with_worlds
from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.registration import HARDCORE_ID, register_envs

register_envs()

FLAT = ObstacleGenotype().express(seed=0)
HARD = ObstacleGenotype(roughness=4.0, pit_gap=(0.8, 2.4), stump_height=(0.4, 1.6)).express(seed=1)
NUM, LIMIT, STEPS = 6, 40, 90
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]
#: What a world went through: observation, reward, flags and infos of each of its steps.
History = list[tuple[Any, ...]]


def _actions(world: int) -> NDArray[np.float32]:
    """(STEPS, 4): what a world does, whoever walks beside it."""
    stream = Stream(world, "test_batches")
    return np.array([[stream.uniform(-1.1, 1.1) for _ in range(4)] for _ in range(STEPS)], np.float32)


def _row(found: Any, i: int, key: int) -> tuple[Any, ...]:
    """Row ``i`` of a step's result, of world ``key``, as values that can be compared."""
    observations, rewards, terminations, truncations, infos = found
    last = infos.get("final_obs", [None] * len(rewards))[i]
    finished = bool(infos["finished"][i]) if "_finished" in infos and infos["_finished"][i] else None
    outcome = infos.get("final_info", infos).get("outcome", np.zeros(len(rewards)))[i]
    flags = bool(terminations[i]), bool(truncations[i])
    return (
        key, observations[i].tobytes(), float(rewards[i]), *flags, finished, int(outcome),
        None if last is None else last.tobytes(),
    )  # fmt: skip


def _together(envs: Any) -> list[History]:
    """Each world's steps by ``step``."""
    observations, _ = envs.reset(seed=3)
    histories: list[History] = [[(i, observations[i].tobytes())] for i in range(NUM)]
    actions = np.stack([_actions(i) for i in range(NUM)])
    for step in range(STEPS):
        found = envs.step(actions[:, step])
        for i in range(NUM):
            histories[i].append(_row(found, i, i))
    return histories


def _in_batches(envs: Any, order: Stream | None) -> list[History]:
    """Each world's steps by ``send`` and ``recv``; in other batches each time if an order is drawn."""
    actions = np.stack([_actions(i) for i in range(NUM)])
    histories: list[History] = [[] for _ in range(NUM)]
    waiting: list[int] = []
    envs.async_reset(seed=3)
    num_away = NUM
    while num_away:
        found = envs.recv()
        ids = found[-1]["env_id"].tolist()
        num_away -= len(ids)
        for row, i in enumerate(ids):
            histories[i].append(_row(found, row, i) if histories[i] else (i, found[0][row].tobytes()))
        waiting += [i for i in ids if len(histories[i]) <= STEPS]
        if order is not None:
            waiting.sort(key=lambda _: order.uniform(0.0, 1.0))
        num_sent = len(ids) if order is None else int(order.uniform(1.0, len(waiting) + 1.0)) if waiting else 0
        sent, waiting = waiting[:num_sent], waiting[num_sent:]
        if sent:
            envs.send(np.stack([actions[i, len(histories[i]) - 1] for i in sent]), sent)
            num_away += len(sent)
    return histories


@pytest.mark.parametrize("engine", engines_with_worlds())
@pytest.mark.parametrize("mode", MODES)
def test_each_world_goes_through_the_same_in_whatever_batches(engine: str, mode: AutoresetMode) -> None:
    """By step, in fixed batches and in batches drawn by chance, over falls and time limits: the same bits."""
    options: Any = {"engine": engine, "max_steps": LIMIT, "autoreset_mode": mode, "batch_size": 2, "threads": 2}
    expected, fixed, drawn = (make_vec_env([HARD, FLAT, HARD], NUM, **options) for _ in range(3))
    histories = _together(expected)
    assert histories == _in_batches(fixed, None)
    assert histories == _in_batches(drawn, Stream(1, "test_batches"))
    assert any(row[4] for history in histories for row in history[1:])
    fixed.close()


def test_courses_belong_to_worlds_and_not_to_batches() -> None:
    """Gymnasium's hardcore walker from one seed: later courses too are the same in whatever batches."""
    options: Any = {"max_episode_steps": LIMIT, "batch_size": 3}
    expected, drawn = (gymnasium.make_vec(HARDCORE_ID, NUM, **options) for _ in range(2))
    assert _together(expected) == _in_batches(drawn, Stream(2, "test_batches"))


def test_a_batch_is_received_as_it_was_sent() -> None:
    """After async_reset every K-th world; then batches of any size, first sent, first received, in their own order."""
    envs = make_vec_env(FLAT, NUM, batch_size=2)
    envs.async_reset()
    received = [envs.recv()[-1]["env_id"].tolist() for _ in range(3)]
    assert [[0, 3], [1, 4], [2, 5]] == received
    sent = [[5], [4, 0, 2], [1]]
    for worlds in sent:
        envs.send(np.zeros((len(worlds), 4)), worlds)
    found = [envs.recv() for _ in sent]
    assert sent == [batch[-1]["env_id"].tolist() for batch in found]
    assert [(1, 24), (3, 24), (1, 24)] == [batch[0].shape for batch in found]
    envs.send(np.zeros((1, 4)), [3])
    envs.recv()
    envs.step(np.zeros((NUM, 4)))  # all are back


def test_worlds_get_other_terrains_while_batches_are_on_their_way() -> None:
    """As PLR and ACCEL need it: what was sent before goes on as it would have, however late the thread is."""
    envs, flat, hard = make_vec_env(FLAT, 2, batch_size=1, max_steps=1), make_vec_env(FLAT), make_vec_env(HARD)
    first = {FLAT: flat.reset()[0].tobytes(), HARD: hard.reset()[0].tobytes()}
    still = np.zeros((1, 4), np.float32)

    def step_both() -> None:
        for _ in range(2):
            envs.send(still, envs.recv()[-1]["env_id"])

    envs.async_reset()
    step_both()  # over after this step
    envs.set_terrains({1: HARD})
    envs._line._executor().submit(time.sleep, 0.3)
    step_both()  # begin anew
    envs.set_terrains({0: HARD, 1: FLAT})
    begun = [envs.recv() for _ in range(2)]
    assert [first[FLAT], first[HARD]] == [found[0].tobytes() for found in begun]
    for _ in range(2):  # one step, and anew
        for world in range(2):
            envs.send(still, [world])
        begun = [envs.recv() for _ in range(2)]
    assert [first[HARD], first[FLAT]] == [found[0].tobytes() for found in begun]


def test_batches_that_cannot_be_sent_are_refused() -> None:
    """Each with one sentence, and what was sent before comes back."""
    still = np.zeros((1, 4), np.float32)
    with pytest.raises(InputError, match="batch_size must divide the number of worlds, 4, but is 3"):
        make_vec_env(FLAT, 4, batch_size=3)
    with pytest.raises(InputError, match="batches begin new episodes by themselves"):
        make_vec_env(FLAT, 4, autoreset_mode="Disabled").async_reset()
    envs = make_vec_env(FLAT, 4)
    with pytest.raises(ResetNeeded, match=r"send needs episodes.*envs\.reset"):
        envs.send(still, [0])
    envs.reset()
    with pytest.raises(NoAsyncCallError, match="recv needs a batch that was sent, found none"):
        envs.recv()
    with pytest.raises(InputError, match="leave out options"):
        envs.async_reset(options={"reset_mask": np.ones(4, np.bool_)})
    envs.send(still, [2])
    for call, sentence in (
        (lambda: envs.send(still, [2]), r"world 2 is on its way: call envs\.recv"),
        (lambda: envs.send(still, [4]), "env_id must name worlds from 0 to 3, found 4 to 4"),
        (lambda: envs.send(np.zeros((2, 4)), [1, 1]), "env_id must name each world once, but has world 1 2 times"),
        (lambda: envs.send(still, [0.0]), "env_id must be the numbers of worlds, a row of integers"),
        (lambda: envs.send(still, [0, 1]), r"actions must have the shape \(2, 4\)"),
        (lambda: envs.step(np.zeros((4, 4))), "step needs all worlds, but 1 of them are on their way"),
        (envs.reset, "reset needs all worlds"),
        (envs.async_reset, "async_reset needs all worlds"),
        (lambda: copy.deepcopy(envs), r"cannot be copied while batches are on their way: call envs\.recv"),
    ):
        with pytest.raises(InputError, match=sentence):
            call()
    assert [2] == envs.recv()[-1]["env_id"].tolist()
    copy.deepcopy(envs).step(np.zeros((4, 4)))
    envs.send(still, [0])
    envs.close()
    with pytest.raises(ClosedEnvironmentError):
        envs.recv()
