"""The inner suite: measures how many env-steps an optimiser needs until its walker crosses 80 % of fresh grounds.

``poet bench inner`` trains one walker per task and seed with the config's ``es``, ``niche`` and ``evaluation``, exactly
as a run of POET with one niche would, and all of them side by side. At fixed intervals of env-steps, each walker is
tested on 100 seeds of its genotype that training never draws. A walker is done when its success rate reaches 80 %, or
when its budget is spent. ``poet bench compare`` shows the medians over seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from agents.rollouts.request import Thetas, every_row
from environments.errors import InputError
from environments.streams import Stream
from experiments.settings import resolve_config
from experiments.walkers import load_walker
from experiments.yardstick.tasks import TASKS, Task
from poet.config import Config
from poet.events import Cost
from poet.loop import initial_noise
from poet.optimisation import optimise
from poet.parts import Parts
from poet.scoring import draw_terrain_seed, successes
from poet.types import Evaluation, Niche, Purpose, RunState
from poet.validation import ROBUST_RATE, validation_terrains

NUM_EPISODES = 100
#: Settings of the suite without a preset: the pairs of a generation share 32 fresh seeds.
DEFAULTS = ("niche.instances=32", "es.pairs=128")
COLUMNS = ("task", "seed", "env_steps", "generation", "success_rate", "return_mean")


@dataclass(frozen=True)
class Learner:
    """One walker of the suite.

    Attributes:
        task, seed: what it learns, and the number of the repetition.
        niche_id: the id of its niche.
    """

    task: Task
    seed: int
    niche_id: int


def suite_config(preset: str | None, assignments: Sequence[str]) -> Config:
    """The config for a command line. Walkers are tested on fresh seeds, so they must be trained on fresh seeds too.

    Raises:
        InputError: a preset or key is unknown, a value is out of range, or training is not on fresh seeds.
    """
    of_suite = DEFAULTS if preset is None else ("niche.vary=seed",)
    config = resolve_config(preset, assignments=[*of_suite, *assignments])
    if config.niche.vary != "seed" or not config.niche.num_fresh:
        raise InputError(
            "the suite tests walkers on fresh seeds and so trains them there: set niche.vary=seed and niche.instances=K"
        )
    return config


def run_suite(parts: Parts, learners: Sequence[Learner], budget: float, every: float) -> Iterator[pd.DataFrame]:
    """Train all learners. Each time some were tested, yield the whole table so far.

    Args:
        parts: of the config.
        learners: all learners.
        budget: the training budget of each in env-steps. Only steps of its samples count, not tests or the evaluation
            after each step.
        every: env-steps between two tests of a learner.

    Yields:
        One row per test, with the columns ``COLUMNS``. The first test of each learner is of its initial walker.
    """
    rows: list[tuple[object, ...]] = []
    by_niche = {learner.niche_id: learner for learner in learners}
    spent, due = dict.fromkeys(by_niche, 0), dict.fromkeys(by_niche, 0.0)
    state = RunState(
        iteration=0,
        active=tuple(_niche(learner, parts) for learner in learners),
        next_niche_id=len(learners),
        scored_steps=parts.config.evaluation.max_steps,
    )
    while state.active:
        tested = [niche for niche in state.active if spent[niche.id] >= min(due[niche.id], budget)]
        over = {niche.id for niche in tested if spent[niche.id] >= budget}
        for niche, (rate, return_mean) in zip(tested, _test(tested, parts), strict=True):
            learner = by_niche[niche.id]
            rows.append((learner.task.name, learner.seed, spent[niche.id], state.iteration, rate, return_mean))
            due[niche.id] += every
            if rate >= ROBUST_RATE:
                over.add(niche.id)
        if tested:
            yield pd.DataFrame(rows, columns=list(COLUMNS))
        state = replace(state, active=tuple(niche for niche in state.active if niche.id not in over))
        if state.active:
            state, events = optimise(state, parts)
            state = replace(state, iteration=state.iteration + 1)
            for event in events:
                if isinstance(event, Cost):
                    spent[event.niche_id] += event.env_steps if event.purpose is Purpose.ES else 0


def _niche(learner: Learner, parts: Parts) -> Niche:
    start = learner.task.start
    noise = initial_noise(parts.policy, learner.seed)
    if start == "random":
        theta = parts.policy.initial_theta(noise)
    else:
        theta = load_walker(start).theta_for(parts.config.policy, parts.policy, noise)
    return Niche(
        id=learner.niche_id,
        genotype=learner.task.genotype,
        terrain_seed=draw_terrain_seed(Stream(parts.seed, "inner suite", learner.niche_id)),
        parent_id=None,
        created=0,
        optimiser=parts.strategy.initial_state(theta[None, :]),
        version_id=0,
        evaluation=Evaluation(0.0, 0.0, 0, 0, 0),
    )


def _test(niches: Sequence[Niche], parts: Parts) -> list[tuple[float, float]]:
    """Success rate and mean return of each niche's agent on seeds that are never used for training."""
    blocks = [
        every_row(Thetas(niche.theta[None, :]), validation_terrains(niche, parts.seed, NUM_EPISODES).seeds)
        for niche in niches
    ]
    results = parts.run_blocks(blocks, Purpose.VALIDATION)
    return [(successes(result).count(True) / NUM_EPISODES, float(result.returns.mean())) for result in results]


def time_to_success(table: pd.DataFrame) -> pd.Series[float]:
    """Env-steps to the first test with a success rate of 80 %, by (task, seed); infinity if it was not reached."""
    reached = table.assign(env_steps=table["env_steps"].where(table["success_rate"] >= ROBUST_RATE, np.inf))
    return reached.groupby(["task", "seed"], sort=False)["env_steps"].min()


def medians(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The medians over seeds of every task that all tables have: millions of env-steps to success, and the last rate.

    Args:
        tables: of ``run_suite``, by name.

    Returns:
        The column task; for each name its median (infinity if most seeds did not succeed) and the last rate; for each
        name except the first, the ratio of its median to the first one's.
    """
    columns: dict[str, pd.Series[float]] = {}
    for name, table in tables.items():
        last = table.groupby(["task", "seed"], sort=False)["success_rate"].last()
        columns[f"{name}: M env-steps"] = time_to_success(table).groupby("task", sort=False).median() / 1e6
        columns[f"{name}: last rate"] = last.groupby("task", sort=False).median()
    frame = pd.concat(columns, axis=1, join="inner")
    first = next(iter(tables))
    for name in list(tables)[1:]:
        frame[f"{name} / {first}"] = frame[f"{name}: M env-steps"] / frame[f"{first}: M env-steps"]
    return frame.reset_index()


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that ``poet bench inner`` wrote.

    Raises:
        InputError: the file is missing, or is not such a table.
    """
    if not path.is_file():
        raise InputError(f"there is no table {path}; poet bench inner {path} makes one")
    try:
        table = pd.read_csv(path)
    except ValueError as error:
        raise InputError(f"{path} is no table of poet bench inner: {str(error).splitlines()[0]}") from None
    if list(table) != list(COLUMNS) or not all(pd.api.types.is_numeric_dtype(table[name]) for name in COLUMNS[1:]):
        raise InputError(f"{path} is no table of poet bench inner: its columns must be {', '.join(COLUMNS)}")
    return table


def chosen_learners(names: Sequence[str] | None, num_seeds: int) -> list[Learner]:
    """Every seed of the named tasks, or of all tasks for None. A learner's id does not depend on the choice."""
    return [
        Learner(task, seed, seed * len(TASKS) + number)
        for seed, (number, task) in product(range(num_seeds), enumerate(TASKS))
        if names is None or task.name in names
    ]
