"""The outer yardstick: what settings reach in as many env-steps each, over several seeds.

``poet bench evolution FOLDER NAME...``: a NAME is a preset, ``a`` or ``b`` (settings that stand in
``experiments/yardstick/settings``), or a TOML file. Each run is FOLDER/NAME-SEED; those that are there go on, so a
yardstick that was interrupted, or is to reach further, is called again. At the end ``poet analyse`` writes
FOLDER/report: the first terrain of each class that was solved once, robustly, and by a general agent, success at
admission and at last, and env-steps by purpose, as medians over seeds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.presets import preset_names

SETTINGS = Path(__file__).with_name("settings")


def settings_of(name: str) -> tuple[str, str]:
    """The option of ``poet run`` that asks for the settings called ``name``, and its value."""
    ours = SETTINGS / f"{name}.toml"
    if ours.exists():
        return "--config", str(ours)
    return ("--preset", name) if name in preset_names() else ("--config", name)


def run_or_resume(folder: Path, name: str, seed: int, env_steps: int, assignments: Sequence[str]) -> int:
    """Begin a run, or go on with it, until it has spent so many env-steps; the exit code."""
    options = ["--env-steps", str(env_steps)]
    if folder.exists():
        command = ["resume", str(folder), *options]
    else:
        sets = [word for text in assignments for word in ("--set", text)]
        command = ["run", str(folder), *settings_of(name), "--seed", str(seed), *options, *sets]
    return poet(*command)


def poet(*words: str) -> int:
    """Run a command of the command line; its exit code."""
    return subprocess.run([sys.executable, "-m", "experiments.cli", *words], check=False).returncode


def make_runs(
    folder: Path, names: Sequence[str], seeds: Sequence[int], env_steps: int, assignments: Sequence[str]
) -> int:
    """Make the runs, or go on with them, then the report; the exit code of the first command that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = [(folder / f"{Path(name).stem}-{seed}", name, seed) for seed in seeds for name in names]
    for path, name, seed in runs:
        code = run_or_resume(path, name, seed, env_steps, assignments)
        if code:
            return code
    return poet("analyse", *(str(path) for path, _, _ in runs), "--output", str(folder / "report"))
