"""Adaptation curves: how often an agent succeeds after K generations on a task that it has not seen.

All starting agents get the same draws and the same pushes, a fresh optimiser, and are tried under pushes on which none
of them adapts. R_0 says what an agent can do already, R_K - R_0 what it learns: whoever shows only the sum cannot tell
a generalist from one that adapts fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents.rollouts.request import Thetas, every_row
from environments.streams import Stream, stream_key
from environments.terrain.generation import push_from
from environments.terrain.terrain import Terrain
from poet.adaptation import ADAPTATIONS, Start
from poet.parts import Parts
from poet.scoring import successes
from poet.types import Purpose
from poet.validation import ROBUST_RATE

#: Generations after which agents are tried.
GENERATIONS = (0, 1, 2, 5, 10)
#: Told how many of how many tasks are done.
Show = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Task:
    """A ground that agents adapt to.

    Attributes:
        run: the name of the run whose niche it is.
        niche: its id.
        clade: the root of its clade.
        ground: the niche's own terrain.
        seed: of its run.
    """

    run: str
    niche: int
    clade: int
    ground: Terrain
    seed: int


@dataclass(frozen=True)
class Plan:
    """How agents adapt and are tried.

    Attributes:
        generations: after which they are tried, ascending.
        adaptation: a name in ``poet.adaptation.ADAPTATIONS``.
        pushes: under how many of them they adapt.
        episodes: in which they are tried.
    """

    generations: tuple[int, ...] = GENERATIONS
    adaptation: str = "es"
    pushes: int = 8
    episodes: int = 50


def adapt(task: Task, thetas: NDArray[np.float32], plan: Plan, parts: Parts) -> pd.DataFrame:
    """Adapt agents (N, P) to a task, and try them on the way.

    Returns:
        Columns agent (0 to N - 1), generation, success_rate, return_mean (-inf if a world diverged).
    """
    ids = (task.seed, task.niche)
    instances = _under_pushes(task, "pushes to adapt under", plan.pushes)
    places = tuple(stream_key(ids[0], "adaptation", ids[1], k) for k in range(plan.generations[-1]))
    starts = [Start(theta, instances, places) for theta in thetas]
    adapted = ADAPTATIONS[plan.adaptation](starts, parts.strategy, parts)

    tried = _under_pushes(task, "pushes to be tried under", plan.episodes)
    shown = [(n, k) for n in range(len(thetas)) for k in plan.generations]
    sample = Thetas(np.stack([adapted.path[k, n] for n, k in shown]))
    (result,) = parts.run_blocks([every_row(sample, tried)], Purpose.VALIDATION)
    rates = np.array(successes(result), float).reshape(-1, plan.episodes).mean(axis=1)
    returns = [math.fsum(row) / plan.episodes for row in result.fitness.reshape(-1, plan.episodes).tolist()]
    table = pd.DataFrame(shown, columns=["agent", "generation"])
    return table.assign(success_rate=rates, return_mean=returns)


def _under_pushes(task: Task, purpose: str, number: int) -> tuple[Terrain, ...]:
    stream = Stream(task.seed, purpose, task.niche)
    return tuple(task.ground.with_push(push_from(stream)) for _ in range(number))


def curves(
    tasks: Sequence[Task], arms_of: Mapping[tuple[str, int], Mapping[str, NDArray[np.float32]]], plan: Plan,
    parts: Parts, show: Show,
) -> pd.DataFrame:  # fmt: skip
    """The curves of some arms on some tasks.

    Args:
        tasks: of any runs.
        arms_of: the starting agents by run and niche of a task, by the name of their arm.
        plan: how.
        parts: of the runs, with the strategy by which agents adapt.
        show: told after each task.

    Returns:
        Columns run, niche, clade, arm, generation, success_rate, return_mean.
    """
    frames = []
    for i, task in enumerate(tasks):
        arms = arms_of[task.run, task.niche]
        found = adapt(task, np.stack([*arms.values()]), plan, parts)
        names = dict(enumerate(arms))
        frames.append(found.assign(run=task.run, niche=task.niche, clade=task.clade, arm=found["agent"].map(names)))
        show(i + 1, len(tasks))
    columns = ["run", "niche", "clade", "arm", "generation", "success_rate", "return_mean"]
    return pd.concat(frames, ignore_index=True)[columns]


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each task and arm of ``curves``.

    Returns:
        Columns run, niche, clade, arm; first and last, success rates before and after all generations; gain, their
        difference; area, the mean height of the curve over generations; return_gain; is_hurt, whether the last return
        is below the first; is_solved, whether the last success rate is ``ROBUST_RATE`` or more.
    """
    rows = []
    for (run, niche, clade, arm), curve in table.groupby(["run", "niche", "clade", "arm"], sort=False):
        at, rates, returns = (curve[name].to_numpy(float) for name in ("generation", "success_rate", "return_mean"))
        area = float(np.trapezoid(rates, at) / (at[-1] - at[0])) if len(at) > 1 else float(rates[0])
        rows.append(
            {
                "run": run, "niche": niche, "clade": clade, "arm": arm, "first": rates[0], "last": rates[-1],
                "gain": rates[-1] - rates[0], "area": area, "return_gain": returns[-1] - returns[0],
                "is_hurt": returns[-1] < returns[0], "is_solved": rates[-1] >= ROBUST_RATE,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
