"""What people take from an open run in a notebook: scores over env-steps, and objects that say what they are."""

from __future__ import annotations

from pathlib import Path

from poet.archive.journal import create_run
from poet.archive.reader import open_run
from tests.poet.archive_examples import CONFIG, SESSION, load, toy_run


def test_scores_are_over_everything_that_was_spent_until_then(tmp_path: Path) -> None:
    """One row for each niche and iteration: its last score, and the env-steps of all niches up to that iteration."""
    with open_run(toy_run(tmp_path / "run", 6)) as run:
        found, versions, ledger = run.scores, run.versions, run.ledger
    assert ["niche_id", "iteration", "env_steps", "score"] == list(found.columns)
    last = {(row.niche_id, row.iteration): row.score for row in versions.sort_values("id").itertuples()}
    assert [*sorted(last)] == [(row.niche_id, row.iteration) for row in found.itertuples()]
    assert len(found) < len(versions) + 1
    for row in found.itertuples():
        assert last[row.niche_id, row.iteration] == row.score
        assert ledger.loc[ledger["iteration"] <= row.iteration, "env_steps"].sum() == row.env_steps


def test_a_run_without_an_iteration_has_no_scores(tmp_path: Path) -> None:
    """A run that has just begun is read like any other."""
    create_run(tmp_path / "run", CONFIG, session=SESSION).close()
    with open_run(tmp_path / "run") as run:
        assert (0, 4) == run.scores.shape


def test_agents_niches_and_runs_say_in_one_line_what_they_are(tmp_path: Path) -> None:
    """Parameters would fill a notebook's cell."""
    folder = toy_run(tmp_path / "run", 4)
    with open_run(folder) as run:
        agent = run.agent(0)
        assert f"Run('{folder}')" == repr(run)
        niche = load(run).active[-1]
    assert repr(niche).startswith(f"Niche({niche.id}, ")
    assert f"admitted in iteration {niche.created}, score {niche.evaluation.score:.1f}, " in repr(niche)
    assert len(repr(niche)) < 300
    version = agent.version
    assert (
        f"StoredAgent(niche 0, iteration {version.iteration}, version {version.id}, score {version.score:.1f}, "
        f"policy 'mlp', {agent.theta.size:,} parameters)"
    ) == repr(agent)
