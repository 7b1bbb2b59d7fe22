"""Learning to learn on small worlds: twins of the outer steps, climbing, draws, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies.openai_es import OpenAIES
from agents.strategies.perturbations import Perturbations
from environments.errors import InputError
from environments.streams import Stream, stream_key
from environments.terrain.generation import push_from
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from poet.adaptation import Start, by_climbing, by_es
from poet.archived import file_text
from poet.config import Config
from poet.events import AnyEvent, Cost
from poet.parts import Parts
from poet.scoring import express
from poet.trainers import make_trainer
from poet.trainers.meta import AbstractMeta, MetaState, TaskAdapted, TaskGiven, draw_tasks
from poet.types import Purpose
from tests.poet.builders import EPISODE_LENGTH, make_test_parts, theta_of

SEED = 5
GENOTYPES = tuple(ObstacleGenotype(roughness=0.5 * i) for i in range(6))
POLICY = Config().to_json()["policy"]


def hilly(theta: NDArray[np.float32], terrain: Terrain) -> float:
    """A return with a best first weight that depends on the ground and, a little, on the push."""
    best = int(terrain.digest()[:2], 16) % 5 + 0.1 * float(terrain.push)
    return -((100.0 * float(theta[0]) - best) ** 2)


def parts_of(folder: Path, trainer: str, num_tasks: int = 6, **settings: Any) -> Parts:
    """Parts of a run on tasks whose terrain seeds are 100, 101, ..."""
    source = folder / "terrains.json"
    terrains = [(genotype.to_json(), 100 + i) for i, genotype in enumerate(GENOTYPES[:num_tasks])]
    source.write_text(file_text("obstacles", terrains, POLICY, []))
    sections = {"run": {"seed": SEED, "trainer": trainer}, "trainer": {"source": str(source), "settings": settings}}
    return make_test_parts(hilly, **sections)


def iterate(parts: Parts, number: int = 1) -> tuple[MetaState, list[AnyEvent]]:
    """The state after so many iterations, and all events."""
    trainer: Any = make_trainer(parts.config)
    state, events = trainer.start(parts, theta_of(0.0))
    happened = [*events]
    for _ in range(number):
        state, events = trainer.iterate(state, parts)
        happened += events
    return state, happened


def pushed(task: int, number: int, iteration: int, pushes: int) -> tuple[Terrain, ...]:
    """The instances of a task in an iteration, by hand."""
    stream = Stream(SEED, "meta_pushes", iteration, number)
    ground = express(GENOTYPES[task], 100 + task)
    return tuple(ground.with_push(push_from(stream)) for _ in range(pushes))


def test_reptile_with_one_task_one_step_and_the_whole_way_is_plain_es(tmp_path: Path) -> None:
    """To the bit: each iteration takes one step of a fresh optimiser, whose sample has a name of its own."""
    settings = {"terrains": 1, "generations": 1, "inner_pairs": 3, "pushes": 2}
    parts = parts_of(tmp_path, "reptile", num_tasks=1, **settings)
    state, _ = iterate(parts, 3)

    theta, strategy = theta_of(0.0), replace(parts.strategy, pairs=3)
    for iteration in (1, 2, 3):
        fresh, instances = strategy.initial_state(theta[None, :]), pushed(0, 0, iteration, 2)
        (sample,) = strategy.ask(fresh, [stream_key(SEED, "meta_sample", iteration, 0, 0)])
        rows = sample.theta(np.arange(6))
        returns = [hilly(row, instances[i // 2 % 2]) for i, row in enumerate(rows)]
        theta = strategy.tell(fresh, [sample], np.array([returns])).theta[0]

    assert theta.tobytes() == state.active[0].theta.tobytes()


@pytest.mark.parametrize(("trainer", "share"), [("reptile", 1.0), ("fomaml", 5.0)])
def test_theta_goes_where_adaptation_leads(tmp_path: Path, trainer: str, share: float) -> None:
    """To the mean of what the tasks' agents became, or five times the mean of their last steps."""
    parts = parts_of(tmp_path, trainer, terrains=3, generations=2, inner_pairs=2, pushes=1)
    state, events = iterate(parts)

    tasks = [event.level_id for event in events if isinstance(event, TaskAdapted)]
    start = theta_of(0.0)
    ends = []
    for number, task in enumerate(tasks):
        places = tuple(stream_key(SEED, "meta_sample", 1, number, k) for k in range(2))
        path = by_es([Start(start, pushed(task, number, 1, 1), places)], replace(parts.strategy, pairs=2), parts).path
        ends.append((path[-1] if trainer == "reptile" else path[-1] - path[-2])[0].astype(np.float64))
    moved = sum(ends) / 3.0 * (1.0 if trainer == "reptile" else share)
    np.testing.assert_allclose(state.active[0].theta, moved, rtol=1e-6, atol=1e-9)


def test_es_maml_is_es_on_the_returns_of_adapted_agents(tmp_path: Path) -> None:
    """Both members of a pair climb on the same task with the same draws; their last returns are the fitness."""
    parts = parts_of(tmp_path, "es-maml", terrains=2, generations=2, inner_pairs=2)
    state, _ = iterate(parts)

    tasks = draw_tasks_by_hand(1, 6, 2)
    fresh = parts.strategy.initial_state(theta_of(0.0)[None, :])
    (sample,) = parts.strategy.ask(fresh, [stream_key(SEED, "es", 1, 0)])
    fitness = []
    for row, theta in enumerate(sample.theta(np.arange(4))):
        number = row // 2
        (ground,) = pushed(tasks[number], number, 1, 1)
        for k in range(2):
            place = stream_key(SEED, "meta_sample", 1, number, k)
            around = Perturbations(theta, np.full_like(theta, 1e-3), place, 4, antithetic=False).theta(np.arange(4))
            best = max(around, key=lambda candidate: hilly(candidate, ground))
            theta = best if hilly(best, ground) > hilly(theta, ground) else theta
        fitness.append(hilly(theta, ground))
    expected = parts.strategy.tell(fresh, [sample], np.array([fitness])).theta[0]

    assert expected.tobytes() == state.active[0].theta.tobytes()


def draw_tasks_by_hand(iteration: int, num_tasks: int, number: int) -> list[int]:
    """Without replacement, from the stream of that name."""
    stream, left = Stream(SEED, "meta_tasks", iteration), [*range(num_tasks)]
    return [left.pop(stream.integer(0, len(left))) for _ in range(number)]


def test_climbing_never_ends_below_its_start(tmp_path: Path) -> None:
    """On the instances that it climbs on; ES may."""
    parts = parts_of(tmp_path, "es-maml")
    instances = pushed(3, 0, 1, 2)
    starts = [
        Start(theta_of(value), instances, tuple(stream_key(SEED, "climb", i, k) for k in range(4)))
        for i, value in enumerate((-0.5, 0.0, 0.019, 0.3))
    ]
    adapted = by_climbing(starts, parts.strategy, parts)

    heights = np.array([[np.mean([hilly(t, g) for g in instances]) for t in row] for row in adapted.path])
    assert (np.diff(heights, axis=0) >= 0.0).all() and (heights[-1] > heights[0]).any()
    # The start once, then four rows in each of four generations, on both instances.
    assert (4 * (1 + 4 * 4) * 2, EPISODE_LENGTH) == (adapted.episodes, adapted.env_steps // adapted.episodes)


def test_draws_do_not_depend_on_who_draws_them(tmp_path: Path) -> None:
    """Tasks come by iteration, each once, and all of them where there are too few."""
    parts = parts_of(tmp_path, "joint", terrains=2)
    state, events = iterate(parts)
    given = [event for event in events if isinstance(event, TaskGiven)]

    assert [*range(6)] == [event.level_id for event in given]
    assert [genotype.to_json() for genotype in GENOTYPES] == [json.loads(event.genotype) for event in given]
    for iteration in (1, 2, 3):
        drawn = [task.id for task in draw_tasks(state.tasks, 4, SEED, iteration)]
        assert draw_tasks_by_hand(iteration, 6, 4) == drawn
    assert {*range(6)} == {task.id for task in draw_tasks(state.tasks, 9, SEED, 1)}


@pytest.mark.parametrize("trainer", ["joint", "reptile", "fomaml", "es-maml"])
def test_every_episode_is_booked(tmp_path: Path, trainer: str) -> None:
    """The ledger has all requests, and no purpose but training and trying, in order."""
    parts = parts_of(tmp_path, trainer, terrains=2)
    state, events = iterate(parts, 2)

    requests = parts.evaluate.requests  # type: ignore[attr-defined]
    booked = [event for event in events if isinstance(event, Cost)]
    assert sum(request.num_episodes for request in requests) == sum(c.episodes for c in booked) == state.episodes
    assert {Purpose.ES, Purpose.SELF_EVAL} == {c.purpose for c in booked}
    assert state.env_steps == EPISODE_LENGTH * state.episodes


@pytest.mark.parametrize(
    ("trainer", "settings", "words"),
    [
        ("reptile", {"adaptation": "climbing"}, "did you mean 'climb'"),
        ("reptile", {"outer": "sgd"}, "'plain' or 'adam'"),
        ("reptile", {"step": 0.0}, "step .* above 0"),
        ("fomaml", {"step_decay": 1.5}, "step_decay .* at most 1"),
        ("es-maml", {"generations": 0}, "generations .* from 1 on"),
        ("joint", {"pushes": 3}, "'pushes'"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, trainer: str, settings: dict[str, Any], words: str) -> None:
    """In one sentence that names the setting."""
    with pytest.raises(InputError, match=words):
        make_trainer(parts_of(tmp_path, trainer, **settings).config)


@pytest.mark.parametrize("trainer", ["joint", "es-maml"])
def test_a_generation_has_a_pair_for_each_task(tmp_path: Path, trainer: str) -> None:
    """Otherwise some of its tasks would teach nothing."""
    parts = parts_of(tmp_path, trainer, terrains=3)
    with pytest.raises(InputError, match=r"raise es\.pairs, or set trainer\.settings terrains to 2 or less"):
        make_trainer(parts.config).start(parts, None)


@dataclass(frozen=True)
class OneRow(OpenAIES):
    """A strategy of somebody's own whose pairs nobody can set."""

    pairs: int = field(default=1, init=False)


def test_agents_can_only_adapt_by_a_strategy_with_pairs(tmp_path: Path) -> None:
    """The sentence names one that has them."""
    parts = parts_of(tmp_path, "reptile")
    es = parts.config.es.model_copy(update={"strategy": "tests.poet.test_meta:OneRow"})
    parts = replace(parts, config=parts.config.model_copy(update={"es": es}))
    trainer = make_trainer(parts.config)
    assert isinstance(trainer, AbstractMeta)
    with pytest.raises(InputError, match="OneRow' has none: use 'openai_es'"):
        trainer.check_parts(parts)
