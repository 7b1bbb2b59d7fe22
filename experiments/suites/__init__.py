"""Suites: fixed grounds on which agents of any origin are compared. One TOML file each; a run's niches are one, too.

A TOML file has ``about``, ``episodes`` (of each cell), ``first_seed``, and ``[[cells]]``. A cell has a ``name`` and
either ``terrain``, a genotype of Wang et al. 2019 as JSON has it, of which each seed is expressed, or ``gymnasium``,
one of the ids ``GYMNASIUM_IDS``, whose environment is reset with each seed. A number of a terrain may be
``{uniform = [low, high]}``: each episode then draws its own. With ``ground = SEED`` all episodes of a cell are on the
genotype's one ground of that seed, such as a niche's ``terrain_seed``, and each seed gives another push.

A terrain file (``poet.terrain_files``) is a suite of one cell: its ground under the same pushes as any such ``ground``.
Its own push is none of them.

No run trains or is validated under these pushes or, but for such a ``ground``, on these grounds: its seeds lie below
``FIRST_SEED``.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from environments.errors import COUNT, InputError, check_name, nearest, whole_number
from environments.streams import Stream
from environments.terrain.generation import push_from
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from poet.archive.reader import Run
from poet.terrain_files import read_terrain_file

#: Seeds from here on are those of suites. Training draws below 1,000,000, and validation counts from there.
FIRST_SEED = 2_000_000
#: Added to the seeds of a suite for the grounds on which ``poet compare`` chooses a run's agent.
SELECTION_OFFSET = 500_000
#: Pushes on each ground of a run's niches, and on that of a terrain file.
NUM_PUSHES = 100
#: What a cell's ``gymnasium`` may be. Gymnasium would import the module that another id names.
GYMNASIUM_IDS = ("BipedalWalker-v3", "BipedalWalkerHardcore-v3")

#: How the paths of files end; other names are those of shipped suites.
FILES = (".toml", ".json")

_FOLDER = Path(__file__).parent
_KEYS = {"about", "episodes", "first_seed", "cells"}
_CELL_KEYS = {"name", "terrain", "ground", "gymnasium", "first_seed"}


@dataclass(frozen=True, eq=False)
class Cell:
    """One row of a table: episodes of one kind.

    Attributes:
        name: what it is called.
        terrains: of its episodes, one each.
    """

    name: str
    terrains: tuple[Terrain, ...]


@dataclass(frozen=True, eq=False)
class Suite:
    """Grounds to compare agents on.

    Attributes:
        name: of the suite.
        about: a sentence or two.
        cells: its parts; their names differ.
    """

    name: str
    about: str
    cells: tuple[Cell, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the names and the content of all terrains, 64 hex digits."""
        found = hashlib.sha256()
        for cell in self.cells:
            found.update(f"{cell.name}\0{len(cell.terrains)}\0".encode())
            for terrain in cell.terrains:
                found.update(terrain.digest().encode())
        return found.hexdigest()


def suite_names() -> list[str]:
    """The suites that are shipped."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def suite_path(name: str) -> Path:
    """The file of a suite: a shipped one's name, or the path of a ``.toml`` file or of a terrain's ``.json`` file.

    Raises:
        InputError: there is no such file.
    """
    path = Path(name) if name.endswith(FILES) else _FOLDER / f"{name}.toml"
    if not path.is_file():
        raise InputError(
            f"{name!r} is no suite, .toml file, terrain's .json file or run; {nearest(name, suite_names())}"
        )
    return path


def load_suite(name: str, num_episodes: int | None = None, offset: int = 0) -> Suite:
    """A suite from its file.

    Args:
        name: see ``suite_path``.
        num_episodes: of each cell; None for as many as the file says, or ``NUM_PUSHES``. Fewer are the first of these.
        offset: added to all seeds, for other grounds of the same cells, such as those that an agent is chosen on.

    Raises:
        InputError: there is no such suite, or its file is wrong.
    """
    path = suite_path(name)
    if path.suffix == ".json":
        return _of_terrain(path, num_episodes or NUM_PUSHES, offset)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        return _suite(path.stem, data, num_episodes, offset)
    except (InputError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"suite {path}: {error}") from None
    except RecursionError:
        raise InputError(f"suite {path}: its brackets are nested too deeply") from None
    except (ValueError, OverflowError) as error:  # Python converts no number of so many digits
        raise InputError(f"suite {path}: a number in it is too large") from error


def suite_of_run(run: Run, name: str, num_episodes: int | None = None) -> Suite:
    """The own grounds of all niches that a run ever had, each under pushes that decided nothing in the run.

    Args:
        run: the run.
        name: what to call it.
        num_episodes: pushes on each ground; None for ``NUM_PUSHES``.

    Raises:
        InputError: the run has no iteration on disk yet.
    """
    if run.iteration is None:
        raise InputError(f"the run {name} has no iteration on disk yet, and so no ground")
    cells = []
    for niche_id in map(int, run.niches["niche_id"]):
        own, stream = run.terrain(niche_id), Stream(run.config.run.seed, "pushes of evaluate", niche_id)
        pushes = tuple(own.with_push(push_from(stream)) for _ in range(num_episodes or NUM_PUSHES))
        cells.append(Cell(f"niche {niche_id}", pushes))
    return Suite(name, f"the niches of {name} under pushes that decided nothing in it", tuple(cells))


def _of_terrain(path: Path, num_episodes: int, offset: int) -> Suite:
    own, first = read_terrain_file(path).terrain, FIRST_SEED + offset
    pushes = tuple(own.with_push(push) for push in _pushes(range(first, first + num_episodes)))
    return Suite(path.stem, f"the terrain of {path.name} under pushes", (Cell(path.stem, pushes),))


def _pushes(seeds: range) -> list[float]:
    """The pushes of a ground that all episodes share, N."""
    return [push_from(Stream(seed, "pushes of suites")) for seed in seeds]


def _suite(name: str, data: Mapping[str, Any], num_episodes: int | None, offset: int) -> Suite:
    _check_keys("a suite", data, _KEYS)
    cells = data.get("cells")
    if not isinstance(cells, list) or not cells or not all(isinstance(cell, dict) for cell in cells):
        raise InputError("it must have one or more [[cells]]")
    number = whole_number("episodes", num_episodes or data.get("episodes", 100), *COUNT)
    first = whole_number("first_seed", data.get("first_seed", FIRST_SEED), 0)
    names = [str(cell.get("name", "")) for cell in cells]
    if len(set(names)) < len(names) or "" in names:
        raise InputError("every cell must have a name of its own")
    found = tuple(_cell(name, cell, number, first, offset) for name, cell in zip(names, cells, strict=True))
    return Suite(name, str(data.get("about", "")), found)


def _cell(name: str, data: Mapping[str, Any], number: int, first: int, offset: int) -> Cell:
    _check_keys(f"the cell {name!r}", data, _CELL_KEYS)
    first = whole_number(f"first_seed of the cell {name!r}", data.get("first_seed", first), 0) + offset
    seeds = range(first, first + number)
    if ("terrain" in data) == ("gymnasium" in data):
        raise InputError(f"the cell {name!r} must have either a terrain or a gymnasium id")
    if "gymnasium" in data and "ground" in data:
        raise InputError(
            f"the cell {name!r} has a ground, which is for a terrain, not for a gymnasium id: leave it out"
        )
    if "gymnasium" in data:
        return Cell(name, _courses(str(data["gymnasium"]), seeds))
    grounds: Sequence[int] = seeds
    if "ground" in data:
        grounds = [whole_number(f"ground of the cell {name!r}", data["ground"], 0)] * number
    try:
        genotypes = [ObstacleGenotype.from_json(_drawn(data["terrain"], Stream(seed, "suite"))) for seed in grounds]
    except InputError as error:
        raise InputError(f"the cell {name!r}: {error}") from None
    terrains = [genotype.express(seed) for genotype, seed in zip(genotypes, grounds, strict=True)]
    if "ground" in data:
        terrains = [terrain.with_push(push) for terrain, push in zip(terrains, _pushes(seeds), strict=True)]
    return Cell(name, tuple(terrains))


def _drawn(value: Any, stream: Stream) -> Any:
    """A value of a file, with a number for each ``{uniform = [low, high]}``, in the order of the file."""
    if isinstance(value, dict) and set(value) == {"uniform"}:
        ends = value["uniform"]
        if not isinstance(ends, list) or len(ends) != 2 or not all(type(end) in (int, float) for end in ends):
            raise InputError(f"uniform takes two numbers, found {ends!r}")
        low, high = map(_as_float, ends)
        if not math.isfinite(high - low):
            raise InputError(
                "uniform takes two finite numbers whose difference is one, too, within the range of a float"
            )
        return stream.uniform(low, high)
    if isinstance(value, dict):
        return {key: _drawn(part, stream) for key, part in value.items()}
    return [_drawn(part, stream) for part in value] if isinstance(value, list) else value


def _as_float(number: float) -> float:
    """A number of a file as a float; infinity if it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _courses(env_id: str, seeds: range) -> tuple[Terrain, ...]:
    """The courses of an environment of Gymnasium after a reset with each seed."""
    check_name("an environment of Gymnasium", env_id, GYMNASIUM_IDS)
    import gymnasium

    try:
        env = gymnasium.make(env_id)
    except gymnasium.error.Error as error:
        raise InputError(f"gymnasium={env_id!r}: {error}") from None
    found = []
    for seed in seeds:
        env.reset(seed=seed)
        found.append(Terrain.from_gymnasium(env))
    env.close()
    return tuple(found)


def _check_keys(what: str, data: Mapping[str, Any], known: set[str]) -> None:
    for key in data:
        if key not in known:
            raise InputError(f"{what} has no key {key!r}; {nearest(key, known)}")
