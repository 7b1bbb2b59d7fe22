"""Tables of one run, counted by hand on ``three_niches``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from environments.errors import InputError
from experiments.analysis.frames import (
    agent_genealogy,
    cumulative_steps,
    ledger_table,
    niche_ledger_table,
    niches_table,
    score_history,
    terrain_genealogy,
)
from experiments.analysis.genes import challenge_level, gene_columns, gene_text, genes_table
from experiments.analysis.measures import candidates_table
from experiments.analysis.readable import short_niches_table
from experiments.analysis.run_tables import RunTables, read_tables
from experiments.analysis.transfers import periodic_transfers, transfers_by_kind, transfers_by_pair
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from poet.config import Config
from poet.events import SourceScored
from tests.experiments.synthetic_runs import GENES, add_events, read, three_niches
from tests.poet.archive_examples import SESSION


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunTables:
    """The small run."""
    return read(three_niches(tmp_path_factory.mktemp("runs") / "three"))


def rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Rows as tuples, missing values as None."""
    return list(table.astype(object).where(table.notna(), None).itertuples(index=False, name=None))


def test_env_steps_add_up_over_iterations(run: RunTables) -> None:
    """The x axis of every plot is the sum of the ledger up to each iteration, those without cost included."""
    steps = cumulative_steps(run)

    assert [100, 1100, 3450, 7450, 7450] == steps.tolist()
    assert [0, 1, 2, 3, 4] == steps.index.tolist()


def test_costs_add_up_to_the_ledger(run: RunTables) -> None:
    """Env-steps by purpose come greatest first and their shares are of the whole run."""
    assert [
        ("es", 7000, 70, 7000 / 7450),
        ("transfer_proposal", 300, 3, 300 / 7450),
        ("self_eval", 100, 1, 100 / 7450),
        ("candidate_criterion", 50, 1, 50 / 7450),
    ] == rows(ledger_table(run))


def test_costs_by_niche_and_purpose(run: RunTables) -> None:
    """A niche's row says what it spent on each purpose, 0 where it spent nothing, and in all."""
    table = niche_ledger_table(run)

    assert ["niche_id", "candidate_criterion", "es", "self_eval", "transfer_proposal", "total"] == list(table.columns)
    assert [(0, 50, 2000, 100, 0, 2150), (1, 0, 3000, 0, 300, 3300), (2, 0, 2000, 0, 0, 2000)] == rows(table)


def test_niches_have_their_times_and_scores(run: RunTables) -> None:
    """A niche's row says when it came, was solved, by whom, and retired, and how its agent scored."""
    table = niches_table(run)
    times = ["created", "created_env_steps", "retired", "retired_env_steps", "solved", "solved_env_steps", "solved_by"]

    assert [
        (0, 100, 3, 7450, 1, 1100, 0),
        (2, 3450, None, None, 3, 7450, 2),
        (3, 7450, None, None, None, None, None),
    ] == (rows(table[times]))
    assert [False, True, True] == table["is_active"].tolist()
    assert [(-50.0, 250.0, 250.0), (60.0, 235.0, 235.0), (55.0, 65.0, 65.0)] == rows(
        table[["admission_score", "best_score", "last_score"]]
    )
    assert [None, 0, 1] == [parent_id for (parent_id,) in rows(table[["parent_id"]])]
    assert [(None,), (0.5,), (1.0,)] == rows(table[["novelty"]])


def test_niches_have_their_genes(run: RunTables) -> None:
    """Each gene is a column, an interval two; a gene that a niche lacks is missing, not 0."""
    table = niches_table(run)

    genes = ["roughness", "pit_gap_low", "pit_gap_high", "stump_height_low", "stump_height_high"]
    assert [(0.0, None, None, None, None), (0.0, 0.0, 0.8, 0.0, 2.6), (5.0, 0.4, 6.0, 1.0, 2.4)] == rows(table[genes])
    assert [0, 1, 3] == table["challenge_level"].tolist()


def test_niches_count_children_transfers_and_costs(run: RunTables) -> None:
    """Transfers of a niche are the accepted periodic ones; what came at admission is not counted."""
    table = niches_table(run)

    assert [(1, 0, 1, 2150), (1, 2, 0, 3300), (0, 0, 1, 2000)] == rows(
        table[["children", "transfers_in", "transfers_out", "env_steps"]]
    )


def test_a_terminal_says_who_took_and_who_gave_agents(run: RunTables) -> None:
    """Niche 1 took one of each of the others, which took none."""
    assert [("0", "0", "1"), ("1", "2", "0"), ("2", "0", "1")] == rows(
        short_niches_table(run)[["niche", "agents in", "agents out"]]
    )


def test_a_score_is_that_of_the_last_version_of_the_iteration(run: RunTables) -> None:
    """What an agent scores after an iteration is what it scores after a transfer; a diverged one before it is gone."""
    history = score_history(run)

    assert [(0, 0, 100, -50.0), (0, 1, 1100, 240.0), (0, 2, 3450, 250.0)] == rows(history[history["niche_id"] == 0])
    assert [(1, 2, 3450, 90.0), (1, 3, 7450, 235.0)] == rows(history[history["niche_id"] == 1])


def test_terrains_have_a_genealogy(run: RunTables) -> None:
    """Each terrain names its parent, how far it is from the root, and both their genes."""
    flat, stumps = "roughness 0", "roughness 0, pit gap 0 to 0.8, stump height 0 to 2.6"
    assert [
        (None, 0, 0, 0, 100, flat, None),
        (0, 1, 1, 2, 3450, stumps, flat),
        (1, 2, 2, 3, 7450, "roughness 5, pit gap 0.4 to 6, stump height 1 to 2.4", stumps),
    ] == rows(terrain_genealogy(run))


def test_agents_have_a_genealogy_without_es_steps(run: RunTables) -> None:
    """The edges are versions that came from a niche: at admission and by accepted transfers."""
    assert [
        (2, 1, 0, 1, "admission_direct", 2, 3450, 60.0),
        (5, 3, 0, 1, "proposal", 2, 3450, 90.0),
        (6, 3, 0, 2, "admission_proposal", 3, 7450, 55.0),
        (9, 8, 2, 1, "direct", 3, 7450, 235.0),
    ] == rows(agent_genealogy(run))


def test_transfers_by_kind_count_every_attempt_once(run: RunTables) -> None:
    """Periodic attempts and tests of candidates are apart; an attempt without a source counts as tried."""
    assert [
        ("periodic", "direct", 2, 1, 0.5),
        ("periodic", "none", 1, 0, 0.0),
        ("periodic", "proposal", 1, 1, 1.0),
        ("admission", "admission_direct", 1, 1, 1.0),
        ("admission", "admission_proposal", 1, 1, 1.0),
    ] == rows(transfers_by_kind(run))
    assert (4, 2) == periodic_transfers(run)


def test_transfers_by_pair_count_sources_tried(run: RunTables) -> None:
    """From each source to each target: how often tried, best of the round, accepted; candidates are left out."""
    assert [(0, 1, 1, 1, 1, 1.0), (2, 1, 1, 1, 1, 1.0), (1, 0, 1, 1, 0, 0.0)] == rows(transfers_by_pair(run))


def test_an_accepted_transfer_is_that_of_its_best_source(tmp_path: Path) -> None:
    """Of two sources of one attempt, niche 2 had the agent that went to niche 1; niche 0 was tried and no more."""
    run = read(add_events(three_niches(tmp_path / "run"), [SourceScored(4, 0, 3, 200.0, 20.0)]))

    assert [(0, 1, 2, 1, 1, 0.5), (2, 1, 1, 1, 1, 1.0), (1, 0, 1, 1, 0, 0.0)] == rows(transfers_by_pair(run))


def test_candidates_are_counted_by_every_outcome(run: RunTables) -> None:
    """An outcome that never happened is there with 0."""
    table = candidates_table(run)

    assert 8 == len(table)
    assert [("duplicate", 1, 1 / 3), ("too_hard", 0, 0.0)] == rows(table)[:2]
    assert [("admitted", 2, 2 / 3)] == rows(table)[-1:]


def test_genes_that_a_niche_lacks_have_no_row(run: RunTables) -> None:
    """A number is an interval of one point."""
    table = genes_table(run)

    assert [(0, "roughness", 0.0, 0.0)] == rows(table[table["niche_id"] == 0])
    assert [(2, "roughness", 5.0, 5.0), (2, "pit_gap", 0.4, 6.0), (2, "stump_height", 1.0, 2.4)] == rows(
        table[table["niche_id"] == 2]
    )


def test_genes_of_another_encoding_are_what_numbers_it_has() -> None:
    """A user's genotype is shown by its numbers and pairs of numbers; the paper's conditions do not speak of it."""
    genotype = {"name": "wavy", "slope": 0.5, "wave": [1, 2], "is_steep": True, "nodes": [1, 2, 3]}

    assert {"slope": 0.5, "wave_low": 1.0, "wave_high": 2.0} == gene_columns(genotype)
    assert "slope 0.5, wave 1 to 2" == gene_text(genotype)
    assert challenge_level(genotype) is None


def test_challenge_counts_conditions_on_upper_ends() -> None:
    """Each bound of the paper counts from its value on; an absent obstacle meets none."""
    assert [0, 1, 3] == [challenge_level(genotype.to_json()) for genotype in GENES]
    assert 2 == challenge_level({"roughness": 4.5, "pit_gap": [0.0, 6.0], "stump_height": [0.0, 2.3]})


def test_what_a_running_run_adds_meanwhile_is_left_out(tmp_path: Path) -> None:
    """Tables end with the iteration that was the last one when reading began."""
    run = read(three_niches(tmp_path / "run", last_iteration=2))

    assert 2 == run.iteration
    assert [0, 1] == run.niches["niche_id"].tolist() == list(run.terrains)
    assert [] == run.retirements["niche_id"].tolist()
    assert [100, 1100, 3450] == cumulative_steps(run).tolist()


def test_a_run_that_has_not_begun_is_refused(tmp_path: Path) -> None:
    """Without an iteration there is nothing to analyse, and the sentence names the run."""
    create_run(tmp_path / "young", Config(), session=SESSION).close()

    with open_run(tmp_path / "young") as run, pytest.raises(InputError, match="young has not begun"):
        read_tables(run)


def test_scores_of_diverged_worlds_stay_minus_infinity(run: RunTables) -> None:
    """They are not dropped from tables: the version that diverged is history."""
    assert 1 == int(np.isneginf(run.versions["score"]).sum())
