"""A large run without physics: ``python -m tests.benchmarks.large_run FOLDER``.

Its events are made up, but consistent, and the project's own writer records them: a real archive, for measuring those
who look at one; only the statistics of generations are left out. As it is, it makes 2,000 niches, of which up to 400
are active, and 100,000 agent versions in a minute of a core. ``--pause`` makes it a run that goes on while it is
watched.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from agents.strategies.openai_es import OpenAIES
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from poet.archive.journal import create_run
from poet.archive.records import SessionInfo
from poet.config import make_config
from poet.criterion import Judgement
from poet.events import (
    AgentVersion,
    CandidateJudged,
    CandidateOutcome,
    Cost,
    Event,
    NicheAdmitted,
    NicheJudged,
    NicheRetired,
    NicheSolved,
    NicheValidated,
    Occasion,
    SourceScored,
    TransferAttempted,
    TransferOutcome,
    ValidationSet,
)
from poet.types import Evaluation, Niche, Origin, PoetState, Purpose, RetiredNiche, theta_digest

_SESSION = SessionInfo("nowhere", {"python": "3"}, "simd", "local", 1, "made up")
_STRATEGY = OpenAIES()
#: Agents are small, so that a run is made soon.
_POLICY = {"layer_sizes": [24, 8, 4], "activations": ["tanh", "tanh"]}
_NUM_PARAMETERS = MLPPolicy((24, 8, 4), ("tanh", "tanh")).num_parameters
#: Iterations between transfers, and between validations.
_INTERVAL = 25
_NUM_SOURCES = 6


@dataclass
class _Made:
    """A run on its way: the next iteration, and what is known so far."""

    num_niches: int
    max_active: int
    num_admitted: int = 1
    seed: int = 0
    iteration: int = 0
    active: list[Niche] = field(default_factory=list)
    retired: list[RetiredNiche] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    env_steps: int = 0
    episodes: int = 0
    costs: dict[tuple[int, Purpose], list[int]] = field(default_factory=dict)
    validated: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=lambda: {"niche": 0, "version": 0, "candidate": 0, "transfer": 0})

    def __post_init__(self) -> None:
        self.chance = np.random.default_rng(self.seed)

    def step(self) -> tuple[PoetState, list[Event]]:
        """One iteration: its state and events."""
        self.events, self.costs = [], {}
        for _ in range(self.num_admitted if self.active else 1):
            self._admit()
        if self.iteration:
            self._learn()
            if self.iteration % _INTERVAL == 0:
                self._transfer()
        while len(self.active) > self.max_active:
            self._retire(self.active.pop(0))
        if self.iteration % _INTERVAL == 0:
            for niche in self.active:
                self._validate(niche, Occasion.INTERVAL)
        self.events += [Cost(self.iteration, *key, *spent) for key, spent in self.costs.items()]
        state = PoetState(
            self.iteration, tuple(self.active), tuple(self.retired), self.counts["niche"], self.counts["version"],
            self.env_steps, self.episodes, next_candidate_id=self.counts["candidate"],
            next_transfer_id=self.counts["transfer"],
        )  # fmt: skip
        self.iteration += 1
        return state, self.events

    def _next(self, what: str) -> int:
        self.counts[what] += 1
        return self.counts[what] - 1

    def _version(
        self, niche_id: int, theta: NDArray[np.float32], origin: Origin, parent: int | None, source: int | None = None
    ) -> tuple[AgentVersion, Evaluation]:
        """A version that scores more the longer its niche has learnt, with noise."""
        age = self.iteration - next((n.created for n in self.active if n.id == niche_id), self.iteration)
        score = float(40.0 + 240.0 * age / (age + 20.0) + self.chance.normal(0.0, 12.0))
        outcome = 1 if score > 150.0 else 2
        version = AgentVersion(
            self._next("version"), niche_id, self.iteration, parent, origin, source, theta_digest(theta), score, score,
            900, outcome, theta,
        )  # fmt: skip
        self.events.append(version)
        return version, Evaluation(score, score, 900, outcome)

    def _admit(self) -> None:
        """A child of a random active niche among eight candidates, or the root; as many as the run shall have."""
        if self.counts["niche"] >= self.num_niches:
            return
        niche_id = self._next("niche")
        parent = self.active[self.chance.integers(len(self.active))] if self.active else None
        theta = np.zeros(_NUM_PARAMETERS, np.float32) if parent is None else parent.theta
        genotype, candidate = ObstacleGenotype(), None
        if parent is not None:
            genotype = parent.genotype.mutate(Stream(self.seed, "large", niche_id), ObstacleSettings())
            for _ in range(7):
                refused = CandidateOutcome.TOO_HARD
                self.events.append(self._candidate(parent.id, genotype, refused, None))
            candidate = self.counts["candidate"]
            self.events.append(self._candidate(parent.id, genotype, CandidateOutcome.ADMITTED, niche_id))
        origin = Origin.INITIAL if parent is None else Origin.ADMISSION_DIRECT
        version, evaluation = self._version(niche_id, theta, origin, parent and parent.version_id, parent and parent.id)
        niche = Niche(
            niche_id, genotype, niche_id, parent and parent.id, self.iteration,
            _STRATEGY.initial_state(theta[None]), version.id, evaluation,
        )  # fmt: skip
        self.active.append(niche)
        self.events += [
            NicheAdmitted(
                niche_id, self.iteration, niche.parent_id, candidate, genotype.to_json(), niche_id,
                genotype.express(niche_id), version.score, None if parent is None else 0.5, version.id,
            ),
            NicheJudged(niche_id, self.iteration, niche_id, 0, 200.0, Judgement.ADMISSIBLE, None, None),
        ]  # fmt: skip
        self._validate(niche, Occasion.ADMISSION)

    def _candidate(
        self, parent_id: int, genotype: ObstacleGenotype, outcome: CandidateOutcome, niche_id: int | None
    ) -> CandidateJudged:
        return CandidateJudged(
            self._next("candidate"), self.iteration, parent_id, genotype.to_json(), 1, 60.0, 0.5, 90.0, outcome,
            niche_id,
        )  # fmt: skip

    def _learn(self) -> None:
        """An ES step of every active niche."""
        for place, niche in enumerate(self.active):
            if niche.created == self.iteration:
                continue
            theta = niche.theta + self.chance.normal(0.0, 0.01, niche.theta.shape).astype(np.float32)
            version, evaluation = self._version(niche.id, theta, Origin.ES, niche.version_id)
            self._spend(niche.id, Purpose.ES, 460_000, 512)
            self._spend(niche.id, Purpose.SELF_EVAL, 900, 1)
            is_solved = niche.is_solved
            if version.score >= 230.0 and not is_solved:
                is_solved = True
                self.events.append(
                    NicheSolved(
                        niche.id, self.iteration, niche.id, version.id, Origin.ES, Purpose.SELF_EVAL, version.score,
                        version.theta_digest, theta,
                    )
                )  # fmt: skip
            self.active[place] = replace(
                niche, optimiser=_STRATEGY.initial_state(theta[None]), version_id=version.id, evaluation=evaluation,
                is_solved=is_solved,
            )  # fmt: skip

    def _transfer(self) -> None:
        """Each niche tries some others' agents, and takes one in four times."""
        for place, target in enumerate(self.active):
            others = [niche for niche in self.active if niche is not target]
            if not others:
                continue
            chosen = self.chance.choice(len(others), min(_NUM_SOURCES, len(others)), replace=False)
            sources = [others[i] for i in sorted(chosen.tolist())]
            best, is_better = sources[0], bool(self.chance.random() < 0.25)
            version_id = None
            if is_better:
                version, evaluation = self._version(target.id, best.theta, Origin.DIRECT, best.version_id, best.id)
                version_id = version.id
                self.active[place] = moved = replace(
                    target, optimiser=_STRATEGY.initial_state(best.theta[None]), version_id=version.id,
                    evaluation=evaluation,
                )  # fmt: skip
                self._validate(moved, Occasion.TRANSFER)
            transfer_id = self._next("transfer")
            outcome = TransferOutcome.ACCEPTED if is_better else TransferOutcome.NOT_BETTER
            self.events += [
                TransferAttempted(
                    transfer_id, self.iteration, target.id, None, 100.0, outcome, best.id, Origin.DIRECT, 120.0,
                    version_id,
                ),
                *(SourceScored(transfer_id, source.id, self.iteration, 90.0, None) for source in sources),
            ]  # fmt: skip
            self._spend(target.id, Purpose.TRANSFER_DIRECT, 5000, 6)

    def _validate(self, niche: Niche, occasion: Occasion) -> None:
        """Success that grows with age; a version is measured once."""
        if niche.version_id in self.validated:
            return
        self.validated.add(niche.version_id)
        age = self.iteration - niche.created
        for which in ValidationSet:
            successes = int(min(50, max(0, round(50 * age / (age + 15.0) + self.chance.normal(0.0, 3.0)))))
            self.events.append(
                NicheValidated(
                    niche.id, self.iteration, niche.version_id, which, occasion, 50, successes, 100.0, 800.0,
                    niche.theta,
                )
            )  # fmt: skip
        self._spend(niche.id, Purpose.VALIDATION, 80_000, 100)

    def _spend(self, niche_id: int, purpose: Purpose, env_steps: int, episodes: int) -> None:
        """Env-steps and episodes; the ledger has a row for each niche and purpose of an iteration."""
        spent = self.costs.setdefault((niche_id, purpose), [0, 0])
        spent[0] += env_steps
        spent[1] += episodes
        self.env_steps += env_steps
        self.episodes += episodes

    def _retire(self, niche: Niche) -> None:
        self._validate(niche, Occasion.RETIREMENT)
        self.events.append(NicheRetired(niche.id, self.iteration, niche.version_id, niche.evaluation.score))
        self.retired.append(
            RetiredNiche(
                niche.id, niche.genotype, niche.terrain_seed, niche.parent_id, niche.created, niche.is_solved,
                self.iteration, niche.version_id, niche.theta,
            )
        )  # fmt: skip


def large_run(folder: Path, num_niches: int, iterations: int, max_active: int, num_admitted: int = 1) -> Iterator[int]:
    """Record such a run in a new folder, an iteration each time that the iterator is asked for the next one's number.

    Args:
        folder: new.
        num_niches: how many are admitted in all.
        iterations: how many; the run is finished when the iterator ends.
        max_active: of the niches; each makes a version in an iteration.
        num_admitted: niches in an iteration, until there are ``num_niches``.
    """
    made = _Made(num_niches, max_active, num_admitted)
    config = make_config({"checkpoint": {"theta_every": 50}, "poet": {"max_active": max_active}, "policy": _POLICY})
    with create_run(folder, config, session=_SESSION) as archive:
        for iteration in range(iterations + 1):
            state, events = made.step()
            archive.append(state, events, 0.5)
            yield iteration
        archive.finish(state)


def main() -> None:
    """Make one, and say how far it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--niches", type=int, default=2000)
    parser.add_argument("--iterations", type=int, default=260)
    parser.add_argument("--active", type=int, default=400)
    parser.add_argument("--admitted", type=int, default=8, help="niches in an iteration")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two iterations")
    given = parser.parse_args()
    for iteration in large_run(given.folder, given.niches, given.iterations, given.active, given.admitted):
        if iteration % 10 == 0:
            print(f"iteration {iteration} of {given.iterations}", flush=True)
        time.sleep(given.pause)


if __name__ == "__main__":
    main()
