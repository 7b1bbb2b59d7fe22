"""Outer loops of meta-learning, on arrays: where adapted agents pull the theta from which they all began.

They know nothing of walkers. A path is what an adaptation gives, (K + 1, N, P): the thetas of N tasks after 0, 1, ... K
inner steps, whatever these steps are.

References: Nichol, Achiam and Schulman 2018, On First-Order Meta-Learning Algorithms (Reptile, FOMAML); Finn, Abbeel
and Levine 2017, Model-Agnostic Meta-Learning; openai/supervised-reptile, whose ``--foml`` takes the last inner step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.strategies.openai_es import OpenAIES, OpenAIESState
from environments.arithmetic import exact


@exact
def reptile_goals(path: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, P), the adapted thetas themselves."""
    return np.asarray(path[-1], np.float64)


@exact
def last_step_goals(path: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, P), the first theta after the last inner step alone.

    That is first-order MAML, and MAML itself where the last step is a gradient taken through the steps before it. With
    one inner step it is joint training.
    """
    start, before, after = (path[k].astype(np.float64) for k in (0, -2, -1))
    return np.asarray(start + (after - before))


@exact
def mean_goal(goals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P,) the mean over tasks (N, P), added in their order."""
    total = np.zeros(goals.shape[1])
    for goal in goals:
        total += goal
    return total / len(goals)


@dataclass(frozen=True)
class OuterSteps(OpenAIES):
    """Steps towards goals, with the settings and the state of ``OpenAIES`` and without samples.

    Attributes:
        is_plain: whether a step goes ``learning_rate`` of the way to the goal, 1 being all of it; otherwise the way is
            a gradient for Adam.
    """

    kind = "outer_steps"

    is_plain: bool = True

    @exact
    def towards(self, state: OpenAIESState, goal: NDArray[np.float64]) -> OpenAIESState:
        """One step of the only theta of a state, N = 1, towards a goal (P,)."""
        if self.is_plain:  # in this form the whole way leads to the goal, to the bit
            rate = state.learning_rate[:, None]
            moved = replace(state, centre=((1.0 - rate) * state.centre + rate * goal).astype(np.float32))
        else:
            moved = self._adam(state, state.centre, state.centre - goal)
        rates = np.maximum(self.learning_rate_decay * state.learning_rate, self.learning_rate_limit)
        return replace(moved, learning_rate=rates)
