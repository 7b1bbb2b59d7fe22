"""Terrain files from anywhere: what is taken, and that everything else is refused by one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environments.errors import InputError
from environments.terrain.obstacles import ObstacleGenotype
from environments.terrain.terrain import Terrain
from environments.walker.ending import Outcome
from poet.terrain_files import MAX_BYTES, ClaimedWalk, parse_terrain, read_terrain_file

GROUND = [[0, 3.5], [6.25, 3.5], [30, 4]]
SQUARE = [[5, 3.5], [5.5, 3.5], [5.5, 4], [5, 4]]
PLAIN: dict[str, Any] = {"ground": GROUND, "obstacles": [SQUARE], "push": -1.5}
WALK = {"version": 7, "niche_id": 3, "max_steps": 2000, "return": 301.25, "length": 800, "outcome": "finished"}


def test_a_file_has_a_terrain_and_what_is_said_of_it(tmp_path: Path) -> None:
    """It is the terrain of ``to_json``; genotype, seed and walk are there if the file has them."""
    made = ObstacleGenotype(stump_height=(0.4, 0.8)).express(5)
    path = tmp_path / "made.json"
    path.write_text(json.dumps(made.to_json() | {"genotype": {"a": 1}, "terrain_seed": 5, "walk": WALK}))

    found, plain = read_terrain_file(path), parse_terrain(PLAIN | {"walk": None})

    assert (made, {"a": 1}, 5) == (found.terrain, found.genotype, found.terrain_seed)
    assert ClaimedWalk(7, 3, 2000, 301.25, 800, Outcome.FINISHED) == found.walk
    assert (Terrain.from_json(PLAIN), None, None, None) == (
        plain.terrain, plain.genotype, plain.terrain_seed, plain.walk,
    )  # fmt: skip
    for file in (found, plain):
        again = parse_terrain(json.loads(json.dumps(file.start_json())))
        assert (file.terrain, file.genotype, file.terrain_seed) == (again.terrain, again.genotype, again.terrain_seed)


DEEP = "[" * 100_000
REFUSED: list[tuple[str, tuple[str, ...]]] = [
    ("", ("it is no JSON",)),
    ("\x00", ("it is no JSON",)),
    ("[]", ("must be a JSON object", "found list")),
    ("NaN", ("it is no JSON", "NaN")),
    (DEEP, ("nested too deeply",)),
    ('{"ground": ' + DEEP, ("nested too deeply",)),
    (json.dumps(PLAIN)[:-1] + ', "push": Infinity}', ("it is no JSON", "Infinity")),
    (json.dumps(PLAIN)[:-1] + ', "push": 1e999}', ("push", "from -1,000 to 1,000 newtons", "found inf")),
    (json.dumps(PLAIN)[:-1] + f', "push": {"9" * 5000}}}', ("it is no JSON",)),
    (json.dumps(PLAIN)[:-1] + f', "push": {"9" * 4000}}}', ("push", "found 9999")),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_text_that_is_no_terrain_is_refused(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """Depth, constants that are no JSON, and endless numbers do no harm."""
    path = tmp_path / "hostile.json"
    path.write_text(text)
    _assert_refused(path, words)


CHANGES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"grond": []}, ("'grond'", "did you mean 'ground'?")),
    ({"push": None}, ("push", "found None")),
    ({"push": True}, ("push", "found True")),
    ({"push": "1"}, ("push", "found '1'")),
    ({"push": 1001}, ("push", "1,000 newtons")),
    ({"ground": {}}, ("ground must be a list of at most 10,000 points", "JSON object")),
    ({"ground": [[0, 0]] * 10_001}, ("ground", "found 10,001")),
    ({"ground": [["0", "1"], ["1", "1"]]}, ("point 0 of ground", "found '0'")),
    ({"ground": [[0, 0, 0]]}, ("point 0 of ground must be [x, y]",)),
    ({"ground": [[0, 0], 1]}, ("point 1 of ground must be [x, y]", "found 1")),
    ({"ground": [[0, 0], [1, [0]]]}, ("point 1 of ground", "JSON list")),
    ({"ground": [[0, 0], [1, 1e5]]}, ("point 1 of ground", "10,000 metres")),
    ({"ground": [[0, 0]]}, ("at least 2 vertices",)),
    ({"ground": [[1, 0], [0, 0]]}, ("strictly increasing x",)),
    ({"obstacles": [SQUARE] * 1001}, ("at most 1,000 polygons", "found 1,001")),
    ({"obstacles": [[[0, 0]] * 3]}, ("area",)),
    ({"obstacles": [SQUARE * 10]}, ("3 to 16 vertices",)),
    ({"genotype": 3}, ("genotype must be a JSON object",)),
    ({"terrain_seed": 3}, ("terrain_seed but no genotype",)),
    ({"genotype": {}, "terrain_seed": 1.5}, ("terrain_seed", "whole number")),
    ({"genotype": {}, "terrain_seed": 2**70}, ("terrain_seed", "whole number")),
    ({"walk": []}, ("walk must be a JSON object", "niche_id")),
    ({"walk": WALK | {"more": 1}}, ("walk must be a JSON object",)),
    ({"walk": WALK | {"version": -1}}, ("version of walk",)),
    ({"walk": WALK | {"niche_id": True}}, ("niche_id of walk",)),
    ({"walk": WALK | {"max_steps": 10**9}}, ("max_steps of walk", "from 1 to 2000")),
    ({"walk": WALK | {"length": 0}}, ("length of walk",)),
    ({"walk": WALK | {"return": "1"}}, ("return of walk",)),
    ({"walk": WALK | {"outcome": "won"}}, ("outcome of walk", "finished, fell, timeout, diverged")),
    ({"walk": WALK | {"outcome": ["fell"]}}, ("outcome of walk", "JSON list")),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_a_value_of_another_kind_or_out_of_range_is_refused(
    tmp_path: Path, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    """The sentence names the value, what it must be, and what it is."""
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(PLAIN | change))
    _assert_refused(path, words)


@pytest.mark.parametrize("key", PLAIN)
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    """A terrain has all three."""
    path = tmp_path / "less.json"
    path.write_text(json.dumps({name: value for name, value in PLAIN.items() if name != key}))
    _assert_refused(path, (f"it lacks the key {key!r}",))


def test_a_file_that_cannot_be_one_is_not_read_whole(tmp_path: Path) -> None:
    """A huge one is refused by its size; a folder, a missing file and a name that is none, by what they are."""
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(100 * MAX_BYTES)
    _assert_refused(huge, ("more than 4,194,304 bytes",))
    for path in (tmp_path, tmp_path / "missing.json", Path("a\0b")):
        _assert_refused(path, ("a terrain file must be readable",))


def _assert_refused(path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        read_terrain_file(path)
    sentence = str(refused.value)
    assert all(word in sentence for word in words), sentence
    assert len(sentence) < 500 + len(str(path)) and "\n" not in sentence
