"""How an episode ends.

Source: ``gymnasium/envs/box2d/bipedal_walker.py``, ``step`` (fall, course left to the left, course finished); POET's
``simulate`` for the time limit.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from environments.compiled import inline_kernel
from environments.terrain.constants import FINISH_X


class Outcome(IntEnum):
    """Why an episode ended; fits an int8. 0 is kept for an episode that goes on.

    Attributes:
        FINISHED: the hull is beyond the end of the course.
        FELL: the hull touched ground or obstacle, or went to x < 0; wins over FINISHED.
        TIMEOUT: the last step was taken, and none of the above.
        DIVERGED: an action or a number of a body is not finite, or Box2D asserts. The reward of that step is -100;
            ranked below every other outcome.
    """

    FINISHED = 1
    FELL = 2
    TIMEOUT = 3
    DIVERGED = 4


#: What ``ending`` returns while an episode goes on.
GOES_ON = 0

_FINISHED, _FELL, _TIMEOUT = (int(o) for o in (Outcome.FINISHED, Outcome.FELL, Outcome.TIMEOUT))
_FINISH_X = float(FINISH_X)


@inline_kernel
def ending(has_fallen, x, num_steps, max_steps):  # type: ignore[no-untyped-def]
    """The outcome after a step, as an integer; ``GOES_ON`` where the episode is not over.

    Args:
        has_fallen: whether the hull has touched anything.
        x: of the hull, float32, m.
        num_steps: steps taken, this one included, the one inside the reset not.
        max_steps: the time limit.
    """
    position = np.float64(x)
    if has_fallen or position < 0.0:
        return _FELL
    if position > _FINISH_X:
        return _FINISHED
    return _TIMEOUT if num_steps >= max_steps else GOES_ON
