"""What the released code of POET (Wang et al. 2019) writes, as walkers, genotypes and tables of this project.

Its log folder holds up to three files for each environment E, where B is the folder's name in that run:

- ``B.E.best.json``: the parameters of the best agent so far and its score; they stand in the order of ours;
- ``B.E.env.json``: ``config`` with the genes, and ``seed`` (Enhanced POET writes none);
- ``B.E.log``: CSV, a row every 25 iterations; most columns end with ``_E``. A restarted run repeats the header.

Nothing in them says who came from whom, when, and how agents moved (POET.md 6.1), so they make no run archive. The
ground of a seed is another one here, since another generator draws it.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from environments.errors import InputError, whole_number
from environments.terrain.obstacles import ObstacleGenotype
from experiments.drafts import new_folder
from experiments.files import written
from experiments.text import visible
from experiments.walkers import Walker, load_walker, save_walker
from experiments.walkers.foreign import MAX_BYTES

_AGENT, _GENES, _LOG = ".best.json", ".env.json", ".log"
#: Our genes that have intervals; theirs are called the same.
_INTERVALS = ("pit_gap", "stump_height", "stair_height")
#: Sizes that the released code never changes, since an upper end is never drawn there; ours has no such genes.
_FIXED = {"stump_width": [1, 2], "stump_float": [0, 1], "stair_width": [4, 5]}
#: Columns of a log that are read: ours by theirs, which end with the environment's name but for the last two.
_COLUMNS = {
    "timesteps_so_far": "env_steps", "episodes_so_far": "episodes", "eval_returns_mean": "score",
    "eval_len_mean": "length_mean", "po_returns_mean": "perturbed_mean", "noise_std": "noise_std",
    "learning_rate": "learning_rate", "theta_norm": "theta_norm", "accept_theta_in": "agent_from",
}  # fmt: skip
_TEXTS = ("agent_from",)
_WHOLE_RUN = {"iteration": "iteration", "time_elapsed_so_far": "seconds"}


def import_walker(source: Path, output: Path) -> list[str]:
    """Write another program's walker as one of ours.

    Args:
        source: its file, see ``experiments.walkers.foreign``.
        output: a ``.npz``, which ``run.start`` and ``poet evaluate`` take.

    Returns:
        A line for people.

    Raises:
        InputError: it cannot be read, or ``output`` is something else or there.
    """
    if output.suffix != ".npz":
        raise InputError(f"a walker becomes a .npz, but the output is {output}: let its name end with .npz")
    if output.exists():
        raise InputError(f"{output} exists: name a new file")
    walker = load_walker(str(source))
    with written(output) as file:
        save_walker(file, walker)
    return [f"{output}: a walker of {walker.policy.description}"]


def import_logs(source: Path, output: Path) -> list[str]:
    """Write what a log folder of the released POET holds to a new or empty folder, all of it or nothing.

    Args:
        source: the log folder.
        output: gets ``agents/E.npz`` (``run.start`` takes them), ``genotypes/E.json`` (``run.start_terrain`` takes
            their text), ``environments.csv`` with a row for each environment, and ``progress.csv`` with each row of
            the logs.

    Returns:
        A line for people.

    Raises:
        InputError: there are no such files, one is damaged, or the folder holds anything.
        RuntimeError: the folder was removed in the meantime.
    """
    found = {suffix: dict(_files(source, suffix)) for suffix in (_AGENT, _GENES, _LOG)}
    names = sorted({name for files in found.values() for name in files})
    _check_apart(names)
    if not names:
        raise InputError(f"{source} holds no file of the released POET, such as NAME.flat{_AGENT} or NAME.flat{_LOG}")
    rows, logs = [], []
    with new_folder(output) as draft:
        for folder in ("agents", "genotypes"):
            (draft / folder).mkdir()
        for name in names:
            row: dict[str, Any] = {"environment": visible(name), "seed": None, "best_score": None}
            if name in found[_AGENT]:
                walker, row["best_score"] = _read_agent(found[_AGENT][name])
                with (draft / "agents" / f"{name}.npz").open("xb") as file:
                    save_walker(file, walker)
            if name in found[_GENES]:
                genotype, row["seed"] = _read_genes(found[_GENES][name])
                with (draft / "genotypes" / f"{name}.json").open("x", encoding="utf-8") as text:
                    text.write(json.dumps(genotype.to_json()) + "\n")
                row |= {gene: json.dumps(value) for gene, value in genotype.to_json().items() if value is not None}
            if name in found[_LOG]:
                logs.append(_read_log(found[_LOG][name], name))
            rows.append(row)
        pd.DataFrame(rows).to_csv(draft / "environments.csv", index=False)
        if logs:
            pd.concat(logs, ignore_index=True).to_csv(draft / "progress.csv", index=False)
    counts = f"{len(found[_AGENT])} agents, {len(found[_GENES])} genotypes and {len(logs)} logs"
    return [f"{output}: {counts} of {len(names)} environments"]


def _check_apart(names: list[str]) -> None:
    """Refuse environments whose files would be one on a disk that tells capitals from small letters by nothing."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise InputError(
                f"the environments {other!r} and {name!r} differ only in capitals or accents, and some disks hold one "
                "file for both: rename the files of one of them"
            )


def _files(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """The files that end so, by the name of their environment."""
    paths = [path for path in sorted(folder.iterdir()) if path.name.endswith(suffix) and path.is_file()]
    for path in paths:
        stem = path.name.removesuffix(suffix)
        # The folder may have been renamed; the names of environments have points too.
        is_own = stem.startswith(f"{folder.resolve().name}.")
        name = stem[len(folder.resolve().name) + 1 :] if is_own else stem.partition(".")[2]
        if name:
            yield name, path


def _read_json(path: Path, read: Callable[[Any], Any]) -> Any:
    """What ``read`` makes of a file."""
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has {path.stat().st_size:,} bytes, too many for such a file")
    try:
        return read(json.loads(path.read_text("utf-8")))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {type(error).__name__}") from error


def _read_agent(path: Path) -> tuple[Walker, float]:
    """The best agent and its score."""
    walker = load_walker(str(path))

    def score_of(data: Any) -> float:
        score = data[1] if len(data) == 2 else None
        if isinstance(score, bool) or not isinstance(score, int | float) or not isfinite(score):
            raise InputError("it must be a list of the parameters and a score, a finite number")
        return float(score)

    return walker, _read_json(path, score_of)


def _read_genes(path: Path) -> tuple[ObstacleGenotype, int]:
    """The genotype and the seed."""

    def read(data: Any) -> tuple[ObstacleGenotype, int]:
        if not isinstance(data, dict) or not isinstance(data.get("config"), dict) or "seed" not in data:
            raise InputError("it must be an object with a 'config', the genes by name, and a 'seed'")
        return _genotype(data["config"]), whole_number("seed", data["seed"], 0)

    genotype, seed = _read_json(path, read)
    return genotype, seed


def _genotype(config: Mapping[str, Any]) -> ObstacleGenotype:
    """Their genes as ours: an empty list is an absent obstacle."""
    known = {"name", "ground_roughness", *_INTERVALS, *_FIXED, "stair_steps"}
    if set(config) != known:
        raise InputError(f"its config must have the keys {', '.join(sorted(known))}")
    for key, value in _FIXED.items():
        if config[key] not in ([], value):
            raise InputError(f"its {key} is {config[key]!r}, but this project has no other than {value}")
    genes = {name: config[name] or None for name in _INTERVALS}
    steps = config["stair_steps"] or None
    if steps is not None:
        if not isinstance(steps, list) or len(steps) != 2:
            raise InputError(f"its stair_steps must be a list of two numbers, found {steps!r:.60}")
        # There the upper end is never drawn.
        genes["stair_steps"] = [whole_number("stair_steps", steps[0]), whole_number("stair_steps", steps[1]) - 1]
    return ObstacleGenotype.from_json({"roughness": config["ground_roughness"], **genes})


def _read_log(path: Path, name: str) -> pd.DataFrame:
    """The rows of an environment's log that are numbers, and which agent was taken."""
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has {path.stat().st_size:,} bytes, too many for a log")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
    except (csv.Error, ValueError) as error:
        raise InputError(f"{path} cannot be read: {type(error).__name__}") from error
    header = lines[0] if lines else []
    wanted = {f"{theirs}_{name}": ours for theirs, ours in _COLUMNS.items()} | _WHOLE_RUN
    missing = [column for column in wanted if header.count(column) != 1]
    if missing:
        raise InputError(f"{path}: its first line must name the column {missing[0]!r:.120} once")
    places = {ours: header.index(column) for column, ours in wanted.items()}
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines[1:], 2):
        if line == header or not line:  # written again when the run was restarted
            continue
        if len(line) != len(header):
            raise InputError(f"{path}:{number}: it must have {len(header)} fields, found {len(line)}")
        row = {
            ours: visible(line[at]) if ours in _TEXTS else _number(path, number, line[at])
            for ours, at in places.items()
        }
        rows.append({"environment": visible(name), **row})
    return pd.DataFrame(rows, columns=["environment", *places])


def _number(path: Path, line: int, text: str) -> float | None:
    """A field of a log; None for an empty one."""
    try:
        return (int(text) if text.isdecimal() else float(text)) if text else None
    except ValueError:
        raise InputError(f"{path}:{line}: it must hold numbers, found {text!r:.60}") from None
