"""MLflow: one batch for each iteration, which its SQLite store takes as a whole or not at all."""

from __future__ import annotations

import time
from pathlib import Path

from environments.errors import InputError
from environments.registry import import_optional
from experiments.files import check_sub_folder
from experiments.logs.base import AbstractLogger, LoggedRun, Numbers

import_optional("mlflow", "mlflow", "--log mlflow")
from mlflow import MlflowClient  # noqa: E402 - says what is missing
from mlflow.entities import Metric, Param  # noqa: E402

_EXPERIMENT = "poet"
#: Tells a run apart from others of the same name.
_TAG = "poet.run"
#: A number that every iteration has.
_ALWAYS = "env_steps/all"
#: Letters that a parameter may have.
_LONGEST = 6000


class MLflow(AbstractLogger):
    """Metrics in ``RUN/mlflow/mlflow.db``, in ``PLACE/mlflow.db``, or on the server whose address PLACE is.

    The step is the iteration; the settings are parameters. The experiment is called poet.
    """

    def __init__(self, run: LoggedRun) -> None:
        super().__init__(run)
        self._client, artifacts = self._opened()
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        experiment = found.experiment_id if found else self._client.create_experiment(_EXPERIMENT, artifacts)
        runs = self._client.search_runs([experiment], f"tags.`{_TAG}` = '{run.id}'")
        self._run_id = runs[0].info.run_id if runs else self._new_run(experiment)
        self._client.update_run(self._run_id, status="RUNNING")

    @property
    def last(self) -> int:
        """See ``AbstractLogger``."""
        return max((one.step for one in self._client.get_metric_history(self._run_id, _ALWAYS)), default=-1)

    def log(self, numbers: Numbers) -> None:
        """See ``AbstractLogger``."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, numbers.iteration) for name, value in numbers.values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self) -> None:
        """See ``AbstractLogger``."""
        self._client.set_terminated(self._run_id)

    def _opened(self) -> tuple[MlflowClient, str | None]:
        """A client of the store, and where a new experiment keeps files; None for where the server does."""
        place = self.run.place
        if place is not None and "://" in place:
            return MlflowClient(place), None
        folder = Path(place) if place is not None else self._own_folder()
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}"), (folder / "artifacts").as_uri()

    def _own_folder(self) -> Path:
        """Within the run's, which may come from somebody else: nothing there may lead elsewhere."""
        other = "--log mlflow:FOLDER"
        folder = check_sub_folder(self.run.folder / "mlflow", other)
        if (folder / "mlflow.db").is_symlink():
            raise InputError(f"{folder / 'mlflow.db'} is a link: take it away, or name another folder by {other}")
        return folder

    def _new_run(self, experiment: str) -> str:
        name = self.run.folder.resolve().name
        run_id: str = self._client.create_run(experiment, run_name=name, tags={_TAG: self.run.id}).info.run_id
        params = [Param(key, str(value)[:_LONGEST]) for key, value in self.run.settings.items()]
        self._client.log_batch(run_id, params=params)
        return run_id
