"""``poet replay --verify``: every stored pair walks again, in new processes, and must do what the archive says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import experiments
from agents.policies.base import AbstractPolicy
from agents.rollouts import check_engine, prepare
from environments.errors import InputError, whole_number
from environments.machine import available_cores
from environments.signals import held
from experiments.replay import Progress
from poet.archive.reader import Run, open_run
from poet.events import AgentVersion

_COMPARED = ("own_return", "own_length", "own_outcome", "theta_digest")
_NUM_SHOWN = 10


@dataclass(frozen=True)
class Mismatch:
    """A pair that did not do what the archive says.

    Attributes:
        version: what the archive says.
        reason: how it differs, for people.
    """

    version: AgentVersion
    reason: str


@dataclass(frozen=True)
class VerifyReport:
    """The result of a verification.

    Attributes:
        folder: of the run.
        num_pairs: agent versions run again, each on its own niche's instance.
        mismatches: in the order of version ids.
    """

    folder: Path
    num_pairs: int
    mismatches: tuple[Mismatch, ...]

    @property
    def exit_status(self) -> int:
        """The exit code: 0 if every pair does what the archive says, else 1."""
        return int(bool(self.mismatches))

    def lines(self) -> list[str]:
        """The report for people: the count, and the first mismatches."""
        pairs = "1 stored pair" if self.num_pairs == 1 else f"{self.num_pairs} stored pairs"
        if not self.mismatches:
            return [
                f"{pairs} of {self.folder} run again: return, length and outcome are those of the archive, to the bit"
            ]
        shown = [
            f"niche {m.version.niche_id}, version {m.version.id} of iteration {m.version.iteration}: {m.reason}"
            for m in self.mismatches[:_NUM_SHOWN]
        ]
        num_more = len(self.mismatches) - len(shown)
        more = [f"and {num_more} more"] if num_more else []
        return [f"{len(self.mismatches)} of {pairs} of {self.folder} differ from the archive", *shown, *more]


def verify(
    run_path: str | os.PathLike[str],
    niche_id: int | None = None,
    agent_id: int | None = None,
    iteration: int | None = None,
    workers: int | None = None,
    progress: Progress = lambda num_done, num_pairs: None,
    engine: str = "box2d",
    prepare_engine: Callable[[str, AbstractPolicy], None] = prepare,
    trust: bool = False,
) -> VerifyReport:
    """Run stored agents again on the instances of their own niches and compare with the archive.

    The episodes run in separate interpreters that see nothing but the archive. Of the code that the user's config names
    only the policy is imported.

    Args:
        run_path: the run's folder.
        niche_id, agent_id: only this niche's agent; None for those of all niches.
        iteration: of each agent only the latest version stored at or before it; None for all versions.
        workers: processes; None for one per core.
        progress: told how many pairs are done.
        engine: ``"box2d"``: the Gymnasium env ``BipedalTerrain-v0``, step by step; or another of
            ``agents.rollouts.load_engine``.
        prepare_engine: compiles what the engine of that name needs for a policy, before the processes start.
        trust: whether a policy that the run names as ``package.module:Name`` may be imported.

    Raises:
        InputError: no such engine, niche or version, or an agent on another's terrain.
        RuntimeError: a process died.
    """
    check_engine(engine)
    niche_id, agent_id, iteration = (
        None if i is None else whole_number("an id or iteration", i) for i in (niche_id, agent_id, iteration)
    )
    workers = None if workers is None else whole_number("workers", workers, 1)
    with open_run(run_path, trust) as run:
        versions = {version.id: version for version in _chosen(run, niche_id, agent_id, iteration)}
        policy = run.policy
    mismatches = []
    num_done = 0
    prepare_engine(engine, policy)
    for found in _run_again(Path(run_path), engine, trust, list(versions), workers or available_cores()):
        version = versions[found["version_id"]]
        if reason := _difference(version, found):
            mismatches.append(Mismatch(version, reason))
        num_done += 1
        progress(num_done, len(versions))
    if num_done != len(versions):
        raise RuntimeError(
            f"a process of --verify died: it ran {num_done} of {len(versions)} pairs; see its error above"
        )
    return VerifyReport(Path(run_path), num_done, tuple(sorted(mismatches, key=lambda m: m.version.id)))


def _chosen(run: Run, niche_id: int | None, agent_id: int | None, iteration: int | None) -> list[AgentVersion]:
    if None not in (niche_id, agent_id) and niche_id != agent_id:
        raise InputError(
            f"--verify compares with the archive, which has no episode of agent {agent_id} on niche {niche_id}: leave "
            "one of the two out"
        )
    wanted = agent_id if niche_id is None else niche_id
    if wanted is not None and iteration is not None:
        return [run.agent(wanted, iteration).version]
    if wanted is not None:
        run.agent(wanted)  # raises if there is none
    versions = [agent.version for agent in run.stored_agents() if wanted in (None, agent.version.niche_id)]
    if iteration is not None:
        by_time = sorted((v for v in versions if v.iteration <= iteration), key=lambda v: (v.iteration, v.id))
        versions = list({version.niche_id: version for version in by_time}.values())
    if not versions:
        raise InputError(f"the run {run.folder} has no stored agent yet: let it run for an iteration")
    return versions


def _run_again(folder: Path, engine: str, trust: bool, ids: list[int], workers: int) -> Iterator[dict[str, Any]]:
    """What the pairs do now, in any order; fewer than asked for if a process dies."""
    source = str(Path(experiments.__file__).parents[1])
    # A trusted policy, or an engine that the caller names, is found wherever this process finds it.
    is_theirs = trust or ":" in engine
    others = [str(Path(folder).absolute()) for folder in sys.path] if is_theirs else [os.environ.get("PYTHONPATH")]
    path = os.pathsep.join([source, *filter(None, others)])
    environment = os.environ | {"PYTHONPATH": path}
    # -P: a folder of the user's with the name of one of our packages must not be taken for it.
    command = [sys.executable, "-P", "-m", "experiments.replay.verify_worker", str(folder.resolve()), engine]
    command += ["trusted"] if trust else []
    reading, writing = os.pipe()
    with ExitStack() as stack, os.fdopen(reading, encoding="utf-8") as lines:
        with os.fdopen(writing, "w") as results:
            for i in range(min(workers, len(ids))):
                with held():  # its own session gets no Ctrl-C, so a process that starts must be one that we end
                    process = subprocess.Popen(
                        command, stdin=subprocess.PIPE, stdout=results, env=environment, text=True,
                        start_new_session=True,
                    )  # fmt: skip
                    stack.enter_context(process)
                    stack.callback(process.kill)
                with suppress(BrokenPipeError), cast(IO[str], process.stdin) as names:
                    names.write(" ".join(map(str, ids[i::workers])))
        for line in lines:
            yield json.loads(line)


def _difference(version: AgentVersion, found: dict[str, Any]) -> str:
    """How an episode differs from its record; empty if it does not."""
    if "error" in found:
        return str(found["error"])
    return ", ".join(
        f"{name} is {found[name]!r}, archived {getattr(version, name)!r}"
        for name in _COMPARED
        if found[name] != getattr(version, name)
    )
