"""The page that compares settings: its times are those of the runs, and each seed has its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from environments.errors import InputError
from experiments.reports import arms
from poet.archive.reader import open_run
from tests.experiments.synthetic_runs import read, three_niches
from tests.experiments.test_learning_report import validated
from tests.experiments.test_success import MEASURED, record


def test_first_times_are_those_of_children_that_are_rough_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Niche 1, without roughness, is robust in iteration 2 and solved once in 3; niche 2, rough, never."""
    monkeypatch.setattr(arms, "ROUGHNESSES", (0.0, 0.1))
    found = arms.first_times(read(record(three_niches(tmp_path / "three"), *MEASURED)))

    assert (7450, 3450) == (found["roughness 0", "solved"], found["roughness 0", "robust"])
    assert {None} == {found[kind, how] for kind in ("roughness 0.1", "hardcore-like") for how in ("solved", "robust")}


def test_all_are_compared_when_the_shortest_ends(tmp_path: Path) -> None:
    """What a longer run did later does not count: after 3450 env-steps niche 1 is robust, but not solved once."""
    run = read(record(three_niches(tmp_path / "three"), *MEASURED))
    cut = arms.until(run, 7449)

    assert (4, 2) == (run.iteration, cut.iteration)
    assert 3450 == cut.ledger["env_steps"].sum()
    found = arms.first_times(cut)
    assert {None} == {steps for (_, how), steps in found.items() if how == "solved"}
    pd.testing.assert_frame_equal(run.niches, arms.until(run, 10**9).niches)


def test_an_arm_has_a_number_for_each_of_its_seeds(tiny_run: Path, tmp_path: Path) -> None:
    """Runs are grouped by the part of their name before the seed."""
    with open_run(tiny_run) as stored:
        seed = stored.config.run.seed
    run = validated(Path(shutil.copytree(tiny_run, tmp_path / "runs" / f"tiny-{seed}")), (1, 9), (2, 3))
    other = Path(shutil.copytree(run, tmp_path / "runs" / f"plain-{seed}"))
    arms.main(tmp_path / "page", [run, other])

    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    table = text.partition("## How often agents succeeded")[2]
    for arm in ("tiny", "plain"):
        assert f"| {arm} |" in table
    assert 2 == sum(line.startswith(f"| plain | {seed} |") for line in text.partition("## How often")[0].splitlines())


def test_one_arm_has_one_config_and_each_seed_once(tiny_run: Path, tmp_path: Path) -> None:
    """Two folders of one name are no two seeds: they would count twice."""
    with open_run(tiny_run) as stored:
        name = f"tiny-{stored.config.run.seed}"
    run = validated(Path(shutil.copytree(tiny_run, tmp_path / "one" / name)), (1, 9), (2, 3))
    other = Path(shutil.copytree(run, tmp_path / "other" / name))
    with pytest.raises(InputError, match="two runs called tiny have the same seed"):
        arms.main(tmp_path / "page", [run, other])
    assert not (tmp_path / "page").exists()


def test_runs_that_were_not_validated_are_refused(tiny_run: Path, tmp_path: Path) -> None:
    """They are refused before anything is written."""
    with pytest.raises(InputError, match="was not validated"):
        arms.main(tmp_path / "page", [tiny_run])
    assert not (tmp_path / "page").exists()
