"""Two engines, the same walkers and actions: everything that is seen at every step, bit for bit.

The policies look at the oracle's observations, so both sides get the same actions to the last bit; if the engine under
test sees anything else, that is a difference. Its worlds are stepped all together, the oracle's one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments.biped import BODIES, HULL, NUM_BODY_OBSERVATIONS, NUM_JOINTS, NUM_RAYS
from environments.terrain.terrain import Terrain
from environments.walker.ending import GOES_ON, Outcome
from environments.walker.worlds import Worlds
from tests.parity.episodes import Case

#: ``make_worlds`` with the engine chosen: terrains, terrain_index, max_steps -> worlds.
MakeWorlds = Callable[[Sequence[Terrain], NDArray[np.int64], int], Worlds]

_QUANTITIES = ("x", "y", "angle", "velocity x", "velocity y", "angular velocity")
_FIRST_VELOCITY = 3
_LEG_QUANTITIES = ("hip angle", "hip speed", "knee angle", "knee speed", "touches")
#: What is compared, in this order, and what each number of it is called.
LABELS = {
    "bodies": [f"{body.name}: {quantity}" for body in BODIES for quantity in _QUANTITIES],
    "touching": ["lower leg 1 touches", "lower leg 2 touches"],
    "num_steps": ["number of steps"],
    "outcomes": ["outcome"],
    "rewards": ["reward"],
    "observations": [
        *(f"observation: hull {quantity}" for quantity in ("angle", "angular velocity", "velocity x", "velocity y")),
        *(f"observation: leg {leg} {quantity}" for leg in (1, 2) for quantity in _LEG_QUANTITIES),
        *(f"observation: lidar {ray}" for ray in range(NUM_RAYS)),
    ],
}
_TYPES = {"num_steps": np.int32, "outcomes": np.int8, "rewards": np.float64}
#: (N, size) for each name in ``LABELS``: what all worlds show.
Snapshot = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """The first step at which two engines differ in an episode.

    Attributes:
        step: 0 is the reset's own.
        phase: what of the step to look at first.
        values: (label, expected, found) of everything that differs, in the order of ``LABELS``.
        is_zero_sign_only: whether nothing but the signs of zeros differs.
    """

    step: int
    phase: str
    values: tuple[tuple[str, str, str], ...]
    is_zero_sign_only: bool


@dataclass
class Verdict:
    """What became of a case.

    Attributes:
        case: which one.
        num_steps: compared.
        outcome: how it ended in the oracle; None if the comparison stopped before.
        furthest: greatest distance of the hull from its start in x, m.
        turned: greatest angle of the hull, rad.
        slept: whether all bodies lay at rest, as after Box2D has put them to sleep.
        difference: None where every bit is the same.
        error: what an engine raised instead of an answer.
    """

    case: Case
    num_steps: int = 0
    outcome: Outcome | None = None
    furthest: float = 0.0
    turned: float = 0.0
    slept: bool = False
    difference: Difference | None = None
    error: str | None = None

    @property
    def is_identical(self) -> bool:
        """Every bit of the whole episode."""
        return self.difference is None and self.error is None


def compare(cases: Sequence[Case], make_expected: MakeWorlds, make_found: MakeWorlds) -> list[Verdict]:
    """Run a batch of cases with one time limit on both engines.

    Args:
        cases: each has a world of its own.
        make_expected: of the oracle.
        make_found: of the engine under test.

    Returns:
        One verdict for each case, in order. Where an engine raises, the batch is run again case by case, to see whose
        error it is.
    """
    try:
        return _Comparison(cases, make_expected, make_found).run()
    except Exception as error:
        if len(cases) > 1:
            return [verdict for case in cases for verdict in compare([case], make_expected, make_found)]
        return [Verdict(cases[0], error=f"{type(error).__name__}: {error}")]


class _Comparison:
    """One batch on both engines, in step."""

    def __init__(self, cases: Sequence[Case], make_expected: MakeWorlds, make_found: MakeWorlds) -> None:
        (max_steps,) = {case.max_steps for case in cases}
        terrains = [case.terrain() for case in cases]
        self._actors = [case.actor() for case in cases]
        self._oracles = [make_expected([terrain], np.zeros(1, np.int64), max_steps) for terrain in terrains]
        self._worlds = make_found(terrains, np.arange(len(cases)), max_steps)
        self._goes_on = np.ones(len(cases), np.bool_)
        self._expected: Snapshot = {
            name: np.zeros((len(cases), len(labels)), _TYPES.get(name, np.float32)) for name, labels in LABELS.items()
        }
        self._verdicts = [Verdict(case) for case in cases]

    def run(self) -> list[Verdict]:
        """Step both until every episode has ended or differs."""
        for worlds in (*self._oracles, self._worlds):
            worlds.reset(None)
        self._compare(0)
        start_x = self._expected["bodies"][:, HULL].copy()
        actions = np.zeros((len(self._actors), NUM_JOINTS), np.float32)
        step = 0
        while self._goes_on.any():
            step += 1
            for i in np.flatnonzero(self._goes_on):
                actions[i] = self._actors[i](self._oracles[i].observations[0])
                self._oracles[i].step(actions[i : i + 1], None)
            self._worlds.step(actions.copy(), self._goes_on.copy())
            self._compare(step)
            self._note(start_x)
        self._compare_what_was_left_alone(step)
        return self._verdicts

    def _compare(self, step: int) -> None:
        expected, found = self._expected, _look(self._worlds)
        alive = np.flatnonzero(self._goes_on)
        for i in alive:
            for name, values in _look(self._oracles[i]).items():
                expected[name][i] = values[0]
        outcomes = expected["outcomes"][:, 0]
        # A world that has diverged has no state: Box2D's is what it had written when it gave up.
        for name in ("bodies", "touching"):
            found[name][outcomes == Outcome.DIVERGED] = expected[name][outcomes == Outcome.DIVERGED]
        differs = np.any([_differing(expected[name], found[name]).any(axis=1) for name in LABELS], axis=0)
        for i in alive:
            verdict = self._verdicts[i]
            verdict.num_steps = step
            if outcomes[i] != GOES_ON:
                verdict.outcome = Outcome(int(outcomes[i]))
            if differs[i]:
                verdict.difference = _difference(step, {name: (expected[name][i], found[name][i]) for name in LABELS})
        self._goes_on &= (outcomes == GOES_ON) & ~differs

    def _note(self, start_x: NDArray[np.float32]) -> None:
        """Keep what the report tells about episodes that go on."""
        bodies = self._expected["bodies"].reshape(-1, len(BODIES), len(_QUANTITIES))
        distance = np.abs(bodies[:, HULL, 0] - start_x)
        rests = ~bodies[:, :, _FIRST_VELOCITY:].any(axis=(1, 2))
        for i in np.flatnonzero(self._goes_on):
            verdict = self._verdicts[i]
            verdict.furthest = max(verdict.furthest, float(distance[i]))
            verdict.turned = max(verdict.turned, abs(float(bodies[i, HULL, 2])))
            verdict.slept |= bool(rests[i])

    def _compare_what_was_left_alone(self, step: int) -> None:
        """An ended world may not have moved while the others went on."""
        found = _look(self._worlds)["bodies"]
        for i, verdict in enumerate(self._verdicts):
            if verdict.is_identical and verdict.outcome != Outcome.DIVERGED:
                pair = self._expected["bodies"][i], found[i]
                if _differing(*pair).any():
                    verdict.difference = _difference(step, {"bodies": pair}, "worlds that are not stepped")


def _look(worlds: Worlds) -> Snapshot:
    """Copies of what all worlds show."""
    shown = {name: worlds.body_state() if name == "bodies" else getattr(worlds, name) for name in LABELS}
    return {name: np.array(values).reshape(worlds.num_worlds, -1) for name, values in shown.items()}


def _differing(expected: NDArray[Any], found: NDArray[Any]) -> NDArray[np.bool_]:
    """Which numbers do not have the same bits."""
    unsigned = np.dtype(f"u{expected.itemsize}")
    return np.ascontiguousarray(expected).view(unsigned) != np.ascontiguousarray(found).view(unsigned)


def _difference(step: int, pairs: dict[str, tuple[NDArray[Any], NDArray[Any]]], phase: str = "") -> Difference:
    """How one world's numbers differ, by the names in ``LABELS``."""
    places: dict[str, list[int]] = {}
    values = []
    is_zero_sign_only = True
    for name, (expected, found) in pairs.items():
        for i in np.flatnonzero(_differing(expected, found)):
            places.setdefault(name, []).append(int(i))
            values.append((LABELS[name][i], _exact(expected[i]), _exact(found[i])))
            is_zero_sign_only &= bool(expected[i] == found[i])
    return Difference(step, phase or _phase(places), tuple(values), is_zero_sign_only)


def _exact(value: Any) -> str:
    """A number; of a float the bits too."""
    return f"{value} (0x{value.tobytes()[::-1].hex()})" if isinstance(value, np.floating) else str(value)


def _phase(places: dict[str, list[int]]) -> str:
    """What of a step can have made this difference and no other."""
    if "bodies" in places:
        if any(i % len(_QUANTITIES) >= _FIRST_VELOCITY for i in places["bodies"]):
            return "velocities: joints, contacts or an impact"
        return "positions: position iterations or an impact"
    if "touching" in places:
        return "contact events"
    if "outcomes" in places or "num_steps" in places:
        return "ending"
    if "observations" in places:
        return "lidar" if min(places["observations"]) >= NUM_BODY_OBSERVATIONS else "observation"
    return "reward"
