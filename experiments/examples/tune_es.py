"""An Optuna study over ``es.*``: ``python -m experiments.examples.tune_es FOLDER``.

Each trial is a run of ES alone from the shipped walker on one rough terrain with pits, of as many env-steps as any
other. Its score is the mean return of its last agent on fresh terrains of the same genes, which nobody trained on. The
first trial has the settings of the preset. Since the best of many trials was lucky on those terrains too, it and the
first one are tried on others in the end. Called again, the study goes on. Needs the extra ``optuna``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from agents import rollout
from agents.evaluation import make_executor
from environments import ObstacleGenotype
from experiments.commands.display import Nothing
from experiments.runner import run_experiment
from experiments.settings import NO_END, assignment, resolve_config
from poet import open_run
from poet.config import config_value
from poet.scoring import FIRST_UNSEEN_SEED

GENOTYPE = ObstacleGenotype(roughness=1.2, pit_gap=(0.4, 1.2))
#: Seeds of terrains: what trials are scored by, and what the result is measured on. No run draws them.
VALIDATION, TEST = (range(FIRST_UNSEEN_SEED + start, FIRST_UNSEEN_SEED + start + 50) for start in (500_000, 600_000))
PRESET, ENV_STEPS, NUM_TRIALS = "walker", 5_000_000, 30


def main(folder: Path, num_trials: int = NUM_TRIALS, env_steps: int = ENV_STEPS, *, preset: str = PRESET) -> None:
    """Make trials, or further ones of a study that is there, and say what the best one is worth."""
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="es", storage=f"sqlite:///{folder / 'study.db'}", load_if_exists=True, direction="maximize"
    )
    names = ("es.learning_rate", "es.noise_std", "es.pairs")
    if not finished(study):  # nor if the first trial was killed
        study.enqueue_trial({name: config_value(resolve_config(preset), name) for name in names})
    study.optimize(lambda trial: objective(trial, folder, env_steps, preset), num_trials)
    for what, found in (("first", finished(study)[0]), ("best", study.best_trial)):
        on_others = score(run_of(folder, found.number), TEST)
        print(f"{what}: {found.params}, {found.value:.1f}; on other terrains {on_others:.1f}")


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that came to their end, in order."""
    return study.get_trials(states=[optuna.trial.TrialState.COMPLETE])


def objective(trial: optuna.Trial, folder: Path, env_steps: int, preset: str) -> float:
    """Train with the settings of a trial, and score what that gave.

    Raises:
        KeyboardInterrupt: Ctrl-C came; the study counts the trial as failed, and ends.
    """
    values: dict[str, Any] = {
        "es.learning_rate": trial.suggest_float("es.learning_rate", 0.001, 0.1, log=True),
        "es.noise_std": trial.suggest_float("es.noise_std", 0.01, 0.3, log=True),
        "es.pairs": trial.suggest_int("es.pairs", 2, 256, log=True),
        "run.trainer": "es",
        "run.start": "flat",
        "run.start_terrain": json.dumps(GENOTYPE.to_json()),
        "run.iterations": NO_END,
    }
    config = resolve_config(preset, assignments=[assignment(key, value) for key, value in values.items()])
    with make_executor("local") as executor:
        run = run_of(folder, trial.number)
        stopped = run_experiment(run, config, executor, lambda _: Nothing(), env_steps=env_steps)
    if stopped.is_interrupted:  # fewer env-steps than others: such a trial has no score
        raise KeyboardInterrupt
    return score(run_of(folder, trial.number), VALIDATION)


def run_of(folder: Path, number: int) -> Path:
    """The folder of a trial's run."""
    return folder / f"trial-{number}"


def score(folder: Path, seeds: range) -> float:
    """The mean return of a run's last agent on fresh terrains."""
    with open_run(folder) as run:
        grounds = [GENOTYPE.express(seed) for seed in seeds]
        thetas, max_steps = np.tile(run.agent(0).theta, (len(grounds), 1)), run.config.evaluation.max_steps
        return float(rollout(run.policy, thetas, grounds, max_steps=max_steps).returns.mean())


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or not all(word.isdigit() for word in sys.argv[2:]):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
