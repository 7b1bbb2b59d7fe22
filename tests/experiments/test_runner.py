"""The runner between the algorithm and the disk, its settings, and the progress that it shows."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from agents.evaluation.executor import AbstractExecutor
from agents.evaluation.local import LocalExecutor
from agents.policies.mlp import MLPPolicy
from agents.rollouts import run_chunk
from agents.rollouts.base import OnProgress
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from agents.rollouts.result import RolloutResult
from environments.terrain.obstacles import ObstacleGenotype
from experiments.commands.display import LivePanel
from experiments.presets import load_preset, preset_names
from experiments.progress import PlainLines, RunTracker, duration
from experiments.runner import run_experiment
from experiments.settings import NO_END, describe, differences, parse_assignment, resolve_config
from poet import open_run
from poet.config import Config, make_config
from poet.parts import make_parts
from poet.types import Origin, PoetState, Purpose
from tests.poet.builders import start


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class InterruptedExecutor(AbstractExecutor):
    """Runs episodes here; Ctrl-C comes after a chosen number of chunks."""

    num_workers = 1

    def __init__(self, chunks_before: int) -> None:
        self._chunks_before = chunks_before

    def _run(self, chunks: list[EvaluationRequest], on_progress: OnProgress) -> Generator[RolloutResult, None, None]:
        for chunk in chunks:
            if self._chunks_before == 0:
                signal.raise_signal(signal.SIGINT)
            self._chunks_before -= 1
            yield run_chunk(chunk)

    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture(scope="module")
def first_state() -> PoetState:
    """The state at the start of a run."""
    with LocalExecutor(workers=1) as executor:
        return start(make_parts(make_config({"evaluation": {"max_steps": 2}}), executor.evaluate))[0]


def request_of(num_niches: int, purpose: Purpose) -> EvaluationRequest:
    """Two episodes for each niche."""
    block = every_row(Thetas(np.zeros((2, 2804), np.float32)), (ObstacleGenotype().express(0),))
    return EvaluationRequest((block,) * num_niches, MLPPolicy(), label=purpose)


def run_tiny(folder: Path, executor: AbstractExecutor, iterations: int) -> tuple[int | None, bool]:
    """Run the preset tiny; where it stopped, and whether by Ctrl-C."""
    config = resolve_config("tiny", flags={"run.iterations": iterations})
    stopped = run_experiment(folder, config, executor, lambda tracker: PlainLines(tracker, io.StringIO()))
    return stopped.iteration, stopped.is_interrupted


@pytest.mark.parametrize("num_chunks", [0, 1, 7, 20, 33])
def test_wherever_ctrl_c_comes_only_whole_iterations_are_on_disk(tmp_path: Path, num_chunks: int) -> None:
    """The unfinished iteration is dropped, all others can be read, and the run's last agents are stored."""
    folder = tmp_path / "run"
    iteration, is_interrupted = run_tiny(folder, InterruptedExecutor(num_chunks), 10)

    assert is_interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if num_chunks == 0:
        assert iteration is None
        assert not list(tmp_path.iterdir())
        return
    with open_run(folder) as run:
        assert iteration == run.iteration
        assert iteration == run.versions["iteration"].max()
        last = run.versions.sort_values("id").drop_duplicates("niche_id", keep="last")
        stored = {agent.version.id for agent in run.stored_agents()}
        assert set(last["id"]) <= stored


def test_every_theta_that_no_es_step_made_can_be_replayed(tiny_run: Path) -> None:
    """Agents that came by start, transfer or admission are in the archive, also those an ES step has replaced since."""
    with open_run(tiny_run) as run:
        versions = run.versions
        stored = {agent.version.id for agent in run.stored_agents()}
    made = versions[versions["origin"] != Origin.ES]

    assert {Origin.INITIAL, Origin.DIRECT} <= set(made["origin"])
    assert made["origin"].str.startswith("admission").any()
    assert set(made["id"]) <= stored


def test_every_preset_is_a_config_and_states_only_differences() -> None:
    """A preset names existing keys with values in range."""
    assert "tiny" in preset_names()
    for name in preset_names():
        config = resolve_config(name)
        values = config.to_json()
        for section, keys in load_preset(name).items():
            assert keys == {key: values[section][key] for key in keys}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("es.pairs=64", 64),
        ("es.pairs = 64", 64),
        ("es.noise_std=1e-2", 0.01),
        ("transfer.periodic=false", False),
        ('terrain.obstacles=["stairs"]', ["stairs"]),
        ("run.start=walkers/my.npz", "walkers/my.npz"),
        ("run.start=a=b", "a=b"),
        ('transfer.rule="2020"', "2020"),
        ("transfer.rule=2020", "2020"),
        ("niche.instances=fixed", "fixed"),
    ],
)
def test_a_set_value_is_toml_or_a_plain_string(text: str, value: object) -> None:
    """Quotes are needed only where TOML would read something else."""
    (section,) = parse_assignment(text).values()

    assert [value] == list(section.values())


def test_settings_are_said_as_differences() -> None:
    """Values that equal the defaults are not listed."""
    config = make_config({"es": {"pairs": 3}, "terrain": {"obstacles": ["stairs", "roughness"]}})

    assert {} == differences(Config())
    assert """'terrain.obstacles=["stairs", "roughness"]' es.pairs=3""" == describe(differences(config))
    assert {"es.pairs": 256} == differences(make_config({"es": {"pairs": 256}}), make_config({"es": {"pairs": 3}}))


def test_progress_says_the_phase_in_words(first_state: PoetState) -> None:
    """What runs now, for how many, and how much of it is done."""
    tracker = RunTracker(40, Clock())
    assert "iteration 0/40: starting" == tracker.phase

    tracker.end_iteration(first_state)
    tracker.begin_phase(request_of(5, Purpose.ES))
    tracker.advance(7, 10, 1000)

    assert "iteration 1/40: ES of 5 niches, 7/10 episodes" == tracker.phase


def test_speed_counts_the_steps_of_the_last_half_minute(first_state: PoetState) -> None:
    """Steps of several phases add up; what was long ago does not count."""
    clock = Clock()
    tracker = RunTracker(40, clock)
    for seconds, steps in ((10, 1000), (20, 3000)):
        tracker.begin_phase(request_of(1, Purpose.ES))
        clock.now += seconds
        tracker.advance(2, 2, steps)

    assert 4000 / 30 == pytest.approx(tracker.steps_per_second)

    for _ in range(10):
        tracker.begin_phase(request_of(1, Purpose.SELF_EVAL))
        clock.now += 10
        tracker.advance(2, 2, 50)

    assert 5 == pytest.approx(tracker.steps_per_second)


def test_speed_counts_no_time_before_the_first_episode(first_state: PoetState) -> None:
    """However long compilation took: a run's speed is that of its episodes."""
    clock = Clock()
    tracker = RunTracker(40, clock)
    clock.now += 60
    tracker.begin_phase(request_of(1, Purpose.ES))
    clock.now += 2
    tracker.advance(2, 2, 1000)

    assert 500 == pytest.approx(tracker.steps_per_second)


def test_time_left_is_what_iterations_lately_took(first_state: PoetState) -> None:
    """Two iterations of 3 s and 5 s leave 38 of 4 s each."""
    clock = Clock()
    tracker = RunTracker(40, clock)
    assert tracker.seconds_left is None
    for iteration, seconds in enumerate((0, 3, 5)):
        clock.now += seconds
        tracker.end_iteration(replace_iteration(first_state, iteration))

    assert 38 * 4 == tracker.seconds_left
    assert "38" not in tracker.facts and "3 min left" in tracker.facts


def test_time_left_knows_that_env_steps_may_end_a_run(first_state: PoetState) -> None:
    """At 250 steps a second, 3,000 more take 12 s; iterations end it later. Without an end of theirs none is shown."""
    clock = Clock()
    tracker = RunTracker(NO_END, clock, env_steps=5000)
    for iteration in range(3):
        clock.now += 2 * iteration
        tracker.end_iteration(replace(first_state, iteration=iteration, env_steps=500 + 750 * iteration))

    assert 3000 / 250 == tracker.seconds_left
    assert tracker.done_line().startswith("iteration 2 done: 1 niche, best ")
    assert tracker.facts.endswith("12 s left")


def test_plain_lines_come_also_while_an_iteration_lasts(first_state: PoetState) -> None:
    """A reader of the log sees that the run is alive."""
    stream = io.StringIO()
    tracker = RunTracker(40)
    tracker.end_iteration(first_state)
    tracker.begin_phase(request_of(1, Purpose.ES))
    with PlainLines(tracker, stream, interval=0.01) as display:
        deadline = time.monotonic() + 5
        while stream.getvalue().count("\n") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        display.iteration_done()

    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("iteration 1/40: ES of 1 niche, 0/2 episodes; 1 niche, best ")
    assert any(line.startswith("iteration 0/40 done: ") for line in lines)


def test_a_terminal_shows_phase_and_facts_and_is_left_as_it_was(first_state: PoetState) -> None:
    """The live panel says what plain lines say, and is gone when the run is over."""
    stream = io.StringIO()
    tracker = RunTracker(40)
    tracker.end_iteration(first_state)
    tracker.begin_phase(request_of(5, Purpose.TRANSFER_DIRECT))
    with LivePanel(tracker, Console(file=stream, force_terminal=True, width=100)):
        pass

    assert "iteration 1/40: transfers into 5 niches, 0/10 episodes" in stream.getvalue()
    assert "1 niche, best " in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h"), (864_000, "10.0 days")]
)
def test_durations_are_said_in_a_fitting_unit(seconds: float, words: str) -> None:
    """Seconds, minutes, hours, days."""
    assert words == duration(seconds)


def replace_iteration(state: PoetState, iteration: int) -> PoetState:
    """The state as if so many iterations were done."""
    values = {**vars(state), "iteration": iteration}
    return PoetState(**values)
