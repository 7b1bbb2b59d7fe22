"""What others left: files of the released POET, made as it writes them, become walkers, genotypes and tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from environments import ObstacleGenotype
from experiments.walkers import load_walker
from tests.experiments.command_line import Poet
from tests.experiments.synthetic_runs import theta_of
from tests.experiments.test_bad_input import assert_refused

FLAT, HARD = "flat", "r1.2.p0.4_1.2.b1_0.2_0.8.s0.4_0.8"
ABSENT: dict[str, Any] = {
    "ground_roughness": 0, "pit_gap": [], "stump_width": [], "stump_height": [], "stump_float": [], "stair_height": [],
    "stair_width": [], "stair_steps": [],
}  # fmt: skip
GENES = {
    FLAT: {"name": FLAT, **ABSENT},
    HARD: {
        "name": HARD, "ground_roughness": 1.2, "pit_gap": [0.4, 1.2], "stump_width": [1, 2], "stump_height": [0.2, 0.8],
        "stump_float": [0, 1], "stair_height": [0.4, 0.8], "stair_width": [4, 5], "stair_steps": [1, 2],
    },
}  # fmt: skip
COLUMNS = [
    "po_returns_mean", "po_returns_median", "po_returns_std", "po_returns_max", "po_returns_min", "po_len_mean",
    "po_len_std", "noise_std", "learning_rate", "eval_returns_mean", "eval_returns_median", "eval_returns_std",
    "eval_len_mean", "eval_len_std", "eval_n_episodes", "theta_norm", "grad_norm", "update_ratio", "episodes_this_step",
    "episodes_so_far", "timesteps_this_step", "timesteps_so_far", "time_elapsed_this_step", "accept_theta_in",
    "eval_returns_mean_best_in", "eval_returns_mean_best_with_ckpt_in", "eval_returns_mean_theta_from_others_in",
    "eval_returns_mean_proposal_from_others_in",
]  # fmt: skip


def _row(iteration: int) -> list[Any]:
    """Fields in the order of the header; each number tells its column and iteration."""
    fields: list[Any] = [place + iteration / 100 for place in range(len(COLUMNS))]
    for name, value in (("episodes_so_far", 512 * iteration), ("timesteps_so_far", 10**6 * iteration)):
        fields[COLUMNS.index(name)] = value
    fields[-5:] = ["self" if iteration else "flat_proposal", None, None, "flat_1.5_x_2.5", ""]
    return [3.5 * iteration, iteration, *fields]


def _write_log(path: Path, name: str, iterations: list[int]) -> None:
    header = ["time_elapsed_so_far", "iteration", *(f"{column}_{name}" for column in COLUMNS)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *map(_row, iterations[:2]), header, *map(_row, iterations[2:])])


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A log folder of two environments, of which one was not evaluated yet."""
    folder = tmp_path / "poet_run"
    folder.mkdir()
    for place, name in enumerate(GENES):
        (folder / f"poet_run.{name}.env.json").write_text(json.dumps({"config": GENES[name], "seed": 24582922 + place}))
    best = [[float(x) for x in theta_of(3)], 287.5]
    (folder / f"poet_run.{HARD}.best.json").write_text(json.dumps(best))
    _write_log(folder / f"poet_run.{HARD}.log", HARD, [0, 25, 50])
    (folder / "poet_run.log").write_text("what was printed")
    return folder


def test_names_that_some_disks_take_for_one_are_refused(poet: Poet, logs: Path) -> None:
    """Capitals alone tell two environments apart: nothing is written over, and one sentence names both."""
    (logs / "poet_run.Flat.env.json").write_text((logs / f"poet_run.{FLAT}.env.json").read_text())
    assert_refused(poet("import", logs, logs.parent / "out"), "'Flat' and 'flat' differ only in capitals")
    assert not (logs.parent / "out").exists()


@pytest.mark.parametrize("name", ["poet_run", "renamed"])
def test_logs_of_the_released_code_are_taken_over(poet: Poet, logs: Path, tmp_path: Path, name: str) -> None:
    """Agents with every bit, genes as ours (their upper number of steps is never drawn), and every row of the logs."""
    source, out = logs.rename(tmp_path / name), tmp_path / "out"
    ended = poet("import", source, out)
    assert (0, f"{out}: 1 agents, 2 genotypes and 1 logs of 2 environments\n") == (ended.code, ended.out)
    walker = load_walker(str(out / "agents" / f"{HARD}.npz"))
    assert theta_of(3).tobytes() == walker.theta.tobytes()
    assert ((24, 40, 40, 4), ("tanh",)) == (walker.config.layer_sizes, tuple(dict.fromkeys(walker.config.activations)))
    genotypes = {
        name: ObstacleGenotype.from_json(json.loads((out / "genotypes" / f"{name}.json").read_text())) for name in GENES
    }
    assert ObstacleGenotype() == genotypes[FLAT]
    assert genotypes[HARD] == ObstacleGenotype(
        roughness=1.2, pit_gap=(0.4, 1.2), stump_height=(0.2, 0.8), stair_height=(0.4, 0.8), stair_steps=(1, 1)
    )
    environments = pd.read_csv(out / "environments.csv", index_col="environment")
    assert [24582922, 24582923] == environments.loc[[FLAT, HARD], "seed"].tolist()
    assert 287.5 == environments.at[HARD, "best_score"]
    assert np.isnan(environments.at[FLAT, "best_score"])
    progress = pd.read_csv(out / "progress.csv")
    assert [0, 25, 50] == progress["iteration"].tolist()
    assert [0, 25 * 10**6, 50 * 10**6] == progress["env_steps"].tolist()
    assert ["flat_proposal", "self", "self"] == progress["agent_from"].tolist()
    place = COLUMNS.index("eval_returns_mean")
    assert [place, place + 0.25, place + 0.5] == progress["score"].tolist()
    assert {HARD} == set(progress["environment"])


def test_a_walker_of_another_program_becomes_one_of_ours(poet: Poet, tmp_path: Path) -> None:
    """An estool walker as .npz, which ``run.start`` takes; a file that is there stays."""
    source, out = tmp_path / "walker.json", tmp_path / "walker.npz"
    source.write_text(json.dumps([[float(x) for x in theta_of(5)], [273.0]]))
    assert 0 == poet("import", source, out).code
    assert theta_of(5).tobytes() == load_walker(str(out)).theta.tobytes()
    assert_refused(poet("import", source, out), "exists")
    assert_refused(poet("import", source, tmp_path / "walker.zip"), ".npz")
    assert_refused(poet("import", tmp_path / "none", out), "there is no")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (f"{HARD}.best.json", "[[1.0], 2.0]", "2,804 parameters"),
        (f"{HARD}.best.json", "[" * 100_000, "cannot be read"),
        (f"{FLAT}.env.json", "[" * 100_000, "cannot be read"),
        (f"{FLAT}.env.json", "[1, 2]", "'config'"),
        (f"{FLAT}.env.json", json.dumps({"config": {**GENES[FLAT], "__class__": 1}, "seed": 1}), "must have the keys"),
        (f"{FLAT}.env.json", json.dumps({"config": GENES[FLAT], "seed": -1}), "seed must be a whole number"),
        (
            f"{FLAT}.env.json",
            json.dumps({"config": {**GENES[HARD], "stump_width": [1, 9]}, "seed": 1}),
            "stump_width is [1, 9]",
        ),
        (f"{FLAT}.env.json", '{"config": ' + json.dumps({**GENES[HARD], "pit_gap": [9, 1e999]}) + ', "seed": 1}', ""),
        (f"{FLAT}.env.json", json.dumps({"config": {**GENES[HARD], "stair_steps": "ab"}, "seed": 1}), "stair_steps"),
        (f"{HARD}.log", "a,b\n1,2\n", "first line must name the column"),
        (f"{HARD}.log", "\0", "first line must name the column"),
        (f"{FLAT}.log", "", "first line must name the column"),
    ],
)
def test_damaged_and_hostile_files_are_refused_whole(poet: Poet, logs: Path, name: str, text: str, words: str) -> None:
    """One sentence that names the file, and nothing is left behind."""
    (logs / f"poet_run.{name}").write_text(text)
    out = logs.parent / "out"
    assert_refused(poet("import", logs, out), f"poet_run.{name}", words)
    assert not out.exists()


def test_a_row_that_is_no_row_is_named_by_its_line(poet: Poet, logs: Path) -> None:
    """A cut row, as a killed run leaves one, and a text where a number belongs."""
    path = logs / f"poet_run.{HARD}.log"
    whole = path.read_text()
    path.write_text(whole + "1,2,3\n")
    assert_refused(poet("import", logs, logs.parent / "out"), f"{HARD}.log:6", "30 fields, found 3")
    path.write_text(whole.replace("25000000", "=cmd()"))
    assert_refused(poet("import", logs, logs.parent / "out"), f"{HARD}.log:3", "'=cmd()'")


def test_a_folder_without_logs_is_refused(poet: Poet, tmp_path: Path) -> None:
    """The sentence says what was looked for."""
    (tmp_path / "empty").mkdir()
    assert_refused(poet("import", tmp_path / "empty", tmp_path / "out"), ".best.json")
