"""Splitting a phylogeny by clade: nothing of a test is among what came before it, by descent, genes, or agents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.errors import InputError
from environments.streams import Stream
from environments.terrain.cppn import CppnGenotype, CppnSettings
from environments.terrain.obstacles import ObstacleGenotype, ObstacleSettings
from experiments.meta.clades import (
    Clade,
    Part,
    Split,
    are_alike,
    assign,
    clean_versions,
    cut,
    find_leaks,
    split_run,
)
from poet.archive.reader import open_run
from poet.types import Origin, theta_digest
from tests.experiments.synthetic_runs import admitted, record_run, theta_of, version

#: A trunk 0 - 1 - 2 with bushes of 4, 3 and 2 niches and two single ones.
PARENTS = {0: None, 1: 0, 2: 1, 3: 0, 4: 2, 5: 4, 6: 4, 7: 5, 8: 2, 9: 8, 10: 9, 11: 1, 12: 11, 13: 2}


@st.composite
def phylogenies(draw: st.DrawFn) -> dict[int, int | None]:
    """Niches whose parents are older, the first of them roots."""
    num_roots, num = draw(st.integers(1, 3)), draw(st.integers(3, 40))
    return {
        niche: None if niche < num_roots else draw(st.integers(max(0, niche - 8), niche - 1)) for niche in range(num)
    }


def ancestors(niche: int, parents: dict[int, int | None]) -> set[int]:
    """All of them, without itself."""
    found: set[int] = set()
    parent = parents[niche]
    while parent is not None:
        found.add(parent)
        parent = parents[parent]
    return found


def test_a_phylogeny_is_cut_below_its_trunk() -> None:
    """While one subtree has more than a third of all niches, its root is trunk."""
    trunk, subtrees = cut(PARENTS, 1 / 3)

    assert (0, 1, 2) == trunk
    assert [(3,), (4, 5, 6, 7), (8, 9, 10), (11, 12), (13,)] == subtrees


@given(phylogenies(), st.sampled_from([0.1, 1 / 3, 0.5, 1.0]))
def test_no_task_has_an_ancestor_in_another_part(parents: dict[int, int | None], share: float) -> None:
    """Every niche is in the trunk or in one clade; who descends from a clade is of it; no clade is too large."""
    trunk, subtrees = cut(parents, share)
    home = {niche: root for root, subtree in enumerate(subtrees) for niche in subtree}

    assert sorted(parents) == sorted([*trunk, *home])
    for niche in parents:
        above = ancestors(niche, parents)
        if niche in home:
            assert {home[a] for a in above if a in home} <= {home[niche]}
        else:
            assert above <= {*trunk}
    assert all(len(subtree) <= share * len(parents) for subtree in subtrees)


def test_each_part_gets_about_its_share_of_niches() -> None:
    """The largest clades are given first, to the part that lacks most."""
    clades = assign([(3,), (4, 5, 6, 7), (8, 9, 10), (11, 12), (13,)])

    assert [
        (Part.TRAIN, 4), (Part.TRAIN, 8), (Part.TEST, 11), (Part.VALIDATION, 3), (Part.VALIDATION, 13)
    ] == [(clade.part, clade.root) for clade in clades]  # fmt: skip


def test_one_mutation_or_less_is_alike() -> None:
    """Whatever mutation makes of a terrain is like it, and so are equal ones of other encodings."""
    settings, stream = ObstacleSettings(("roughness", "pit_gap", "stump_height", "stairs")), Stream(0, "alike")
    genotype = ObstacleGenotype()
    for _ in range(60):
        child = genotype.mutate(stream, settings)
        assert are_alike(genotype.to_json(), child.to_json()) and are_alike(child.to_json(), genotype.to_json())
        genotype = child
    assert not are_alike(ObstacleGenotype(roughness=1.0).to_json(), ObstacleGenotype(roughness=1.7).to_json())
    pits = [ObstacleGenotype(pit_gap=gap).to_json() for gap in ((0.4, 1.2), (0.8, 1.6), (0.8, 2.4))]
    assert are_alike(pits[0], pits[1]) and not are_alike(pits[0], pits[2])

    cppn = CppnGenotype.initial(CppnSettings(), Stream(0, "cppn"))
    other = cppn.mutate(Stream(1, "cppn"), CppnSettings())
    assert are_alike(cppn.to_json(), cppn.to_json()) and not are_alike(cppn.to_json(), other.to_json())


def test_lineages_that_come_back_to_the_same_genes_are_left_out() -> None:
    """Of tests and validation what is like a training task, and of tests what is like a validation task."""
    clades = [Clade(0, (0, 1), Part.TRAIN), Clade(2, (2, 3), Part.TEST), Clade(4, (4, 5), Part.VALIDATION)]
    rough = {0: 1.0, 1: 3.0, 2: 3.6, 3: 8.0, 4: 8.6, 5: 0.3}
    genotypes = {niche: ObstacleGenotype(roughness=value).to_json() for niche, value in rough.items()}
    leaks = find_leaks(clades, genotypes)

    assert {2: 1, 3: 4} == leaks
    split = Split((), tuple(clades), leaks)
    assert [(0, 1), (4, 5), ()] == [split.tasks(part) for part in (Part.TRAIN, Part.VALIDATION, Part.TEST)]


def recorded(folder: Path, versions: list[tuple[int, Origin, int | None, int | None]]) -> Path:
    """A run with the phylogeny above, and versions (niche, origin, parent version, source) after each niche's first."""
    events: list[Any] = []
    num = len(PARENTS)
    thetas = [theta_of(number) for number in range(num + len(versions))]
    digests = [theta_digest(theta) for theta in thetas]
    for niche, parent in PARENTS.items():
        genotype = ObstacleGenotype(roughness=round(0.7 * niche, 1))
        events.append(replace(admitted(niche, niche, parent, 100.0, niche, genotype), candidate_id=None))
        origin = Origin.INITIAL if parent is None else Origin.ADMISSION_DIRECT
        events.append(version(niche, niche, niche, 100.0, origin, parent, parent, digests[niche]))
    for i, (niche, origin, parent_version, source) in enumerate(versions):
        events.append(version(num + i, niche, num, 100.0, origin, source, parent_version, digests[num + i]))
    return record_run(folder, events, num, thetas=thetas)


def test_only_agents_without_a_foreign_ancestor_are_clean(tmp_path: Path) -> None:
    """An agent that once came from a test clade, however long ago, is none of the training agents."""
    num = len(PARENTS)
    folder = recorded(
        tmp_path / "run",
        [
            (4, Origin.ES, 4, None),  # a training niche goes on
            (4, Origin.DIRECT, 11, 11),  # a test clade's agent comes
            (4, Origin.ES, num + 1, None),  # and stays
            (4, Origin.DIRECT, 2, 2),  # one of the trunk takes its place
            (2, Origin.PROPOSAL, num + 2, 4),  # the trunk gets the foreign one
        ],
    )
    with open_run(folder) as run:
        split = split_run(run)
        clean = clean_versions(run, split)
    assert (0, 1, 2) == split.trunk and {11, 12} == {*split.tasks(Part.TEST)}
    assert [4, num, num + 3] == clean[4]
    assert [2] == clean[2]
    assert {*clean} == {*split.trunk, *split.tasks(Part.TRAIN)}


def test_a_run_without_branches_cannot_be_split(tmp_path: Path) -> None:
    """The sentence says how many clades there are, and what to do."""
    folder = record_run(
        tmp_path / "run",
        [admitted(0, 0, None, 100.0, 0, ObstacleGenotype()), version(0, 0, 0, 100.0, Origin.INITIAL, None, None)],
        0,
    )
    with open_run(folder) as run, pytest.raises(InputError, match=r"3 clades or more .* but has 0: let it go on"):
        split_run(run)
