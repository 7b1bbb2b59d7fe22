"""The example of pyribs: an archive of gaits whose numbers are those of rollouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ribs.archives import GridArchive

from agents import rollout
from experiments.examples import gaits
from experiments.walkers import load_walker


def test_gaits_are_walkers_with_the_returns_of_rollouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each elite's return is that of a rollout to the bit, its duty factors are shares; all are written."""
    monkeypatch.setattr(gaits, "BATCH", 8)
    archive = gaits.main(tmp_path / "gaits", 3, 80)
    elites = archive.data(["solution", "objective", "measures"])
    thetas = elites["solution"].astype(np.float32)
    walker = load_walker("flat")

    assert rollout(walker.policy, thetas, [gaits.FLAT], max_steps=80).returns.tolist() == elites["objective"].tolist()
    assert 3 < len(thetas) and (0.0 <= elites["measures"]).all() and (elites["measures"] <= 1.0).all()
    names = sorted(path.name for path in (tmp_path / "gaits").glob("*.npz"))
    assert "gaits.png" in {path.name for path in (tmp_path / "gaits").iterdir()} and len(names) == len(thetas)
    assert load_walker(str(tmp_path / "gaits" / names[0])).theta.tolist() in thetas.tolist()
    with Image.open(tmp_path / "gaits" / "gaits.png") as picture:
        assert picture.size[0] > 600


def test_no_gait_takes_the_name_of_another(tmp_path: Path) -> None:
    """Two cells may hold duty factors that are the same percents, rounded."""
    walker = load_walker("flat")
    archive = GridArchive(solution_dim=walker.theta.size, dims=(gaits.CELLS,) * 2, ranges=[(0.0, 1.0)] * 2, seed=0)
    archive.add(np.tile(walker.theta, (3, 1)), [1.0, 2.0, 3.0], [[0.498, 0.5], [0.502, 0.5], [1.0, 0.0]])
    gaits.write(tmp_path, walker, archive)

    assert ["45-50.npz", "50-50.npz", "95-00.npz"] == sorted(path.name for path in tmp_path.glob("*.npz"))
