"""The commands as a user meets them, on a finished run of the preset tiny."""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from agents.rollouts import available_engines
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from poet import open_run
from poet.archive.fingerprint import fingerprint
from tests.experiments.command_line import COMMAND, Poet, begin, end, environment, wait_for
from tests.experiments.conftest import NUM_ITERATIONS

TINY = ("--preset", "tiny", "--workers", 1)
HEAVY = ("numpy", "numba", "pandas", "pydantic", "gymnasium", "Box2D", "torch", "ray", "matplotlib")


def test_help_imports_nothing_heavy_and_answers_in_half_a_second() -> None:
    """``poet --help`` answers at once; each command imports what it needs when it is called.

    Only processor time counts, since the wait also depends on other users of the machine.
    """
    seconds = []
    for _ in range(5):
        begun = _seconds_of_children()
        subprocess.run([*COMMAND, "--help"], check=True, capture_output=True, env=environment())
        seconds.append(_seconds_of_children() - begun)
    script = f"import sys, experiments.cli; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment()
    )

    assert "[]" == found.stdout.strip()
    assert statistics.median(seconds) < 0.5, seconds


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_run_says_what_it_is_made_of_and_how_it_goes(poet: Poet, tmp_path: Path) -> None:
    """The first line names all that differs from the defaults; then comes a line for each iteration."""
    ended = poet("run", tmp_path / "run", *TINY, "--set", "es.pairs=2", "--iterations", 2, "--seed", 5)
    first, *lines, last = ended.out.splitlines()

    assert 0 == ended.code, ended.err
    for setting in ("es.pairs=2", "run.seed=5", "run.iterations=2", "poet.max_active=3"):
        assert setting in first.split()
    assert ["iteration 1/2 done", "iteration 2/2 done"] == [line.partition(":")[0] for line in lines]
    assert "1 niche, best " in lines[1]
    assert f"done: 2 iterations; look at them with: poet status {tmp_path / 'run'}" in last
    assert "" == ended.err


def test_later_settings_overrule_earlier_ones(poet: Poet, tmp_path: Path) -> None:
    """Preset, then --config, then --set in order, then options."""
    file = tmp_path / "mine.toml"
    file.write_text("[es]\npairs = 4\nnoise_std = 0.2\n[poet]\nmax_children = 2\n[run]\nseed = 7\n")
    settings = ("--set", "es.pairs=5", "--set", "es.pairs=2", "--set", "run.seed=8", "--seed", 9, "--iterations", 1)
    poet("run", tmp_path / "run", *TINY, "--config", file, *settings)
    with open_run(tmp_path / "run") as run:
        config = run.config

    assert (2, 0.2, 2, 9, 3) == (
        config.es.pairs, config.es.noise_std, config.poet.max_children, config.run.seed, config.poet.max_active
    )  # fmt: skip


def test_a_finished_run_says_so_and_how_to_go_further(poet: Poet, tiny_run: Path) -> None:
    """``poet resume`` of a finished run does nothing."""
    before = fingerprint(tiny_run)
    ended = poet("resume", tiny_run)

    assert (0, "") == (ended.code, ended.err)
    assert f"is finished: it has done {NUM_ITERATIONS} iterations" in ended.out
    assert "--iterations" in ended.out
    assert before == fingerprint(tiny_run)


def test_status_names_every_niche_and_what_it_cost(poet: Poet, tiny_run: Path) -> None:
    """Iteration, niches with their scores, transfers and env-steps are those of the archive."""
    with open_run(tiny_run) as run:
        niches, retired, versions, clock = run.niches, run.retirements, run.versions, run.iterations
    lines = poet("status", tiny_run).out.splitlines()
    facts = {line.split()[0]: line for line in lines if line}
    rows = {int(line.split()[0]): line.split() for line in lines[lines.index("") + 2 :]}

    assert facts["run"].endswith("finished")
    assert facts["iteration"].endswith(f"{NUM_ITERATIONS} of {NUM_ITERATIONS}")
    assert f"{len(niches) - len(retired)} active, {len(retired)} retired" in facts["niches"]
    assert f"{clock['env_steps'].sum():,} in {clock['episodes'].sum():,} episodes" in facts["env-steps"]
    assert set(niches["niche_id"]) == set(rows)
    for niche_id, row in rows.items():
        score = versions[versions["niche_id"] == niche_id]["score"].iloc[-1]
        assert f"{score:.1f}" == row[-1]


def test_status_works_while_a_run_goes_on_and_says_who_runs_it(poet: Poet, tmp_path: Path) -> None:
    """A reader never waits for the writer; when the writer is gone, status says how to go on."""
    folder = tmp_path / "run"
    process = begin("run", folder, *TINY, "--iterations", 1000)
    wait_for(process, "iteration 2/")
    running = poet("status", folder)
    process.kill()
    process.communicate()
    stopped = poet("status", folder)

    assert f"running, process {process.pid}" in running.out, running.err
    assert "time left" in running.out
    assert f"stopped; go on with: poet resume {folder}" in stopped.out


def test_a_run_that_is_written_cannot_be_resumed_by_another_process(poet: Poet, tmp_path: Path) -> None:
    """Two writers never meet in one archive."""
    process = begin("run", tmp_path / "run", *TINY, "--iterations", 1000)
    wait_for(process, "iteration 1/")
    ended = poet("resume", tmp_path / "run", "--workers", 1)
    process.kill()
    process.communicate()

    assert 2 == ended.code
    assert str(process.pid) in ended.err


def test_a_fork_can_refuse_a_transfer_and_an_admission(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """What --reject names is refused in the fork, with an outcome of its own; all before it is shared."""
    with open_run(tiny_run) as run:
        transfers, candidates = run.transfers, run.candidates
    periodic = transfers[transfers["candidate_id"].isna() & (transfers["outcome"] == "accepted")]
    admitted = candidates[candidates["outcome"] == "admitted"]
    cases = (("transfer", periodic.iloc[0]), ("candidate", admitted.iloc[-1]))
    for kind, event in cases:
        folder, at = tmp_path / kind, (int(event["iteration"]) - 1) // 2 * 2
        rejection = f"{kind}:{event['id']}"
        ended = poet("fork", tiny_run, folder, "--at", at, "--reject", rejection, "--workers", 1)
        with open_run(folder) as fork:
            table = fork.transfers if kind == "transfer" else fork.candidates
            last = fork.iteration

        assert 0 == ended.code, ended.err
        assert NUM_ITERATIONS == last
        assert "rejected_by_fork" == table.set_index("id")["outcome"][event["id"]]
        assert 'run.reject=["' + f"{kind} at {event['iteration']} " in ended.out
        assert fingerprint(tiny_run) != fingerprint(folder)


def test_a_second_rejection_holds_although_the_first_moves_all_ids(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """Refusing an admission changes what comes after; a later transfer is still refused where it was in the source."""
    with open_run(tiny_run) as run:
        transfers, candidates = run.transfers, run.candidates
    first = candidates[candidates["outcome"] == "admitted"].iloc[0]
    periodic = transfers[transfers["candidate_id"].isna() & (transfers["outcome"] == "accepted")]
    later = periodic[periodic["iteration"] > first["iteration"]].iloc[-1]
    names = ("--reject", f"candidate:{first['id']}", "--reject", f"transfer:{later['id']}")
    poet("fork", tiny_run, tmp_path / "fork", "--at", 0, *names, "--workers", 1)

    with open_run(tmp_path / "fork") as fork:
        rejects, transfers = fork.config.run.reject, fork.transfers
    assert f"transfer at {later['iteration']} into {later['target_id']}" == rejects[1]
    there = transfers[(transfers["iteration"] == later["iteration"]) & (transfers["target_id"] == later["target_id"])]
    assert "accepted" not in set(there.loc[there["candidate_id"].isna(), "outcome"])


def test_the_fingerprint_is_the_last_line(poet: Poet, tiny_run: Path) -> None:
    """64 hex digits, for scripts."""
    ended = poet("fingerprint", tiny_run)

    assert 0 == ended.code
    assert 64 == len(ended.last_line) and set(ended.last_line) <= set("0123456789abcdef")


def test_an_export_holds_every_table_and_can_be_read_back(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """Parquet has the rows of the archive; terrains, genotypes and agents make the objects they came from."""
    poet("export", tiny_run, "--output", tmp_path / "out")
    with open_run(tiny_run) as run:
        for name in ("niches", "candidates", "transfers", "transfer_sources", "generations", "versions", "ledger"):
            frame = getattr(run, name)
            stored = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
            assert list(frame.columns) == list(stored.columns)
            assert len(frame) == len(stored) > 0
            assert frame["iteration"].tolist() == stored["iteration"].tolist()
        genotypes = run.niches.set_index("niche_id")["genotype"]
        for niche_id, values in genotypes.items():
            agent = run.agent(int(niche_id))
            terrain = Terrain.from_json(_read(tmp_path / "out" / "terrains" / f"{niche_id}.json"))
            assert run.terrain(int(niche_id)).to_json() == terrain.to_json()
            genotype = ObstacleGenotype.from_json(_read(tmp_path / "out" / "genotypes" / f"{niche_id}.json"))
            assert values == genotype.to_json()
            with np.load(tmp_path / "out" / "agents" / f"{niche_id}.npz") as arrays:
                assert np.array_equal(agent.theta, arrays["theta"])
                assert agent.version.id == arrays["version_id"]


def test_an_export_that_fails_leaves_nothing(
    poet: Poet, tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name appears whole or not at all."""

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    ended = poet("export", tiny_run, "--output", tmp_path / "out")

    assert 1 == ended.code
    assert "disk is full" in ended.err
    assert not list(tmp_path.iterdir())


def test_an_exported_agent_can_start_a_run_that_resumes_without_it(
    poet: Poet, tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The theta and not its file's name decides, and the run has it: the path need lead nowhere when it is resumed."""
    poet("export", tiny_run, "--output", tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out" / "agents")
    for name, path, iterations in (("whole", Path("1.npz").resolve(), 4), ("resumed", "1.npz", 2)):
        poet("run", tmp_path / name, *TINY, "--set", f"run.start={path}", "--iterations", iterations)
    monkeypatch.chdir(tmp_path)
    ended = poet("resume", tmp_path / "resumed", "--iterations", 4, "--workers", 1)
    with open_run(tiny_run) as run, open_run(tmp_path / "whole") as started:
        assert np.array_equal(run.agent(1).theta, started.agent(0, 0).theta)

    assert 0 == ended.code, ended.err
    assert fingerprint(tmp_path / "whole") == fingerprint(tmp_path / "resumed")


def test_a_criterion_of_the_users_is_found_where_they_stand(tmp_path: Path) -> None:
    """``package.module:Name`` is looked up in the current folder, also by the installed command."""
    (tmp_path / "mine.py").write_text(
        "from poet.criterion import AbstractCriterion, Judgement\n"
        "class Closed(AbstractCriterion):\n"
        "    def judge(self, score):\n"
        "        return Judgement.TOO_HARD\n"
    )
    script = "import sys; sys.path.remove(''); from experiments.cli import main; main()"
    arguments = ("run", "run", *TINY, "--set", "poet.criterion=mine:Closed", "--iterations", "4")
    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True, text=True, cwd=tmp_path, env=environment(),
    )  # fmt: skip
    with open_run(tmp_path / "run") as run:
        outcomes = set(run.candidates["outcome"])

    assert 0 == ended.returncode, ended.stderr
    assert {"too_hard"} == outcomes


def test_analyse_writes_a_report_into_the_run(poet: Poet, tmp_path: Path, tiny_run: Path) -> None:
    """Without --output one run's report lies beside its archive; the last line is the path of its page."""
    folder = shutil.copytree(tiny_run, tmp_path / "run")
    ended = poet("analyse", folder, "--workers", 1)

    assert 0 == ended.code, ended.err
    report = folder / "report"
    assert [f"report: {report / 'index.html'}", f"page: {report / 'report.html'}"] == ended.out.splitlines()[-2:]
    assert (folder / "report" / "plots" / "matrix.png").stat().st_size > 0


@pytest.mark.parametrize("engine", available_engines())
def test_replay_writes_a_file_and_verify_counts_every_stored_pair(
    poet: Poet, tmp_path: Path, tiny_run: Path, engine: str
) -> None:
    """A picture of a walk, and the comparison of all of them with the archive, in any engine."""
    drawn = poet("replay", tiny_run, "--niche", 1, "--engine", engine, "--output", tmp_path / "walk.png")
    verified = poet("replay", tiny_run, "--engine", engine, "--verify", "--workers", 1)
    with open_run(tiny_run) as run:
        num_pairs = len(run.stored_agents())

    assert 0 == drawn.code, drawn.err
    assert "equal to the archive" in drawn.out
    assert (tmp_path / "walk.png").read_bytes().startswith(b"\x89PNG")
    assert 0 == verified.code, verified.err
    assert f"{num_pairs} stored pairs" in verified.out


def test_a_default_run_imports_only_what_it_uses(tmp_path: Path) -> None:
    """One worker is the process itself: neither evolving nor episodes need pandas, plots, Gymnasium, torch or Ray."""
    idle = ("torch", "evotorch", "ray", "gymnasium", "pandas", "matplotlib", "imageio_ffmpeg")
    script = (
        "import sys\nfrom experiments.cli import main\ntry:\n    main()\nfinally:\n"
        f"    print([name for name in {idle} if name in sys.modules])"
    )
    arguments = ("run", tmp_path / "run", *TINY, "--iterations", 2)
    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, env=environment()
    )

    assert "[]" == ended.stdout.splitlines()[-1], ended


@pytest.mark.parametrize(("engine", "num_processes"), [("simd", 1), ("box2d", 3)])
def test_no_process_of_a_default_run_loads_torch_or_ray(tmp_path: Path, engine: str, num_processes: int) -> None:
    """A run of the default strategy on this machine pays neither the time nor the memory of what it does not use."""
    options = ("--preset", "tiny", "--workers", 2, "--iterations", 1000, "--engine", engine)
    process = begin("run", tmp_path / "run", *options)
    wait_for(process, "iteration 3/")
    processes = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    maps = {p.pid: (Path("/proc") / str(p.pid) / "maps").read_text() for p in processes}
    process.kill()
    end(process)

    assert len(maps) >= num_processes
    assert "numpy" in maps[process.pid]
    for text in maps.values():
        assert "libtorch" not in text
        assert "_raylet" not in text


def _read(path: Path) -> dict[str, object]:
    values: dict[str, object] = json.loads(path.read_text())
    return values


def test_keys_that_do_nothing_are_said(poet: Poet, tmp_path: Path) -> None:
    """A run begins with a line for each part that does not use a key that was changed."""
    keys = ("--set", "novelty.cached=false", "--set", "transfer.recent_scores=3")
    ended = poet("run", tmp_path / "run", "--preset", "tiny", "--iterations", 1, "--workers", 1, *keys)

    assert 0 == ended.code, ended.err
    assert [
        "nearest_genes does not use novelty.cached",
        "the 2019 transfer rule does not use transfer.recent_scores",
    ] == ended.out.splitlines()[1:3]
