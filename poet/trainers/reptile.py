"""Reptile and first-order MAML: the theta moves to where adaptation leads it, or by its last steps.

Reference: Nichol, Achiam and Schulman 2018, On First-Order Meta-Learning Algorithms; Finn, Abbeel and Levine 2017. A
gradient is a step of ES here (``poet.adaptation``), and the outer step is one of ``poet.outer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import StrategyState
from agents.strategies.openai_es import OpenAIESState
from environments.errors import InputError, nearest
from poet.events import Event, GenerationDone, OwnEvent
from poet.levels import Level
from poet.outer import OuterSteps, last_step_goals, mean_goal, reptile_goals
from poet.parts import Parts
from poet.trainers.meta import (
    AbstractAdapting,
    MetaState,
    before_and_after,
    move_agent,
    task_instances,
    training_cost,
)

#: How the theta moves to the mean goal, by the setting ``outer``.
OUTER = ("plain", "adam")


@dataclass(frozen=True)
class Reptile(AbstractAdapting):
    """From theta an agent adapts to each task of the iteration; theta goes some of the way to the mean of them.

    Attributes:
        outer: ``"plain"``: theta goes ``step`` of the way; ``"adam"``: the way is Adam's gradient, and ``step`` its
            step size.
        step: epsilon. Here 1; the paper's falls from 1 to 0 over a known number of iterations, which a run that can
            always go further does not have.
        step_decay: step is multiplied by it after each iteration, above 0 and at most 1.
    """

    kind = "reptile"
    events = AbstractAdapting.events - {GenerationDone}
    unused: ClassVar[tuple[str, ...]] = (*AbstractAdapting.unused, "es.pairs")

    outer: str = "plain"
    step: float = 1.0
    step_decay: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"of the trainer {self.kind!r} must be"
        if self.outer not in OUTER:
            raise InputError(
                f"trainer.settings: outer {what} {' or '.join(map(repr, OUTER))}, found {self.outer!r}: "
                f"{nearest(str(self.outer), OUTER)}"
            )
        if not self.step > 0.0:
            raise InputError(f"trainer.settings: step {what} above 0, found {self.step}")
        if not 0.0 < self.step_decay <= 1.0:
            raise InputError(f"trainer.settings: step_decay {what} above 0 and at most 1, found {self.step_decay}")

    @property
    def steps(self) -> OuterSteps:
        """The outer optimiser."""
        return OuterSteps(
            learning_rate=self.step,
            learning_rate_decay=self.step_decay,
            learning_rate_limit=0.0,
            is_plain=self.outer == "plain",
        )

    def first_optimiser(self, parts: Parts, theta: NDArray[np.float32]) -> StrategyState:
        """See ``AbstractTrainer``: the outer one, since inner ones are made anew for each task."""
        return self.steps.initial_state(theta[None, :])

    def goals(self, path: NDArray[np.float32]) -> NDArray[np.float64]:
        """Where each task (N, P) pulls theta, by its path (K + 1, N, P)."""
        return reptile_goals(path)

    def learn(
        self, state: MetaState, tasks: Sequence[Level], parts: Parts
    ) -> tuple[MetaState, list[Event], list[OwnEvent]]:
        """See ``AbstractMeta``."""
        (niche,), iteration = state.active, state.iteration + 1
        instances = [task_instances(task, self.pushes, parts, (iteration, i)) for i, task in enumerate(tasks)]
        starts = np.stack([niche.theta] * len(tasks))
        adapted = self.adapt(starts, range(len(tasks)), instances, iteration, parts)

        optimiser = self.steps.towards(cast(OpenAIESState, niche.optimiser), mean_goal(self.goals(adapted.path)))
        spent, records = before_and_after(niche.theta, adapted.path[-1], tasks, instances, iteration, parts)
        state, moved = move_agent(state, optimiser, tuple(one[0] for one in instances), parts)
        return state, [*moved, *spent, training_cost(iteration, adapted)], records


@dataclass(frozen=True)
class Fomaml(Reptile):
    """First-order MAML: theta goes only the way of each adaptation's last step, taken with draws of its own.

    So K generations are K - 1 of adaptation, and one that asks for more return of what they made. With K = 1 nothing
    adapts, and it is joint training with fresh step sizes.

    Attributes:
        step: a last step counts so often. Here as often as Reptile's way has steps.
    """

    kind = "fomaml"

    step: float = 5.0

    def goals(self, path: NDArray[np.float32]) -> NDArray[np.float64]:
        """See ``Reptile``."""
        return last_step_goals(path)
