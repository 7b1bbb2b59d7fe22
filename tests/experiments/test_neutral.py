"""The neutral shadow: descent without selection, how it is stored, and how the report uses it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pandas as pd
import pytest

from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain
from experiments.analysis.complexity import PROFILE_MEASURES, measure_niche
from experiments.analysis.gene_space import gene_space
from experiments.analysis.run_tables import read_tables
from experiments.analysis.shadow_file import COLUMNS, FILE_NAME, birth_origins, write_shadow
from experiments.controls.neutral import Birth, ShadowNiche, active_at, births_of, drift, neutral_shadow
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from poet.config import Config, make_config
from tests.experiments.command_line import Poet
from tests.experiments.planted_runs import planted_run
from tests.experiments.synthetic_runs import read, three_niches
from tests.experiments.test_bad_input import assert_refused
from tests.poet.archive_examples import SESSION

ROOT = ShadowNiche(0, None, ObstacleGenotype(), 77)
SETTINGS = ObstacleSettings()
#: One niche an iteration, of which four are active.
BIRTHS = [Birth(i, i + 4 if i + 4 < 40 else None) for i in range(40)]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two dozen niches; tests copy it to write."""
    return planted_run(tmp_path_factory.mktemp("runs") / "busy", seed=5, num_trials=2, num_niches=24)


@pytest.fixture
def run_folder(busy: Path, tmp_path: Path) -> Path:
    """Of a copy of that run."""
    return shutil.copytree(busy, tmp_path / "RUN")


def test_who_is_active_is_read_off_births() -> None:
    """Active at the beginning of an iteration are niches that were admitted and did not retire before it."""
    births = [Birth(0, 3), Birth(1, None), Birth(3, None)]

    assert [[], [0], [0, 1], [0, 1], [1, 2]] == [active_at(births, iteration) for iteration in range(5)]


def test_a_child_is_one_mutation_drawn_from_its_own_stream() -> None:
    """Parent, genes and terrain seed come in turn from (run's seed, "neutral", replicate, niche)."""
    niches = drift(BIRTHS, [ROOT], lambda _: SETTINGS, 9, 3)

    assert ROOT == niches[0]
    for niche in niches[1:]:
        stream = Stream(9, "neutral", 3, niche.niche_id)
        active = [niches[i] for i in active_at(BIRTHS, niche.niche_id)]
        while True:
            parent = stream.choice(active)
            genotype = parent.genotype.mutate(stream, SETTINGS)
            terrain_seed = stream.integer(0, 1_000_000)
            if genotype not in [other.genotype for other in active]:
                break
        assert ShadowNiche(niche.niche_id, parent.niche_id, genotype, terrain_seed) == niche


def test_a_longer_run_adds_to_a_shadow_and_changes_nothing_in_it() -> None:
    """Niches are keyed by their ids: the first ones are the same, however many follow; replicates differ."""
    short, long = (drift(BIRTHS[:n], [ROOT], lambda _: SETTINGS, 9, 0) for n in (20, 40))

    assert short == long[:20]
    assert short != drift(BIRTHS[:20], [ROOT], lambda _: SETTINGS, 9, 1)
    assert short != drift(BIRTHS[:20], [ROOT], lambda _: SETTINGS, 10, 0)


def test_a_child_that_equals_an_active_niche_is_drawn_again() -> None:
    """The root's first pits are all the same: while one is active, the root has no second such child."""
    settings = ObstacleSettings(obstacles=("pit_gap",))
    births = [Birth(0, None), Birth(1, None), Birth(2, None)]

    assert {1} == {drift(births, [ROOT], lambda _: settings, 0, replicate)[2].parent_id for replicate in range(20)}


@dataclass(frozen=True)
class _Stuck(ObstacleGenotype):
    def mutate(self, stream: Stream, settings: ObstacleSettings) -> _Stuck:
        return self


def test_where_nothing_new_can_come_an_equal_is_admitted() -> None:
    """If no mutation changes a genotype, the draws end but not the shadow: the parent's terrain is admitted again."""
    niches = drift(BIRTHS[:3], [ShadowNiche(0, None, _Stuck(), 0)], lambda _: SETTINGS, 0, 0)

    assert [(_Stuck(), 0)] * 3 == [(niche.genotype, niche.terrain_seed) for niche in niches]


@dataclass(frozen=True)
class _OftenTooHigh(ObstacleGenotype):
    def mutate(self, stream: Stream, settings: ObstacleSettings) -> _OftenTooHigh:
        return _OftenTooHigh(roughness=stream.integer(0, 101) / 10.0)

    def express(self, seed: int) -> Terrain:
        if self.roughness > 3.0:
            raise InputError("ground must hold finite float32 numbers, found nan or infinity")
        return super().express(seed)


def test_a_terrain_that_nothing_can_stand_on_is_drawn_again() -> None:
    """Ground beyond float32 is no terrain: the shadow goes on with another mutation."""
    niches = drift(BIRTHS[:9], [ShadowNiche(0, None, _OftenTooHigh(), 0)], lambda _: SETTINGS, 0, 0)

    assert len({niche.genotype for niche in niches}) > 5
    assert all(niche.genotype.roughness <= 3.0 for niche in niches)


def test_settings_are_those_of_the_iteration() -> None:
    """A run whose config changed on the way mutates by the config it then had."""
    rough, stumps = (ObstacleSettings(obstacles=(group,)) for group in ("roughness", "stump_height"))
    niches = drift(BIRTHS[:9], [ROOT], lambda iteration: rough if iteration < 5 else stumps, 0, 0)

    assert all(niche.genotype.stump_height is None for niche in niches[:5])
    assert all(niche.genotype.stump_height is not None for niche in niches[5:])


def test_a_shadow_repeats_when_niches_came_and_went(busy: Path) -> None:
    """Each replicate has the run's births and its root; parents were active; terrains are measured as the run's."""
    with open_run(busy) as run:
        births, shadow = births_of(run), neutral_shadow(run, 2)
    tables = read(busy)
    root = tables.niches.iloc[0]
    space = gene_space(tables.config)

    assert 24 == len(births)
    assert any(birth.retired is not None for birth in births)
    assert {*COLUMNS} <= {*shadow.columns}
    for _, niches in shadow.groupby("replicate"):
        assert [birth.admitted for birth in births] == niches["admitted"].tolist()
        assert [birth.retired for birth in births] == [None if pd.isna(x) else x for x in niches["retired"]]
        assert (root["genotype"], root["terrain_seed"]) == (niches.iloc[0]["genotype"], niches.iloc[0]["terrain_seed"])
        for row in niches.iloc[1:].itertuples():
            assert row.parent_id in active_at(births, row.admitted)
    last = shadow.iloc[-1]
    terrain = ObstacleGenotype.from_json(last["genotype"]).express(last["terrain_seed"])
    for name, value in measure_niche(last["genotype"], terrain, space).items():
        assert last[name] == pytest.approx(value, nan_ok=True)


def test_what_does_not_fit_the_run_is_not_used(run_folder: Path, tmp_path: Path) -> None:
    """A shadow of fewer niches, of another seed or of other measures is none, and it is said why."""
    place = run_folder / "neutral"
    with open_run(run_folder) as run:
        shadow = neutral_shadow(run, 1)
        assert "there is none" == read_tables(run).shadow.remark
        write_shadow(shadow, place)
        found = read_tables(run).shadow.niches
        assert found is not None
        assert shadow["niche_id"].tolist() == found["niche_id"].tolist()
        assert shadow["relief"].tolist() == found["relief"].tolist()
        assert shadow["genotype"].tolist() == [json.loads(text) for text in found["genotype"]]
        for changed, words in (
            (shadow[shadow["niche_id"] < 5], "had done 24 iterations"),
            (shadow.assign(retired=pd.NA), "other niches came or went since"),
            (shadow.assign(run_seed=6), "another seed"),
            (shadow.assign(measures_version=0), "another version"),
            (shadow.drop(columns="origin").assign(measures_version=1), "another version"),
            (shadow.assign(origin="0" * 64), "another root, or with other settings"),
        ):
            write_shadow(changed, place)
            assert read_tables(run).shadow.niches is None
            assert words in read_tables(run).shadow.remark


def test_a_replicate_that_lacks_a_niche_makes_no_shadow(run_folder: Path) -> None:
    """A file with a hole in it, in any replicate, is a remark of the report and not a traceback."""
    with open_run(run_folder) as run:
        shadow = neutral_shadow(run, 3)
        write_shadow(shadow[(shadow["replicate"] != 1) | (shadow["niche_id"] != 9)], run_folder / "neutral")
        found = read_tables(run).shadow

    assert found.niches is None
    assert "lack niches" in found.remark


def test_a_shadow_is_tied_to_root_and_settings(run_folder: Path) -> None:
    """A run with the same seed and births, but pits of another limit or another root, is not served by it."""
    with open_run(run_folder) as run:
        own = birth_origins(run.niches, run.config_at)
        limited = run.config.model_copy(update={"terrain": run.config.terrain.model_copy(update={"max_pit_gap": 8.0})})
        later = birth_origins(run.niches, lambda iteration: run.config if iteration < 10 else limited)
        moved = run.niches.assign(terrain_seed=run.niches["terrain_seed"] + 1)

        assert all((own[i] == later[i]) == (i < 10) for i in own)
        assert not set(own.values()) & set(birth_origins(moved, run.config_at).values())


def test_a_shadow_from_before_terrain_settings_fits_its_run() -> None:
    """Where ``terrain.settings`` says nothing, a niche's origin is that of the first release; otherwise another."""
    niches = pd.DataFrame({"niche_id": [0], "iteration": [0], "genotype": [{"roughness": 0.0}], "terrain_seed": [7]})
    first_release = "ee59968a33bb2b2c78b2067773a1a59341fc6fbf90339516931ba2f7a5ba5955"

    assert {0: first_release} == birth_origins(niches, lambda iteration: Config())
    assert {0: first_release} != birth_origins(
        niches, lambda iteration: make_config({"terrain": {"settings": {"rise": 1}}})
    )


def test_a_shadow_runs_nothing_and_needs_nothing_to_run(run_folder: Path) -> None:
    """No engine, strategy or measure of novelty is loaded: a run made with what this machine lacks has a shadow."""
    with open_run(run_folder) as run:
        expected = neutral_shadow(run, 1)
        strange = run.config.model_copy(
            update={
                "evaluation": run.config.evaluation.model_copy(update={"engine": "cuda"}),
                "es": run.config.es.model_copy(update={"strategy": "nobody.has:This"}),
            }
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(run), "config_at", lambda self, iteration: strange)
            pd.testing.assert_frame_equal(expected, neutral_shadow(run, 1))


def test_a_shadow_made_later_serves_what_was_recorded_before(tmp_path: Path) -> None:
    """Read as it was two iterations ago, a run has that much of its shadow."""
    with open_run(three_niches(tmp_path / "whole")) as run:
        write_shadow(neutral_shadow(run, 2), tmp_path / "shadow")
    with open_run(three_niches(tmp_path / "early", last_iteration=2)) as run:
        niches = read_tables(run, tmp_path / "shadow").shadow.niches

    assert niches is not None
    assert [0, 1, 0, 1] == niches["niche_id"].tolist()


def test_a_file_that_is_no_shadow_is_refused(run_folder: Path) -> None:
    """Damaged and foreign files give a sentence that names the file."""
    path = run_folder / "neutral" / FILE_NAME
    path.parent.mkdir()
    with open_run(run_folder) as run:
        path.write_bytes(b"PAR1 no more")
        with pytest.raises(InputError, match=r"shadows\.parquet cannot be read"):
            read_tables(run)
        pd.DataFrame({"a": [1]}).to_parquet(path)
        with pytest.raises(InputError, match="is not a neutral shadow"):
            read_tables(run)
        for value in ("x", None):
            pd.DataFrame({name: [value] for name in COLUMNS}).to_parquet(path)
            with pytest.raises(InputError, match="is not a neutral shadow"):
                read_tables(run)
        path.rename(path.with_name("elsewhere"))
        path.symlink_to(path.with_name("elsewhere"))
        with pytest.raises(InputError, match=r"shadows\.parquet is a symbolic link"):
            read_tables(run)


def test_the_command_makes_a_shadow_that_analyse_finds(poet: Poet, run_folder: Path) -> None:
    """Without a shadow the report warns that no growth can be read; with one it compares, draws bands and gives p."""
    before = poet("analyse", run_folder, "--matrix", 0)
    warned = (run_folder / "report" / "index.html").read_text(encoding="utf-8")
    made = poet("control", "neutral", run_folder, "--replicates", 99)
    after = poet("analyse", run_folder, "--matrix", 0)
    page = (run_folder / "report" / "index.html").read_text(encoding="utf-8")
    table = pd.read_csv(run_folder / "report" / "tables" / "growth_against_shadow.csv")

    assert (0, 0, 0) == (before.code, made.code, after.code)
    assert "No growth is to be read" in before.out
    assert "No growth is to be read" in warned
    assert "99 replicates of" in made.out
    assert "99 replicates of the neutral shadow, alpha 0.01" in page
    assert "No growth is to be read" not in page + after.out
    assert {"solved", "admitted"} == set(table["terrains"])
    assert (table[["trend_p_value", "level_p_value"]].max(axis=1) == table["corrected_p_value"]).all()
    assert table["trend_p_value"].between(0.01, 1.0).all()
    assert set(PROFILE_MEASURES) >= set(table["measure"])
    genomes = pd.read_csv(run_folder / "report" / "tables" / "genomes_against_shadow.csv")
    assert {"gene_distance", "challenge_level"} == set(genomes["measure"])
    assert {"complexity.png", "genomes.png", "times.png"} <= {
        path.name for path in (run_folder / "report" / "plots").iterdir()
    }


def test_the_same_command_writes_the_same_shadow(poet: Poet, run_folder: Path, tmp_path: Path) -> None:
    """Draws are keyed: a second shadow is equal, more replicates only add; it may lie anywhere."""
    poet("control", "neutral", run_folder, "--replicates", 2, "--output", tmp_path / "a")
    ended = poet("control", "neutral", run_folder, "--replicates", 3, "--output", tmp_path / "b")
    first, second = (pd.read_parquet(tmp_path / name / FILE_NAME) for name in "ab")

    pd.testing.assert_frame_equal(first, second[second["replicate"] < 2])
    assert f"--shadow {tmp_path / 'b'}" in ended.last_line
    analysed = poet("analyse", run_folder, "--matrix", 0, "--shadow", tmp_path / "b", "--output", tmp_path / "report")
    assert "3 replicates of the neutral shadow are too few" in analysed.out
    assert not (run_folder / "neutral").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--replicates", 0), ("--replicates", "from 1 on", "0")),
        (("--admission", "randon"), ("'randon'", "did you mean 'random'?")),
        (("--admission", "random"), ("--output",)),
        (("--admission", "random", "--output", "new", "--replicates", 3), ("--replicates", "--admission all")),
        (("--iterations", 3), ("--iterations", "--admission random")),
        (("--workers", 3), ("--workers", "--admission random")),
        (("--executor", "local"), ("--executor", "--admission random")),
        (("--ray-address", "auto"), ("--ray-address", "--admission random")),
        (("--engine", "box2d"), ("--engine", "--admission random")),
        (("--admission", "random", "--output", "new", "--engine", "box3d"), ("'box3d'", "did you mean 'box2d'?")),
        (("--output", "taken"), ("taken", "holds other files")),
        (("--output", "taken/mine"), ("taken/mine", "is a file")),
        (("--admission", "random", "--output", "taken"), ("taken", "exists")),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    poet: Poet, run_folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    """The exit code is 2, and no file is added."""
    monkeypatch.chdir(run_folder.parent)
    taken = run_folder.parent / "taken"
    taken.mkdir()
    (taken / "mine").write_text("mine")
    before = _files(run_folder.parent)

    assert_refused(poet("control", "neutral", run_folder, *arguments), *words)
    assert before == _files(run_folder.parent)


def _files(folder: Path) -> list[Path]:
    """All files except those that SQLite keeps beside an open database."""
    return sorted(path for path in folder.rglob("*") if not path.name.endswith(("-shm", "-wal")))


def test_runs_that_have_no_control_are_refused(poet: Poet, run_folder: Path, tmp_path: Path) -> None:
    """No run, a run that has not begun, and a shadow for several runs, or of nowhere."""
    create_run(tmp_path / "young", Config(), session=SESSION).close()

    assert_refused(poet("control", "neutral", tmp_path / "none"), "there is no run", "none")
    assert_refused(poet("control", "neutral", tmp_path / "young"), "young has not begun")
    assert_refused(poet("analyse", run_folder, tmp_path / "young", "--shadow", tmp_path), "--shadow is for one run")
    assert_refused(poet("analyse", run_folder, "--shadow", tmp_path / "gone"), "gone", FILE_NAME)
    assert not (tmp_path / "young" / "neutral").exists()


def test_an_interrupted_shadow_leaves_what_was_there(
    poet: Poet, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at any time: an earlier shadow stays whole, and no draft is left."""
    poet("control", "neutral", run_folder, "--replicates", 1)
    before = (run_folder / "neutral" / FILE_NAME).read_bytes()

    def interrupted(self: pd.DataFrame, file: IO[bytes], **_: object) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_parquet", interrupted)
    ended = poet("control", "neutral", run_folder, "--replicates", 2)

    assert ended.code != 0
    assert [FILE_NAME] == [path.name for path in (run_folder / "neutral").iterdir()]
    assert before == (run_folder / "neutral" / FILE_NAME).read_bytes()


def test_random_admission_is_a_run_with_another_order(poet: Poet, tiny_run: Path, tmp_path: Path) -> None:
    """The same config and seed but for who ranks candidates; what draws already, or has no start, is refused."""
    new = tmp_path / "new"
    ended = poet(
        "control", "neutral", tiny_run, "--admission", "random", "--output", new, "--iterations", 2, "--workers", 1,
        "--engine", "box2d",
    )  # fmt: skip
    with open_run(tiny_run) as old, open_run(new) as made:
        expected = old.config.to_json()
        expected["novelty"]["order"] = "random"
        expected["run"]["iterations"] = 2
        expected["evaluation"]["engine"] = "box2d"
        assert expected == made.config.to_json()
        assert 2 == made.iteration
        first: list[Terrain] = [run.terrain(0) for run in (old, made)]
    assert (0, True) == (ended.code, "done: 2 iterations" in ended.out)
    assert first[0] == first[1]
    again = poet("control", "neutral", new, "--admission", "random", "--output", tmp_path / "again")
    assert_refused(again, "draws whom it admits already")
    poet("fork", tiny_run, tmp_path / "fork", "--at", 8, "--iterations", 9, "--workers", 1)
    forked = poet("control", "neutral", tmp_path / "fork", "--admission", "random", "--output", tmp_path / "again")
    assert_refused(forked, "is a fork")
    assert not (tmp_path / "again").exists()
