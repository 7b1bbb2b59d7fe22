"""A paced curriculum over the terrains of a run: the settings of the control, and the file of terrains and agents.

The terrains are all that the run ever admitted, each with its own ground, but for drawn ones (``poet.roots``), which no
genotype makes. Agents that judge how easy they are do not
judge their own. Those of the run itself, which are the default, let the control know more of the run than its terrains;
a panel from other seeds does not.

Reference: Hacohen and Weinshall 2019; see ``poet.trainers.paced``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from environments.errors import InputError
from experiments.files import write_text
from experiments.settings import NO_END, for_trainer, resolve_config
from experiments.suites.agents import find_agents
from experiments.text import poet_command
from poet.archive.folder import is_free
from poet.archive.reader import Run
from poet.archived import MAX_BYTES, Judge, file_text, parse_archived
from poet.config import Config
from poet.parts import Parts
from poet.roots import drawn_roots
from poet.trainers import make_trainer
from poet.trainers.meta import AbstractMeta
from poet.trainers.paced import PacedCurriculum
from poet.types import theta_digest

#: How many agents of the run judge its terrains, if no others are named.
NUM_JUDGES = 8


def archived_config(
    run: Run, trainer: str, source: str, assignments: Sequence[str], seed: int | None, engine: str | None
) -> Config:
    """The settings of a run on another's terrains: those of the other, with another trainer, from its first walker.

    Args:
        run: whose terrains these are.
        trainer: the name of one that trains on the terrains of an archive.
        source: path of the file that will have them.
        assignments: ``key=value`` texts.
        seed: of the new run; None for the other's.
        engine: None for the other's.

    Raises:
        InputError: a key or value that does not exist.
    """
    flags: dict[str, Any] = {
        "run.trainer": trainer,
        "run.iterations": NO_END,
        "run.reject": [],
        "run.seed": seed,
        "trainer.source": source,
        "evaluation.engine": engine,
    }
    if int(run.niches["parent_id"].isna().sum()) > 1:  # its only niche is for the record, and has one terrain
        flags["run.start_terrain"] = ""
    return resolve_config(assignments=assignments, flags=flags, base=for_trainer(run.config, trainer))


def paced_config(
    run: Run, source: str, order: str | None, assignments: Sequence[str], seed: int | None, engine: str | None
) -> Config:
    """The settings of the control: those of the run, with another trainer.

    Args:
        run: whose terrains these are.
        source: path of the file that will have them.
        order: see ``poet.trainers.paced.ORDERS``; None for what the assignments say, or the trainer's own.
        assignments: ``key=value`` texts.
        seed: of the control; None for the run's.
        engine: None for the run's.

    Raises:
        InputError: a key or value that does not exist.
    """
    config = archived_config(run, "paced", source, assignments, seed, engine)
    if order is None:
        return config
    return resolve_config(flags={"trainer.settings": {**config.trainer.settings, "order": order}}, base=config)


def terrains_and_panel(run: Run, panel: Sequence[str], trust: bool) -> str:
    """The text of the file, see ``poet.archived``.

    Args:
        run: whose terrains these are.
        panel: agents as ``poet evaluate`` takes them; none for the last agents of ``NUM_JUDGES`` of the run's niches,
            which are equally far apart by id.
        trust: whether a policy that the run of an agent names may be imported.

    Raises:
        InputError: the run has no terrain yet, there is no such agent, or one has another policy than the run.
    """
    if run.niches.empty:
        raise InputError(f"{run.folder} has no terrain on disk yet: wait for its start")
    drawn = drawn_roots(run.config)
    niches = [niche for niche in run.niches.to_dict("records") if niche["niche_id"] not in drawn]
    if not niches:
        raise InputError(f"all terrains of {run.folder} are drawn, but a curriculum is paced over genotypes' terrains")
    terrains = [(niche["genotype"], niche["terrain_seed"]) for niche in niches]
    thetas = [run.agent(niche["niche_id"]).theta for niche in niches]
    if panel:
        own_of = {theta_digest(theta): i for i, theta in reversed([*enumerate(thetas)])}
        agents = find_agents(panel, trust=trust)
        for agent in agents:
            if agent.policy != run.policy:
                raise InputError(
                    f"{agent.name} is an agent of the policy {agent.policy.description}, but those of {run.folder} are "
                    f"of {run.policy.description}: name others by --panel"
                )
        judges = [Judge(agent.theta, own_of.get(theta_digest(agent.theta))) for agent in agents]
    else:
        places = np.unique(np.linspace(0, len(niches) - 1, NUM_JUDGES).round().astype(int)).tolist()
        judges = [Judge(thetas[i], i) for i in places]
    policy = run.config.to_json()["policy"]
    return file_text(run.config.terrain.genotype, terrains, policy, judges)


def check_source(source: Path, text: str, output: Path) -> None:
    """Check that a file can get a text, or has it already.

    Args:
        source: path of the file.
        text: see ``terrains_and_panel``.
        output: folder of the control, which may exist.

    Raises:
        InputError: the file has something else, or it is gone while the control's run exists.
    """
    present = None
    if source.is_file():
        with source.open("rb") as file:
            present = file.read(MAX_BYTES + 1)
    if not is_free(output) and present != text.encode():
        raise InputError(
            f"{source} does not have what {output} would begin with now, other terrains or agents: go on with that run "
            f"by {poet_command('resume', output)}, or name another --output"
        )
    if present not in (None, text.encode()):
        raise InputError(f"{source} exists, and has other terrains or agents: take it away, or name another --output")


def write_source(source: Path, text: str, parts: Parts) -> None:
    """Write the file, once it is known that the run can begin with it.

    Raises:
        InputError: it cannot.
    """
    cast(PacedCurriculum | AbstractMeta, make_trainer(parts.config)).check_parts(parts)
    parse_archived(text.encode(), str(source), parts)
    source.parent.mkdir(parents=True, exist_ok=True)
    write_text(source, text)
