"""Trainers that learn to learn pass the contract of all trainers: kills, threads, engines, forks, one fingerprint."""

from __future__ import annotations

from pathlib import Path

from poet.archive.reader import open_run
from tests.contracts.trainers import TrainerContract

#: Four terrains, of which an iteration has two, and settings with which runs take a second.
ASSIGNMENTS = (
    f"trainer.source={Path(__file__).with_name('paced.json')}",
    "policy.layer_sizes=[24,4]",
    "validation.episodes=2",
    "validation.interval=3",
    "niche.instances=2",
)


class TestJoint(TrainerContract):
    """Joint training: ES on all tasks of an iteration."""

    trainer = "joint"
    settings = {"terrains": 2}  # noqa: RUF012
    assignments = ASSIGNMENTS


class TestReptile(TrainerContract):
    """Reptile, with steps of ES and a step size that falls."""

    trainer = "reptile"
    settings = {"terrains": 2, "pushes": 2, "generations": 2, "inner_pairs": 2, "step_decay": 0.9}  # noqa: RUF012
    assignments = ASSIGNMENTS

    def test_both_ends_of_every_adaptation_are_recorded(self, finished: Path) -> None:
        """Two tasks an iteration, of the four that the run was given."""
        with open_run(finished) as run:
            tasks, adapted = run.own_tables["tasks"], run.own_tables["adapted"]
        assert [*range(4)] == [*tasks["level_id"]]
        assert 2 * self.iterations == len(adapted) and {*adapted["level_id"]} <= {*range(4)}
        assert (adapted["return_before"] != adapted["return_after"]).any()


class TestFomaml(TrainerContract):
    """First-order MAML, whose last step is one of hill climbing, by Adam."""

    trainer = "fomaml"
    settings = {  # noqa: RUF012
        "terrains": 2, "pushes": 1, "generations": 2, "inner_pairs": 2, "adaptation": "climb", "outer": "adam",
        "step": 0.01,
    }  # fmt: skip
    assignments = ASSIGNMENTS


class TestEsMaml(TrainerContract):
    """ES-MAML: the fitness is that of agents that have climbed."""

    trainer = "es-maml"
    settings = {"terrains": 2, "generations": 2}  # noqa: RUF012
    assignments = ASSIGNMENTS
