"""The file that ``trainer.source`` names: terrains of some run's archive, and frozen agents that judge them.

It is JSON, made by ``poet control paced`` or ``poet meta``, and read once, at the start of a run; from then on the
run's state has the terrains, so the file may move or vanish. Its place is no part of a fingerprint. What is in it is,
since the start of the run records it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.errors import InputError, whole_number
from poet.levels import Level, genotype_of, make_level
from poet.parts import Parts
from poet.scoring import FIRST_UNSEEN_SEED

#: Most bytes of a file, terrains, and agents. As many terrains are remembered in the form that engines use.
MAX_BYTES, MAX_TERRAINS, MAX_AGENTS = 16 * 2**20, 4096, 256
_KEYS = ("genotype", "policy", "terrains", "panel")


@dataclass(frozen=True, eq=False)
class Judge:
    """A frozen agent of the reference panel.

    Attributes:
        theta: (P,) float32, finite.
        own: the id of the terrain on which it was trained, which it does not judge; None for an agent from elsewhere.
    """

    theta: NDArray[np.float32]
    own: int | None = None


@dataclass(frozen=True, eq=False)
class Archived:
    """What a file has.

    Attributes:
        levels: the terrains, whose ids count from 0.
        panel: the agents that judge them; perhaps none.
    """

    levels: tuple[Level, ...]
    panel: tuple[Judge, ...]


def file_text(
    genotype: str, terrains: Sequence[tuple[dict[str, Any], int]], policy: dict[str, Any], panel: Sequence[Judge]
) -> str:
    """The file's text, the same for the same terrains and agents.

    Args:
        genotype: ``terrain.genotype`` of the run that the terrains come from.
        terrains: genotypes, as JSON values, with their terrain seeds.
        policy: the section ``[policy]`` of the config that the agents come from, as JSON values.
        panel: the agents; none where nobody judges.
    """
    value = {
        "genotype": genotype,
        "policy": policy,
        "terrains": [{"genotype": values, "terrain_seed": seed} for values, seed in terrains],
        "panel": [
            {"own": judge.own, "theta": base64.b64encode(judge.theta.astype("<f4").tobytes()).decode()}
            for judge in panel
        ],
    }
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n"


def read_archived(name: str, parts: Parts) -> Archived:
    """Read the file that ``trainer.source`` names.

    Args:
        name: its path.
        parts: of the run, whose genotype and policy the terrains and agents must have.

    Raises:
        InputError: none is named, there is no such file, it is too large, or it is not one of these.
    """
    if not name:
        raise InputError(
            f"the trainer {parts.config.run.trainer!r} trains on terrains of an archive: let poet control paced or "
            "poet meta make the run, or name a file that one of them made by --set trainer.source=FILE"
        )
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError for a zero byte in the name
        raise InputError(f"trainer.source must be a readable file, but {name!r:.200} is not: {error}") from None
    return parse_archived(data, name, parts)


def parse_archived(data: bytes, name: str, parts: Parts) -> Archived:
    """Read what is in a file, or in what shall become one.

    Args:
        data: its bytes.
        name: its path, for the error sentence.
        parts: as in ``read_archived``.

    Raises:
        InputError: it is too large, or no such file.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"trainer.source {name!r} has more than {MAX_BYTES:,} bytes: is it the right file?")
    try:
        return _archived(json.loads(data), parts)
    except (ValueError, TypeError, RecursionError) as error:  # InputError is a ValueError
        raise InputError(f"trainer.source {name!r} cannot be used: {error!s:.300}") from None


def _archived(value: Any, parts: Parts) -> Archived:
    if not isinstance(value, dict) or set(value) != {*_KEYS}:
        raise InputError(f"it must be an object of {', '.join(_KEYS)}")
    config = parts.config
    if value["genotype"] != config.terrain.genotype:
        raise InputError(
            f"its terrains are of the genotype {value['genotype']!r:.60}, but terrain.genotype is "
            f"{config.terrain.genotype!r}"
        )
    if value["policy"] != config.to_json()["policy"]:
        raise InputError("its agents have another policy than the run: set [policy] to theirs")
    levels = tuple(
        _level(i, item, parts) for i, item in enumerate(_items(value["terrains"], "terrains", 1, MAX_TERRAINS))
    )
    panel = tuple(_judge(item, len(levels), parts) for item in _items(value["panel"], "panel", 0, MAX_AGENTS))
    owners = {judge.own for judge in panel}
    if len(owners) == 1 and None not in owners:
        raise InputError(
            f"only its own agent could judge terrain {owners.pop()}: name agents of other terrains by --panel"
        )
    return Archived(levels, panel)


def _items(value: Any, what: str, least: int, most: int) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise InputError(f"its {what} must be a list of {least} to {most:,}")
    return value


def _level(level_id: int, item: Any, parts: Parts) -> Level:
    if not isinstance(item, dict) or set(item) != {"genotype", "terrain_seed"}:
        raise InputError(f"terrain {level_id} must have a genotype and a terrain_seed")
    seed = whole_number(f"the terrain_seed of terrain {level_id}", item["terrain_seed"], 0, FIRST_UNSEEN_SEED - 1)
    text = json.dumps(item["genotype"], allow_nan=False)
    return make_level(level_id, genotype_of(Level(level_id, None, text, seed), parts), seed)


def _judge(item: Any, num_levels: int, parts: Parts) -> Judge:
    if not isinstance(item, dict) or set(item) != {"own", "theta"}:
        raise InputError("each agent of its panel must have own and theta")
    own = None if item["own"] is None else whole_number("own of an agent", item["own"], 0, num_levels - 1)
    theta = np.frombuffer(base64.b64decode(item["theta"], validate=True), "<f4").astype(np.float32)
    parts.policy.check_theta(theta)
    return Judge(theta, own)
