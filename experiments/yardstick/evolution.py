"""The outer yardstick: compares what settings reach with the same number of env-steps, over several seeds.

In ``poet bench evolution FOLDER NAME...``, a NAME is a preset, ``a`` or ``b`` (settings in
``experiments/yardstick/settings``), or a TOML file. Each run is FOLDER/NAME-SEED. It goes on until its env-steps are
spent, whatever number of iterations its settings ask for. Existing runs are resumed, so to continue a yardstick that
was interrupted, or to take it further, just call it again. At the end ``poet analyse`` writes FOLDER/report. It shows
the first terrain of each class that was solved once, robustly, and by a general agent, success at admission and at the
end, and env-steps by purpose, as medians over seeds.

To measure what a part of the first settings contributes, leave it out: ``--without KEY`` adds an ablation in which that
key has its default. Its runs are FOLDER/NAME-without-KEY-SEED.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from environments.errors import InputError, nearest
from experiments.presets import preset_names
from experiments.runner import check_settings
from experiments.settings import NO_END, differences, resolve_config
from poet.config import Config, config_keys

SETTINGS = Path(__file__).with_name("settings")
#: Sections that say how long a run is, where it starts, and how it is measured and kept: no part of what is compared.
_COMMON = ("run", "validation", "evaluation", "checkpoint")


@dataclass(frozen=True)
class Entry:
    """A run of the yardstick.

    Attributes:
        folder: of the run, which may not exist yet.
        config: its settings, including the run's length.
    """

    folder: Path
    config: Config


def make_entries(
    folder: Path,
    names: Sequence[str],
    seeds: Sequence[int],
    assignments: Sequence[str],
    left_out: Sequence[str] = (),
) -> list[Entry]:
    """The requested runs, seed by seed.

    Args:
        folder: of the runs.
        names: of the settings.
        seeds: of the runs for each name.
        assignments: ``key=value``, applied to all settings.
        left_out: keys. For each, an ablation of the first settings is added, in which this key has its default.

    Raises:
        InputError: two settings have the same name, settings do not exist or are invalid, a key that is left out has
            its default in the first settings anyway, or a run exists with other settings.
    """
    stems = [Path(name).stem for name in names]
    if len(set(stems)) < len(stems):
        raise InputError(f"settings must have names of their own, but are {', '.join(stems)}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"FOLDER must be a folder, new or not, but {folder} is a file")
    entries = []
    for seed in seeds:
        configs = [_config_of(name, seed, assignments) for name in names]
        arms = dict(zip(stems, configs, strict=True))
        arms |= {f"{stems[0]}-without-{key}": _without(key, stems[0], configs[0]) for key in left_out}
        entries += [Entry(folder / f"{stem}-{seed}", config) for stem, config in arms.items()]
    for entry in entries:
        if entry.folder.exists():
            check_settings(entry.folder, entry.config)
    return entries


def _without(key: str, name: str, config: Config) -> Config:
    """The ablation of some settings in which a key has its default."""
    if key not in config_keys():
        raise InputError(f"--without takes a config key, found {key!r}; {nearest(key, config_keys())}")
    if key.partition(".")[0] in _COMMON:
        raise InputError(
            f"--without takes a key of what is compared, but {key} belongs to every run alike; set it by --set for all"
        )
    if key not in differences(config):
        raise InputError(f"--without {key} changes nothing: {name} has its default; leave it out")
    section, _, option = key.partition(".")
    return resolve_config(base=config, flags={key: Config().to_json()[section][option]})


def _config_of(name: str, seed: int, assignments: Sequence[str]) -> Config:
    ours = SETTINGS / f"{name}.toml"
    preset, file = (None, ours) if ours.exists() else (name, None) if name in preset_names() else (None, Path(name))
    return resolve_config(preset, file, assignments, {"run.seed": seed, "run.iterations": NO_END})
