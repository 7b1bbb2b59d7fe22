"""``poet bench``: what it measures, and what it makes of the measurements."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from agents.rollouts.base import AbstractEngine, OnProgress
from agents.rollouts.request import EvaluationRequest
from agents.rollouts.result import RolloutResult
from environments.engines import ENGINES, Engine
from experiments.throughput import machine, measure, others, ours, start, vector
from experiments.throughput.measure import Case, Measurement, Work, ratios
from experiments.throughput.report import BenchReport
from tests.experiments.command_line import Poet

STEPS_OF_A_WALK = 10


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two repetitions of very little."""
    monkeypatch.setattr(measure, "NUM_REPEATS", 2)
    monkeypatch.setattr(ours, "NUM_WALKERS", 128)
    monkeypatch.setattr(ours, "MAX_STEPS", 20)
    monkeypatch.setattr(others, "GYMNASIUM_STEPS", 150)
    monkeypatch.setattr(others, "ENVPOOL_STEPS", 60)


@pytest.fixture
def batched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """A batched engine called ``fake``; the list gets (walkers, time limit, threads) of each call."""
    seen = []

    class Fake(AbstractEngine):
        is_batched = True

        def run(
            self, chunk: EvaluationRequest, threads: int = 1, on_progress: OnProgress | None = None
        ) -> RolloutResult:
            num = chunk.num_episodes
            seen.append((num, chunk.max_steps, threads))
            return RolloutResult(np.zeros(num), np.full(num, STEPS_OF_A_WALK, np.int32), np.zeros(num, np.int8))

        def stage_shares(self, chunk: EvaluationRequest) -> dict[str, float]:
            return {"joints": 0.75, "rest": 0.25}

    module = ModuleType("fake_engine")
    vars(module)["Fake"] = Fake
    monkeypatch.setitem(sys.modules, "fake_engine", module)
    monkeypatch.setitem(ENGINES, "fake", Engine("fake_engine:Fake"))
    return seen


def _measured(who: str, ground: str, rates: Sequence[float], num_threads: int = 1, resets: str = "in") -> Measurement:
    return Measurement(who, ground, num_threads, resets, 0.5, tuple(rates), 100.0)


@pytest.mark.parametrize(("usable", "expected"), [(8, "8"), (2, "2 of 8")])
def test_the_machine_says_which_cores_may_be_used(monkeypatch: pytest.MonkeyPatch, usable: int, expected: str) -> None:
    """A container's quota is part of the measurement: its cores are named before those of the machine."""
    monkeypatch.setattr(machine, "available_cores", lambda: usable)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert expected == machine.machine_facts()["cores"]


def test_bench_prints_machine_speeds_and_ratios(poet: Poet, little: None, tmp_path: Path) -> None:
    """Machine and versions, then a row for each engine and ground, for each of the others, and their ratios."""
    ended = poet(
        "bench", "--engine", "box2d", "--against", "gymnasium", "--no-start", "--output", tmp_path / "bench.md"
    )
    report = (tmp_path / "bench.md").read_text(encoding="utf-8")
    rows = [tuple(line.strip("| ").split(" | ")) for line in report.splitlines() if line.startswith("| ")]

    assert 0 == ended.code, ended.err
    for words in ("CPU: ", "Python: ", "numba: ", "code: "):
        assert words in ended.out and words in report
    assert ["easy", "hard"] == [row[1] for row in rows if row[0] == "box2d"]
    assert [("BipedalWalker-v3", "in"), ("BipedalWalker-v3", "out")] == [
        (row[1], row[3]) for row in rows if row[:2] == ("gymnasium", "BipedalWalker-v3")
    ]
    assert ["box2d easy", "box2d hard"] == [row[0] for row in rows if row[1].startswith("gymnasium ")]
    for row in rows:
        if row[0] not in ("who", "---"):
            assert all(cell in ended.out for cell in row)


def test_cases_take_turns_and_warm_up_first() -> None:
    """Every repetition of a case lies between those of the others: a slow minute hits all of them."""
    seen: list[str] = []

    def case(who: str) -> Case:
        def run() -> Work:
            seen.append(who)
            return Work(100, 2, 4.0, 2.0 if who == "b" else None)

        return Case(who, "flat", 1, lambda: seen.append(f"warm {who}"), run)

    counts: list[tuple[int, int]] = []
    rows = measure.measure([case("a"), case("b")], lambda done, of: counts.append((done, of)))

    assert ["warm a", "warm b", *["a", "b"] * measure.NUM_REPEATS] == seen
    assert [(i + 1, 2 * measure.NUM_REPEATS) for i in range(2 * measure.NUM_REPEATS)] == counts
    assert [("a", "in", 25.0), ("b", "in", 25.0), ("b", "out", 50.0)] == [(r.who, r.resets, r.median) for r in rows]
    assert [50.0] * 3 == [row.steps_per_episode for row in rows]


def test_median_and_spread_are_of_the_repetitions() -> None:
    """The median, and greatest minus least over it."""
    row = _measured("a", "flat", [100.0, 90.0, 110.0])

    assert (100.0, pytest.approx(0.2)) == (row.median, row.spread)


def test_ratios_compare_repetition_by_repetition_with_the_fastest_count() -> None:
    """A slow repetition of both is no slower ratio; others stand with their fastest row, threads against one thread."""
    one = _measured("simd", "hard", [200.0, 100.0, 200.0])
    two = _measured("simd", "hard", [380.0, 195.0, 380.0], num_threads=2)
    oracle = _measured("box2d", "hard", [20.0, 10.0, 20.0])
    slow = _measured("envpool", "course", [10.0, 5.0, 10.0])
    fast = _measured("envpool", "course", [20.0, 10.0, 20.0], resets="out")
    found = ratios([one, two, oracle], [slow, fast])

    assert [(one, fast), (one, oracle), (oracle, fast), (two, one)] == [(row.faster, row.slower) for row in found]
    assert (10.0, 10.0, 10.0) == found[0].values
    assert pytest.approx(1.9) == found[3].median


def test_a_batched_engine_walks_the_whole_batch_on_one_and_two_threads(
    little: None, batched: list[tuple[int, int, int]]
) -> None:
    """The same walkers for any number of threads; an engine that runs one after the other gets a few of them."""
    works = [case.run() for case in ours.engine_cases("fake")]
    single = [case.run() for case in ours.engine_cases("box2d")]

    assert [(128, 20, 1), (128, 20, 1), (128, 20, 2), (128, 20, 2)] == batched
    assert [128] * 4 == [work.num_episodes for work in works]
    assert [1280] * 4 == [work.num_steps for work in works]
    assert [1, 1] == [work.num_episodes for work in single]


def test_stages_are_microseconds_of_a_step(little: None, batched: list[tuple[int, int, int]]) -> None:
    """Each stage has its share of the time that a step of the same walks takes; an engine without stages has none."""
    found = ours.stages("fake")

    assert {"easy", "hard"} == found.keys()
    # Three quarters and one quarter of whatever a step took.
    assert {"joints", "rest"} == set(found["easy"])
    assert pytest.approx(3 * found["easy"]["rest"]) == found["easy"]["joints"] > 0
    assert {} == ours.stages("box2d")


def test_gymnasium_walks_the_same_way_in_every_repetition(little: None) -> None:
    """Fixed seeds and actions: the steps, the episodes, and some time for resets."""
    for case in others.gymnasium_cases():
        case.warm_up()
        first, second = case.run(), case.run()

        assert (150, first.num_episodes) == (second.num_steps, second.num_episodes)
        assert first.reset_seconds is not None and 0.0 < first.reset_seconds < first.seconds


def test_envpool_steps_are_told_from_its_resets(little: None) -> None:
    """Of all calls, those that reset a world are no control steps."""
    pytest.importorskip("envpool")
    (case,) = others.envpool_cases()
    case.warm_up()
    work = case.run()

    assert others.ENVPOOL_WORLDS < work.num_episodes
    assert others.ENVPOOL_WORLDS * (60 + 1) == work.num_steps + work.num_episodes
    assert work.reset_seconds is not None and 0.0 < work.reset_seconds < work.seconds


@pytest.fixture
def few_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two repetitions of two small vector envs, long enough for episodes to end."""
    monkeypatch.setattr(measure, "NUM_REPEATS", 2)
    monkeypatch.setattr(vector, "NUM_WORLDS", (3, 5))
    monkeypatch.setattr(vector, "NUM_STEPS", 150)


def test_vector_envs_take_as_many_steps_as_worlds_that_are_not_reset(few_worlds: None) -> None:
    """Of all calls, those that reset a world are no control steps; what ends in the last one has not begun anew."""
    for case in [*vector.our_cases(), *(vector.envpool_cases() if find_spec("envpool") else [])]:
        case.warm_up()
        work, num_worlds = case.run(), int(case.ground)

        assert num_worlds < work.num_episodes
        assert num_worlds * (150 + 1) == work.num_steps + work.num_episodes
        assert work.seconds > 0.0


def test_bench_of_vector_envs_compares_equal_numbers_of_worlds(
    poet: Poet, few_worlds: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A row for each number of worlds and, against others, ratios of these alone; without EnvPool a line says so."""
    monkeypatch.setattr(others, "find_spec", lambda name: None)
    ended = poet("bench", "--vector", "--output", tmp_path / "bench.md")
    refused = poet("bench", "--vector", "--engine", "simd")
    report = (tmp_path / "bench.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in report.splitlines() if line.startswith("| poet/")]
    one, other, third = (
        _measured(who, worlds, [rate]) for who, worlds, rate in (("a", "3", 8.0), ("b", "3", 2.0), ("b", "5", 1.0))
    )
    found = vector.VectorReport("", {}, [one], [other, third], {}, None, []).ratios

    assert 0 == ended.code, ended.err
    assert ["3", "5"] == [row[1] for row in rows]
    assert others.HOW_TO_INSTALL["envpool"] in ended.out and others.HOW_TO_INSTALL["envpool"] in report
    assert [(one, other, 4.0)] == [(row.faster, row.slower, row.median) for row in found]
    assert 2 == refused.code and "leave out --engine" in refused.err


def test_what_is_not_installed_is_named(
    poet: Poet, little: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without EnvPool everything else is measured, and a line says how to install it; asked for, it is refused."""
    monkeypatch.setattr(others, "find_spec", lambda name: None if name == "envpool" else object())
    ended = poet("bench", "--engine", "box2d", "--no-start", "--output", tmp_path / "bench.json")
    refused = poet("bench", "--against", "envpool")
    figures = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))

    assert 0 == ended.code, ended.err
    assert others.HOW_TO_INSTALL["envpool"] in ended.out
    assert [others.HOW_TO_INSTALL["envpool"]] == figures["missing"]
    assert {"box2d", "gymnasium"} == {row["who"] for row in figures["measurements"]}
    assert {2} == {len(row["steps_per_second"]) for row in figures["measurements"]}
    assert 2 == refused.code
    assert "pip install" in refused.err


def test_starts_share_a_cache_that_is_empty_at_first(poet: Poet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start compiles everything, the next ones load it; the command they time is one that ``poet`` takes."""
    caches: list[tuple[str, int]] = []

    def run(command: list[str], env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        cache = Path(env["NUMBA_CACHE_DIR"])
        caches.append((str(cache), len(list(cache.iterdir()))))
        (cache / f"kernel-{len(caches)}").touch()
        ended = poet(*command[3:])
        return subprocess.CompletedProcess(command, ended.code, ended.out, ended.err)

    monkeypatch.setattr(start, "subprocess", SimpleNamespace(run=run))
    found = start.measure_start("box2d")

    assert [(caches[0][0], i) for i in range(1 + start.NUM_WARM_STARTS)] == caches
    assert not Path(caches[0][0]).exists()
    assert ("box2d", start.NUM_WARM_STARTS) == (found.engine, len(found.warm_seconds))


def test_a_start_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that does not start is no fast run."""
    failed = subprocess.CompletedProcess([], 2, "", "poet: no such engine")
    monkeypatch.setattr(start, "subprocess", SimpleNamespace(run=lambda *_, **__: failed))

    with pytest.raises(RuntimeError, match="no such engine"):
        start.measure_start("box2d")


def test_the_report_shows_stages_with_their_shares_and_the_start() -> None:
    """Each stage's microseconds and share, and what they add up to; cold and warm start."""
    report = BenchReport(
        command="poet bench",
        facts={"CPU": "a fast one"},
        ours=[_measured("simd", "easy", [100.0])],
        others=[],
        stages={"simd": {"easy": {"joints": 3.0, "rest": 1.0}}},
        start=start.Start("simd", 60.0, (4.0, 2.0, 3.0)),
        missing=[],
    )
    text = report.to_markdown()

    for row in ("easy | joints | 3.00 | 75.0%", "easy | all | 4.00 | 100.0%", "simd | cold | 60.0"):
        assert f"| {row} |" in text
    assert "| simd | warm | 3.0 (2.0 to 4.0) |" in text
    assert ["Speed", "Where the time of simd goes", "Start of a run"] == [table.title for table in report.tables()]


@pytest.mark.parametrize("name", ["bench.txt", "nowhere/bench.md"])
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_measured(
    poet: Poet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A wrong name is reported without a wait of two minutes."""
    monkeypatch.setattr(measure, "measure", lambda *_: pytest.fail("something was measured"))
    ended = poet("bench", "--output", tmp_path / name)

    assert 2 == ended.code
    assert "--output" in ended.err
