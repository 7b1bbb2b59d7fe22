"""The terrains of a run as tasks for meta-learning, split by clade so that nothing leaks from training into tests.

A random split would have parents among the training tasks and their children, nearly the same terrains, among the
tests. So whole subtrees of the phylogeny go to one part each, and the trunk from which they branch off to none. Two
leaks remain, and are closed: lineages that come back to the same genes, and agents that moved between clades.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from environments.errors import InputError
from environments.terrain.gene import AbstractGene, IntervalGene
from environments.terrain.genes import known_genes
from poet.archive.reader import Run
from poet.roots import drawn_roots

#: A clade with a greater share of a run's niches is cut open: its root joins the trunk.
LARGEST_SHARE = 1.0 / 3.0
#: Of rounding to one decimal.
_SAME = 1e-6


class Part(StrEnum):
    """What the tasks of a clade are for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


#: The share of tasks that each part should get; the earlier parts have the earlier choice.
SHARES = {Part.TRAIN: 0.6, Part.TEST: 0.2, Part.VALIDATION: 0.2}


@dataclass(frozen=True)
class Clade:
    """A subtree of the phylogeny.

    Attributes:
        root: the niche that all others descend from.
        niches: all of them, ascending.
        part: what they are for.
    """

    root: int
    niches: tuple[int, ...]
    part: Part


@dataclass(frozen=True)
class Split:
    """The tasks of a run.

    Attributes:
        trunk: niches that belong to no part, ascending.
        clades: by part in the order of ``SHARES``, the largest first.
        leaks: niches of tests and validation that are left out, each with the task of an earlier part that it is like.
    """

    trunk: tuple[int, ...]
    clades: tuple[Clade, ...]
    leaks: Mapping[int, int]

    def tasks(self, part: Part) -> tuple[int, ...]:
        """The niches of a part whose terrains are its tasks, ascending."""
        found = [niche for clade in self.clades if clade.part is part for niche in clade.niches]
        return tuple(sorted(niche for niche in found if niche not in self.leaks))

    def clade_of(self, niche: int) -> int:
        """The root of a task's clade."""
        return next(clade.root for clade in self.clades if niche in clade.niches)


def split_run(run: Run) -> Split:
    """Split the terrains of a run, but for drawn ones, which no genotype makes.

    The same archive is always split alike: nothing is drawn.

    Raises:
        InputError: it has too few clades to have one in each part, as a run without branches.
    """
    niches = run.niches
    parents = {
        int(niche): None if pd.isna(parent) else int(parent)
        for niche, parent in zip(niches["niche_id"], niches["parent_id"], strict=True)
    }
    trunk, subtrees = cut(parents, LARGEST_SHARE)
    drawn = set(drawn_roots(run.config))
    subtrees = [left for subtree in subtrees if (left := tuple(niche for niche in subtree if niche not in drawn))]
    if len(subtrees) < len(SHARES):
        raise InputError(
            f"{run.folder} must have {len(SHARES)} clades or more to be split, a part each, but has {len(subtrees)}: "
            "let it go on until more lineages branch off"
        )
    clades = assign(subtrees)
    return Split(trunk, clades, find_leaks(clades, dict(zip(niches["niche_id"], niches["genotype"], strict=True))))


def cut(parents: Mapping[int, int | None], largest_share: float) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Cut a phylogeny below its trunk.

    While the largest subtree has more than its share of all niches, its root joins the trunk, and what descends from
    each of the root's children becomes a subtree of its own. Of equal ones, the older is cut first.

    Args:
        parents: niche id to parent id, None for a root; ids grow with admission.
        largest_share: of all niches.

    Returns:
        The trunk, and the subtrees, each ascending; those in the order of their roots.
    """
    members: dict[int, list[int]] = {niche: [niche] for niche in parents}
    children: dict[int | None, list[int]] = {}
    for niche in sorted(parents, reverse=True):
        if (parent := parents[niche]) is not None:
            members[parent] += members[niche]
        children.setdefault(parent, []).append(niche)
    trunk, roots = list[int](), children.get(None, [])
    while roots:
        largest = max(roots, key=lambda root: (len(members[root]), -root))
        if len(members[largest]) <= largest_share * len(parents):
            break
        trunk.append(largest)
        roots = [*(root for root in roots if root != largest), *children.get(largest, [])]
    return tuple(sorted(trunk)), [tuple(sorted(members[root])) for root in sorted(roots)]


def assign(subtrees: Sequence[tuple[int, ...]]) -> tuple[Clade, ...]:
    """Give each subtree, the largest first, to the part that lacks most of its share."""
    num = sum(map(len, subtrees))
    lacking = {part: share * num for part, share in SHARES.items()}
    clades: list[Clade] = []
    for subtree in sorted(subtrees, key=lambda subtree: (-len(subtree), subtree[0])):
        part = max(SHARES, key=lambda part: lacking[part])  # the first of equals
        lacking[part] -= len(subtree)
        clades.append(Clade(subtree[0], subtree, part))
    return tuple(clade for part in SHARES for clade in clades if clade.part is part)


def find_leaks(clades: Iterable[Clade], genotypes: Mapping[int, Any]) -> dict[int, int]:
    """Niches whose genes are one mutation or less from those of an earlier part: train, validation, test.

    Args:
        clades: of all parts.
        genotypes: JSON values by niche id.

    Returns:
        Each with the first such niche of an earlier part.
    """
    leaks: dict[int, int] = {}
    earlier: list[int] = []
    for part in Part:
        mine = sorted(niche for clade in clades if clade.part is part for niche in clade.niches)
        for niche in mine:
            like = (other for other in earlier if are_alike(genotypes[niche], genotypes[other]))
            if (found := next(like, None)) is not None:
                leaks[niche] = found
        earlier += mine
    return leaks


def are_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one mutation, or none, leads from one genotype to the other.

    Genotypes other than obstacle terrains have no distance that mutation bounds: they are alike if they are equal.

    Args:
        one, other: JSON values.
    """
    genes = known_genes()
    if not {*one, *other} <= {*genes}:
        return one == other
    return all(_is_step(gene, one.get(name, gene.absent), other.get(name, gene.absent)) for name, gene in genes.items())


def _is_step(gene: AbstractGene[Any], one: Any, other: Any) -> bool:
    """Whether two values of a gene are a mutation apart, or less."""
    if isinstance(gene, IntervalGene) and (one is None) != (other is None):
        return tuple(other if one is None else one) == gene.initial  # as it first appears
    ends = zip(np.ravel(one if one is not None else []), np.ravel(other if other is not None else []), strict=True)
    return all(abs(a - b) <= gene.step + _SAME for a, b in ends)


def clean_versions(run: Run, split: Split) -> dict[int, list[int]]:
    """Stored agent versions that come from the trunk and the training clades alone, by niche, oldest first.

    None of their ancestors was trained in, or came from, another clade, however long ago.
    """
    allowed = {*split.trunk, *split.tasks(Part.TRAIN)}
    versions, stored = run.versions, run.stored_version_ids()
    clean: set[int] = set()
    found: dict[int, list[int]] = {}
    rows = versions[["id", "niche_id", "parent_id", "source_id"]].itertuples(index=False)
    for version, niche, parent, source in rows:  # in the order of ids: ancestors come first
        if niche not in allowed or not (pd.isna(source) or source in allowed):
            continue
        if pd.isna(parent) or parent in clean:
            clean.add(int(version))
            if version in stored:
                found.setdefault(int(niche), []).append(int(version))
    return found
