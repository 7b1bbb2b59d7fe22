"""Loggers: a run's numbers in other programs, each iteration once, whatever happens to the run or to the logger."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.analysis.annecs import annecs_frame
from experiments.analysis.success import rates_by_niche
from experiments.logs import log_run
from experiments.logs.numbers import NumbersReader
from poet.annecs import admissible_niches
from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet, begin, end, wait_for
from tests.experiments.conftest import NUM_ITERATIONS
from tests.experiments.synthetic_runs import simulated_run

PAGE = Path(__file__).parents[2] / "docs/how-to/log.md"
FAILING = """
class Failing(Lines):
    def log(self, numbers):
        if numbers.iteration == 3:
            raise ConnectionError("nobody\\nlistens")
        super().log(numbers)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The logger of the page, and one that fails, in the folder where commands are called."""
    (code,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "own_loggers.py").write_text(code + FAILING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def events(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard itself finds in a folder: values by name and step, none of them twice."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False).Reload()
    values: dict[str, dict[int, float]] = {}
    for name in found.Tags()["scalars"]:
        steps = [event.step for event in found.Scalars(name)]
        assert sorted(set(steps)) == steps, name
        values[name] = {event.step: event.value for event in found.Scalars(name)}
    return values


def expected(folder: Path) -> Iterator[tuple[int, Mapping[str, float]]]:
    """The numbers of a run, by iteration."""
    with open_run(folder) as run:
        yield from [(numbers.iteration, numbers.values) for numbers in NumbersReader(run).read(-1)]


def lines(path: Path) -> list[dict[str, float]]:
    """What the logger of the page has written."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def is_whole(folder: Path, run: Path) -> bool:
    """Whether TensorBoard has each number of each iteration."""
    found = events(folder)
    for iteration, values in expected(run):
        for name, value in values.items():
            assert found[name].pop(iteration) == pytest.approx(value, rel=1e-6), (name, iteration)
    return not any(found.values())


@pytest.mark.parametrize("which", ["tiny", "simulated"])
def test_numbers_are_those_of_the_analysis(which: str, tiny_run: Path, tmp_path: Path) -> None:
    """Env-steps by purpose, niches, scores, success and ANNECS of each iteration are those of the run's tables."""
    folder = tiny_run if which == "tiny" else simulated_run(tmp_path / "run", 1, 120)
    with open_run(folder) as run:
        rows = list(NumbersReader(run).read(-1))
        iteration = run.iteration or 0
        counts = annecs_frame(
            run.niches, run.judgements, run.solved, run.validations, admissible_niches(run.configs, iteration)
        )
        ledger, scores, retired = run.ledger, run.scores, run.retirements
        niches, validations, transfers = run.niches, run.validations, run.transfers
    assert [numbers.iteration for numbers in rows] == list(range(iteration + 1))
    for i, values in ((numbers.iteration, numbers.values) for numbers in rows):
        spent = ledger[ledger["iteration"] <= i].groupby("purpose")["env_steps"].sum()
        assert spent.to_dict() == {
            n[10:]: v for n, v in values.items() if n.startswith("env_steps/") and n[10:] != "all"
        }
        assert spent.sum() == values["env_steps/all"]
        gone = set(retired[retired["iteration"] <= i]["niche_id"])
        active = set(niches[niches["iteration"] <= i]["niche_id"]) - gone
        assert (len(active), len(gone)) == (values["niches/active"], values["niches/retired"])
        last = scores[scores["iteration"] <= i].groupby("niche_id")["score"].last()
        now = {niche: score for niche, score in last.items() if niche in active and abs(score) < float("inf")}
        assert now == {int(name[12:]): value for name, value in values.items() if name.startswith("niche_score/")}
        assert max(now.values()) == values["score/best"] and min(now.values()) == values["score/worst"]
        measured = validations[validations["iteration"] <= i]
        for name in ("annecs_paper", "annecs_released", *(["annecs_robust"] if len(measured) else [])):
            assert counts[name].iloc[[i]].dropna().tolist() == [
                v for n, v in values.items() if n == name.replace("_", "/")
            ]
        rates = rates_by_niche(measured)
        rates = rates[rates.index.isin(active)]["pushes_now"].dropna()
        assert (len(rates) > 0) == ("success/pushes" in values)
        assert len(rates) == 0 or rates.mean() == pytest.approx(values["success/pushes"])
        assert (rates >= 0.8).sum() == values.get("niches/robust", 0)
        tried = transfers[transfers["candidate_id"].isna() & (transfers["iteration"] <= i)]
        assert (tried["outcome"] == "accepted").sum() == values["transfers/accepted"]
        assert len(tried) == values["transfers/attempts"]


def test_a_killed_run_logs_each_iteration_once_and_stays_the_same_run(tmp_path: Path, tiny_fingerprint: str) -> None:
    """After kill -9 and resume, TensorBoard has every number of every iteration, and the fingerprint is as without."""
    run = tmp_path / "run"
    process = begin("run", run, "--preset", "tiny", "--iterations", NUM_ITERATIONS, "--log", "tensorboard")
    wait_for(process, "iteration 4/")
    process.send_signal(signal.SIGKILL)
    end(process)
    (first,) = (run / "tensorboard").iterdir()
    os.truncate(first, first.stat().st_size - 7)  # as a machine leaves it that loses its power
    resumed = end(begin("resume", run, "--log", "tensorboard"))

    assert (0, "") == (resumed.code, resumed.err)
    assert 2 == len(list((run / "tensorboard").iterdir()))
    assert is_whole(run / "tensorboard", run)
    assert tiny_fingerprint == fingerprint(run)


def test_a_finished_run_can_be_logged_later(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """Past iterations come from the archive, and what is there is not logged again."""
    ended = poet("resume", tiny_run, "--log", f"tensorboard:{tmp_path}")
    log_run(tiny_run, [f"tensorboard:{tmp_path}"])

    assert (0, "") == (ended.code, ended.err)
    assert 1 == len(list((tmp_path / tiny_run.name).iterdir()))
    assert is_whole(tmp_path / tiny_run.name, tiny_run)


def test_a_logger_of_ones_own_that_fails_ends_no_run(poet: Poet, own: Path, tiny_fingerprint: str) -> None:
    """It costs one sentence; other loggers go on, and the result is the same."""
    options = ("--log", "own_loggers:Failing:failing.jsonl", "--log", "own_loggers:Lines:lines.jsonl")
    ended = poet("run", "run", "--preset", "tiny", "--iterations", NUM_ITERATIONS, *options)

    assert 0 == ended.code
    assert ended.err == (
        "poet: own_loggers:Failing:failing.jsonl failed, so nothing more is logged there, and the run goes on "
        "(ConnectionError: nobody listens); poet resume run --log own_loggers:Failing:failing.jsonl logs what is "
        "missing\n"
    )
    assert [0, 1, 2] == [line["iteration"] for line in lines(own / "failing.jsonl")]
    ended = poet("resume", "run", "--log", "own_loggers:Lines:failing.jsonl")
    everything = [{"iteration": i, **values} for i, values in expected(own / "run")]
    assert (0, "") == (ended.code, ended.err)
    assert everything == lines(own / "lines.jsonl") == lines(own / "failing.jsonl")
    assert tiny_fingerprint == fingerprint(own / "run")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tensorbord", "unknown logger 'tensorbord': did you mean 'tensorboard'?"),
        ("tensorboard:", "--log takes NAME or NAME:PLACE, such as tensorboard:logs, found 'tensorboard:'"),
        ("json:loads", "logger 'json:loads' must be a concrete subclass of experiments.logs.base.AbstractLogger"),
    ],
)
def test_a_logger_that_is_none_is_one_sentence(poet: Poet, tmp_path: Path, name: str, sentence: str) -> None:
    """It is said before anything of the run is made."""
    ended = poet("run", tmp_path / "run", "--preset", "tiny", "--log", name)

    assert (2, 1) == (ended.code, ended.err.count("\n"))
    assert sentence in ended.err
    assert not (tmp_path / "run").exists()


def test_events_of_another_run_are_left_alone(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """Two runs of one name in one place would be one curve: the second is refused."""
    other = simulated_run(tmp_path / tiny_run.name, 1, 3)
    log_run(other, [f"tensorboard:{tmp_path / 'logs'}"])
    before = events(tmp_path / "logs" / other.name)
    ended = poet("resume", tiny_run, "--log", f"tensorboard:{tmp_path / 'logs'}")

    assert 2 == ended.code
    assert "is not of the run" in ended.err and "name another place" in ended.err
    assert before == events(tmp_path / "logs" / other.name)


def test_nothing_is_logged_through_a_link_of_somebody_elses_run(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """Such a run may have a link that leads to whatever its maker wants written."""
    run = shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (run / "tensorboard").symlink_to(tmp_path / "mine")
    ended = poet("resume", run, "--log", "tensorboard")

    assert (2, 1) == (ended.code, ended.err.count("\n"))
    assert "is a link, which may lead anywhere" in ended.err and "--log tensorboard:FOLDER" in ended.err
    assert not any((tmp_path / "mine").iterdir())


def test_a_place_that_cannot_be_written_ends_no_run(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """A file in the way is a sentence like any other failure."""
    (tmp_path / "taken").write_text("")
    ended = poet("resume", tiny_run, "--log", f"tensorboard:{tmp_path / 'taken'}")

    assert 0 == ended.code
    assert 1 == ended.err.count("\n") and "failed, so nothing more is logged there" in ended.err


@pytest.mark.filterwarnings("ignore")  # its own
def test_wandb_has_each_iteration_once(tiny_run: Path, tmp_path: Path) -> None:
    """Offline: of a file that was cut off by a kill the whole records count, and the next session writes the rest."""
    pytest.importorskip("wandb", reason="heavy; tried by hand")
    from wandb.proto.wandb_internal_pb2 import Record

    from experiments.logs.wandb import records

    log_run(tiny_run, [f"wandb:{tmp_path}"])
    (first,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    os.truncate(first, first.stat().st_size // 2)
    time.sleep(1.1)  # sessions are named by the second
    log_run(tiny_run, [f"wandb:{tmp_path}"])
    found: list[tuple[int, dict[str, float]]] = []
    for path in sorted(tmp_path.glob("wandb/offline-run-*/*.wandb")):
        for record in map(Record.FromString, records(path.read_bytes())):
            if record.HasField("history"):
                items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
                values = {name: json.loads(text) for name, text in items.items() if not name.startswith("_")}
                found.append((record.history.step.num, values))
    assert 2 == len([*tmp_path.glob("wandb/offline-run-*/*.wandb")])
    assert [(i, pytest.approx(dict(values))) for i, values in expected(tiny_run)] == found


@pytest.mark.filterwarnings("ignore")  # its own
def test_mlflow_has_each_iteration_once(tiny_run: Path, tmp_path: Path) -> None:
    """In a SQLite store; a second session finds the run, and adds only what is missing."""
    mlflow = pytest.importorskip("mlflow", reason="heavy; tried by hand")
    log_run(tiny_run, [f"mlflow:{tmp_path}"])
    log_run(tiny_run, [f"mlflow:{tmp_path}"])

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("poet").experiment_id])
    assert ("FINISHED", "tiny", "poet") == (run.info.status, run.info.run_name, run.data.params["run.trainer"])
    numbers = list(expected(tiny_run))
    for name in {name for _, values in numbers for name in values}:
        logged = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        assert [(i, pytest.approx(values[name])) for i, values in numbers if name in values] == logged
