"""Every trainer passes the contract. What reports show of the first two, and which trainers are refused."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.strategies.base import StrategyState
from agents.strategies.normal import normals
from environments.errors import InputError
from environments.streams import stream_key
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from poet.events import AgentVersion, AnyEvent, Cost, NicheAdmitted, NicheSolved, OwnEvent
from poet.loop import close_iteration
from poet.parts import Parts
from poet.population import new_version, replace_niche
from poet.scoring import agent_block, cost, niche_ground, read_evaluations
from poet.trainers import TRAINERS, make_trainer
from poet.trainers.base import AbstractTrainer
from poet.types import Origin, Purpose, RunState
from tests.contracts.trainers import TrainerContract
from tests.experiments import test_meta_trainers
from tests.experiments.command_line import Poet, begin, end, wait_for
from tests.poet.builders import DRAWN


class TestPoet(TrainerContract):
    """The trainer POET: niches are born, retire, and exchange agents."""

    trainer = "poet"


class TestPoetOnDrawnGround(TrainerContract):
    """POET from two roots, one of them drawn: its children come from flat ground, and its instances are pushes."""

    trainer = "poet"
    assignments = (
        "validation.episodes=2",
        "validation.interval=3",
        "niche.instances=2",
        "transfer.confirm_episodes=1",
        f'run.start_terrain=[{json.dumps(DRAWN)}, {{"roughness": 0.6}}]',
    )

    def test_the_drawn_ground_is_kept(self, finished: Path) -> None:
        """The archive has it as it was drawn, with two roots and their children."""
        with open_run(finished) as run:
            niches, own = run.niches, run.terrain(0)
        assert Terrain.from_json(DRAWN) == own
        assert [0, 1] == [*niches.loc[niches["parent_id"].isna(), "niche_id"]] and len(niches) > 2
        assert ObstacleGenotype().to_json() == niches["genotype"][0]


class TestEs(TrainerContract):
    """The trainer ES: one niche on a given terrain, validated from time to time."""

    trainer = "es"
    assignments = (
        "validation.episodes=2",
        "validation.interval=3",
        'run.start_terrain={"roughness":0.3,"pit_gap":[0.4,0.8],"stump_height":null,"stair_height":null,"stair_steps":null}',
    )


class TestCurriculum(TrainerContract):
    """The direct path: terrains one after the other, each a niche with instances, validated at both of its ends."""

    trainer = "curriculum"
    settings = {"threshold": -3.0}  # noqa: RUF012
    assignments = (
        "validation.episodes=2",
        "validation.interval=3",
        "niche.instances=2",
        "niche.vary=push",
        'run.start_terrain={"roughness":0.9,"pit_gap":[0.4,1.2]}',
    )

    def test_terrains_of_the_path_come_and_go(self, finished: Path) -> None:
        """So the other tests see moves, iterations without one, and the target; only the last niche is active."""
        with open_run(finished) as run:
            path, niches, retired = run.own_tables["curriculum"], run.niches, run.retirements
        assert len(path) < 1 + path["iteration"].iloc[-1]
        assert (0, 0) == (path["iteration"].iloc[0], path["steps_left"].iloc[-1])
        assert [*niches["niche_id"]] == [*path["niche_id"]] == [*retired["niche_id"], path["niche_id"].iloc[-1]]
        assert [*niches["genotype"]] == [json.loads(text) for text in path["genotype"]]


class TestDr(TrainerContract):
    """Domain randomisation: one agent, new terrains in each generation; nothing about niches is read."""

    trainer = "dr"
    settings = {"terrains": 2}  # noqa: RUF012
    assignments = ("validation.episodes=2", "validation.interval=3", "niche.instances=2", "niche.rest_interval=1000")


class TestAdr(TrainerContract):
    """Automatic domain randomisation: its trials move the ends of ranges in both directions."""

    trainer = "adr"
    settings = {"terrains": 2, "buffer": 2, "upper": -1.5, "lower": -2.0, "boundary_share": 0.6, "ends": "both"}  # noqa: RUF012

    def test_ends_move_in_its_runs(self, finished: Path) -> None:
        """So the other tests see ranges: outwards while the agent stands, inwards when it begins to fall."""
        with open_run(finished) as run:
            moves = run.own_tables["adr"]
        assert {True, False} == {*(moves["return_mean"] >= -1.5)}


class LevelsContract(TrainerContract):
    """A trainer on levels."""

    def test_levels_come_are_played_and_go(self, finished: Path) -> None:
        """All of it happens in the contract's run, and each level's genotype is there once, when it first appears."""
        with open_run(finished) as run:
            levels = run.own_tables["levels"]
        assert {"entered", "played", "left"} == {*levels["fate"]}
        assert [*levels["level_id"].drop_duplicates()] == [*levels.loc[levels["genotype"].notna(), "level_id"]]


class TestPlr(LevelsContract):
    """The trainer PLR: replays, and looks at new levels, some of which take the place of others."""

    trainer = "plr"
    settings = {"terrains": 2, "capacity": 3, "episodes": 2, "score": "regret"}  # noqa: RUF012
    assignments = ("validation.episodes=2", "validation.interval=3", "niche.instances=2", "niche.rest_interval=1000")


class TestAccel(LevelsContract):
    """The trainer ACCEL: children of replayed levels take the place of others."""

    trainer = "accel"
    settings = {  # noqa: RUF012
        "terrains": 2, "capacity": 4, "episodes": 2, "score": "regret", "judges": "members", "parents": 1,
        "children": 2, "edits": 2,
    }  # fmt: skip


class TestSfl(LevelsContract):
    """The trainer SFL: two buffers, one after the other."""

    trainer = "sfl"
    settings = {"terrains": 2, "refresh": 3, "sampled": 4, "kept": 2, "episodes": 2}  # noqa: RUF012


class TestPaced(TrainerContract):
    """A paced curriculum: a panel judges four terrains, of which more and more are drawn."""

    #: Four terrains, and three agents of random weights, of whom two have terrains of their own.
    source = Path(__file__).with_name("paced.json")
    trainer = "paced"
    settings = {"terrains": 2, "start_share": 0.25, "interval": 2, "episodes": 2}  # noqa: RUF012
    assignments = (
        f"trainer.source={source}",
        "policy.layer_sizes=[24,4]",
        "validation.episodes=2",
        "validation.interval=3",
        "niche.instances=2",
    )

    def test_the_pool_grows_in_its_runs(self, finished: Path) -> None:
        """So the other tests see one terrain, some, and all; the scores differ, and the panel has been paid."""
        with open_run(finished) as run:
            pool, terrains, panel = (run.own_tables[name] for name in ("pool", "terrains", "panel"))
            spent = run.ledger.set_index("purpose").loc["order", "episodes"]
        assert [(1, 1), (3, 2), (5, 4)] == [*zip(pool["iteration"], pool["terrains"], strict=True)]
        assert 4 == terrains["mean_return"].nunique()
        assert [*range(1, 5)] == sorted(terrains["place"]) != [*terrains["place"]]
        assert (3, (3 * 4 - 2) * 2) == (len(panel), spent)

    def test_only_what_is_in_the_file_counts(self, finished: Path, tmp_path: Path) -> None:
        """Another copy of it gives the same run, which goes on without it; another terrain gives another run."""
        copy = tmp_path / "copy.json"
        copy.write_bytes(self.source.read_bytes())
        self.run(tmp_path / "run", trainer__source=str(copy), run__iterations=2)
        copy.unlink()
        self.run(tmp_path / "run", trainer__source=str(copy))
        assert fingerprint(finished) == fingerprint(tmp_path / "run")

        copy.write_text(self.source.read_text().replace('"terrain_seed": 10', '"terrain_seed": 11'))
        self.run(tmp_path / "other", trainer__source=str(copy))
        assert fingerprint(finished) != fingerprint(tmp_path / "other")


class TestPpo(TrainerContract):
    """PPO on instances of its own terrain: short iterations, whose agents are those of SB3's network."""

    trainer = "ppo"
    assignments = (
        "ppo.envs=4", "ppo.steps=60", "ppo.batch=30", "ppo.epochs=2", "policy.layer_sizes=[24,8,8,4]",
        "niche.instances=2", "validation.episodes=2", "validation.interval=3",
    )  # fmt: skip

    def test_its_updates_are_on_record(self, finished: Path) -> None:
        """One for each iteration, after which the agent is another one."""
        with open_run(finished) as run:
            updates, versions, spent = run.own_tables["ppo"], run.versions, run.ledger
        assert [*range(1, 1 + self.iterations)] == [*updates["iteration"]]
        assert 1 + self.iterations == versions["theta_digest"].nunique()
        assert {4 * 60} == {*spent.loc[spent["purpose"] == "es", "env_steps"]}


class TestDrawnTerrains(TrainerContract):
    """The trainer of ``add-trainer.md``: one agent, a distribution of terrains, its own field and its own table."""

    trainer = "tests.new_trainer:DrawnTerrains"
    settings = {"terrains": 2}  # noqa: RUF012


@dataclass(frozen=True)
class Try:
    """What a climber stores about a step."""

    score: float
    was_taken: bool


@dataclass(frozen=True, eq=False)
class ClimberState(RunState):
    """A state with a counter, an array, and JSON fields."""

    num_taken: int = 0
    mean_step: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    tries: tuple[Try, ...] = ()
    best: dict[str, float] = field(default_factory=lambda: {"score": -np.inf})
    note: str | None = None


@dataclass(frozen=True)
class StepTried(OwnEvent):
    """An event of a climber."""

    table = "steps"

    score: float
    change: int
    note: str | None
    best: dict[str, float]


@dataclass(frozen=True)
class Climber(AbstractTrainer[ClimberState]):
    """A better agent replaces the current one; there is no strategy and no generation."""

    kind = "climber"
    state_type = ClimberState
    events = frozenset({NicheAdmitted, AgentVersion, NicheSolved, Cost, StepTried})
    unused = ("poet", "novelty", "transfer", "mutation", "es")

    step: float = 0.5

    def first_optimiser(self, parts: Parts, theta: NDArray[np.float32]) -> StrategyState:
        """See ``AbstractTrainer``."""
        return StrategyState(theta[None, :])

    def iterate(self, state: ClimberState, parts: Parts) -> tuple[ClimberState, tuple[AnyEvent, ...]]:
        """See ``AbstractTrainer``."""
        (niche,) = state.active
        iteration, ground = state.iteration + 1, niche_ground(niche, parts.config, state.iteration + 1)
        noise = normals(stream_key(parts.seed, "climber", iteration), niche.theta.size)
        theta = (niche.theta + np.float32(self.step) * noise).astype(np.float32)
        (result,) = parts.run_blocks([agent_block([theta], ground)], Purpose.ES)
        (evaluation,) = read_evaluations(result, ground)
        is_better = evaluation.score > niche.evaluation.score
        score = evaluation.score
        events: list[AnyEvent] = [
            StepTried(iteration, score, -1 if is_better else 1, state.note, {"score": score}),
            cost(iteration, niche.id, Purpose.ES, result),
        ]
        if is_better:
            state, version = new_version(state, niche.id, theta, evaluation, Origin.ES, niche.version_id)
            events.insert(0, version)
            optimiser = StrategyState(theta[None, :])
            niche = replace(niche, optimiser=optimiser, version_id=version.id, evaluation=evaluation)
            state = replace(replace_niche(state, niche), num_taken=state.num_taken + 1, best={"score": score})
        state = replace(
            state,
            mean_step=state.mean_step + noise[:3],
            tries=(*state.tries, Try(score, is_better))[-3:],
            note="better" if is_better else None,
        )
        return close_iteration(state, events)

    def facts(self, state: ClimberState) -> Sequence[str]:
        """See ``AbstractTrainer``."""
        return [f"{state.num_taken} steps taken"]


@dataclass(frozen=True, kw_only=True)
class Named(Climber):
    """One that needs a setting."""

    name: str


class TestClimber(TrainerContract):
    """A trainer without a strategy, whose state has every kind of field."""

    trainer = "tests.experiments.test_trainers:Climber"


def test_every_trainer_passes_the_contract() -> None:
    """A new trainer must be added to the classes above, or to those that learn to learn."""
    classes = [*globals().values(), *vars(test_meta_trainers).values()]
    tested = {value.trainer for value in classes if isinstance(value, type) and hasattr(value, "trainer")}
    assert set(TRAINERS) <= tested
    for name in TRAINERS:
        assert name == make_trainer(TestPoet().config(run__trainer=name)).kind


ES = ("--preset", "tiny", "--set", "run.trainer=es", "--iterations", 6)


@pytest.fixture(scope="module")
def es_fingerprint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The fingerprint of a run of ES alone."""
    folder = tmp_path_factory.mktemp("es") / "run"
    contract = TestPoet()
    contract.run(folder, config=contract.config(run__trainer="es"))
    return fingerprint(folder)


def test_es_on_ray_is_the_same_run(tmp_path: Path, es_fingerprint: str) -> None:
    """Episodes on Ray change nothing."""
    ended = end(begin("run", tmp_path / "run", *ES, "--executor", "ray", "--workers", 2))

    assert 0 == ended.code, ended.err
    assert es_fingerprint == fingerprint(tmp_path / "run")


def test_es_killed_again_and_again_is_the_same_run(tmp_path: Path, es_fingerprint: str) -> None:
    """``kill -9`` loses no more than the unfinished iteration."""
    command: tuple[object, ...] = ("run", tmp_path / "run", *ES, "--workers", 2)
    for iteration, delay in ((1, 0.0), (3, 0.02)):
        process = begin(*command)
        wait_for(process, f"iteration {iteration}/")
        time.sleep(delay)
        process.kill()
        process.communicate()
        command = ("resume", tmp_path / "run", "--workers", 1)
    ended = end(begin(*command))

    assert 0 == ended.code, ended.err
    assert es_fingerprint == fingerprint(tmp_path / "run")


def test_es_alone_is_poet_in_which_nothing_is_born(tmp_path: Path) -> None:
    """The same agents, to the bit, at the same cost."""
    contract, same = TestPoet(), {"validation.episodes": 2, "validation.interval": 3, "niche.instances": 2}
    contract.run(tmp_path / "es", config=contract.config(run__trainer="es", **same))
    contract.run(tmp_path / "poet", config=contract.config(poet__reproduction_interval=1000, **same))

    with open_run(tmp_path / "es") as es, open_run(tmp_path / "poet") as poet:
        assert 6 == len(es.validations)
        for name in ("niches", "versions", "generations", "validations", "solved", "ledger"):
            assert getattr(es, name).to_csv() == getattr(poet, name).to_csv()


def test_what_is_shown_goes_by_the_events_that_a_trainer_has(poet: Poet, tmp_path: Path) -> None:
    """A run of POET always has its lines and sections; other trainers do not show births and transfers."""
    contract = TestPoet()
    for name in ("es", "poet"):
        contract.run(tmp_path / name, config=contract.config(run__trainer=name, run__iterations=1))
        status, analysed = poet("status", tmp_path / name).out, poet("analyse", tmp_path / name, "--matrix", 0).out
        page = (tmp_path / name / "report" / "index.html").read_text()
        words = [("transfers   ", status), ("ANNECS ", status), ("Candidates", analysed), ("<h2>Transfers", page)]
        assert [name == "poet"] * 4 == [word in text for word, text in words]
        assert (name == "poet") == (tmp_path / name / "report" / "tables" / "candidates.csv").exists()
        refused = poet("control", "neutral", tmp_path / name, "--replicates", 1)
        assert (0 if name == "poet" else 2) == refused.code
    assert "no terrain of" in refused.err or "poet" == name


def test_what_a_trainer_alone_notes_is_shown(poet: Poet, tmp_path: Path) -> None:
    """The last row in ``status``, each number as it is; a value that is None is left out."""
    contract = TestClimber()
    contract.run(tmp_path / "run")
    with open_run(tmp_path / "run") as run:
        last = run.own_tables["steps"].tail(1).to_dict("records")[0]
    lines = poet("status", tmp_path / "run").out.splitlines()
    (shown,) = [line for line in lines if line.startswith("steps ")]
    note = "" if last["note"] is None else f", note {last['note']}"
    score = f"score {last['score']:.4g}, change {last['change']}{note}"
    assert f"steps       iteration 6: {score}, best {last['best']}" == shown
    analysed = poet("analyse", tmp_path / "run", "--matrix", 0).out
    assert "Noted by its trainer: steps" in analysed
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "<h2>Noted by its trainer" in page and "<h3>Steps" in page


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("peot", {}, r"unknown trainer 'peot': did you mean 'poet'\?"),
        ("es", {"terrains": 3}, r"trainer\.settings has 'terrains', but EsAlone has no such setting: it has none"),
        ("tests.new_trainer:DrawnTerrains", {"terrain": 3}, "has 'terrain', but .*: did you mean 'terrains'"),
        (
            "tests.new_trainer:DrawnTerrains",
            {"terrains": True},
            "terrains of the trainer 'drawn' must be a whole number",
        ),
        ("tests.experiments.test_trainers:Named", {}, r"trainer\.settings lacks 'name', which Named needs"),
        ("tests.new_trainer:DrawnTerrains", {"terrains": 0}, "terrains of the trainer 'drawn' must be a whole number"),
        ("tests.new_trainer:DrawnTerrains", {"roughest": "very"}, "roughest .* must be a finite number, but is 'very'"),
        ("tests.new_trainer:DrawnState", {}, "must be a concrete subclass of poet.trainers.base.AbstractTrainer"),
        ("poet.trainers.base:AbstractTrainer", {}, "must be a concrete subclass"),
    ],
)
def test_bad_trainers_are_refused(name: str, settings: dict[str, Any], sentence: str) -> None:
    """They are refused in one sentence, before anything runs."""
    config = TestPoet().config(run__trainer=name, trainer__settings=settings)
    with pytest.raises(InputError, match=sentence):
        make_trainer(config)
