"""A page that compares settings: ``python -m experiments.reports.arms FOLDER RUN...``.

The runs come from ``poet bench evolution``: folders called ARM-SEED, with validation (``validation.episodes``). All are
compared at the number of env-steps at which the shortest run ends. FOLDER gets README.md. For each arm and seed, it
shows after how many env-steps the first terrain of each kind was solved once and robustly solved, and how often the
agents succeeded at admission and at the end.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from environments.errors import InputError
from experiments.analysis.aggregate import run_names
from experiments.analysis.frames import cumulative_steps, niches_table
from experiments.analysis.genes import challenge_level, gene_text, hardness
from experiments.analysis.measures import run_card
from experiments.analysis.milestones import HARDCORE_LIKE, ROUGHNESSES, classes_of
from experiments.analysis.run_tables import FRAMES, RunTables, read_tables
from experiments.analysis.shadow_file import NO_SHADOW
from experiments.analysis.success import percentage
from experiments.comparison.arms import arms_of, changed
from experiments.files import write_text
from experiments.markdown import markdown_table
from experiments.reports.pages import run_as_program
from experiments.text import visible
from poet.archive.reader import open_run
from poet.events import ValidationSet
from poet.validation import ROBUST_RATE

#: The cell of a seed that never got there.
NEVER = "-"


def main(folder: Path, run_folders: list[Path]) -> None:
    """Write the page."""
    tables = {}
    for name, path in zip(run_names(run_folders), run_folders, strict=True):
        with open_run(path) as run:
            tables[name] = read_tables(run)
        if tables[name].validations.empty:
            raise InputError(f"{name} was not validated: run it with validation.episodes")
        if any(challenge_level(genotype) is None for genotype in tables[name].niches["genotype"]):
            raise InputError(f"the page ranks terrains by the genes of Wang et al. 2019, which {name} does not have")
    shortest = min(int(cumulative_steps(run).iloc[-1]) for run in tables.values())
    names = arms_of({name: run.config for name, run in tables.items()})
    arms = {arm: [until(tables[name], shortest) for name in mine] for arm, mine in names.items()}
    parts = (_first_times(arms), _learning(arms), _settings(arms), _how(folder, run_folders))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.md", "\n\n".join(parts) + "\n")


def until(run: RunTables, env_steps: int) -> RunTables:
    """A run as it was after the last iteration that ended within ``env_steps``."""
    steps = cumulative_steps(run)
    last = int(steps.index[steps <= env_steps][-1])
    frames = {name: getattr(run, name) for name in FRAMES}
    frames = {name: frame[frame["iteration"] <= last].reset_index(drop=True) for name, frame in frames.items()}
    return replace(run, iteration=last, admissible=run.admissible[: last + 1], shadow=NO_SHADOW, **frames)


def first_times(run: RunTables) -> dict[tuple[str, str], int | None]:
    """The number of env-steps after which the first terrain of each kind was solved.

    Returns:
        The number by kind (``roughness 1`` and up, hardcore-like) and by how it was solved, ``solved`` once or
        ``robust``; None if no child of that kind ever was.
    """
    niches = _children(run)
    genotypes = niches["niche_id"].map(run.niches.set_index("niche_id")["genotype"])
    kinds = {f"roughness {bound:g}": niches["roughness"] >= bound for bound in ROUGHNESSES}
    is_hardcore = [HARDCORE_LIKE in classes_of(genotype) for genotype in genotypes]
    kinds[HARDCORE_LIKE] = pd.Series(is_hardcore, niches.index, dtype=bool)
    found = {}
    for kind, mine in kinds.items():
        for reached in ("solved", "robust"):
            first = niches.loc[mine, f"{reached}_env_steps"].min()
            found[kind, reached] = None if pd.isna(first) else int(first)
    return found


def _first_times(arms: Mapping[str, Sequence[RunTables]]) -> str:
    texts = []
    for reached, title in (("robust", "robustly solved"), ("solved", "solved once")):
        rows = []
        for arm, runs in arms.items():
            times = [first_times(run) for run in runs]
            kinds = dict.fromkeys(kind for kind, _ in times[0])
            cells = {kind: ", ".join(_millions(found[kind, reached]) for found in times) for kind in kinds}
            rows.append({"settings": arm, "seeds": _seeds(runs)} | cells)
        texts.append(f"### First {title}, after M env-steps\n\n{markdown_table(pd.DataFrame(rows))}")
    spent = [run_card(run).env_steps for runs in arms.values() for run in runs]
    episodes = next(iter(arms.values()))[0].config.validation.episodes
    return f"""# Settings against each other

Each run is looked at after {_span(spent)} M env-steps. A cell has one number for each seed, {NEVER} if that seed never
got there. Only children count, not the flat terrain that a run starts with.

Solved once is the papers' rule: one episode with a return of 230 or more, which can be luck. Robustly solved means that
an agent succeeded under {percentage(ROBUST_RATE)} of {episodes} pushes. Nothing is trained on these pushes, but each
niche is measured again and again on the same ones, so the first time that it passes is early by luck. The last column
of the last table says how many measurements each run had.

{texts[0]}

{texts[1]}"""


def _learning(arms: Mapping[str, Sequence[RunTables]]) -> str:
    rows = []
    for arm, runs in arms.items():
        children = [_children(run) for run in runs]
        rows.append(
            {
                "settings": arm,
                "seeds": _seeds(runs),
                "terrains admitted": ", ".join(str(len(niches)) for niches in children),
                "robustly solved": ", ".join(str(niches["robust"].notna().sum()) for niches in children),
                "success at admission": ", ".join(_mean(niches["pushes_admission"]) for niches in children),
                "at the end": ", ".join(_mean(niches["pushes_now"]) for niches in children),
                "hardest robustly solved": "; ".join(map(_hardest, runs)),
                "measurements": ", ".join(str(_num_measurements(run)) for run in runs),
            }
        )
    return f"""## How often agents succeeded

Means over the children of each run. The end of a niche is its last measurement, however long ago that was. Arms admit
terrains of different difficulty, so that success at the end compares within an arm, not between arms.

{markdown_table(pd.DataFrame(rows))}"""


def _children(run: RunTables) -> pd.DataFrame:
    niches = niches_table(run)
    return niches[niches["parent_id"].notna()]


def _hardest(run: RunTables) -> str:
    niches = _children(run)
    genotypes = run.niches.set_index("niche_id")["genotype"][niches.loc[niches["robust"].notna(), "niche_id"]]
    return gene_text(max(genotypes, key=hardness)) if len(genotypes) else NEVER


def _num_measurements(run: RunTables) -> int:
    measured = run.validations
    of_children = measured["niche_id"].isin(_children(run)["niche_id"])
    return int((of_children & (measured["validation_set"] == ValidationSet.PUSHES)).sum())


def _settings(arms: Mapping[str, Sequence[RunTables]]) -> str:
    first, *others = arms
    base = arms[first][0].config
    lines = [f"## How the settings differ from those of `{first}`\n"]
    for arm in others:
        values = changed(arms[arm][0].config, base)
        lines.append(f"- {arm}: " + ", ".join(f"`{key}` {value}" for key, value in values.items()))
    return "\n".join(lines)


def _how(folder: Path, run_folders: Sequence[Path]) -> str:
    page = shlex.join(["python", "-m", "experiments.reports.arms", str(folder), *map(str, run_folders)])
    return f"""## How to reproduce it

Make the runs with `poet bench evolution`, and arms that lack a part with its option `--without`. Then:

```
{visible(page)}
```"""


def _span(env_steps: Sequence[int]) -> str:
    ends = dict.fromkeys(map(_millions, (min(env_steps), max(env_steps))))
    return " to ".join(ends)


def _millions(env_steps: int | None) -> str:
    return NEVER if env_steps is None else f"{env_steps / 1e6:.2g}" if env_steps < 1e7 else f"{env_steps / 1e6:.0f}"


def _mean(rates: pd.Series[float]) -> str:
    return percentage(rates.mean()) if rates.notna().any() else NEVER


def _seeds(runs: Sequence[RunTables]) -> str:
    return ", ".join(str(run.config.run.seed) for run in runs)


if __name__ == "__main__":
    run_as_program(__doc__, main)
