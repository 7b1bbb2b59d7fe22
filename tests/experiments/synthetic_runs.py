"""Runs for tests of the analysis: events without physics, in real archives.

``three_niches`` is small enough to count by hand; ``simulated_run`` is a caricature of POET of any size.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from environments.streams import Stream
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from environments.terrain.terrain import Terrain
from experiments.analysis.run_tables import RunTables, read_tables
from poet.archive.database import connect_to_write, transaction
from poet.archive.journal import create_run
from poet.archive.reader import open_run
from poet.archive.rows import insert_events
from poet.archive.thetas import store_thetas
from poet.config import Config, make_config
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
    SourceScored,
    TransferAttempted,
    TransferOutcome,
)
from poet.types import Origin, Purpose, theta_digest
from tests.poet.archive_examples import SESSION

Interval = tuple[float, float]


def record_run(
    folder: Path,
    events: Iterable[Event],
    iteration: int,
    config: Config | None = None,
    thetas: Iterable[NDArray[np.float32]] = (),
) -> Path:
    """An archive with these events and a clock of half a second an iteration."""
    create_run(folder, config or Config(), session=SESSION).close()
    connection = connect_to_write(folder)
    with transaction(connection):
        insert_events(connection, events)
        store_thetas(connection, thetas)
        connection.executemany(
            "INSERT INTO iterations (iteration, session_id, seconds, env_steps, episodes) VALUES (?, 1, 0.5, 0, 0)",
            [(i,) for i in range(iteration + 1)],
        )
    connection.close()
    return folder


def read(folder: Path) -> RunTables:
    """The tables that the analysis reads from an archive."""
    with open_run(folder) as run:
        return read_tables(run)


def theta_of(niche_id: int) -> NDArray[np.float32]:
    """A theta for each niche."""
    stream = Stream(niche_id, "theta")
    return np.array([stream.uniform(-0.3, 0.3) for _ in range(MLPPolicy().num_parameters)], np.float32)


def version(
    version_id: int,
    niche_id: int,
    iteration: int,
    score: float,
    origin: Origin = Origin.ES,
    source_id: int | None = None,
    parent_id: int | None = None,
    digest: str | None = None,
) -> AgentVersion:
    """A version that finished with its score."""
    digest = digest or f"{version_id:064x}"
    return AgentVersion(
        version_id, niche_id, iteration, parent_id, origin, source_id, digest, score, max(score, -100.0), 1000, 1
    )


def admitted(
    niche_id: int,
    iteration: int,
    parent_id: int | None,
    score: float,
    version_id: int,
    genotype: ObstacleGenotype,
    terrain: Terrain | None = None,
) -> NicheAdmitted:
    """A niche; its candidate has its own id, its terrain is that of the genotype if None is given."""
    return NicheAdmitted(
        niche_id=niche_id,
        iteration=iteration,
        parent_id=parent_id,
        candidate_id=None if parent_id is None else niche_id,
        genotype=genotype.to_json(),
        terrain_seed=niche_id,
        terrain=terrain or genotype.express(niche_id),
        score=score,
        novelty=None if parent_id is None else 0.5 * niche_id,
        version_id=version_id,
    )


def judged(
    candidate_id: int,
    iteration: int,
    parent_id: int,
    outcome: CandidateOutcome,
    genotype: ObstacleGenotype,
    niche_id: int | None = None,
) -> CandidateJudged:
    """A candidate whose parent scores 100 in it, unless it is a duplicate."""
    score = None if outcome is CandidateOutcome.DUPLICATE else 100.0
    return CandidateJudged(
        candidate_id, iteration, parent_id, genotype.to_json(), candidate_id, score, score, score, outcome, niche_id
    )


#: Genes of the three niches: flat; challenging by its stumps; extremely challenging.
GENES = (
    ObstacleGenotype(),
    ObstacleGenotype(pit_gap=(0.0, 0.8), stump_height=(0.0, 2.6)),
    ObstacleGenotype(roughness=5.0, pit_gap=(0.4, 6.0), stump_height=(1.0, 2.4)),
)


def three_niches(folder: Path, last_iteration: int = 4, **sections: dict[str, Any]) -> Path:
    """Four iterations, three niches, one retired, two solved, two periodic transfers accepted; counted in the tests.

    Niche 1 comes from 0 with its agent, niche 2 from 1 with the agent of 0. In iteration 2 a world of niche 1 diverges.
    Nothing at all is spent in iteration 4.

    Args:
        folder: new.
        last_iteration: of the clock; events stay, as if the run had gone on since the clock was read.
        sections: of the config.
    """
    thetas = [theta_of(niche_id) for niche_id in range(3)]
    digests = [theta_digest(theta) for theta in thetas]
    events: list[Event] = [
        admitted(0, 0, None, -50.0, 0, GENES[0]),
        version(0, 0, 0, -50.0, Origin.INITIAL, digest=digests[0]),
        Cost(0, 0, Purpose.SELF_EVAL, 100, 1),
        # Iteration 1: the root is solved.
        version(1, 0, 1, 240.0, parent_id=0),
        NicheSolved(0, 1, 0, 0, Origin.ES, Purpose.SELF_EVAL, 240.0, ""),
        Cost(1, 0, Purpose.ES, 1000, 10),
        # Iteration 2: a duplicate, a niche, two transfer attempts.
        judged(0, 2, 0, CandidateOutcome.DUPLICATE, GENES[0]),
        judged(1, 2, 0, CandidateOutcome.ADMITTED, GENES[1], niche_id=1),
        TransferAttempted(0, 2, 1, 1, None, TransferOutcome.ACCEPTED, 0, Origin.ADMISSION_DIRECT, 60.0, 2),
        SourceScored(0, 0, 2, 60.0, 40.0),
        admitted(1, 2, 0, 60.0, 2, GENES[1]),
        version(2, 1, 2, 60.0, Origin.ADMISSION_DIRECT, 0, 1, digests[1]),
        Cost(2, 0, Purpose.CANDIDATE_CRITERION, 50, 1),
        version(3, 0, 2, 250.0, parent_id=1),
        version(4, 1, 2, float("-inf"), parent_id=2),
        Cost(2, 0, Purpose.ES, 1000, 10),
        Cost(2, 1, Purpose.ES, 1000, 10),
        TransferAttempted(1, 2, 0, None, 250.0, TransferOutcome.NOT_BETTER, 1, Origin.DIRECT, 30.0, None),
        SourceScored(1, 1, 2, 30.0, 20.0),
        TransferAttempted(2, 2, 1, None, float("-inf"), TransferOutcome.ACCEPTED, 0, Origin.PROPOSAL, 90.0, 5),
        SourceScored(2, 0, 2, 60.0, 90.0),
        version(5, 1, 2, 90.0, Origin.PROPOSAL, 0, 3),
        Cost(2, 1, Purpose.TRANSFER_PROPOSAL, 300, 3),
        # Iteration 3: a niche; the root retires; niche 1 is solved by the agent of 2 and takes it.
        judged(2, 3, 1, CandidateOutcome.ADMITTED, GENES[2], niche_id=2),
        TransferAttempted(3, 3, 2, 2, None, TransferOutcome.ACCEPTED, 0, Origin.ADMISSION_PROPOSAL, 55.0, 6),
        SourceScored(3, 0, 3, 20.0, 55.0),
        SourceScored(3, 1, 3, 25.0, 45.0),
        admitted(2, 3, 1, 55.0, 6, GENES[2]),
        version(6, 2, 3, 55.0, Origin.ADMISSION_PROPOSAL, 0, 3, digests[2]),
        NicheRetired(0, 3, 3, 250.0),
        version(7, 1, 3, 95.0, parent_id=5),
        version(8, 2, 3, 65.0, parent_id=6),
        TransferAttempted(4, 3, 1, None, 95.0, TransferOutcome.ACCEPTED, 2, Origin.DIRECT, 235.0, 9),
        SourceScored(4, 2, 3, 235.0, 40.0),
        NicheSolved(1, 3, 2, 0, Origin.DIRECT, Purpose.TRANSFER_DIRECT, 235.0, ""),
        version(9, 1, 3, 235.0, Origin.DIRECT, 2, 8),
        TransferAttempted(5, 3, 2, None, 65.0, TransferOutcome.NOT_BETTER, None, None, None, None),
        Cost(3, 1, Purpose.ES, 2000, 20),
        Cost(3, 2, Purpose.ES, 2000, 20),
    ]
    return record_run(folder, events, last_iteration, make_config({"run": {"seed": 7}}, sections), thetas)


#: What all agents said of the three niches: 1 and 2 passed, the latter for a retired agent too.
JUDGEMENTS = (
    NicheJudged(1, 2, 1, 0, 60.0, Judgement.ADMISSIBLE, None, None),
    NicheJudged(2, 3, 2, 1, 55.0, Judgement.ADMISSIBLE, 51.0, Judgement.ADMISSIBLE),
)


def add_events(folder: Path, events: Iterable[Event]) -> Path:
    """The run with further events."""
    with closing(connect_to_write(folder)) as connection, transaction(connection):
        insert_events(connection, events)
    return folder


@dataclass
class _Niche:
    id: int
    genotype: ObstacleGenotype
    skill: float
    score: float = 0.0
    version_id: int = 0
    is_solved: bool = False


class _Simulation:
    """A caricature of POET: agents grow skill, hard terrains need more of it, good agents move."""

    def __init__(self, seed: int, config: Config) -> None:
        self.config = config
        self.events: list[Event] = []
        self.active: list[_Niche] = []
        self.stream = Stream(seed, "simulation")
        self.num_niches = self.num_versions = self.num_candidates = self.num_transfers = 0

    def run(self, iterations: int) -> None:
        """From the root on."""
        self.admit(0, None, ObstacleGenotype(), 0.1, Origin.INITIAL, None)
        self.events.append(Cost(0, 0, Purpose.SELF_EVAL, 300, 1))
        for iteration in range(1, iterations + 1):
            if iteration % self.config.poet.reproduction_interval == 0:
                self.reproduce(iteration)
            for niche in self.active:
                room = 1.0 - min(1.0, max(0.0, niche.skill - difficulty(niche.genotype)) / 0.6)
                niche.skill += self.stream.uniform(-0.002, 0.016) * room
                self.move(iteration, niche, Origin.ES, None)
                self.events.append(Cost(iteration, niche.id, Purpose.ES, 20_000 + 200 * niche.id, 32))
            if self.config.transfer.periodic and iteration % self.config.transfer.interval == 0:
                self.transfer(iteration)

    def admit(
        self,
        iteration: int,
        parent_id: int | None,
        genotype: ObstacleGenotype,
        skill: float,
        origin: Origin,
        source_id: int | None,
    ) -> None:
        """A niche with its first agent."""
        niche = _Niche(self.num_niches, genotype, skill)
        self.num_niches += 1
        self.active.append(niche)
        self.move(iteration, niche, origin, source_id)
        event = admitted(niche.id, iteration, parent_id, niche.score, niche.version_id, genotype)
        self.events.append(replace(event, candidate_id=None if parent_id is None else self.num_candidates))

    def move(self, iteration: int, niche: _Niche, origin: Origin, source_id: int | None) -> None:
        """A new version with the score that its skill gives."""
        niche.score = _score(niche.skill, niche.genotype) + self.stream.uniform(-8.0, 8.0)
        parent_id = None if origin is Origin.INITIAL else 0
        self.events.append(version(self.num_versions, niche.id, iteration, niche.score, origin, source_id, parent_id))
        niche.version_id = self.num_versions
        self.num_versions += 1
        if niche.score >= 230.0 and not niche.is_solved:
            niche.is_solved = True
            self.events.append(
                NicheSolved(niche.id, iteration, niche.id, 0, Origin.ES, Purpose.SELF_EVAL, niche.score, "")
            )

    def reproduce(self, iteration: int) -> None:
        """Candidates of parents that score enough; the first that fits is admitted, the oldest retire."""
        parents = [niche for niche in self.active if niche.score >= self.config.poet.reproduction_threshold]
        is_full = False
        for _ in range(self.config.poet.max_children if parents else 0):
            parent = self.stream.choice(parents)
            child = parent.genotype.mutate(self.stream, ObstacleSettings())
            score = _score(parent.skill, child)
            outcome = CandidateOutcome.NOT_REACHED if is_full else CandidateOutcome.ADMITTED
            outcome = CandidateOutcome.TOO_HARD if score < 50.0 else outcome
            outcome = CandidateOutcome.TOO_EASY if score > 300.0 else outcome
            niche_id = self.num_niches if outcome is CandidateOutcome.ADMITTED else None
            self.events.append(judged(self.num_candidates, iteration, parent.id, outcome, child, niche_id))
            if niche_id is not None:
                is_full = True
                source = max(self.active, key=lambda n: n.skill) if self.stream.uniform() < 0.4 else parent
                self.admit(iteration, parent.id, child, source.skill, Origin.ADMISSION_DIRECT, source.id)
            self.num_candidates += 1
        while len(self.active) > self.config.poet.max_active:
            gone = self.active.pop(0)
            self.events.append(NicheRetired(gone.id, iteration, gone.version_id, gone.score))

    def transfer(self, iteration: int) -> None:
        """Each niche takes the agent that fares best in it, if it is better than its own."""
        for target in list(self.active):
            sources = [niche for niche in self.active if niche is not target]
            if not sources:
                continue
            scores = [_score(s.skill, target.genotype) + self.stream.uniform(-70.0, 10.0) for s in sources]
            best = max(range(len(sources)), key=scores.__getitem__)
            origin = Origin.PROPOSAL if self.stream.uniform() < 0.6 else Origin.DIRECT
            threshold, is_better = target.score, scores[best] > target.score
            if is_better:
                target.skill = max(target.skill, 0.97 * sources[best].skill)
                self.move(iteration, target, origin, sources[best].id)
            outcome = TransferOutcome.ACCEPTED if is_better else TransferOutcome.NOT_BETTER
            version_id = target.version_id if is_better else None
            self.events += [
                TransferAttempted(
                    self.num_transfers, iteration, target.id, None, threshold, outcome, sources[best].id, origin,
                    scores[best], version_id,
                ),
                *(
                    SourceScored(self.num_transfers, s.id, iteration, x, x)
                    for s, x in zip(sources, scores, strict=True)
                ),
                Cost(iteration, target.id, Purpose.TRANSFER_PROPOSAL, 9000 * len(sources), 13 * len(sources)),
            ]  # fmt: skip
            self.num_transfers += 1


def simulated_run(folder: Path, seed: int = 0, iterations: int = 400, **sections: dict[str, Any]) -> Path:
    """A run that looks like one of POET. Equal arguments give equal runs.

    Args:
        folder: new.
        seed: of the run.
        iterations: how many.
        sections: of the config, over 8 active niches, reproduction every 25 iterations, transfers every 10.
    """
    defaults = {"poet": {"max_active": 8, "reproduction_interval": 25}, "transfer": {"interval": 10}}
    config = make_config({"run": {"seed": seed, "iterations": iterations}}, defaults, sections)
    simulation = _Simulation(seed, config)
    simulation.run(iterations)
    return record_run(folder, simulation.events, iterations, config)


def difficulty(genotype: ObstacleGenotype) -> float:
    """How much skill a terrain takes: a weighted sum of upper ends relative to the paper's conditions."""
    pit = (genotype.pit_gap or (0.0, 0.0))[1]
    stump = (genotype.stump_height or (0.0, 0.0))[1]
    return 1.6 * genotype.roughness / 4.5 + 2.0 * pit / 6.0 + 1.4 * stump / 2.4


def _score(skill: float, genotype: ObstacleGenotype) -> float:
    """From -100 for an agent far too weak to 340 for one far more skilled than it takes."""
    exponent = -4.0 * (skill - difficulty(genotype)) - 0.2
    return -100.0 + 440.0 / (1.0 + float(np.exp(exponent)))


def many_niches(folder: Path, num_niches: int = 1003, max_active: int = 5) -> Path:
    """A niche an iteration, each the child of the one before, on a few metres of ground; every second one is solved."""
    terrain = Terrain(np.array([[0.0, 5.0], [3.0, 5.0], [6.0, 5.2], [9.0, 5.0]], np.float32))
    events: list[Event] = []
    for i in range(num_niches):
        niche = replace(admitted(i, i, i - 1 if i else None, 100.0, i, GENES[1], terrain), candidate_id=None)
        events += [niche, version(i, i, i, 100.0, Origin.INITIAL), Cost(i, i, Purpose.ES, 12_345, 1)]
        if i % 2:
            events.append(NicheSolved(i, i, i, 0, Origin.ES, Purpose.SELF_EVAL, 240.0, ""))
        if i >= max_active:
            events.append(NicheRetired(i - max_active, i, i - max_active, 100.0))
    return record_run(folder, events, num_niches - 1, make_config({"run": {"seed": 20_261_129}}))
