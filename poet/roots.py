"""The terrains that a run starts on: what ``run.start_terrain`` says.

It is JSON: a genotype, a terrain (an object with ``ground``, see ``poet.terrain_files``), or a list of several of
either kind, one for each root niche. A terrain that comes with its genotype is one that this makes, and its niche is
like any other. A drawn terrain is a ground that no genotype makes: its niche's children mutate from the easiest
genotype, and its fresh instances are the same ground under other pushes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from environments.errors import InputError
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from poet.config import Config
from poet.terrain_files import load_json, parse_terrain


@dataclass(frozen=True, eq=False)
class Root:
    """A terrain that a run starts on.

    Attributes:
        genotype: what the niche's children mutate from; None for the easiest.
        terrain_seed: of its own instance; None for one that the run draws.
        drawn: its own instance, if it is drawn; None for that which the genotype makes.
    """

    genotype: AbstractGenotype | None = None
    terrain_seed: int | None = None
    drawn: Terrain | None = None


def read_roots(config: Config, genotype_type: type[AbstractGenotype]) -> tuple[Root, ...]:
    """The terrains that a config names; one root without anything if it names none.

    Raises:
        InputError: ``run.start_terrain`` is no JSON, a part of it is no genotype of the run's and no terrain, a
            terrain is not what its genotype makes, or two are the same.
    """
    text, kind = config.run.start_terrain, config.terrain.genotype
    if not text:
        return (Root(terrain_seed=_given_seed(config)),)
    try:
        value = load_json(text)
        if value == []:
            raise InputError("the list is empty: name one terrain or more")
        roots = tuple(_root(part, config, genotype_type) for part in (value if isinstance(value, list) else [value]))
        _check_differ(roots)
    except (ValueError, RecursionError) as error:
        raise InputError(f"run.start_terrain is no terrain of {kind!r}: {error}") from None
    return roots


def drawn_roots(config: Config) -> dict[int, Terrain]:
    """The drawn grounds of a run by niche id, also of a run whose genotype is a user's own.

    Raises:
        InputError: ``run.start_terrain`` is no JSON, or one of its terrains is none.
    """
    try:
        value = load_json(config.run.start_terrain) if config.run.start_terrain else []
        parts = value if isinstance(value, list) else [value]
        files = {niche_id: parse_terrain(part) for niche_id, part in enumerate(parts) if _is_terrain(part)}
    except InputError as error:
        raise InputError(f"run.start_terrain is no terrain: {error}") from None
    return {niche_id: file.terrain for niche_id, file in files.items() if file.genotype is None}


def _root(value: Any, config: Config, genotype_type: type[AbstractGenotype]) -> Root:
    seed = _given_seed(config)
    if not _is_terrain(value):
        return Root(genotype_type.from_json(value), seed)
    file = parse_terrain(value)
    if file.genotype is None:
        return Root(None, seed, file.terrain)
    genotype, seed = genotype_type.from_json(file.genotype), seed if file.terrain_seed is None else file.terrain_seed
    if seed is None:
        raise InputError(
            "it has a genotype, but does not say with which seed that makes it: give its terrain_seed, or take the "
            "genotype out, and it is a drawn terrain"
        )
    if genotype.express(seed) != file.terrain:
        raise InputError(
            f"its terrain is not the one that its genotype makes with the terrain_seed {seed}: take the genotype out, "
            "and it is a drawn terrain"
        )
    return Root(genotype, seed)


def _given_seed(config: Config) -> int | None:
    seed = config.run.start_terrain_seed
    return None if isinstance(seed, str) else seed


def _is_terrain(value: Any) -> bool:
    return isinstance(value, dict) and "ground" in value


def _check_differ(roots: tuple[Root, ...]) -> None:
    """Two niches with one agent on one ground would be one niche. Of a genotype without a seed, each has its own."""
    seen: dict[Terrain | tuple[AbstractGenotype | None, int], int] = {}
    for i, root in enumerate(roots):
        if root.drawn is None and root.terrain_seed is None:
            continue
        what = (root.genotype, root.terrain_seed or 0) if root.drawn is None else root.drawn
        if (first := seen.setdefault(what, i)) != i:
            raise InputError(f"terrains {first} and {i} of the list are the same: leave one out")
