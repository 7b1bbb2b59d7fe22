"""Courses: what mutates (genotypes), what an engine stands on (``Terrain``), and how one becomes the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from environments.terrain.genotype import AbstractGenotype


def our_genotypes() -> dict[str, type[AbstractGenotype]]:
    """Our terrain encodings, by the names under which configs and archives know them."""
    # Imported here so that the constants of this package do not cost an import of numba.
    from environments.terrain.cppn import CppnGenotype
    from environments.terrain.obstacles import ObstacleGenotype

    return {encoding.kind: encoding for encoding in (ObstacleGenotype, CppnGenotype)}


def genotype_class(name: str) -> type[AbstractGenotype]:
    """The terrain encoding that a config or an archive names.

    Args:
        name: a key of ``our_genotypes``, such as ``"obstacles"``, or a user's own as ``"package.module:Name"``.

    Raises:
        InputError: no such name, or it is not a concrete ``AbstractGenotype`` with ``TerrainSettings``.
    """
    from inspect import isclass

    from environments.errors import InputError
    from environments.registry import load_class
    from environments.terrain.genotype import AbstractGenotype, TerrainSettings

    found = load_class(name, our_genotypes(), AbstractGenotype, "genotype")
    if not (isclass(found.settings_type) and issubclass(found.settings_type, TerrainSettings)):
        raise InputError(
            f"the settings_type of genotype {name!r} must be a subclass of TerrainSettings, found "
            f"{found.settings_type!r}"
        )
    return found
