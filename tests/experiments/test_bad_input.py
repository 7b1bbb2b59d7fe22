"""A user's mistakes give one sentence on standard error and exit code 2 (1 for a full disk), and no half-made files."""

from __future__ import annotations

import io
import resource
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from agents.rollouts import engines
from poet.archive.fingerprint import fingerprint
from tests.experiments.command_line import Ended, Poet, begin, end
from tests.experiments.conftest import NUM_ITERATIONS

TINY = ("--preset", "tiny", "--workers", 1)


@pytest.fixture
def copied_run(tiny_run: Path, tmp_path: Path) -> Path:
    """A finished run to be damaged."""
    return shutil.copytree(tiny_run, tmp_path / "copied")


def assert_refused(ended: Ended, *words: str, code: int = 2) -> None:
    """One sentence that holds the words, and the exit code."""
    assert code == ended.code, (ended.out, ended.err)
    assert 1 == len(ended.err.splitlines()), ended.err
    for word in words:
        assert word in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "tinny"), ("'tinny'", "did you mean 'tiny'?")),
        ((), ("--preset", "tiny", "--config")),
        ((*TINY, "--set", "es.pair=3"), ("'es.pair'", "did you mean 'es.pairs'?")),
        ((*TINY, "--set", "pairs=3"), ("'pairs'", "did you mean 'es.pairs'?")),
        ((*TINY, "--set", "es.pairs"), ("key=value", "'es.pairs'")),
        ((*TINY, "--set", "es.pairs=0"), ("'es.pairs'", "0", "greater than or equal to 1")),
        ((*TINY, "--set", "es.pairs=many"), ("'es.pairs'", "'many'")),
        ((*TINY, "--set", "es.pairs=1000000000000"), ("es.pairs is 1000000000000", "GiB of memory", "fewer than")),
        ((*TINY, "--set", "poet.criterion_lower=400"), ("criterion_lower", "400", "300")),
        ((*TINY, "--iterations", 0), ("'run.iterations'", "0")),
        ((*TINY, "--seed", -1), ("'run.seed'", "-1")),
        ((*TINY, "--env-steps", 0), ("--env-steps", "0")),
        ((*TINY, "--engine", "box3d"), ("'box3d'", "did you mean 'box2d'?")),
        ((*TINY, "--set", "es.strategy=openai-es"), ("'openai-es'", "did you mean 'openai_es'?")),
        ((*TINY, "--set", "poet.criterion=nowhere:Nothing"), ("'nowhere:Nothing'", "nowhere")),
        ((*TINY, "--set", "run.start=randon"), ("'randon'", "did you mean 'random'?")),
        ((*TINY, "--set", "run.trainer=peot"), ("unknown trainer 'peot'", "'poet'")),
        (
            (*TINY, "--set", "trainer.settings={terrains = 3}"),
            ("trainer.settings", "has 'terrains', but Poet has no such setting"),
        ),
        ((*TINY, "--set", "run.start_terrain={"), ("run.start_terrain is no terrain of 'obstacles'", "Expecting")),
        ((*TINY, "--set", 'run.start_terrain={"roughnes": 1}'), ("run.start_terrain", "did you mean 'roughness'?")),
        (
            (*TINY, "--set", "terrain.settings={max_pit_gap = 8.0}"),
            ("terrain.settings", "'max_pit_gap'", "terrain.max_pit_gap"),
        ),
        ((*TINY, "--set", "poet.criterion_settings={margin = 1}"), ("'margin'", "ReturnBand", "it has none")),
        ((*TINY, "--set", "novelty.settings=margin"), ("'novelty.settings'", "'margin'")),
        ((*TINY, "--config", "missing.toml"), ("missing.toml", "No such file")),
        (("--preset", "tiny", "--executor", "locale"), ("'locale'", "did you mean 'local'?")),
        (("--preset", "tiny", "--workers", 0), ("workers", "0")),
        ((*TINY, "--ray-address", "here:1"), ("ray", "local")),
    ],
)
def test_a_run_is_refused_before_anything_is_made(
    poet: Poet, tmp_path: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """A wrong name, key or value is named, with the nearest right one or the range."""
    assert_refused(poet("run", tmp_path / "run", *arguments), *words)
    assert not list(tmp_path.iterdir())


def test_a_config_file_that_is_no_toml_is_named(poet: Poet, tmp_path: Path) -> None:
    """A syntax error in --config is reported with its place."""
    file = tmp_path / "config.toml"
    file.write_text("[es]\npairs = = 3\n")

    assert_refused(poet("run", tmp_path / "run", "--config", file), str(file), "line 2")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"weights": np.zeros(3, np.float32)}, "theta"),
        ({"theta": np.zeros(3, np.float32)}, "2804"),
        ({"theta": np.zeros(2804)}, "is float64"),
        ({"theta": np.zeros((2, 2804), np.float32)}, "has shape (2, 2804)"),
        ({"theta": np.full(2804, np.nan, np.float32)}, "NaN"),
    ],
)
def test_a_start_walker_that_is_none_is_refused(
    poet: Poet, tmp_path: Path, content: dict[str, np.ndarray], words: str
) -> None:
    """A file without one finite theta of the policy's size and type cannot start a run."""
    file = tmp_path / "walker.npz"
    np.savez(file, **content)

    assert_refused(poet("run", tmp_path / "run", *TINY, "--set", f"run.start={file}"), str(file), words)
    assert [file] == list(tmp_path.iterdir())


def test_a_file_that_is_no_walker_is_refused(poet: Poet, tmp_path: Path) -> None:
    """One array under the name of several, an empty file, or half of one."""
    array, whole, file = io.BytesIO(), io.BytesIO(), tmp_path / "walker.npz"
    np.save(array, np.zeros(2804, np.float32))
    np.savez(whole, theta=np.zeros(2804, np.float32))
    for content in (array.getvalue(), b"", whole.getvalue()[:5000], b"PK\x03\x04"):
        file.write_bytes(content)
        ended = poet("run", tmp_path / "run", *TINY, "--set", f"run.start={file}")
        assert_refused(ended, str(file), "must be a .npz file with an array 'theta'")
    assert [file] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["run", "resume", "bench", "replay"])
def test_the_engine_for_gpus_is_refused_where_there_is_none(
    poet: Poet, copied_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The error has the reason and names an engine with the same bits; an existing run is unchanged."""
    monkeypatch.setattr(engines, "_gpu_problem", lambda: "no NVIDIA GPU with a working driver was found")
    before = fingerprint(copied_run)
    arguments = {
        "run": (tmp_path / "new", *TINY),
        "resume": (copied_run, "--iterations", NUM_ITERATIONS + 1),
        "bench": (),
        "replay": (copied_run, "--verify"),
    }
    ended = poet(command, *arguments[command], "--engine", "cuda")
    assert_refused(ended, "'cuda' cannot run here", "no NVIDIA GPU", "'simd'")
    assert not (tmp_path / "new").exists()
    assert fingerprint(copied_run) == before


def test_a_number_of_lanes_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """POET_LANES is for tests, and has four values."""
    monkeypatch.setenv("POET_LANES", "7")

    assert_refused(end(begin("run", tmp_path / "run", *TINY)), "POET_LANES must be one of 4, 8, 16, 32, but is '7'")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_never_run_into(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """``poet run`` and ``poet fork`` need a new or empty folder and say how to go on with an old one."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes").write_text("mine")

    for command in (("run", tmp_path / "run", *TINY), ("fork", tiny_run, tmp_path / "run", "--at", 4)):
        assert_refused(poet(*command), "exists", "poet resume")
    assert ["notes"] == [path.name for path in (tmp_path / "run").iterdir()]


def test_a_place_where_nothing_can_be_made_is_named(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """A parent that is a file, or a file system that takes no folders, is an error of the user's."""
    (tmp_path / "file").write_text("")
    for parent in (tmp_path / "file", Path("/proc")):
        assert_refused(poet("run", parent / "run", *TINY), f"{parent}/run", "name a place")
        assert_refused(poet("fork", tiny_run, parent / "run", "--at", 4), f"{parent}/run")
        assert_refused(poet("export", tiny_run, "--output", parent / "run"), f"{parent}/run")


@pytest.mark.parametrize("command", ["resume", "status", "fingerprint", "analyse", "replay"])
def test_what_is_no_run_is_refused_by_every_command(poet: Poet, tmp_path: Path, command: str) -> None:
    """A missing folder and one without an archive are told apart."""
    assert_refused(poet(command, tmp_path / "missing"), "missing", "does not exist")
    assert_refused(poet(command, tmp_path), str(tmp_path), "run.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_foreign_database_is_no_run(poet: Poet, tmp_path: Path) -> None:
    """A SQLite file of another program is recognised and left as it is."""
    connection = sqlite3.connect(tmp_path / "run.sqlite")
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    before = (tmp_path / "run.sqlite").read_bytes()

    for command in ("resume", "status", "fingerprint"):
        assert_refused(poet(command, tmp_path), "is no run")
    assert before == (tmp_path / "run.sqlite").read_bytes()


def test_an_archive_of_a_newer_poet_is_refused(poet: Poet, copied_run: Path) -> None:
    """A schema that this code does not know is not touched."""
    connection = sqlite3.connect(copied_run / "run.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    for command in ("resume", "status", "fingerprint"):
        assert_refused(poet(command, copied_run), "99", "newer")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_archive_is_refused(poet: Poet, copied_run: Path, share: float) -> None:
    """Half a file is reported as damaged."""
    path = copied_run / "run.sqlite"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    for journal in copied_run.glob("run.sqlite-*"):
        journal.unlink()

    for command in ("fingerprint", "resume"):
        assert_refused(poet(command, copied_run, *(("--iterations", 99) if command == "resume" else ())))


def test_a_full_disk_stops_a_run_that_goes_on_later(tmp_path: Path, tiny_fingerprint: str) -> None:
    """What was recorded before the disk was full is whole; with space the run ends as if nothing had been."""
    folder, command = tmp_path / "run", ("--preset", "tiny", "--iterations", NUM_ITERATIONS, "--workers", 1)
    ended = end(begin("run", folder, *command, limit=_small_disk))

    assert_refused(ended, str(folder), "what was recorded before is whole", code=1)
    assert "iteration 1/" in ended.out

    resumed = end(begin("resume", folder, "--workers", 1))

    assert 0 == resumed.code, resumed.err
    assert tiny_fingerprint == fingerprint(folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", 3), ("after iteration 3", "2 and 4")),
        (("--at", 4, "--set", "es.strategy=pgpe"), ("'es.strategy'", "new run")),
        (("--at", 4, "--set", "terrain.genotype=mine:Own"), ("'terrain.genotype'", "new run")),
        (("--at", 4, "--set", "run.start=flat"), ("run.start", "new run")),
        (("--at", 4, "--set", "run.start_terrain={}"), ("run.start_terrain", "new run")),
        (("--at", 4, "--set", "run.trainer=es"), ("run.trainer", "new run")),
        (("--at", 4, "--set", "trainer.source=a.json"), ("trainer.source", "new run")),
        (("--at", 4, "--set", "run.start_terrain_seed=7"), ("run.start_terrain_seed", "new run")),
        (("--at", 4, "--reject", "transfer"), ("transfer:ID", "'transfer'")),
        (("--at", 4, "--reject", "niche:1"), ("transfer:ID", "'niche:1'")),
        (("--at", 4, "--reject", "transfer:9999"), ("transfer:9999", "after iteration 4")),
        (("--at", 4, "--reject", "candidate:0"), ("candidate:0", "after iteration 4")),
    ],
)
def test_a_fork_that_cannot_be_is_refused(
    poet: Poet, tmp_path: Path, tiny_run: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """A state that is not kept, a change of kind, an event that did not happen: said, and nothing is made."""
    assert_refused(poet("fork", tiny_run, tmp_path / "fork", *arguments), *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--niche", 99, "--output", "x.gif"), ("no niche 99",)),
        (("--agent", 99, "--output", "x.gif"), ("no niche 99",)),
        (("--output", "x.avi"), ("x.avi", ".gif")),
        (("--output", "x.gif", "--engine", "box3d"), ("box3d",)),
        (("--output", "x.gif", "--verify"), ("--verify", "x.gif")),
        (("--verify", "--workers", 0), ("workers", "0")),
        (("--verify", "--niche", 99), ("no niche 99",)),
    ],
)
def test_a_replay_that_cannot_be_is_refused(
    poet: Poet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_run: Path, arguments: tuple[object, ...],
    words: tuple[str, ...],
) -> None:  # fmt: skip
    """A niche that is not there and a format that nobody writes are named, and no file appears."""
    monkeypatch.chdir(tmp_path)

    assert_refused(poet("replay", tiny_run, *arguments), *words)
    assert not list(tmp_path.iterdir())


def test_an_output_folder_in_use_is_not_exported_into(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """An export never mixes with other files."""
    (tmp_path / "notes").write_text("mine")
    assert_refused(poet("export", tiny_run, "--output", tmp_path), "exists")
    assert ["notes"] == [path.name for path in tmp_path.iterdir()]


def test_a_bench_of_something_unknown_is_refused(poet: Poet) -> None:
    """Unknown names of engines and of other simulators are refused."""
    assert_refused(poet("bench", "--engine", "box3d"), "'box3d'")
    assert_refused(poet("bench", "--against", "gymnasiun"), "did you mean 'gymnasium'?")


def test_an_option_that_does_not_exist_is_a_usage_error(poet: Poet) -> None:
    """The command line's own errors end with code 2 as well."""
    ended = poet("run", "somewhere", "--presett", "tiny")

    assert 2 == ended.code
    assert "--preset" in ended.err


def _small_disk() -> None:
    """No file may grow beyond 300 kB: what SQLite then meets is what a full disk does to it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


@pytest.mark.parametrize(
    "command", [("analyse", "--matrix", 0), ("export",), ("replay",)], ids=["analyse", "export", "replay"]
)
def test_an_output_that_cannot_be_written_is_named(poet: Poet, tiny_run: Path, command: tuple[object, ...]) -> None:
    """/sys takes no file of ours, not even from root: the place is named, with the fix."""
    name, *options = command
    output = Path("/sys/poet.gif") if name == "replay" else Path("/sys/poet")
    ended = poet(name, tiny_run, "--output", output, *options)

    assert_refused(ended, "/sys/", "poet", "may write to")


def test_a_fork_that_is_refused_leaves_nothing(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """Executor, parts and iterations are checked before the new folder is made."""
    for wrong in (("--executor", "moon"), ("--set", "poet.criterion=none_such"), ("--iterations", 3)):
        assert_refused(poet("fork", tiny_run, tmp_path / "fork", "--at", 4, *wrong))
        assert not list(tmp_path.iterdir())


def test_a_new_run_rejects_nothing(poet: Poet, tmp_path: Path) -> None:
    """``run.reject`` names events of another run: only a fork can have it."""
    assert_refused(poet("run", tmp_path / "run", *TINY, "--set", 'run.reject=["x"]'), "run.reject", "poet fork")
