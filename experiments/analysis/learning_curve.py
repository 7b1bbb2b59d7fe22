"""How a walker learns flat ground: its stored versions, tested under pushes that its training never saw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.ending import Outcome
from experiments.analysis import theme
from experiments.analysis.theme import themed
from poet.archive.reader import Run
from poet.parts import Evaluate
from poet.scoring import FIRST_UNSEEN_SEED


def learning_curve(run: Run, evaluate: Evaluate, num_pushes: int = 50) -> pd.DataFrame:
    """Test every stored version of the root's agent on whole courses of flat ground under unseen pushes.

    Args:
        run: of the preset ``walker``.
        evaluate: runs episodes.
        num_pushes: how many courses, the same for every version.

    Returns:
        One row a version: iteration, env_steps and seconds spent until then, mean, lowest and highest return, and the
        share of courses finished.
    """
    terrains = tuple(ObstacleGenotype().express(FIRST_UNSEEN_SEED + i) for i in range(num_pushes))
    agents = [agent for agent in run.stored_agents() if agent.version.niche_id == 0]
    block = every_row(Thetas(np.stack([agent.theta for agent in agents])), terrains)
    (result,) = evaluate(EvaluationRequest((block,), run.policy, label="unseen pushes"))
    returns = result.returns.reshape(len(agents), num_pushes)
    finished = (result.outcomes == Outcome.FINISHED).reshape(len(agents), num_pushes)
    spent = run.iterations.set_index("iteration")[["env_steps", "seconds"]].cumsum()
    iterations = [agent.version.iteration for agent in agents]
    return pd.DataFrame(
        {
            "iteration": iterations,
            "env_steps": spent.loc[iterations, "env_steps"].to_numpy(),
            "seconds": spent.loc[iterations, "seconds"].to_numpy(),
            "mean_return": returns.mean(axis=1),
            "lowest_return": returns.min(axis=1),
            "highest_return": returns.max(axis=1),
            "finished": finished.mean(axis=1),
        }
    )


@themed
def plot_learning(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Mean return on unseen pushes over env-steps, one line a run with a band from the lowest to the highest."""
    figure = theme.make_figure(9.0, 4.6)
    axes = figure.add_axes((0.08, 0.13, 0.8, 0.68))
    for (name, curve), color in zip(curves.items(), theme.GROUP_COLORS, strict=False):
        steps = curve["env_steps"]
        axes.fill_between(steps, curve["lowest_return"], curve["highest_return"], color=color, alpha=0.15, linewidth=0)
        axes.plot(steps, curve["mean_return"], "o-", color=color, markersize=3, linewidth=1.6, label=name)
    theme.draw_threshold(axes, 100.0, "100")
    theme.draw_threshold(axes, 230.0, "solved once, 230")
    theme.steps_axis(axes, max(int(curve["env_steps"].iloc[-1]) for curve in curves.values()))
    axes.set_ylabel("return of a whole course, mean of 50 unseen pushes")
    axes.grid(axis="y")
    theme.draw_heading(figure, "Learning to walk on flat ground", axes.get_legend_handles_labels()[0])
    return figure
