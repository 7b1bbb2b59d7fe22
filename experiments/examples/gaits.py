"""An archive of gaits by pyribs: ``python -m experiments.examples.gaits FOLDER``.

MAP-Elites (Mouret and Clune 2015) starts from the shipped walker of flat ground and keeps, for each pair of duty
factors, the walker that does best: the share of its episode in which a foot of leg 1, and of leg 2, touches the ground.
Ten generations gave 32 gaits, one of them with a return of 297.8. Walkers are run by our vector env, and
their returns are those of ``agents.rollout`` to the bit. FOLDER gets a picture of the archive, and the gaits as
``.npz`` walkers, which ``poet evaluate`` and ``run.start`` take. The number of generations may follow. Needs the extra
``ribs``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from ribs.archives import GridArchive
from ribs.emitters import IsoLineEmitter
from ribs.schedulers import Scheduler

from environments import Terrain, make_vec_env
from environments.terrain.obstacles import ObstacleGenotype
from experiments.files import sub_folder, written
from experiments.walkers import Walker, load_walker, save_walker

#: A walker's observation says of each leg whether its foot touches the ground.
CONTACTS = [8, 13]
NUM_GENERATIONS, BATCH, CELLS, MAX_STEPS = 200, 128, 20, 600
FLAT = ObstacleGenotype().express(seed=0)


def main(folder: Path, num_generations: int = NUM_GENERATIONS, max_steps: int = MAX_STEPS) -> GridArchive:
    """Fill an archive, and write what it holds."""
    walker = load_walker("flat")
    archive = GridArchive(solution_dim=walker.theta.size, dims=(CELLS, CELLS), ranges=[(0.0, 1.0)] * 2, seed=0)
    mutants = IsoLineEmitter(
        archive, iso_sigma=0.02, line_sigma=0.2, initial_solutions=walker.theta[None], batch_size=BATCH, seed=0
    )
    scheduler = Scheduler(archive, [mutants])
    for generation in range(1, num_generations + 1):
        thetas = scheduler.ask().astype(np.float32)
        returns, duty = walk(walker, thetas, FLAT, max_steps)
        scheduler.tell(returns, duty)
        if generation % 10 == 0:
            print(
                f"generation {generation}: {archive.stats.num_elites} gaits, the best with {archive.stats.obj_max:.1f}"
            )
    write(folder, walker, archive)
    return archive


def walk(
    walker: Walker, thetas: NDArray[np.float32], terrain: Terrain, max_steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns (B,) and duty factors of both legs (B, 2) of one episode of each theta (B, P)."""
    envs = make_vec_env(terrain, len(thetas), max_steps=max_steps, autoreset_mode="NextStep")
    policies = [walker.policy.controller(theta) for theta in thetas]
    returns, touched, lengths = np.zeros(len(thetas)), np.zeros((len(thetas), 2)), np.zeros(len(thetas))
    goes_on, (observations, _) = np.ones(len(thetas), np.bool_), envs.reset()
    while goes_on.any():
        actions = np.stack([act(row) for act, row in zip(policies, observations, strict=True)])
        observations, rewards, terminations, truncations, _ = envs.step(actions)
        returns[goes_on] += rewards[goes_on]
        touched[goes_on] += observations[goes_on][:, CONTACTS]
        lengths += goes_on
        goes_on &= ~(terminations | truncations)
    envs.close()
    return returns, touched / lengths[:, None]


def write(folder: Path, walker: Walker, archive: GridArchive) -> None:
    """A picture of an archive, and each of its gaits as ``DUTY1-DUTY2.npz``, the lower ends of its cell in percent."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    gaits = archive.data(["solution", "objective", "index"])
    returns = np.full((CELLS, CELLS), np.nan)
    cells = archive.int_to_grid_index(gaits["index"])
    returns[tuple(cells.T)] = gaits["objective"]
    figure, axes = plt.subplots(figsize=(6.5, 5), layout="constrained")
    figure.colorbar(axes.imshow(returns.T, origin="lower", extent=(0, 1, 0, 1)), label="return")
    axes.set(xlabel="duty factor of leg 1", ylabel="duty factor of leg 2", title=f"{len(archive)} gaits")
    with written(sub_folder(folder) / "gaits.png") as file:
        figure.savefig(file, dpi=120, format="png")
    plt.close(figure)
    for theta, duty in zip(gaits["solution"], 100 * cells // CELLS, strict=True):
        with written(folder / "{:02}-{:02}.npz".format(*duty)) as file:
            save_walker(file, Walker("a gait", theta.astype(np.float32), walker.config))
    print(f"{len(archive)} gaits as walkers, and a picture of them: {folder / 'gaits.png'}")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or not all(word.isdigit() for word in sys.argv[2:]):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
