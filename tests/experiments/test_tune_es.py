"""The Optuna example: real trials at equal cost, scored on terrains that no run has seen."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import optuna
import pytest

from experiments.commands.display import Nothing
from experiments.examples import tune_es
from poet.archive.reader import open_run


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_study_scores_each_trial_on_unseen_terrains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first trial has the preset's settings; the study goes on; what it says at the end are other terrains."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for _ in range(2):
        tune_es.main(tmp_path, 1, 2000, preset="tiny")
    first, best = capsys.readouterr().out.splitlines()[-2:]
    study = optuna.load_study(study_name="es", storage=f"sqlite:///{tmp_path / 'study.db'}")

    with open_run(tmp_path / "trial-0") as run:
        assert {"es.learning_rate": run.config.es.learning_rate, "es.noise_std": run.config.es.noise_std,
                "es.pairs": run.config.es.pairs} == study.trials[0].params  # fmt: skip
        assert ("es", "flat") == (run.config.run.trainer, run.config.run.start)
        assert 2000 <= run.ledger["env_steps"].sum() < 2000 + run.ledger["env_steps"].max() * 2
    assert 2 == len(study.trials) and study.trials[0].params != study.trials[1].params
    assert [tune_es.score(tmp_path / f"trial-{i}", tune_es.VALIDATION) for i in (0, 1)] == [
        t.value for t in study.trials
    ]
    assert first.startswith("first: ") and best.startswith("best: ")
    on_others = float(re.findall(r"[-\d.]+", first)[-1])
    assert on_others == pytest.approx(tune_es.score(tmp_path / "trial-0", tune_es.TEST), abs=0.05)
    assert not {*tune_es.VALIDATION} & {*tune_es.TEST}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_trial_that_ctrl_c_cut_off_has_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have fewer env-steps than others. The study ends, and begins with the preset's settings again."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Nothing, "iteration_done", lambda _: signal.raise_signal(signal.SIGINT))
        tune_es.main(tmp_path, 2, 2000, preset="tiny")
    tune_es.main(tmp_path, 1, 2000, preset="tiny")
    study = optuna.load_study(study_name="es", storage=f"sqlite:///{tmp_path / 'study.db'}")

    assert [False, True] == [trial.value is not None for trial in study.trials]
    assert study.trials[0].params == study.trials[1].params
