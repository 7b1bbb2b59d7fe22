"""Measure what walkers observe: ``python -m experiments.walkers.observations`` writes the table of ``standardised_es``.

The shipped walker, mostly with noise on its weights as in a generation of an evolution strategy, on five kinds of
ground from flat to hard. The seeds are among those that walkers are tested on and never trained on. Two numbers per
input, over thousands of observations, reveal nothing about a single ground.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.strategies.normal import normals
from agents.strategies.standardised_es import STATISTICS_FILE
from environments.streams import stream_key
from environments.terrain.obstacles import ObstacleGenotype
from environments.walker.env import BipedalTerrainEnv
from experiments.files import write_text
from experiments.walkers import load_walker
from poet.scoring import FIRST_UNSEEN_SEED

GROUNDS = (
    ObstacleGenotype(),
    ObstacleGenotype(roughness=1.5),
    ObstacleGenotype(roughness=1.5, pit_gap=(1.0, 2.4), stump_height=(0.4, 1.0)),
    ObstacleGenotype(roughness=3.0, stump_height=(0.4, 1.6)),
    ObstacleGenotype(pit_gap=(1.0, 3.0), stair_height=(0.4, 1.2), stair_steps=(3, 5)),
)
NUM_EPISODES = 150
#: Standard deviation of the noise on the weights; every fifth walker of a ground has none.
NOISE_STD, EXACT_EVERY = 0.1, 5
#: The most control steps of an episode, and the number of steps per recorded observation.
MAX_STEPS, STEP = 600, 5


def measure() -> NDArray[np.float64]:
    """(2, 24): means and standard deviations."""
    walker = load_walker("flat")
    theta, policy = walker.theta, walker.policy
    seen: list[NDArray[np.float32]] = []
    for episode in range(NUM_EPISODES):
        which, ground = divmod(episode, len(GROUNDS))
        noise = NOISE_STD if which % EXACT_EVERY else 0.0
        eps = normals(stream_key(0, "observations", episode), theta.size)
        controller = policy.controller(theta + np.float32(noise) * eps)
        env = BipedalTerrainEnv(terrain=GROUNDS[ground].express(FIRST_UNSEEN_SEED + episode))
        observation, _ = env.reset()
        for step in range(MAX_STEPS):
            if step % STEP == 0:
                seen.append(observation.copy())
            observation, _, has_ended, is_cut, _ = env.step(controller(observation))
            if has_ended or is_cut:
                break
        env.close()
    table = np.stack(seen).astype(np.float64)
    return np.stack([table.mean(axis=0), table.std(axis=0)])


def main() -> None:
    """Measure, and write the table."""
    means, deviations = (", ".join(f"{value:.3f}" for value in row) for row in measure())
    write_text(
        STATISTICS_FILE,
        "# What walkers sense, in the order of the observation. Made by: python -m experiments.walkers.observations\n"
        f"means = [{means}]\ndeviations = [{deviations}]\n",
    )
    print(STATISTICS_FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
