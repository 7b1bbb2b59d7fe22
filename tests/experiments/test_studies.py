"""``poet study``: what a file may say, whose a folder is, runs that go on after a kill, and verdicts in their time."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from environments.errors import InputError
from experiments.comparison import comparing
from experiments.runner import Stopped, start_theta
from experiments.settings import NO_END, resolve_config
from experiments.studies import answers, plan, runs
from experiments.studies.plan import load_study, study_names
from experiments.suites import load_suite, suite_path
from experiments.text import as_markdown
from experiments.walkers import Walker, load_walker, save_walker
from poet.archive.fingerprint import fingerprint
from poet.archive.lock import RunTakenError
from poet.archive.reader import Run, open_run
from poet.archive.records import ForkOrigin
from poet.config import Config
from poet.parts import make_parts
from poet.trainers import make_trainer
from tests.experiments.command_line import Poet, begin, end, wait_for
from tests.experiments.test_bad_input import assert_refused
from tests.house import ROOT

#: Env-steps of each run of ``SMALL``: a few iterations.
BUDGET = 60_000
SMALL = f"""
title = "Do more pairs help?"
seeds = [1, 2]
env_steps = {BUDGET}
suites = ["ground.toml"]
alpha = 0.5
set = ["checkpoint.theta_every=1"]
[arms.few]
preset = "tiny"
set = ["es.pairs=2"]
[arms.more]
preset = "tiny"
[[questions]]
text = "Do they?"
arms = ["more", "few"]
"""
GROUND = (
    'episodes = 2\n[[cells]]\nname = "flat"\nterrain = {}\n[[cells]]\nname = "rough"\nterrain = {roughness = 1.0}\n'
)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The file of a study of four tiny runs, with its suite beside it."""
    return _written(tmp_path, SMALL)


def _written(folder: Path, text: str) -> Path:
    (folder / "ground.toml").write_text(GROUND)
    path = folder / "small.toml"
    path.write_text(text)
    return path


def _changed(path: Path, old: str, new: str) -> Path:
    """The same file with another text in it."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``small.toml`` and its finished runs in ``runs``, made without interruption; tests only read it."""
    folder = tmp_path_factory.mktemp("study")
    ended = end(begin("study", "run", _written(folder, SMALL), folder / "runs", "--workers", 1))
    assert 0 == ended.code, ended.err
    assert "all 4 runs are finished" in ended.out
    return folder


def test_the_shipped_studies_are_whole() -> None:
    """Every arm can run, every suite is there, and the questions bear the number of seeds."""
    assert ["rivals", "transfer"] == study_names()
    for name in study_names():
        study = load_study(name)
        needed = answers.seeds_needed(study.plan)
        assert needed is not None and needed <= len(study.plan.seeds)
        for arm in study.plan.arms:
            config = study.config(arm, study.plan.seeds[0])
            assert (study.plan.seeds[0], NO_END) == (config.run.seed, config.run.iterations)
            assert make_trainer(config).kind == config.run.trainer
            assert start_theta(config, make_parts(config, lambda request: ()).policy) is not None


@pytest.mark.parametrize("target", ["a", "b"])
def test_arms_train_on_the_targets_that_they_are_tried_on(target: str) -> None:
    """The genotype and the ground of an arm's target are those of the suite, which are a niche's that is archived."""
    study = load_study("rivals")
    (cell,) = load_suite(study.place_of(f"grounds/target-{target}.toml"), 1).cells
    folder, niche = {"a": ("desktop-3", 25), "b": ("desktop-2", 19)}[target]
    with open_run(ROOT / "experiments/reports/desktop" / folder) as run:
        assert run.terrain(niche).with_push(cell.terrains[0].push) == cell.terrains[0]
        (row,) = run.niches[run.niches["niche_id"] == niche].to_dict("records")
        assert run.config.run.seed not in study.plan.seeds, "that run would make its own target again"
    for arm in ("es", "curriculum"):
        of_arm = study.configs[f"{arm}-{target}"].run
        genotype = {key: value for key, value in row["genotype"].items() if value is not None}
        assert (arm, row["terrain_seed"]) == (of_arm.trainer, of_arm.start_terrain_seed)
        assert genotype == json.loads(of_arm.start_terrain)


def test_the_digest_is_of_what_a_study_says(small: Path) -> None:
    """Not of spaces, comments, order or what changes no result; but of settings, suites, walkers and words."""
    before = load_study(str(small)).digest
    _changed(small, "[arms.few]", "# nothing\n\n[arms.few]")
    _changed(small, f"env_steps = {BUDGET}", f"env_steps = {BUDGET}.0")
    _changed(small, "checkpoint.theta_every=1", "checkpoint.theta_every=2")
    assert before == load_study(str(small)).digest
    found = {before}
    for old, new in (
        ("Do they?", "Do they really?"), ("es.pairs=2", "es.pairs=1"), ("seeds = [1, 2]", "seeds = [1, 3]"),
        ("alpha = 0.5", "alpha = 0.4"),
    ):  # fmt: skip
        found.add(load_study(str(_changed(small, old, new))).digest)
    _changed(small.with_name("ground.toml"), "1.0", "1.5")
    found.add(load_study(str(small)).digest)
    walker, theta = small.with_name("walker.npz"), load_walker("flat").theta
    _changed(small, 'set = ["es.pairs=1"]', f'set = ["es.pairs=1", "run.start={walker}"]')
    for factor in (1.0, 0.5):
        with walker.open("wb") as file:
            save_walker(file, Walker("own", theta * np.float32(factor), Config().policy))
        found.add(load_study(str(small)).digest)
    assert 8 == len(found)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seeds = [1, 2]", "seeds = [1, true]", ("seeds.1", "a seed must be a whole number from 0 on", "True")),
        ("seeds = [1, 2]", "seeds = [1, 1]", ("seeds", "each must stand there once", "1, 1")),
        ("seeds = [1, 2]", "seeds = []", ("seeds is []", "at least 1")),
        ("seeds = [1, 2]", f"seeds = [{', '.join(map(str, range(11)))}]", ("seeds", "at most 10")),
        ("seeds = [1, 2]", "", ("it lacks the key 'seeds'",)),
        ("seeds = [1, 2]", f"seeds = [0x{'f' * 9000}]", ("small.toml",)),
        ("seeds = [1, 2]", f"seeds = [{'9' * 5000}]", ("a number in it is too large",)),
        ("seeds = [1, 2]", f"seeds = {'[' * 9000}", ("nested too deeply",)),
        ("seeds = [1, 2]", "seeds = [1, 2", ("must be a readable TOML file",)),
        (f"env_steps = {BUDGET}", "env_steps = 1.5", ("env_steps must be a whole number from 1 on", "1.5")),
        (f"env_steps = {BUDGET}", "env_steps = inf", ("env_steps must be a whole number", "inf")),
        (f"env_steps = {BUDGET}", "env_step = 3", ("no key 'env_step'", "did you mean 'env_steps'?")),
        ("alpha = 0.5", "alpha = nan", ("alpha is nan", "finite")),
        ("alpha = 0.5", "alpha = 1.0", ("alpha is 1.0", "less than 1")),
        ("alpha = 0.5", 'stopping = "when p is small"', ("stopping is 'when p is small'", "'budget'")),
        ('title = "Do more pairs help?"', "title = 3", ("title is 3", "valid string")),
        ("[arms.few]", '[arms."../few"]', ("an arm's name must be small letters", "'../few'")),
        ("[arms.few]", '[arms."a/../../b"]', ("an arm's name must be", "rename it")),
        ("[arms.few]", "[arms.Few]", ("an arm's name must be", "'Few'")),
        ("[arms.few]", "[arms." + "x" * 65 + "]", ("an arm's name must be", "at most 64")),
        ("[arms.few]", "[arms.fewer]", ("an arm of a question must be one of fewer, more", "did you mean 'fewer'?")),
        ('set = ["es.pairs=2"]', 'set = ["es.pears=2"]', ("the arm few", "did you mean 'es.pairs'?")),
        ('set = ["es.pairs=2"]', "sets = []", ("no key 'arms.few.sets'", "did you mean 'set'?")),
        ('set = ["es.pairs=2"]', "set = [3]", ("arms.few.set.0 is 3", "valid string")),
        ('set = ["es.pairs=2"]', 'set = ["run.seed=2"]', ("the arm few sets run.seed, which is the study's",)),
        ('set = ["es.pairs=2"]', "", ("the arms few and more have the same settings",)),
        ('set = ["es.pairs=2"]', 'preset2 = "x"', ("no key 'arms.few.preset2'",)),
        ('arms = ["more", "few"]', 'arms = ["more", "more"]', ("compares 'more' with itself",)),
        ('arms = ["more", "few"]', 'arms = ["more"]', ("questions.0.arms.1",)),
        ('text = "Do they?"', 'measure = "luck"', ("questions.0",)),
        ('text = "Do they?"', 'text = "Do they?"\nsuite = "grid"', ("the suite of a question must be one of ground",)),
        ('text = "Do they?"', 'text = "Do they?"\ntest = "t"', ("questions.0.test is 't'", "'permutation'")),
        ('suites = ["ground.toml"]', 'suites = ["grit"]', ("'grit' is no suite", "did you mean 'grid'?")),
        ('suites = ["ground.toml"]', 'suites = ["small.toml"]', ("a suite has no key",)),
        ('preset = "tiny"', 'preset = "../tiny"', ("unknown preset '../tiny'",)),
    ],
)  # fmt: skip
def test_what_a_study_cannot_mean_is_refused(
    poet: Poet, tmp_path: Path, small: Path, old: str, new: str, words: tuple[str, ...]
) -> None:
    """One sentence that names the place, exit code 2, nothing made."""
    _changed(small, old, new)
    before = sorted(tmp_path.iterdir())
    assert_refused(poet("study", "run", small, tmp_path / "runs"), *words)
    assert before == sorted(tmp_path.iterdir())


def test_an_arm_that_cannot_run_is_refused_before_any_does(poet: Poet, tmp_path: Path, small: Path) -> None:
    """Not hours later, when its turn comes."""
    _changed(small, 'preset = "tiny"\n[[', 'preset = "tiny"\nset = ["run.trainer=peot"]\n[[')
    assert_refused(poet("study", "run", small, tmp_path / "runs"), "the arm more", "unknown trainer 'peot'")
    assert not (tmp_path / "runs").exists()


def test_runs_come_seed_by_seed(small: Path, tmp_path: Path) -> None:
    """So that all arms have equally many seeds when somebody stops it; chosen ones are in the same order."""
    study = load_study(str(small))
    every = [one.folder.name for one in runs.study_runs(study, tmp_path)]
    assert ["few-1", "more-1", "few-2", "more-2"] == every
    chosen = runs.study_runs(study, tmp_path, ["more"], [2, 1])
    assert ["more-1", "more-2"] == [one.folder.name for one in chosen]
    assert [1, 2] == [one.config.run.seed for one in chosen]
    for arms, seeds, word in ((["mor"], [], "did you mean 'more'?"), ([], [3], "--seed must be one of 1, 2")):
        with pytest.raises(InputError, match=word.replace("?", r"\?")):
            runs.study_runs(study, tmp_path, arms, seeds)


def test_a_killed_study_goes_on_to_the_same_runs(finished: Path, tmp_path: Path) -> None:
    """After kill -9 in the middle of one run, and after Ctrl-C, fingerprints equal those of the undisturbed study."""
    small = _written(tmp_path, SMALL)
    command = ("study", "run", small, tmp_path / "runs", "--workers", 1)
    killed = begin(*command)
    wait_for(killed, "run 2 of 4")
    wait_for(killed, "iteration 2")
    killed.kill()
    assert -signal.SIGKILL == end(killed).code
    interrupted = begin(*command)
    wait_for(interrupted, "run 3 of 4")
    wait_for(interrupted, "iteration 2")
    interrupted.send_signal(signal.SIGINT)
    ended = end(interrupted)
    assert 130 == ended.code
    assert [f"stopped in {tmp_path / 'runs' / 'few-2'}; go on with: poet study run {small} {tmp_path / 'runs'}"] == (
        ended.err.splitlines()
    )
    ended = end(begin(*command))
    assert 0 == ended.code, ended.err
    assert "run 1 of 4" not in ended.out and "run 2 of 4" not in ended.out and "run 3 of 4" in ended.out
    for name in ("few-1", "more-1", "few-2", "more-2"):
        assert fingerprint(finished / "runs" / name) == fingerprint(tmp_path / "runs" / name)


def test_a_changed_study_is_refused(poet: Poet, finished: Path, tmp_path: Path) -> None:
    """By every command, with what differs; the same study under another name is not."""
    other = _changed(_written(tmp_path, SMALL), f"env_steps = {BUDGET}", "env_steps = 9")
    for command in (("run",), ("status",), ("report", "--output", tmp_path / "out")):
        ended = poet("study", command[0], other, finished / "runs", *command[1:])
        assert_refused(ended, "was begun with another study", "(env_steps differ)", "name another folder")
    assert not (tmp_path / "out").exists()
    same = _changed(other, "env_steps = 9", f"env_steps = {BUDGET}")
    assert 0 == poet("study", "status", same, finished / "runs").code


def test_a_folder_of_something_else_is_refused(poet: Poet, small: Path, tmp_path: Path, tiny_run: Path) -> None:
    """One with files, a file, a damaged seal, and a run that another command made in a run's place."""
    folder = tmp_path / "runs"
    assert_refused(poet("study", "run", small, tmp_path), "FOLDER must be new or empty")
    assert_refused(poet("study", "run", small, small), "FOLDER must be new or empty")
    assert_refused(poet("study", "status", small, folder), "holds no study yet", "poet study run")
    runs.seal(load_study(str(small)), folder)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert_refused(poet("study", "run", small, tmp_path / "dangling"), "FOLDER must be new or empty")
    (folder / "few-1").symlink_to(tiny_run)
    assert_refused(poet("study", "run", small, folder), "few-1 was made with other settings", "es.pairs")
    (folder / runs.SEAL_NAME).write_text('{"digest": 3}')
    assert_refused(poet("study", "run", small, folder), "is damaged")


def test_no_verdict_comes_before_its_time(poet: Poet, finished: Path, tmp_path: Path) -> None:
    """An unfinished study is refused; with --interim it gets numbers of finished runs, marked as no verdict."""
    small, folder = _written(tmp_path, SMALL), tmp_path / "runs"
    study = load_study(str(small))
    runs.seal(study, folder)
    out = ("--output", tmp_path / "out", "--workers", 1)
    assert_refused(poet("study", "report", small, folder, *out), "unfinished: 0 of 4 runs", "go on by poet study run")
    assert_refused(poet("study", "report", small, folder, *out, "--interim"), "unfinished: 0 of 4 runs")
    for name in ("few-1", "more-1"):
        (folder / name).symlink_to(finished / "runs" / name)
    assert_refused(poet("study", "report", small, folder, *out), "unfinished: 2 of 4 runs", "--interim")
    assert not (tmp_path / "out").exists()
    ended = poet("study", "report", small, folder, *out, "--interim")
    assert 0 == ended.code, ended.err
    assert "Interim: this study has no verdict yet" in ended.out
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (True, 2) == (found["is_interim"], found["runs_missing"])
    assert all(row["verdict"].startswith("interim: ") for row in found["questions"])
    assert "**This is an interim look: 2 runs are missing" in (tmp_path / "out" / "README.md").read_text()


def test_the_report_of_a_finished_study(poet: Poet, finished: Path, tmp_path: Path) -> None:
    """One page, a CSV for each table, and one file for machines, with digest, commit, verdicts and costs."""
    small, folder, out = finished / "small.toml", finished / "runs", tmp_path / "out"
    ended = poet("study", "report", small, folder, "--output", out, "--workers", 1)
    assert 0 == ended.code, ended.err
    found = json.loads((out / "report.json").read_text())
    digest = load_study(str(small)).digest
    assert (digest, False, "in no Git repository") == (found["digest"], found["is_interim"], found["committed_now"])
    (row,) = found["questions"]
    assert ("more", "few", 2, 2) == (row["ours"], row["theirs"], row["ours_seeds"], row["theirs_seeds"])
    assert row["p"] == row["p_adjusted"] and not row["verdict"].startswith("interim")
    assert comparing.UNTESTABLE != row["verdict"], "at the level of the study, 0.5, two seeds against two can show"
    costs = pd.read_csv(out / "costs.csv")
    with open_run(folder / "few-1") as one, open_run(folder / "few-2") as other:
        es = pd.concat([run.ledger for run in (one, other)]).query("purpose == 'es'")["env_steps"].sum() / 2
    assert round(es) == costs.query("arm == 'few' and purpose == 'es'")["env_steps"].item()
    page = (out / "README.md").read_text()
    for words in ("# Do more pairs help?", digest, "in no Git repository", "1. Do they?", "es.pairs=2", row["verdict"]):
        assert words in page
    assert "interim" not in page and "nan" not in page
    uneven = [line for line in ended.out.splitlines() if line.startswith("Arms are compared at unequal env-steps")]
    assert uneven == found["remarks"] and all(f"**{as_markdown(line)}**" in page for line in uneven)
    assert pd.read_csv(out / "tried.csv")["score_mean"].tolist() == [row["score_mean"] for row in found["tried"]]
    names = {"README.md", "report.json", *(f"{name}.csv" for name in "questions arms power costs runs tried".split())}
    assert names == {path.name for path in out.iterdir()}
    assert_refused(poet("study", "report", small, folder, "--output", out), "new or empty folder")


def test_status_tells_how_far_each_run_is(poet: Poet, finished: Path, tmp_path: Path) -> None:
    """Arms by seeds: env-steps and whether it is finished, stopped or not begun."""
    small, folder = _written(tmp_path, SMALL), tmp_path / "runs"
    study = load_study(str(small))
    runs.seal(study, folder)
    (folder / "few-1").symlink_to(finished / "runs" / "few-1")
    ended = poet("run", folder / "more-1", "--preset", "tiny", "--seed", 1, "--iterations", 1, "--workers", 1)
    assert 0 == ended.code, ended.err
    ended = poet("study", "status", small, folder)
    assert 0 == ended.code, ended.err
    (few,) = [line for line in ended.out.splitlines() if line.strip().startswith("few")]
    (more,) = [line for line in ended.out.splitlines() if line.strip().startswith("more")]
    assert ", finished" in few and "not begun" in few
    assert ", stopped" in more and "not begun" in more
    assert study.digest in ended.out


def test_a_fork_is_no_run_of_a_study(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the settings of the arm now, but another run's first iterations."""
    study = load_study(str(finished / "small.toml"))
    monkeypatch.setattr(Run, "parent", ForkOrigin("elsewhere", 1))
    with pytest.raises(InputError, match="few-1 is a fork"):
        runs.standing(runs.study_runs(study, finished / "runs")[0], BUDGET)


def _tried(rates: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"run": run, "cell": str(i), "success_rate": rate}
            for run, mine in rates.items()
            for i, rate in enumerate(mine)
        ]
    )


def _asked(folder: Path, seeds: int, questions: str) -> plan.Study:
    """A study of the arms a, b and c with so many seeds and these tables of questions."""
    head = f'title = "T"\nseeds = {list(range(seeds))}\nenv_steps = 1\nsuites = ["ground.toml"]\n'
    arms = "".join(f'[arms.{arm}]\npreset = "tiny"\nset = ["es.pairs={i}"]\n' for i, arm in enumerate("abc", 1))
    return load_study(str(_written(folder, head + arms + questions)))


def test_holms_family_is_the_questions_of_the_study(tmp_path: Path) -> None:
    """Not all pairs of arms: one question of three arms is tested as one, and two at half the level each."""
    names = {arm: [f"{arm}-{i}" for i in range(4)] for arm in "abc"}
    levels = {"a": 0.9, "b": 0.1, "c": 0.5}
    rates = {name: [levels[arm] + i / 100] for arm, mine in names.items() for i, name in enumerate(mine)}
    ask = '[[questions]]\ntext = "?"\narms = ["a", "{}"]\n'
    tried = {"ground.toml": _tried(rates)}
    one = _asked(tmp_path, 4, ask.format("b"))
    (row,) = answers.answers(one, tried, names, False).to_dict("records")
    assert pytest.approx(2 / 70) == row["p"] == row["p_adjusted"]
    assert "a succeeds more often than b" == row["verdict"]
    assert 4 == answers.seeds_needed(one.plan)
    two = _asked(tmp_path, 4, ask.format("b") + ask.format("c"))
    found = answers.answers(two, tried, names, False)
    assert pytest.approx([4 / 70, 4 / 70]) == found["p_adjusted"].tolist()
    assert {comparing.UNTESTABLE} == set(found["verdict"])
    assert 5 == answers.seeds_needed(two.plan)
    assert answers.power_of(one)["3 sd"].item() > 0.0 == answers.power_of(two)["3 sd"].item()


def test_a_question_without_runs_still_counts(tmp_path: Path) -> None:
    """In an interim look, Holm's family does not shrink to what happens to be finished."""
    names: dict[str, list[str]] = {arm: [f"{arm}-{i}" for i in range(4)] for arm in "ab"} | {"c": []}
    rates = {name: [0.9 if name[0] == "a" else 0.1] for mine in names.values() for name in mine}
    ask = '[[questions]]\ntext = "?"\narms = ["a", "{}"]\n'
    study = _asked(tmp_path, 4, ask.format("c") + ask.format("b"))
    found = answers.answers(study, {"ground.toml": _tried(rates)}, names, True)
    assert [1, 2] == found["number"].tolist()
    assert [f"interim: {answers.NO_RUNS}", f"interim: {comparing.UNTESTABLE}"] == found["verdict"].tolist()
    assert np.isnan(found["p"][0]) and pytest.approx(4 / 70) == found["p_adjusted"][1]


def test_cells_that_are_robustly_solved_are_counted(tmp_path: Path) -> None:
    """At 80 % or more, whatever the mean is."""
    names = {arm: [f"{arm}-{i}" for i in range(4)] for arm in "ab"} | {"c": []}
    rates = {name: [0.8, 0.1] if name[0] == "a" else [0.79, 0.79] for mine in names.values() for name in mine}
    ask = '[[questions]]\ntext = "?"\narms = ["a", "b"]\nmeasure = "robust_cells"\n'
    (row,) = answers.answers(_asked(tmp_path, 4, ask), {"ground.toml": _tried(rates)}, names, False).to_dict("records")
    assert (0.5, 0.0, "a robustly solves more cells than b") == (row["ours_mean"], row["theirs_mean"], row["verdict"])


def test_the_state_of_a_file_in_git_is_told(tmp_path: Path) -> None:
    """Committed, changed since, not committed, or in no repository."""
    path = tmp_path / "small.toml"
    path.write_text("a = 1\n")
    assert "in no Git repository" == runs.commit_of(path)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    assert "not committed" == runs.commit_of(path)
    subprocess.run([*git, "add", "small.toml"], check=True)
    assert "not committed" == runs.commit_of(path)
    subprocess.run([*git, "commit", "--quiet", "-m", "a"], check=True)
    committed = runs.commit_of(path)
    assert committed.startswith("committed in ")
    path.write_text("a = 2\n")
    assert committed.replace("committed in", "changed since") == runs.commit_of(path)


def test_runs_that_could_not_be_compared_stop_the_study(poet: Poet, tmp_path: Path, small: Path) -> None:
    """At the first one, not when all are made: agents must be stored near the budget."""
    _changed(small, "theta_every=1", "theta_every=1000")
    ended = poet("study", "run", small, tmp_path / "runs", "--workers", 1)
    assert_refused(ended, "has not stored all its agents", "checkpoint.theta_every")
    assert not (tmp_path / "runs" / "few-2").exists()


def test_too_few_seeds_are_said_before_the_first_run(
    poet: Poet, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many would do; the study goes on all the same."""
    _changed(small, "alpha = 0.5", "alpha = 0.05")
    monkeypatch.setattr("experiments.studies.runs.standing", lambda run, env_steps: runs.Standing(1, True))
    monkeypatch.setattr("experiments.studies.runs.check_comparable", lambda run, env_steps: None)
    ended = poet("study", "run", small, tmp_path / "runs")
    assert 0 == ended.code, ended.err
    assert "too few seeds (2) for the number of questions (1) at the level 0.05" in ended.out
    assert "and 4 are enough" in ended.out
    assert "commit it before its first run" in ended.out


def test_it_counts_what_git_says_when_the_first_run_begins(poet: Poet, tmp_path: Path, small: Path) -> None:
    """Who commits the file because a command says so, or before a second try, has committed it in time."""
    study, folder = load_study(str(small)), tmp_path / "runs"
    assert runs.seal(study, folder)
    assert "in no Git repository" == runs.check_seal(study, folder)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init"], ["add", "small.toml"], ["commit", "-m", "a"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    assert runs.seal(study, folder)
    committed = runs.check_seal(study, folder)
    assert committed.startswith("committed in ")
    (folder / "few-1").mkdir()
    (folder / "few-1" / "run.sqlite").touch()
    small.write_text(small.read_text() + "# changed")
    assert not runs.seal(study, folder)
    assert committed == runs.check_seal(study, folder)


def test_a_run_that_somebody_writes_is_left_to_them(
    poet: Poet, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two terminals share a study: who meets the other's run goes on with the next one, and does not end there."""
    made = []

    def carried_out(folder: Path, *_: object) -> tuple[Stopped, str]:
        if folder.name == "few-1":
            raise RunTakenError("the run is being written")
        made.append(folder.name)
        return Stopped(1, False), ""

    monkeypatch.setattr("experiments.commands.study.carry_out", carried_out)
    monkeypatch.setattr("experiments.studies.runs.check_comparable", lambda run, env_steps: None)
    ended = poet("study", "run", small, tmp_path / "runs")
    assert 0 == ended.code, ended.err
    assert ["more-1", "few-2", "more-2"] == made
    assert f"{tmp_path / 'runs' / 'few-1'} is left to the process that writes it" in ended.out


def test_a_shipped_suite_beside_a_study_is_the_shipped_one(tmp_path: Path, small: Path) -> None:
    """Only a path ends in .toml, and begins at the study's folder wherever the command is called."""
    study = load_study(str(_changed(small, 'suites = ["ground.toml"]', 'suites = ["ground.toml", "roses"]')))
    assert str(tmp_path / "ground.toml") == study.place_of("ground.toml")
    assert suite_path("roses") == suite_path(study.place_of("roses"))
    assert resolve_config("tiny", assignments=["es.pairs=2", "checkpoint.theta_every=1"]) == study.configs["few"]
