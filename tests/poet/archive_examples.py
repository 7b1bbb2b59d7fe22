"""A toy POET for archive tests: every kind of event within six iterations, no physics, state in and state out.

An iteration is computed from the state alone, so that a resumed or forked toy run goes on as the original did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.strategies.openai_es import OpenAIES, OpenAIESState
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from poet.archive.checkpoint import encode_state
from poet.archive.grown import grown_names
from poet.archive.journal import RunArchive, create_run
from poet.archive.reader import Run, open_run
from poet.archive.records import SessionInfo
from poet.archive.retired import retired_digest
from poet.config import Config, make_config
from poet.criterion import Judgement
from poet.events import (
    AgentVersion,
    CandidateJudged,
    CandidateOutcome,
    Cost,
    Event,
    GenerationDone,
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
from poet.types import (
    Evaluation,
    Niche,
    Origin,
    PoetState,
    Purpose,
    RetiredNiche,
    RunState,
    SuccessRates,
    theta_digest,
)

SESSION = SessionInfo("toy-host", {"python": "3.11"}, "box2d", "local", 1, "abc123")
CONFIG = make_config({"checkpoint": {"keep_every": 4, "theta_every": 3}})
STRATEGY = OpenAIES()

Theta = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Step:
    """What one toy iteration passes to ``RunArchive.append``."""

    state: PoetState
    events: tuple[Event, ...]


def toy_terrain(niche_id: int) -> Terrain:
    """A flat course with one obstacle, which differs between niches."""
    box = [(1.0, 0.0), (1.5, 0.0), (1.5, 0.1 * (niche_id + 1)), (1.0, 0.1 * (niche_id + 1))]
    return Terrain(np.array([(0, 0), (1, 0), (3, 0.1)], np.float32), (np.array(box, np.float32),), push=0.3)


def toy_start() -> Step:
    """Iteration 0: the root niche."""
    theta = np.linspace(-0.1, 0.1, 6, dtype=np.float32)
    evaluation = _evaluate(theta, 0)
    state, version = _new_version(PoetState(0, ()), 0, 0, theta, evaluation, Origin.INITIAL)
    root = _niche(0, None, 0, theta, evaluation, version)
    events = (_admitted(root, None, version), version, Cost(0, 0, Purpose.SELF_EVAL, 7, 1))
    return Step(replace(state, active=(root,), next_niche_id=1, env_steps=7, episodes=1), events)


def toy_iteration(state: PoetState, rate: float = 0.1) -> Step:
    """The next iteration: a generation in each niche, and in every second iteration a candidate and a transfer."""
    iteration = state.iteration + 1
    state, events = _admit(state, iteration) if iteration % 2 == 0 else (state, [])
    for niche in state.active:
        state, happened = _optimise(state, niche, iteration, rate)
        events += happened
    if iteration % 2 == 0:
        state, happened = _transfer(state, iteration)
        events += happened
    return Step(replace(state, iteration=iteration), tuple(events))


def toy_steps(num_iterations: int) -> list[Step]:
    """A run from its start, iteration 0 included."""
    steps = [toy_start()]
    while len(steps) <= num_iterations:
        steps.append(toy_iteration(steps[-1].state))
    return steps


def record(archive: RunArchive, *steps: Step) -> None:
    """Append toy iterations."""
    for step in steps:
        archive.append(step.state, step.events, seconds=0.25)


def toy_run(folder: Path, num_iterations: int, config: Config = CONFIG) -> Path:
    """A recorded toy run in a new folder."""
    with create_run(folder, config, session=SESSION) as archive:
        record(archive, *toy_steps(num_iterations))
    return folder


def load(run: Run, iteration: int | None = None) -> PoetState:
    """A kept state of a toy run."""
    return run.load_state(iteration, state_type=PoetState, optimiser_type=OpenAIESState, genotype_type=ObstacleGenotype)


def go_on(folder: Path, num_iterations: int, rate: float = 0.1) -> None:
    """Resume a toy run for some iterations."""
    with RunArchive.open(folder, session=SESSION) as archive, open_run(folder) as run:
        state = load(run)
        for _ in range(num_iterations):
            step = toy_iteration(state, rate)
            record(archive, step)
            state = step.state


def recorded(state: RunState) -> list[dict[str, Any]]:
    """What an archive's record says of a state's retired niches."""
    niches = sorted(state.retired, key=lambda niche: (niche.retired, niche.id))
    found = [{**vars(n), "genotype": n.genotype.to_json(), "theta": theta_digest(n.theta)} for n in niches]
    for values in found:
        drawn = values.pop("drawn")
        if values["parent_id"] is None:
            values["drawn"] = (drawn or toy_terrain(values["id"])).to_json()
    return found


def encoded(state: RunState) -> bytes:
    """A state as bytes, stored beside its record."""
    return encode_state(state, retired_digest(recorded(state)), dict.fromkeys(grown_names(type(state)), ""))


def plain(value: Any) -> Any:
    """Any state or record as nested tuples that compare by content, arrays with their dtype and bits."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, tuple | list):
        return tuple(plain(v) for v in value)
    if hasattr(value, "__dataclass_fields__"):
        return (type(value), *(plain(getattr(value, name)) for name in value.__dataclass_fields__))
    return value


def _evaluate(theta: Theta, niche_id: int) -> Evaluation:
    score = 100.0 * math.fsum(theta.tolist()) + niche_id
    return Evaluation(score if niche_id != 1 else -math.inf, score, 20 + niche_id, 2)


def _new_version(
    state: PoetState, iteration: int, niche_id: int, theta: Theta, evaluation: Evaluation, origin: Origin,
    parent_id: int | None = None, source_id: int | None = None,
) -> tuple[PoetState, AgentVersion]:  # fmt: skip
    version = AgentVersion(
        state.next_version_id, niche_id, iteration, parent_id, origin, source_id, theta_digest(theta),
        evaluation.score, evaluation.own_return, evaluation.own_length, evaluation.own_outcome, theta,
    )  # fmt: skip
    return replace(state, next_version_id=version.id + 1), version


def _niche(
    niche_id: int, parent_id: int | None, iteration: int, theta: Theta, evaluation: Evaluation, version: AgentVersion
) -> Niche:
    genotype = ObstacleGenotype(roughness=0.1 * niche_id, pit_gap=(0.0, 0.8) if niche_id else None)
    return Niche(
        niche_id, genotype, 1000 + niche_id, parent_id, iteration, STRATEGY.initial_state(theta[None]), version.id,
        evaluation,
    )  # fmt: skip


def _admitted(niche: Niche, candidate_id: int | None, version: AgentVersion) -> NicheAdmitted:
    return NicheAdmitted(
        niche.id, niche.created, niche.parent_id, candidate_id, niche.genotype.to_json(), niche.terrain_seed,
        toy_terrain(niche.id), version.score, None if candidate_id is None else 0.5, version.id,
    )  # fmt: skip


def _scores(num_retired: int, num_niches: int) -> NDArray[np.float64]:
    """The scores of retired agents in niches: one diverged there, others were not run."""
    scores = np.linspace(-0.1, 0.1, num_retired * num_niches).reshape(num_retired, num_niches)
    scores[:, 0] = -math.inf
    scores[:, -1] = math.nan
    return scores


def _judged(niche_id: int, iteration: int, num_retired: int) -> NicheJudged:
    """Every second niche is too easy for the retired agents, and every fourth one for all agents."""
    easy = [Judgement.ADMISSIBLE, Judgement.TOO_EASY]
    retired = (None, None) if num_retired == 0 else (200.5 + 100.0 * (niche_id % 2), easy[niche_id % 2])
    return NicheJudged(niche_id, iteration, niche_id, num_retired, 250.25, easy[niche_id % 4 == 3], *retired)


def _validated(niche: Niche, iteration: int) -> list[NicheValidated]:
    """A first agent that succeeds in one of four pushes, and on two of four seeds."""
    return [
        NicheValidated(niche.id, iteration, niche.version_id, which, Occasion.ADMISSION, 4, num, 100.5, 50.25,
                       niche.theta)
        for num, which in enumerate(ValidationSet, start=1)
    ]  # fmt: skip


def _admit(state: PoetState, iteration: int) -> tuple[PoetState, list[Event]]:
    """One duplicate and one candidate that is admitted by a proposal; the oldest retires beyond two."""
    parent, niche_id, candidate_id = state.active[-1], state.next_niche_id, state.next_candidate_id
    theta = parent.theta + np.float32(0.01)
    evaluation = _evaluate(theta, niche_id)
    state, version = _new_version(
        state, iteration, niche_id, theta, evaluation, Origin.ADMISSION_PROPOSAL, parent.version_id, parent.id
    )
    niche = _niche(niche_id, parent.id, iteration, theta, evaluation, version)
    genotype, transfer_id = niche.genotype.to_json(), state.next_transfer_id
    events: list[Event] = [
        CandidateJudged(
            candidate_id, iteration, parent.id, genotype, 5, None, None, None, CandidateOutcome.DUPLICATE, None
        ),
        CandidateJudged(
            candidate_id + 1, iteration, parent.id, genotype, niche.terrain_seed, 60.0, 0.5, evaluation.score,
            CandidateOutcome.ADMITTED, niche_id,
        ),
        TransferAttempted(
            transfer_id, iteration, niche_id, candidate_id + 1, None, TransferOutcome.ACCEPTED, parent.id,
            version.origin, evaluation.score, version.id,
        ),
        SourceScored(transfer_id, parent.id, iteration, -math.inf, evaluation.score),
        _admitted(niche, candidate_id + 1, version),
        version,
        _judged(niche_id, iteration, len(state.retired)),
        NicheSolved(
            niche_id, iteration, parent.id, parent.version_id, Origin.PROPOSAL, Purpose.CANDIDATE_TRANSFER, 240.0,
            theta_digest(theta), theta,
        ),
        *_validated(niche, iteration),
        Cost(iteration, parent.id, Purpose.CANDIDATE_TRANSFER, 11, 2),
    ]  # fmt: skip
    success = SuccessRates(niche.version_id, 0.25, 0.5)
    *leaving, first, second = (*state.active, replace(niche, is_solved=True, success=success))
    retired = tuple(
        RetiredNiche(n.id, n.genotype, n.terrain_seed, n.parent_id, n.created, n.is_solved, iteration, n.version_id,
                     n.theta.copy(), n.drawn)
        for n in leaving
    )  # fmt: skip
    events += [NicheRetired(n.id, iteration, n.version_id, n.evaluation.score) for n in leaving]
    state = replace(
        state,
        active=(first, second),
        retired=(*state.retired, *retired),
        retired_scores=_scores(len(state.retired) + len(retired), niche_id + 1),
        scored_steps=2000,
        next_niche_id=niche_id + 1,
        next_candidate_id=candidate_id + 2,
        next_transfer_id=transfer_id + 1,
        env_steps=state.env_steps + 11,
        episodes=state.episodes + 2,
    )
    return state, events


def _optimise(state: PoetState, niche: Niche, iteration: int, rate: float) -> tuple[PoetState, list[Event]]:
    theta = (niche.theta + np.float32(rate) * np.cos(np.float32(iteration))).astype(np.float32)
    evaluation = _evaluate(theta, niche.id)
    state, version = _new_version(state, iteration, niche.id, theta, evaluation, Origin.ES, niche.version_id)
    old = niche.optimiser
    if not isinstance(old, OpenAIESState):
        raise TypeError(f"a toy niche has OpenAI-ES, found {type(old)}")
    optimiser = replace(old, centre=theta[None], beta1_power=old.beta1_power * 0.9, first_moment=old.first_moment + 1)
    moved = replace(
        niche,
        optimiser=optimiser,
        version_id=version.id,
        evaluation=evaluation,
        recent_scores=(*niche.recent_scores, evaluation.score)[-5:],
    )
    done = GenerationDone(
        iteration, niche.id, version.id, 1.5, 1.0, 0.1, -math.inf, 3.0, 18.5, 1, 0.1, 0.01, 2.0, rate, evaluation.score
    )
    state = replace(
        state,
        active=tuple(moved if n.id == niche.id else n for n in state.active),
        env_steps=state.env_steps + 100,
        episodes=state.episodes + 4,
    )
    return state, [version, done, Cost(iteration, niche.id, Purpose.ES, 100, 4)]


def _transfer(state: PoetState, iteration: int) -> tuple[PoetState, list[Event]]:
    """The newest agent replaces the oldest; nothing is tried the other way round."""
    first, *_, last = state.active
    evaluation = _evaluate(last.theta, first.id)
    transfer_id = state.next_transfer_id
    state, version = _new_version(
        state, iteration, first.id, last.theta, evaluation, Origin.DIRECT, last.version_id, last.id
    )
    events: list[Event] = [
        TransferAttempted(
            transfer_id, iteration, first.id, None, 1.0, TransferOutcome.ACCEPTED, last.id, Origin.DIRECT,
            evaluation.score, version.id,
        ),
        SourceScored(transfer_id, last.id, iteration, evaluation.score, None),
        version,
        TransferAttempted(
            transfer_id + 1, iteration, last.id, None, 2.0, TransferOutcome.NOT_BETTER, None, None, None, None
        ),
    ]  # fmt: skip
    moved = replace(
        first, optimiser=STRATEGY.initial_state(last.theta[None]), version_id=version.id, evaluation=evaluation
    )
    return replace(state, active=(moved, last), next_transfer_id=transfer_id + 2), events
