"""How ES does on a niche's terrain, alone or by a direct path: controls for the claim that stepping stones were needed.

A run of the trainer ``es`` on the terrain of the niche in question, or of ``curriculum`` from flat ground straight to
it, from the walker that the run began with, by the run's settings and on as many fresh pushes or seeds. Then its agent
and the run's are tried on that terrain under the same pushes, which decided nothing.

Three budgets are fair in a way: what was spent on the agent's own lineage, on the niche and those that its terrain
descends from, and on the whole run. ES alone has one optimiser from first to last. In a run, step sizes start again
with each admission and each accepted transfer. So a control that fails with the run's decay may do better with a
slower one, ``es.learning_rate_decay``.

Reference: Wang et al. 2019, section 4.2 (both controls; the paper's direct path has the ES steps that were spent on the
terrain and its ancestors); Wang et al. 2020, section on controls (direct optimisation by ES).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from environments.biped import START_X
from environments.errors import InputError
from environments.physics.constants import STEPS_PER_SECOND
from environments.terrain.constants import FINISH_X
from experiments.analysis.success import rates_by_niche
from experiments.runner import start_theta
from experiments.settings import NO_END, for_trainer, resolve_config
from experiments.trials import NUM_TRIALS, num_successes
from poet.archive.reader import Run
from poet.archive.rows import canonical_json
from poet.config import Config
from poet.loop import random_theta
from poet.roots import drawn_roots
from poet.types import theta_digest

#: m/s. A hip turns by 4 rad/s at most, and a leg is 2.3 m long: no foot goes back faster under the hull.
_FASTEST = 10.0
#: What the control may cost, beginning with the least.
BUDGETS = ("lineage", "ancestry", "run")


@dataclass(frozen=True)
class Goal:
    """A niche of a run, when the run had reached it.

    Attributes:
        niche_id: of the niche.
        iteration: in which it was first robustly solved; or else solved once, or retired; or the run's last one.
    """

    niche_id: int
    iteration: int


def goal_of(run: Run, niche_id: int) -> Goal:
    """When a run had reached a niche.

    Raises:
        InputError: no such niche.
    """
    run.terrain(niche_id)  # raises if there is no such niche
    rates = rates_by_niche(run.validations)
    if niche_id in rates.index and not pd.isna(rates["robust"][niche_id]):
        return Goal(niche_id, int(rates["robust"][niche_id]))
    for events in (run.solved, run.retirements):
        mine = events.loc[events["niche_id"] == niche_id, "iteration"]
        if len(mine):
            return Goal(niche_id, int(mine.iloc[0]))
    return Goal(niche_id, run.iteration or 0)


def control_config(
    run: Run, goal: Goal, trainer: str, assignments: list[str], seed: int | None, engine: str | None
) -> Config:
    """The settings of the control whose trainer is ``es`` or ``curriculum``.

    Raises:
        InputError: a key or value that does not exist, or a first walker that is not the run's any more.
    """
    (row,) = run.niches[run.niches["niche_id"] == goal.niche_id].to_dict("records")
    base = run.config_at(row["iteration"])
    drawn = drawn_roots(base).get(goal.niche_id)
    flags = {
        "run.trainer": trainer,
        "run.iterations": NO_END,
        "run.reject": [],
        "run.start_terrain": canonical_json(row["genotype"] if drawn is None else drawn.to_json()),
        "run.start_terrain_seed": row["terrain_seed"],
        "run.seed": seed,
        "evaluation.engine": engine,
    }
    config = resolve_config(assignments=assignments, flags=flags, base=for_trainer(base, trainer))
    _check_start(run, config)
    return config


def env_steps_of(run: Run, goal: Goal) -> dict[str, int]:
    """What the run had spent to reach a niche, for each of ``BUDGETS``.

    A lineage is an agent and all agents that it was made from, whichever niches they lived in. Each niche counts for
    the iterations in which it contributed one of them, with all that was spent on it then.
    """
    ledger = run.ledger
    ledger = ledger[ledger["iteration"] <= goal.iteration]
    by_turn = ledger.groupby(["niche_id", "iteration"])["env_steps"].sum()
    return {
        "lineage": int(by_turn[by_turn.index.isin(_lineage(run, goal))].sum()),
        "ancestry": int(ledger[ledger["niche_id"].isin(_ancestry(run, goal.niche_id))]["env_steps"].sum()),
        "run": int(ledger["env_steps"].sum()),
    }


def tried(run: Run, goal: Goal, made: Run) -> tuple[float, float]:
    """Success rates of the control's last agent and of the run's, as it was then, under the same fresh pushes.

    Both are tried on the niche's own ground, even if the control is not on its way's last terrain yet.
    """
    agents = (made.agent(int(made.niches["niche_id"].max())), run.agent(goal.niche_id, goal.iteration))
    ours, theirs = (num_successes(run, goal.niche_id, agent.theta, "pushes of control es") for agent in agents)
    return ours / NUM_TRIALS, theirs / NUM_TRIALS


def too_short_to_finish(config: Config) -> str | None:
    """A sentence for episodes in which nobody can finish; None for others."""
    most, metres = config.evaluation.max_steps, FINISH_X - START_X
    speed = metres / (most / STEPS_PER_SECOND)
    if speed <= _FASTEST:
        return None
    return (
        f"nobody can finish in evaluation.max_steps={most}: the end is {metres:.0f} m away, which takes {speed:.0f} "
        "m/s, so no agent succeeds, whatever it learns"
    )


def _check_start(run: Run, config: Config) -> None:
    """Check the first walker: a file may have changed since, and another seed draws other weights."""
    if config.policy != run.config.policy:
        raise InputError("the agent of the control has the policy of the run's: set no key of [policy]")
    theta = start_theta(config, run.policy)
    theta = random_theta(run.policy, config.run.seed) if theta is None else theta
    if theta_digest(theta) != run.agent(0, 0).version.theta_digest:
        raise InputError(
            f"run.start={config.run.start} with seed {config.run.seed} is not the walker that {run.folder} began with: "
            "name that one by --set run.start; from other weights, poet run trains with --set run.trainer=es"
        )


def _lineage(run: Run, goal: Goal) -> list[tuple[int, int]]:
    """(niche, iteration) of the niche's agent then, and of all that it was made from."""
    versions = run.versions.set_index("id")
    mine = versions[(versions["niche_id"] == goal.niche_id) & (versions["iteration"] <= goal.iteration)]
    parents, niches, iterations = (versions[name].to_dict() for name in ("parent_id", "niche_id", "iteration"))
    version_id = mine.index.max()
    found = [(niches[version_id], iterations[version_id])]
    while not pd.isna(parents[version_id]) and parents[version_id] < version_id:
        version_id = parents[version_id]
        found.append((niches[version_id], iterations[version_id]))
    return found


def _ancestry(run: Run, niche_id: int) -> list[int]:
    """A niche and the niches that its terrain descends from."""
    parents = run.niches.set_index("niche_id")["parent_id"]
    found = [niche_id]
    while not pd.isna(parents[found[-1]]):
        found.append(int(parents[found[-1]]))
    return found
