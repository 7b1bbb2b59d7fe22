"""Trials of an agent on a niche's own ground, under pushes that decided nothing in its run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents import rollout
from environments.streams import Stream
from environments.terrain.generation import push_from
from poet.archive.reader import Run
from poet.scoring import successes

#: Episodes of an agent.
NUM_TRIALS = 200


def num_successes(run: Run, niche_id: int, theta: NDArray[np.float32], stream_name: str) -> int:
    """Under how many of ``NUM_TRIALS`` pushes on a niche's own ground an agent succeeds.

    Args:
        run: whose niche it is.
        niche_id: of the niche.
        theta: (P,) float32, the agent.
        stream_name: what the pushes are for. The same name, run and niche give the same pushes.
    """
    own, stream = run.terrain(niche_id), Stream(run.config.run.seed, stream_name, niche_id)
    pushes = [own.with_push(push_from(stream)) for _ in range(NUM_TRIALS)]
    thetas, max_steps = np.tile(theta, (NUM_TRIALS, 1)), run.config.evaluation.max_steps
    return successes(rollout(run.policy, thetas, pushes, max_steps=max_steps)).count(True)
