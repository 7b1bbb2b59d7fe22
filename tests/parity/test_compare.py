"""The parity test can fail: engines with one bit wrong are found out, and said to be wrong where they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from environments.terrain.terrain import Terrain
from environments.walker.box2d_worlds import Box2DWorlds
from environments.walker.ending import Outcome
from tests.parity import __main__ as command
from tests.parity.compare import Difference, MakeWorlds, Verdict, compare
from tests.parity.episodes import Case, batches
from tests.parity.policies import POLICIES
from tests.parity.report import describe, report
from tests.parity.run import worlds_of
from tests.parity.terrains import TERRAINS

ORACLE = worlds_of("box2d")


def _alike(max_steps: int, num: int = 4) -> list[Case]:
    """The first cases with that time limit."""
    return [case for case in map(Case, range(400)) if case.max_steps == max_steps][:num]


class _OneBitWrong(Box2DWorlds):
    """Box2D, but after a step of one world one number shows its lowest bit turned over, or another one."""

    def __init__(self, world: int, step: int, name: str, place: int, bit: int, *arguments: Any) -> None:
        self._wrong = world, step, name, place, bit
        super().__init__(*arguments, threads=1)

    def step(self, actions: NDArray[np.float32], which: NDArray[np.bool_] | None = None) -> None:
        super().step(actions, which)
        self._spoil("rewards", self.rewards)
        self._spoil("outcomes", self.outcomes)
        self._spoil("observations", self.observations)

    def body_state(self) -> NDArray[np.float32]:
        return self._spoil("bodies", super().body_state())

    @property
    def touching(self) -> NDArray[np.float32]:
        return self._spoil("touching", super().touching)

    def _spoil(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        world, step, wrong, place, bit = self._wrong
        if name == wrong and self.num_steps[world] == step:
            row = values.reshape(self.num_worlds, -1)[world]
            row.view(f"u{row.itemsize}")[place] ^= np.array(1 << bit, f"u{row.itemsize}")
        return values


def _compare_with_one_bit_wrong(name: str, place: int, bit: int, step: int) -> list[Verdict]:
    make_found: MakeWorlds = partial(_OneBitWrong, 1, step, name, place, bit)  # type: ignore[assignment] # a part of its arguments
    return compare(_alike(400), ORACLE, make_found)


@pytest.mark.parametrize(
    ("name", "place", "label", "phase"),
    [
        ("bodies", 7, "leg 1: y", "positions: position iterations or an impact"),
        ("bodies", 29, "lower leg 2: angular velocity", "velocities: joints, contacts or an impact"),
        ("touching", 1, "lower leg 2 touches", "contact events"),
        ("outcomes", 0, "outcome", "ending"),
        ("rewards", 0, "reward", "reward"),
        ("observations", 2, "observation: hull velocity x", "observation"),
        ("observations", 23, "observation: lidar 9", "lidar"),
    ],
)
@pytest.mark.parametrize("step", [1, 6])
def test_one_wrong_bit_is_found_where_it_is(name: str, place: int, label: str, phase: str, step: int) -> None:
    """The lowest bit of any number, at any step of one world: that case, step and number are named, and no other."""
    verdicts = _compare_with_one_bit_wrong(name, place, 0, step)

    assert [True, False, True, True] == [verdict.is_identical for verdict in verdicts]
    difference = verdicts[1].difference
    assert difference is not None
    assert (step, phase, [label]) == (difference.step, difference.phase, [row[0] for row in difference.values])
    assert not difference.is_zero_sign_only
    ((_, expected, found),) = difference.values
    assert expected != found
    assert all(text in "\n".join(describe(verdicts[1])) for text in (f"step {step},", label, expected, found))


def test_a_wrong_sign_of_a_zero_is_told_apart() -> None:
    """A world that differs in the sign of a zero is not identical, and the report says that it is no more than that."""
    verdicts = _compare_with_one_bit_wrong("touching", 0, 31, 5)  # in the air

    assert [True, False, True, True] == [verdict.is_identical for verdict in verdicts]
    assert [verdicts[1]] == [v for v in verdicts if v.difference is not None and v.difference.is_zero_sign_only]
    assert "1 of the 1 others differ first in nothing but the sign of a zero." in report(verdicts)


def test_ground_one_bit_higher_is_found() -> None:
    """Physics that is wrong by one bit of one vertex near the walker shows as a difference of numbers it moves."""

    def make_found(terrains: Sequence[Terrain], index: NDArray[np.int64], max_steps: int) -> Box2DWorlds:
        ground = terrains[0].ground.copy()
        ground[9:13, 1] = np.nextafter(ground[9:13, 1], np.float32(9))
        raised = Terrain(ground, terrains[0].obstacles, terrains[0].push)
        return Box2DWorlds([raised, *terrains[1:]], index, max_steps, threads=1)

    cases = [Case(number) for number in range(0, 13 * 10, 13) if Case(number).max_steps == 400]
    assert "flat" == cases[0].terrain_kind
    first, *others = compare(cases, ORACLE, make_found)

    assert first.difference is not None
    assert any(label.startswith(("hull", "leg", "lower leg")) for label, _, _ in first.difference.values)
    assert all(verdict.is_identical for verdict in others)


def test_a_world_that_moves_after_its_end_is_found() -> None:
    """An engine that goes on stepping worlds which are not asked for is not the same."""

    class StepsAll(Box2DWorlds):
        def step(self, actions: NDArray[np.float32], which: NDArray[np.bool_] | None = None) -> None:
            super().step(actions, None)

    verdicts = compare(_alike(400), ORACLE, lambda *arguments: StepsAll(*arguments, threads=1))

    phases = {verdict.difference.phase for verdict in verdicts if verdict.difference is not None}
    assert {"worlds that are not stepped"} == phases


def test_an_error_is_told_of_the_case_that_makes_it() -> None:
    """An engine that raises on one terrain fails that case; the others of its batch are compared all the same."""
    cases = _alike(400)
    refused = cases[2].terrain()

    def make_found(terrains: Sequence[Terrain], index: NDArray[np.int64], max_steps: int) -> Box2DWorlds:
        if refused in terrains:
            raise ValueError("too many contacts")
        return Box2DWorlds(terrains, index, max_steps, threads=1)

    verdicts = compare(cases, ORACLE, make_found)
    assert [None, None, "ValueError: too many contacts", None] == [verdict.error for verdict in verdicts]
    assert "3 of 4 episodes identical in every bit (75.00 %)" in report(verdicts)


def test_a_share_of_100_percent_means_all() -> None:
    """One episode of 100,000 that differs is not rounded away."""
    wrong = Verdict(Case(0), difference=Difference(0, "reward", (("reward", "1.0", "2.0"),), False))
    verdicts = [wrong, *(Verdict(Case(number), outcome=Outcome.FELL) for number in range(1, 100_000))]
    assert "(99.99 %)" in report(verdicts).splitlines()[-1]


@pytest.mark.parametrize("error", [None, "ValueError: too many contacts"])
def test_the_command_exits_with_1_unless_all_is_the_same(
    error: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 0 only if every episode was compared and is identical."""
    monkeypatch.setattr("sys.argv", "parity --engine box2d --episodes 2 --first 7 --workers 1".split())
    if error is not None:
        monkeypatch.setattr(command, "run", lambda engine, cases, workers: [[Verdict(c, error=error) for c in cases]])

    assert (0 if error is None else 1) == command.main()
    printed = capsys.readouterr().out
    assert f"{2 if error is None else 0} of 2 episodes identical" in printed
    assert error is None or f"case 7 ({Case(7).terrain_kind}, {Case(7).policy_kind})" in printed


def test_every_pair_of_kinds_has_its_case() -> None:
    """Counting goes through all pairs of terrain and policy before it begins again."""
    num_pairs = len(TERRAINS) * len(POLICIES)
    pairs = {(case.terrain_kind, case.policy_kind) for case in map(Case, range(num_pairs))}
    assert num_pairs == len(pairs)


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    """Terrain and actions come from the case's number and the seed, and from nothing else."""
    observation = np.linspace(-1, 1, 24, dtype=np.float32)
    for case in map(Case, range(13)):
        twin = Case(case.number)
        assert case.terrain().digest() == twin.terrain().digest()
        act, twin_act = case.actor(), twin.actor()
        assert all(act(observation).tobytes() == twin_act(observation).tobytes() for _ in range(30))
        assert Case(case.number, 1).terrain().digest() != case.terrain().digest()


def test_batches_share_a_time_limit_and_lose_no_case() -> None:
    """Every case is in one batch; a batch has one time limit and no more cases than asked for."""
    cases = [Case(number) for number in range(137)]
    found = batches(cases, 16)
    assert all(len({case.max_steps for case in batch}) == 1 and len(batch) <= 16 for batch in found)
    assert set(cases) == {case for batch in found for case in batch}
    assert len(cases) == sum(map(len, found))
