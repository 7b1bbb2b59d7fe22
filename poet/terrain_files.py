"""Terrain files: a terrain as JSON, whoever made it, and what somebody says that an agent does on it.

A file is a JSON object with the keys of ``Terrain.to_json``: ``ground``, ``obstacles`` and ``push``. Two things may
follow:

- ``genotype``, as JSON, with ``terrain_seed``: what made the terrain. Without it, the terrain is drawn.
- ``walk``: ``version`` and ``niche_id`` of an agent, ``max_steps`` of its episode, and what came of it: ``return``,
  ``length`` and ``outcome`` (``finished``, ``fell``, ``timeout`` or ``diverged``).

Files come from anywhere, so nothing in them is believed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from environments.biped import MAX_STEPS
from environments.errors import InputError, nearest
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome

#: The most that a file may have: bytes, vertices of the ground, obstacles, and metres from the origin. Our grounds have
#: 200 vertices within 94 m.
MAX_BYTES, MAX_VERTICES, MAX_OBSTACLES, MAX_METRES = 4 * 2**20, 10_000, 1_000, 10_000.0
#: The most newtons of a push. Ours are 5 at most.
MAX_PUSH = 1_000.0

_TERRAIN_KEYS = ("ground", "obstacles", "push")
_KEYS = (*_TERRAIN_KEYS, "genotype", "terrain_seed", "walk")
_KINDS: dict[type, str] = {list: "list", dict: "object"}
_MOST_ID = 2**63 - 1
_WALK_KEYS = ("version", "niche_id", "max_steps", "return", "length", "outcome")


@dataclass(frozen=True)
class ClaimedWalk:
    """What a file says that an agent of some run does on its terrain.

    Attributes:
        version_id: the agent's version in its run.
        niche_id: whose agent it is.
        max_steps: control steps after which the episode is TIMEOUT.
        own_return, length, outcome: of the episode.
    """

    version_id: int
    niche_id: int
    max_steps: int
    own_return: float
    length: int
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class TerrainFile:
    """What is in a terrain file.

    Attributes:
        terrain: the terrain.
        genotype: of what encoding ever, as JSON values; None for a drawn terrain.
        terrain_seed: with which the genotype makes the terrain; None if the file does not say.
        walk: None if the file says nothing of an agent.
    """

    terrain: Terrain
    genotype: dict[str, Any] | None = None
    terrain_seed: int | None = None
    walk: ClaimedWalk | None = None

    def start_json(self) -> dict[str, Any]:
        """What of it a run may start on: all but the walk, from which ``parse_terrain`` makes the same."""
        made_by = {"genotype": self.genotype, "terrain_seed": self.terrain_seed}
        return self.terrain.to_json() | {name: value for name, value in made_by.items() if value is not None}


def read_terrain_file(path: str | PathLike[str]) -> TerrainFile:
    """Read a terrain file.

    Raises:
        InputError: there is no such file, it is too large, or it is no terrain file.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError for a zero byte in the name
        raise InputError(f"a terrain file must be readable, but {str(path)!r:.200} is not: {error!s:.200}") from None
    try:
        if len(data) > MAX_BYTES:
            raise InputError(f"it has more than {MAX_BYTES:,} bytes: is it the right file?")
        return parse_terrain(load_json(data))
    except InputError as error:
        raise InputError(f"the terrain file {str(path)!r:.200}: {error}") from None


def load_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        InputError: it is none, has NaN or infinity in it, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise InputError("its brackets are nested too deeply") from None
    except ValueError as error:  # also for text that is not UTF-8, and for numbers with thousands of digits
        raise InputError(f"it is no JSON ({error!s:.100})") from None


def parse_terrain(value: Any) -> TerrainFile:
    """What the JSON value of a terrain file says.

    Raises:
        InputError: a key is missing or unknown, or a value is bad or out of range.
    """
    if not isinstance(value, dict):
        raise InputError(f"it must be a JSON object with the keys {', '.join(_KEYS)}, found {type(value).__name__}")
    for key in value:
        if key not in _KEYS:
            raise InputError(f"it has the key {key!r:.60}, which no terrain has; {nearest(key[:60], _KEYS)}")
    if missing := [key for key in _TERRAIN_KEYS if key not in value]:
        raise InputError(f"it lacks the key {missing[0]!r}: a terrain has {', '.join(_TERRAIN_KEYS)}")
    genotype, seed, walk = (value.get(key) for key in ("genotype", "terrain_seed", "walk"))
    if genotype is not None and not isinstance(genotype, dict):
        raise InputError(f"genotype must be a JSON object, found {genotype!r:.60}")
    if seed is not None:
        if genotype is None:
            raise InputError("it has a terrain_seed but no genotype, which would make a terrain of it: leave it out")
        seed = _whole("terrain_seed", seed, 0, _MOST_ID)
    return TerrainFile(_terrain(value), genotype, seed, None if walk is None else _walk(walk))


def _terrain(value: dict[str, Any]) -> Terrain:
    obstacles = value["obstacles"]
    if not isinstance(obstacles, list) or len(obstacles) > MAX_OBSTACLES:
        raise InputError(f"obstacles must be a list of at most {MAX_OBSTACLES:,} polygons, found {_length(obstacles)}")
    _check_points("ground", value["ground"], MAX_VERTICES)
    for i, polygon in enumerate(obstacles):
        _check_points(f"obstacle {i}", polygon, MAX_VERTICES)
    push = _number("push", value["push"], MAX_PUSH, "newtons")
    return Terrain.from_json({"ground": value["ground"], "obstacles": obstacles, "push": push})


def _check_points(what: str, points: Any, most: int) -> None:
    """What NumPy would read as numbers, such as texts, is refused here; ``Terrain`` checks the rest."""
    if not isinstance(points, list) or len(points) > most:
        raise InputError(f"{what} must be a list of at most {most:,} points [x, y], found {_length(points)}")
    for i, point in enumerate(points):
        if not isinstance(point, list) or len(point) != 2:
            raise InputError(f"point {i} of {what} must be [x, y], found {_shown(point)}")
        for number in point:
            _number(f"point {i} of {what}", number, MAX_METRES, "metres")


def _number(what: str, value: Any, most: float, unit: str) -> float:
    if type(value) not in (int, float) or not -most <= value <= most:
        raise InputError(f"{what} must be of numbers from {-most:,.0f} to {most:,.0f} {unit}, found {_shown(value)}")
    return float(value)


def _walk(value: Any) -> ClaimedWalk:
    if not isinstance(value, dict) or set(value) != {*_WALK_KEYS}:
        raise InputError(f"walk must be a JSON object with the keys {', '.join(_WALK_KEYS)}, found {_shown(value)}")
    version_id, niche_id = (_whole(f"{key} of walk", value[key], 0, _MOST_ID) for key in ("version", "niche_id"))
    max_steps, length = (_whole(f"{key} of walk", value[key], 1, MAX_STEPS) for key in ("max_steps", "length"))
    own_return, names = value["return"], [outcome.name.lower() for outcome in Outcome]
    if type(own_return) not in (int, float) or not math.isfinite(own_return):
        raise InputError(f"return of walk must be a finite number, found {_shown(own_return)}")
    if value["outcome"] not in names:
        raise InputError(f"outcome of walk must be one of {', '.join(names)}, found {_shown(value['outcome'])}")
    outcome = Outcome[value["outcome"].upper()]
    return ClaimedWalk(version_id, niche_id, max_steps, float(own_return), length, outcome)


def _whole(what: str, value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise InputError(f"{what} must be a whole number from {least} to {most}, found {_shown(value)}")
    return value


def _length(value: Any) -> str:
    return f"{len(value):,}" if isinstance(value, list) else _shown(value)


def _shown(value: Any) -> str:
    """A value in an error sentence. Lists and objects may be long."""
    return f"a JSON {_KINDS[type(value)]}" if type(value) in _KINDS else f"{value!r:.60}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
