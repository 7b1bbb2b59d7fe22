"""Make the shipped walker of training runs: ``python -m experiments.walkers.ship RUN...``.

Each RUN is one of ``poet run RUN --preset walker --seed S``, at most three. All are tested on 50 unseen pushes and
reported; the best last version becomes ``flat.npz``, with ``flat.toml`` beside it to say where it comes from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from agents.evaluation.local import LocalExecutor
from experiments.analysis.learning_curve import learning_curve, plot_learning
from experiments.analysis.theme import save_figure
from experiments.files import write_text, written
from experiments.walkers import Walker, save_walker
from poet.archive.reader import open_run

NAME = "flat"
MAX_RUNS = 3
_WALKERS = Path(__file__).parent
_REPORT = _WALKERS.parent / "reports" / "walker"


def main(folders: list[Path]) -> None:
    """Test the runs' walkers, ship the best, and write its description and the learning curves."""
    if not 1 <= len(folders) <= MAX_RUNS:
        sys.exit(f"give one to {MAX_RUNS} run folders, found {len(folders)}")
    curves: dict[str, pd.DataFrame] = {}
    with LocalExecutor() as executor:
        for folder in folders:
            with open_run(folder) as run:
                curves[f"seed {run.config.run.seed}"] = learning_curve(run, executor.evaluate)
    last = [curve.iloc[-1]["mean_return"] for curve in curves.values()]
    best = int(np.argmax(last))
    with open_run(folders[best]) as run:
        agent = run.agent(0)
        seed, policy = run.config.run.seed, run.config.policy
    with written(_WALKERS / f"{NAME}.npz") as file:
        save_walker(file, Walker(NAME, agent.theta, policy))
    report = "".join(f'"{name}" = {mean:.2f}\n' for name, mean in zip(curves, last, strict=True))
    write_text(
        _WALKERS / f"{NAME}.toml",
        f"# Made by: poet run RUN --preset walker --seed {seed}; packed by: python -m experiments.walkers.ship RUN...\n"
        f'preset = "walker"\nseed = {seed}\niteration = {agent.version.iteration}\n'
        f'theta_digest = "{agent.version.theta_digest}"\n\n'
        f"[mean_return_over_50_unseen_pushes]\n{report}",
    )
    _REPORT.mkdir(parents=True, exist_ok=True)
    table = pd.concat(curves, names=["run"]).reset_index(level=0)
    write_text(_REPORT / "curve.csv", table.to_csv(index=False, float_format="%.3f"))
    save_figure(plot_learning(curves), _REPORT / "curve.png")
    print(table.groupby("run").last().to_string())


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
