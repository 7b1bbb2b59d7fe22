"""Runs made by hand: the frames of an archive without an archive, for tests of the analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from agents.policy import MLPPolicy
from environments.streams import Stream
from environments.terrain.genotype import TerrainSettings
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from experiments.analysis.run_tables import RunTables, read_tables
from poet.archive.records import StoredAgent
from poet.archive.rows import EVENT_TABLES
from poet.config import Config
from poet.events import (
    AgentVersion,
    CandidateJudged,
    CandidateOutcome,
    Cost,
    Event,
    NicheAdmitted,
    NicheRetired,
    NicheSolved,
    SourceScored,
    TransferAttempted,
    TransferOutcome,
)
from poet.types import Origin, Purpose

if TYPE_CHECKING:
    from poet.archive.reader import Run


#: As an archive's frames have them; everything else is an object.
_DTYPES = {
    "iteration": "int64", "env_steps": "int64", "episodes": "int64", "niche_id": "Int64", "parent_id": "Int64",
    "source_id": "Int64", "target_id": "Int64", "candidate_id": "Int64", "version_id": "Int64", "id": "int64",
    "transfer_id": "int64", "score": "float64", "novelty": "float64", "threshold": "float64", "own_return": "float64",
}  # fmt: skip


class HandmadeRun:
    """What ``open_run`` returns, from a list of events.

    Args:
        events: of the whole run, in any order.
        config: of the run.
        iteration: iterations done; None for the last one of an event.
    """

    def __init__(self, events: Sequence[Event], config: Config | None = None, iteration: int | None = None) -> None:
        self.folder, self.parent = Path("handmade"), None
        self.config = config or Config()
        self.iteration = max(event.iteration for event in events) if iteration is None else iteration
        for kind, table in EVENT_TABLES.items():
            columns = [field.name for field in fields(kind) if field.name != "terrain"]
            rows = [[getattr(e, name) for name in columns] for e in events if isinstance(e, kind)]
            frame = pd.DataFrame(rows, columns=columns, dtype="object")
            setattr(self, table, frame.astype({name: _DTYPES.get(name, "object") for name in columns}))
        self.iterations = pd.DataFrame({"iteration": range(self.iteration + 1), "seconds": 0.5})
        self._terrains = {e.niche_id: e.terrain for e in events if isinstance(e, NicheAdmitted)}
        self._versions = [e for e in events if isinstance(e, AgentVersion)]

    def terrain(self, niche_id: int) -> Terrain:
        """The niche's own instance."""
        return self._terrains[niche_id]

    def agent(self, id: int, iteration: int | None = None) -> StoredAgent:
        """The niche's last version by then; its theta is made of the version's id."""
        last = self.iteration if iteration is None else iteration
        version = [v for v in self._versions if v.niche_id == id and v.iteration <= last][-1]
        stream = Stream(version.id, "theta")
        theta = np.array([stream.uniform(-0.3, 0.3) for _ in range(MLPPolicy().num_parameters)], np.float32)
        return StoredAgent(version, theta)

    @property
    def tables(self) -> RunTables:
        """What the analysis reads of it."""
        return read_tables(cast("Run", self))


def admitted(niche_id: int, iteration: int, parent_id: int | None, score: float, **genes: Any) -> NicheAdmitted:
    """A niche; its candidate and first version have its own id."""
    genotype = ObstacleGenotype(**genes)
    return NicheAdmitted(
        niche_id=niche_id,
        iteration=iteration,
        parent_id=parent_id,
        candidate_id=None if parent_id is None else niche_id,
        genotype=genotype.to_json(),
        terrain_seed=niche_id,
        terrain=genotype.express(niche_id),
        score=score,
        novelty=None if parent_id is None else 1.0 + niche_id,
        version_id=niche_id,
    )


def version(
    version_id: int,
    niche_id: int,
    iteration: int,
    score: float,
    origin: Origin = Origin.ES,
    source_id: int | None = None,
    parent_id: int | None = None,
) -> AgentVersion:
    return AgentVersion(
        id=version_id,
        niche_id=niche_id,
        iteration=iteration,
        parent_id=parent_id,
        origin=origin,
        source_id=source_id,
        theta_digest=f"{version_id:064x}",
        score=score,
        own_return=score,
        own_length=1000,
        own_outcome=1,
    )


@dataclass
class _SimulatedNiche:
    id: int
    genotype: ObstacleGenotype
    difficulty: float
    skill: float
    score: float = 0.0
    version_id: int = 0
    is_solved: bool = False


class _Simulation:
    """A caricature of POET: agents grow skill, hard terrains need more of it, good agents move."""

    def __init__(self, seed: int, config: Config) -> None:
        self.seed, self.config = seed, config
        self.events: list[Event] = []
        self.active: list[_SimulatedNiche] = []
        self.stream = Stream(seed, "simulation")
        self.num_niches = self.num_versions = self.num_candidates = self.num_transfers = 0

    def admit(
        self,
        iteration: int,
        parent: _SimulatedNiche | None,
        genotype: ObstacleGenotype,
        skill: float,
        origin: Origin,
        source: _SimulatedNiche | None,
    ) -> None:
        niche = _SimulatedNiche(self.num_niches, genotype, _difficulty(genotype), skill)
        self.num_niches += 1
        self.active.append(niche)
        self.move(iteration, niche, origin, source)
        self.events.append(
            NicheAdmitted(
                niche.id, iteration, None if parent is None else parent.id, None if parent is None else self.num_candidates,
                genotype.to_json(), niche.id, genotype.express(niche.id), niche.score, None if parent is None else 1.0,
                niche.version_id,
            )
        )  # fmt: skip

    def move(self, iteration: int, niche: _SimulatedNiche, origin: Origin, source: _SimulatedNiche | None) -> None:
        """A new version with the score that its skill gives."""
        noise = self.stream.uniform(-8.0, 8.0)
        niche.score = _score(niche.skill, niche.difficulty) + noise
        self.events.append(
            version(
                self.num_versions,
                niche.id,
                iteration,
                niche.score,
                origin,
                None if source is None else source.id,
                niche.version_id,
            )
        )
        niche.version_id = self.num_versions
        self.num_versions += 1
        if niche.score >= 230.0 and not niche.is_solved:
            niche.is_solved = True
            self.events.append(NicheSolved(niche.id, iteration, niche.id, Purpose.SELF_EVAL, niche.score))

    def reproduce(self, iteration: int) -> None:
        parents = [niche for niche in self.active if niche.score >= self.config.poet.reproduction_threshold]
        num_admitted = 0
        for _ in range(self.config.poet.max_children if parents else 0):
            parent = self.stream.choice(parents)
            child = parent.genotype.mutate(self.stream, TerrainSettings())
            score = _score(parent.skill, _difficulty(child))
            outcome = CandidateOutcome.ADMITTED
            if score < 50.0:
                outcome = CandidateOutcome.TOO_HARD
            elif score > 300.0:
                outcome = CandidateOutcome.TOO_EASY
            elif num_admitted == self.config.poet.max_admitted:
                outcome = CandidateOutcome.NOT_REACHED
            is_in = outcome is CandidateOutcome.ADMITTED
            self.events.append(
                CandidateJudged(self.num_candidates, iteration, parent.id, child.to_json(), 0, score, 1.0 if is_in else None,
                                score if is_in else None, outcome, self.num_niches if is_in else None)
            )  # fmt: skip
            if is_in:
                num_admitted += 1
                source = max(self.active, key=lambda n: n.skill) if self.stream.uniform() < 0.4 else parent
                self.admit(iteration, parent, child, source.skill, Origin.ADMISSION_DIRECT, source)
            self.num_candidates += 1
        while len(self.active) > self.config.poet.max_active:
            gone = self.active.pop(0)
            self.events.append(NicheRetired(gone.id, iteration, gone.version_id, gone.score))

    def transfer(self, iteration: int) -> None:
        for target in list(self.active):
            sources = [niche for niche in self.active if niche is not target]
            if not sources:
                continue
            scored = [_score(s.skill, target.difficulty) + self.stream.uniform(-70.0, 10.0) for s in sources]
            best = max(range(len(sources)), key=scored.__getitem__)
            origin = Origin.PROPOSAL if self.stream.uniform() < 0.6 else Origin.DIRECT
            is_better = scored[best] > target.score
            threshold = target.score
            if is_better:
                target.skill = max(target.skill, 0.97 * sources[best].skill)
                self.move(iteration, target, origin, sources[best])
            self.events.append(
                TransferAttempted(
                    self.num_transfers, iteration, target.id, None, threshold,
                    TransferOutcome.ACCEPTED if is_better else TransferOutcome.NOT_BETTER, sources[best].id, origin,
                    scored[best], target.version_id if is_better else None,
                )
            )  # fmt: skip
            self.events += [
                SourceScored(self.num_transfers, s.id, iteration, x, x) for s, x in zip(sources, scored, strict=True)
            ]
            self.num_transfers += 1
            self.events.append(Cost(iteration, target.id, Purpose.TRANSFER_DIRECT, 700 * len(sources), len(sources)))
            self.events.append(
                Cost(iteration, target.id, Purpose.TRANSFER_PROPOSAL, 9000 * len(sources), 13 * len(sources))
            )

    def optimise(self, iteration: int) -> None:
        for niche in self.active:
            niche.skill += self.stream.uniform(-0.002, 0.016) * (
                1.0 - min(1.0, max(0.0, niche.skill - niche.difficulty) / 0.6)
            )
            self.move(iteration, niche, Origin.ES, None)
            self.events.append(Cost(iteration, niche.id, Purpose.ES, 20_000 + 200 * niche.id, 32))
            self.events.append(Cost(iteration, niche.id, Purpose.SELF_EVAL, 700, 1))


def simulated_run(
    seed: int = 0,
    iterations: int = 400,
    reproduction_interval: int = 25,
    transfer_interval: int = 10,
    max_active: int = 8,
    **sections: dict[str, Any],
) -> HandmadeRun:
    """A run of any size that looks like one of POET; the same for the same arguments."""
    config = Config.model_validate(
        {
            "run": {"seed": seed, "iterations": iterations},
            "poet": {"max_active": max_active, "reproduction_interval": reproduction_interval},
            "transfer": {"interval": transfer_interval},
        }
        | sections
    )
    simulation = _Simulation(seed, config)
    simulation.admit(0, None, ObstacleGenotype(), 0.1, Origin.INITIAL, None)
    simulation.events.append(Cost(0, 0, Purpose.SELF_EVAL, 300, 1))
    for iteration in range(1, iterations + 1):
        if iteration % reproduction_interval == 0:
            simulation.reproduce(iteration)
        simulation.optimise(iteration)
        if config.transfer.periodic and iteration % config.transfer.interval == 0:
            simulation.transfer(iteration)
    return HandmadeRun(simulation.events, config, iterations)


def _difficulty(genotype: ObstacleGenotype) -> float:
    pit = (genotype.pit_gap or (0.0, 0.0))[1]
    stump = (genotype.stump_height or (0.0, 0.0))[1]
    return 1.6 * genotype.roughness / 4.5 + 2.0 * pit / 6.0 + 1.4 * stump / 2.4


def _score(skill: float, difficulty: float) -> float:
    """From -100 for an agent far too weak to 340 for one far more skilled than it takes."""
    margin = skill - difficulty
    return -100.0 + 440.0 / (1.0 + 2.718281828 ** (-4.0 * margin - 0.2))
