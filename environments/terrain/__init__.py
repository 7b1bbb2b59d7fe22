"""Courses: what mutates (genotypes), what an engine stands on (``Terrain``), and how one becomes the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from environments.terrain.genotype import AbstractGenotype


def genotype_class(name: str) -> type[AbstractGenotype]:
    """The terrain encoding that a config or an archive names.

    Args:
        name: ``"obstacles"``, ``"cppn"``, or a user's own as ``"package.module:Name"``.

    Raises:
        InputError: no such name, or it is not a concrete ``AbstractGenotype``.
    """
    # Imported here so that the constants of this package do not cost an import of numba.
    from inspect import isabstract, isclass

    from environments.errors import InputError
    from environments.registry import load_named
    from environments.terrain.cppn import CppnGenotype
    from environments.terrain.genotype import AbstractGenotype
    from environments.terrain.obstacles import ObstacleGenotype

    ours = {encoding.kind: encoding for encoding in (ObstacleGenotype, CppnGenotype)}
    found = load_named(name, ours, "genotype")
    if not (isclass(found) and issubclass(found, AbstractGenotype)) or isabstract(found):
        raise InputError(f"genotype {name!r} must be a concrete subclass of AbstractGenotype, found {found!r}")
    return found
