"""``poet evaluate``: the grounds of suites, who is tried, and what is counted."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import gymnasium
import numpy as np
import pandas as pd
import pytest

from agents.evaluation.local import LocalExecutor
from agents.rollouts.box2d import run_episodes
from environments import ObstacleGenotype, Terrain
from environments.errors import InputError
from environments.walker.ending import Outcome
from experiments.analysis import theme
from experiments.suites import FIRST_SEED, SELECTION_OFFSET, Cell, Suite, load_suite, suite_names, suite_of_run
from experiments.suites.agents import Agent, find_agents
from experiments.suites.evaluation import Trial, by_agent, evaluate, summary
from experiments.walkers import Walker, load_walker, save_walker
from poet.archive.database import connect_to_write, transaction
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from poet.config import make_config
from poet.scoring import FIRST_UNSEEN_SEED
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused
from tests.poet.archive_examples import SESSION

#: Of the first three grounds of each cell. They change only with the terrains themselves or with a suite's file.
DIGESTS = {
    "dcd": "11c048d69cfc07aed775aaed8d2d3b97972fa5b649b59aa9188426cbc8c5f038",
    "grid": "0ad5ebea2d5e4020d36d6b13c3d0b4ae58334be554dbe079404344dd13e0b8cf",
    "roses": "590600e91355b99fcad30243619a4be3f2c46ed48ef75e4d6ed6994f9627109b",
}


#: A suite with a number that is drawn between two ends.
_UNIFORM = '[[cells]]\nname = "a"\nterrain = {{roughness = {{uniform = [{}]}}}}'


def _flat(name: str = "flat") -> Agent:
    walker = load_walker("flat")
    return Agent(name, walker.policy, walker.theta)


def _easy(number: int) -> Suite:
    """Two cells of gentle ground and of stumps."""
    grounds = [ObstacleGenotype(roughness=0.2), ObstacleGenotype(stump_height=(1.0, 1.0))]
    cells = [Cell(g.name, tuple(g.express(FIRST_SEED + i) for i in range(number))) for g in grounds]
    return Suite("easy", "", tuple(cells))


def test_the_shipped_suites_are_what_they_were() -> None:
    """Bit by bit, so that tables of different days can be put side by side."""
    assert list(DIGESTS) == suite_names()
    assert DIGESTS == {name: load_suite(name, 3).digest for name in suite_names()}


def test_a_cell_has_its_genotype_on_seeds_that_no_run_uses(tmp_path: Path) -> None:
    """Training draws below a million, and validation has at most 500 from there on."""
    assert FIRST_SEED >= FIRST_UNSEEN_SEED + 500
    cells = {cell.name: cell for cell in load_suite("grid", 2).cells}
    expected = ObstacleGenotype(pit_gap=(3.0, 3.0))
    assert (expected.express(FIRST_SEED), expected.express(FIRST_SEED + 1)) == cells["gaps 3"].terrains
    path = tmp_path / "own.toml"
    path.write_text('[[cells]]\nname = "a"\nterrain = {roughness = 1.0}\nfirst_seed = 7\n')
    assert (ObstacleGenotype(roughness=1.0).express(7),) == load_suite(str(path), 1).cells[0].terrains
    assert 100 == len(load_suite(str(path)).cells[0].terrains)


def test_a_cell_may_have_one_ground_under_other_pushes(tmp_path: Path) -> None:
    """That of a seed, such as a niche's; pushes are those of the suite's seeds, and others where agents are chosen."""
    path = tmp_path / "own.toml"
    path.write_text('[[cells]]\nname = "a"\nterrain = {roughness = {uniform = [1.0, 2.0]}}\nground = 7\n')
    few, many, chosen = (load_suite(str(path), *more).cells[0].terrains for more in ((2,), (4,), (4, SELECTION_OFFSET)))
    assert few == many[:2]
    pushes = [terrain.push for terrain in (*many, *chosen)]
    assert 8 == len(set(pushes))
    assert {many[0].digest()} == {terrain.with_push(many[0].push).digest() for terrain in (*many, *chosen)}
    path.write_text('[[cells]]\nname = "a"\nterrain = {roughness = 1.0}\nground = 7\n')
    own = ObstacleGenotype(roughness=1.0).express(7)
    assert (own.with_push(pushes[0]), own.with_push(pushes[1])) == load_suite(str(path), 2).cells[0].terrains


def test_a_drawn_number_differs_from_episode_to_episode(tmp_path: Path) -> None:
    """But not from day to day, nor with the number of episodes."""
    path = tmp_path / "own.toml"
    path.write_text('[[cells]]\nname = "a"\nterrain = {roughness = {uniform = [2.0, 3.0]}}\n')
    (few,), (many,) = (load_suite(str(path), number).cells for number in (3, 6))
    assert few.terrains == many.terrains[:3]
    heights = [float(np.abs(np.diff(terrain.ground[:, 1])).max()) for terrain in many.terrains]
    assert len(set(heights)) == 6


def test_courses_of_gymnasium_are_those_after_a_reset(tmp_path: Path) -> None:
    """The hardcore course of a seed is the one that everybody gets from Gymnasium."""
    path = tmp_path / "own.toml"
    path.write_text('[[cells]]\nname = "a"\ngymnasium = "BipedalWalkerHardcore-v3"\nfirst_seed = 5\n')
    env = gymnasium.make("BipedalWalkerHardcore-v3")
    expected = []
    for seed in (5, 6):
        env.reset(seed=seed)
        expected.append(Terrain.from_gymnasium(env))
    assert tuple(expected) == load_suite(str(path), 2).cells[0].terrains


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("cells = 3", r"one or more \[\[cells\]\]"),
        ("episode = 3", "no key 'episode'; did you mean 'episodes'"),
        ('[[cells]]\nname = "a"\ngrounds = 1', "has no key 'grounds'"),
        (
            '[[cells]]\nname = "a"\nterrain = {}\nground = 1.5',
            "ground of the cell 'a' must be a whole number from 0 on",
        ),
        ('[[cells]]\nname = "a"\ngymnasium = "BipedalWalker-v3"\nground = 1', "has a ground, which is for a terrain"),
        ("[[cells]]\nterrain = {}", "a name of its own"),
        ('[[cells]]\nname = "a"\nterrain = {}\n[[cells]]\nname = "a"\nterrain = {}', "a name of its own"),
        ('[[cells]]\nname = "a"', "either a terrain or a gymnasium id"),
        ('[[cells]]\nname = "a"\nterrain = {rough = 1.0}', "cell 'a': .*no gene 'rough'"),
        ('[[cells]]\nname = "a"\nterrain = {roughness = {uniform = [1.0]}}', "uniform takes two numbers"),
        ('[[cells]]\nname = "a"\ngymnasium = "CartPole-v1"', "Gymnasium"),
        ('[[cells]]\nname = "a"\ngymnasium = "Nothing-v1"', "Nothing-v1"),
        ("[[cells", "Expected"),
        (_UNIFORM.format(f"0, 1{'0' * 400}"), "cell 'a': uniform takes two finite numbers"),
        (_UNIFORM.format(f"0.0, 0x{'f' * 5000}"), "cell 'a': uniform takes two finite numbers"),
        (_UNIFORM.format("nan, 1.0"), "cell 'a': uniform takes two finite numbers"),
        (_UNIFORM.format("-1e308, 1e308"), "cell 'a': uniform takes two finite numbers"),
        (f"episodes = {'9' * 5000}", "a number in it is too large"),
        (f"first_seed = 0x{'f' * 5000}\n[[cells]]\nname = 'a'\nterrain = {{}}", "a number in it is too large"),
        (f"about = {'[' * 5000}{']' * 5000}", "nested too deeply"),
    ],
)
def test_a_wrong_suite_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """In a sentence that names the file."""
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"own\.toml: .*{sentence}"):
        load_suite(str(path), 1)


def test_no_module_that_a_suite_names_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gymnasium imports what stands before a colon in an id."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile_suite.py").write_text("raise SystemExit('hostile')")
    path = tmp_path / "own.toml"
    path.write_text('[[cells]]\nname = "a"\ngymnasium = "hostile_suite:BipedalWalker-v3"')
    with pytest.raises(InputError, match="must be one of BipedalWalker-v3, BipedalWalkerHardcore-v3, but is 'hostile_"):
        load_suite(str(path), 1)


def test_a_run_without_an_iteration_has_no_ground(tmp_path: Path) -> None:
    """One that was stopped before its start was recorded."""
    create_run(tmp_path / "run", make_config({}), session=SESSION).close()
    with open_run(tmp_path / "run") as run, pytest.raises(InputError, match="no iteration on disk yet"):
        suite_of_run(run, "mine")


def test_scores_are_those_of_box2d() -> None:
    """Agents of different policies, each alone on each ground."""
    suite = _easy(3)
    rng = np.random.default_rng(1)
    other = load_walker("flat").policy.__class__(layer_sizes=(24, 8, 4), activations=("relu", "linear"))
    agents = [_flat(), Agent("other", other, rng.normal(0.0, 0.5, other.num_parameters).astype(np.float32))]
    with LocalExecutor(1) as executor:
        table = evaluate(agents, suite, executor, Trial(max_steps=300))
    rows = iter(table.to_dict("records"))
    for agent in agents:
        for cell in suite.cells:
            for episode, terrain in enumerate(cell.terrains):
                expected = run_episodes(agent.policy, agent.theta[None, :], [terrain], np.array([0]), 300)
                row = next(rows)
                assert ("easy", agent.name, cell.name, episode) == tuple(row[key] for key in list(row)[:4])
                assert float(expected.returns[0]) == row["score"]
                assert int(expected.lengths[0]) == row["length"]
                assert Outcome(expected.outcomes[0]).name.lower() == row["outcome"]


def test_noise_on_actions_is_of_its_size_and_the_same_again() -> None:
    """No noise gives the episodes without; some noise gives others, and the same ones twice."""
    suite, walker = _easy(2), _flat()
    quiet, noisy = (
        Agent(name, walker.policy, walker.theta, np.full(4, std, np.float32)) for name, std in (("q", 0.0), ("n", 0.3))
    )
    with LocalExecutor(1) as executor:
        plain = evaluate([quiet, noisy], suite, executor, Trial(max_steps=100))
        sampled, again = (evaluate([quiet, noisy], suite, executor, Trial("simd", True, 100)) for _ in range(2))
        in_box2d = evaluate([quiet, noisy], suite, executor, Trial("box2d", True, 100))
        with pytest.raises(InputError, match="flat was trained without noise"):
            evaluate([walker], suite, executor, Trial(sampled=True))
    pd.testing.assert_frame_equal(sampled, again)
    pd.testing.assert_frame_equal(sampled, in_box2d)
    is_quiet = plain["agent"] == "q"
    pd.testing.assert_frame_equal(plain[is_quiet], sampled[is_quiet])
    assert (plain["score"] != sampled["score"])[~is_quiet].all()


def test_a_summary_counts_successes_with_their_interval() -> None:
    """Four of five: the interval is that of Wilson 1927, worked out by hand."""
    scores = [300.0, 231.0, 229.9, 300.0, 250.0, -100.0]
    outcomes = ["finished", "finished", "finished", "timeout", "finished", "fell"]
    success = [True, True, False, False, True, False]
    table = pd.DataFrame({"suite": "s", "agent": "a", "cell": "c", "episode": range(6), "score": scores, "length": 10})
    (row,) = summary(table.assign(outcome=outcomes, success=success)).to_dict("records")
    assert (6, 3, 0.5) == (row["episodes"], row["successes"], row["success_rate"])
    z = 1.959963984540054
    half = z * np.sqrt(0.25 / 6 + z * z / 144) / (1 + z * z / 6)
    assert [row["low"], row["high"]] == pytest.approx([0.5 - half, 0.5 + half], abs=1e-9)
    assert row["score_mean"] == pytest.approx(np.mean(scores))
    shares = [row[name] for name in ("finished", "fell", "timeout", "diverged")]
    assert [4 / 6, 1 / 6, 1 / 6, 0.0] == pytest.approx(shares)
    (line,) = by_agent(pd.DataFrame([row, row | {"cell": "d", "success_rate": 0.8}])).to_dict("records")
    assert (0.65, 1, 2) == (pytest.approx(line["success_rate"]), line["cells_robust"], line["cells"])


def test_agents_of_a_run_are_its_last_ones(tiny_run: Path) -> None:
    """All active niches, or one that is named; and its niches are grounds, under pushes of their own."""
    with open_run(tiny_run) as run:
        retired = set(run.retirements["niche_id"])
        names = [f"{tiny_run}:{niche}" for niche in run.niches["niche_id"] if niche not in retired]
        agents = {agent.name: agent for agent in find_agents([str(tiny_run), "flat", f"{tiny_run}:0"])}
        assert list(dict.fromkeys([*names, "flat", f"{tiny_run}:0"])) == list(agents)
        assert (run.agent(0).theta == agents[f"{tiny_run}:0"].theta).all()
        suite = suite_of_run(run, "mine", 4)
        assert [f"niche {niche}" for niche in run.niches["niche_id"]] == [cell.name for cell in suite.cells]
        own = run.terrain(0)
        assert {own.with_push(0.0)} == {terrain.with_push(0.0) for terrain in suite.cells[0].terrains}
        assert 4 == len({terrain.push for terrain in suite.cells[0].terrains} - {own.push})
    with pytest.raises(InputError):
        find_agents([f"{tiny_run}:999"])


def test_the_command(tiny_run: Path, poet: Poet, tmp_path: Path) -> None:
    """Files, a run and a shipped walker on a suite and on a run; what it writes agrees with itself."""
    walker = load_walker("flat")
    with (tmp_path / "mine.npz").open("wb") as file:
        save_walker(file, Walker("mine", walker.theta, walker.config))
    (tmp_path / "own.toml").write_text('[[cells]]\nname = "easy"\nterrain = {}\n')
    output = tmp_path / "out"
    arguments = [f"{tiny_run}:0", "flat", tmp_path / "mine.npz", "--on", tmp_path / "own.toml", "--on", tiny_run]
    ended = poet("evaluate", *arguments, "--episodes", "2", "--output", output, "--workers", "1")
    assert 0 == ended.code, ended.err
    table = pd.read_parquet(output / "episodes.parquet")
    cells = pd.read_csv(output / "cells.csv")
    assert (
        table.groupby(["suite", "agent", "cell"], sort=False)["success"].sum().tolist() == cells["successes"].tolist()
    )
    scores = table.pivot(index=["suite", "cell", "episode"], columns="agent", values="score")
    assert (scores["flat"] == scores[str(tmp_path / "mine.npz")]).all()
    about = json.loads((output / "suites.json").read_text())
    assert load_suite(str(tmp_path / "own.toml"), 2).digest == about["own"]["digest"]
    assert (output / "success-1.png").is_file() and (output / "success-2.png").is_file()
    assert "easy" in ended.out and "niche 0" in ended.out


def test_bad_arguments_are_refused(poet: Poet, tmp_path: Path) -> None:
    """Each with one sentence."""
    (tmp_path / "file").touch()
    for arguments, *sentence in (
        (["flat"], "--on dcd"),
        (["flat", "--on", "grit"], "did you mean 'grid'"),
        (["flat", "--on", "dcd", "--episodes", "0"], "--episodes"),
        (["flat", "--on", "roses", "--on", "roses", "--episodes", "1"], "names of their own"),
        (["nobody", "--on", "dcd"], "neither a shipped walker nor a file"),
        (["flat", "--on", "dcd", "--output", tmp_path], "new or empty folder"),
        (["flat", "--on", "roses", "--episodes", "1", "--sampled"], "leave out --sampled"),
    ):
        assert_refused(poet("evaluate", *arguments), *sentence)


def test_a_killed_runs_agents_are_said_to_be_old(tiny_run: Path, poet: Poet, tmp_path: Path) -> None:
    """Its last iteration stored no agents: the table says of which one each is, and of which its niche's last is."""
    folder = Path(shutil.copytree(tiny_run, tmp_path / "killed"))
    with closing(connect_to_write(folder)) as connection, transaction(connection):
        last = "SELECT max(iteration) FROM versions"
        digests = f"SELECT theta_digest FROM versions WHERE iteration = ({last})"
        connection.execute(f"DELETE FROM thetas WHERE digest IN ({digests})")
    agents = {agent.name: agent for agent in find_agents([str(folder), "flat"])}
    behind = [agent for agent in agents.values() if agent.is_behind]
    with open_run(folder) as run:
        for agent in behind:
            niche_id = int(agent.name.rpartition(":")[2])
            versions = run.versions[run.versions["niche_id"] == niche_id]
            assert (run.agent(niche_id).version.iteration, versions["iteration"].max()) == (
                agent.iteration,
                agent.newest,
            )
            assert run.agent(niche_id).version.id < versions["id"].max()
    assert behind and not agents["flat"].is_behind
    (tmp_path / "own.toml").write_text('[[cells]]\nname = "easy"\nterrain = {}\n')
    arguments = [folder, "flat", "--on", tmp_path / "own.toml", "--episodes", "1", "--workers", "1"]
    ended = poet("evaluate", *arguments, "--output", tmp_path / "out")
    assert f"{len(behind)} of {len(agents)} agents are older" in ended.out
    ages = pd.read_csv(tmp_path / "out" / "agents.csv").set_index("agent")
    assert {agent.name: agent.newest for agent in behind} == ages["newest"].loc[[a.name for a in behind]].to_dict()
    assert "older" not in poet("evaluate", tiny_run, *arguments[1:]).out


def test_a_shipped_name_is_never_that_of_a_folder(
    tiny_run: Path, poet: Poet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder called like a suite or a walker is named with ./ before it; an empty one hides nothing."""
    monkeypatch.chdir(tmp_path)
    Path("roses").symlink_to(tiny_run)
    Path("flat").mkdir()
    ended = poet("evaluate", "flat", "--on", "roses", "--on", "./roses", "--episodes", "1", "--workers", "1")
    assert 0 == ended.code, ended.err
    assert "1a" in ended.out and "niche 0" in ended.out


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_an_interrupt_leaves_no_half_of_an_output(
    tiny_run: Path, poet: Poet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Ctrl-C while the last file is written: neither the folder nor a draft of it, and the exit code of Ctrl-C."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(theme, "_save", interrupted)
    run = shutil.copytree(tiny_run, tmp_path / "tiny-0")
    (tmp_path / "own.toml").write_text('[[cells]]\nname = "easy"\nterrain = {}\n')
    before = sorted(path.name for path in tmp_path.iterdir())
    arguments = ["--on", tmp_path / "own.toml", "--episodes", "1", "--workers", "1", "--output", tmp_path / "out"]
    ended = poet(command, run, *arguments)
    assert 130 == ended.code, ended.err
    assert before == sorted(path.name for path in tmp_path.iterdir())
