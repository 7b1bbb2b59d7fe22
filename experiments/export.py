"""A run as files for other programs: Parquet tables, JSON terrains and genotypes, npz agents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.drafts import new_folder
from experiments.walkers import Walker, save_walker

if TYPE_CHECKING:
    import pandas as pd

    from poet.archive.reader import Run

#: The frames of a ``Run`` (``poet.archive.reader``); each becomes ``NAME.parquet``.
TABLES = (
    "niches", "candidates", "judgements", "solved", "validations", "retirements", "transfers", "transfer_sources",
    "generations", "versions", "ledger", "iterations", "sessions",
)  # fmt: skip


def export_run(run: Run, output: Path) -> list[str]:
    """Write a run's record to a new or empty folder, all of it or nothing.

    Args:
        run: what is exported, as it stands at one moment if it goes on.
        output: the folder; gets ``config.json``, a Parquet file for each table (JSON columns as text; ``own_NAME`` for
            those that its trainer alone has), and for each niche ``terrains/ID.json``, ``genotypes/ID.json`` and
            ``agents/ID.npz``, which ``run.start`` takes: ``theta`` (P,) float32 of the latest version kept,
            ``policy`` as JSON, ``version_id``, ``iteration``.

    Returns:
        Lines for people that say what was written.

    Raises:
        InputError: the folder holds anything or cannot be made.
        RuntimeError: it was removed in the meantime.
    """
    with new_folder(output) as draft, run.at_one_moment():
        _write_json(draft / "config.json", run.config.to_json())
        for name in TABLES:
            _parquet_ready(getattr(run, name)).to_parquet(draft / f"{name}.parquet", index=False)
        own = run.own_tables
        for name, frame in own.items():
            frame.to_parquet(draft / f"own_{name}.parquet", index=False)
        niche_ids = _export_niches(run, draft)
    return [f"{output}: {len(TABLES) + len(own)} tables, and terrain, genotype and agent of {len(niche_ids)} niches"]


def _export_niches(run: Run, draft: Path) -> list[int]:
    for name in ("terrains", "genotypes", "agents"):
        (draft / name).mkdir()
    niches, policy = run.niches, run.config.policy
    for niche_id, genotype in zip(niches["niche_id"], niches["genotype"], strict=True):
        agent = run.agent(int(niche_id))
        _write_json(draft / "terrains" / f"{niche_id}.json", run.terrain(int(niche_id)).to_json())
        _write_json(draft / "genotypes" / f"{niche_id}.json", genotype)
        with (draft / "agents" / f"{niche_id}.npz").open("wb") as file:
            walker = Walker(f"agent {niche_id}", agent.theta, policy)
            save_walker(file, walker, version_id=agent.version.id, iteration=agent.version.iteration)
    return [int(niche_id) for niche_id in niches["niche_id"]]


def _parquet_ready(frame: pd.DataFrame) -> pd.DataFrame:
    """JSON values as text: a Parquet struct would need one shape for all rows."""
    is_json = {name: frame[name].map(lambda value: isinstance(value, dict | list)).any() for name in frame.columns}
    return frame.assign(**{name: frame[name].map(json.dumps) for name, found in is_json.items() if found})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
