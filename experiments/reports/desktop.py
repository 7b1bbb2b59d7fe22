"""The page about what seeds of one config reach: ``python -m experiments.reports.desktop FOLDER RUN...``.

The runs are of one config with several seeds, validated (``validation.episodes``). FOLDER gets README.md: the first
terrain of each class over the seeds, the hardest terrain that each seed still crosses robustly, with a film strip, each
niche from admission to its end, and each run beside its neutral shadow, which is made (and kept in the run's folder)
where there is none.

A niche counts as robustly solved by its validation set. That set is used again and again, so the best of many results
is lucky. Therefore this page calls a terrain crossed by what the niche's last agent does under other pushes
(``experiments.reports.learning``). Those pushes choose the hardest terrain crossed, so its agent is tried once more.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from environments.errors import InputError
from experiments.analysis import theme
from experiments.analysis.aggregate import RunGroup, group_runs, run_names
from experiments.analysis.aggregate_plot import plot_aggregate
from experiments.analysis.genes import CHALLENGE_NAMES, challenge_level, gene_text, hardness
from experiments.analysis.measures import run_card
from experiments.analysis.milestones import median_milestones
from experiments.analysis.run_tables import RunTables, read_tables
from experiments.analysis.shadow_comparison import FAMILIES, verdicts_table
from experiments.analysis.shadow_file import FOLDER_NAME, write_shadow
from experiments.analysis.success import percentage
from experiments.controls import NUM_REPLICATES
from experiments.controls.neutral import neutral_shadow
from experiments.files import sub_folder, write_text
from experiments.markdown import markdown_table
from experiments.replay.strip import stack_strips
from experiments.reports.learning import FAILED_RATE, children_of, draw_before_and_after, niche_rows, retest
from experiments.reports.pages import copy_plots, cost_table, run_as_program
from experiments.settings import assignment, differences, resolve_config
from experiments.text import as_code, poet_command, visible
from experiments.trials import NUM_TRIALS, num_successes
from poet.archive.reader import Run, open_run
from poet.validation import ROBUST_RATE

_PLOTS = ("scores", "phylogeny")


@dataclass(frozen=True, eq=False)
class Reached:
    """What the page knows of one run.

    Attributes:
        tables: of the run.
        children: its niches, the root left out, as ``children_of`` has them.
        robust: of those that were ever robustly solved, as ``retest`` has them, the hardest first.
        hardest: the row of the first of them that its last agent crosses robustly, if there is one, with num_tried: how
            often that agent succeeds under further ``NUM_TRIALS`` pushes, which chose nothing.
    """

    tables: RunTables
    children: pd.DataFrame
    robust: pd.DataFrame
    hardest: pd.DataFrame


def reached_by(run: Run) -> Reached:
    """Measure what a run reached; its neutral shadow is made if it has none that fits.

    Raises:
        InputError: the run was not validated.
    """
    tables = read_tables(run)
    children = children_of(tables)
    if tables.shadow.niches is None:
        write_shadow(neutral_shadow(run, NUM_REPLICATES), sub_folder(run.folder / FOLDER_NAME))
        tables = read_tables(run)
    genotypes = tables.niches.set_index("niche_id")["genotype"]
    robust = children[children["robust"].notna()]
    hard = sorted(robust["niche_id"].tolist(), key=lambda niche_id: hardness(genotypes[niche_id]), reverse=True)
    robust = retest(run, robust.set_index("niche_id").loc[hard].reset_index())
    hardest = robust[robust["again"] >= ROBUST_RATE].head(1)
    counts = [
        num_successes(run, niche_id, run.agent(niche_id).theta, "pushes of the hardest terrain")
        for niche_id in hardest["niche_id"].tolist()
    ]
    return Reached(tables, children, robust, hardest.assign(num_tried=counts))


def main(folder: Path, run_folders: list[Path]) -> None:
    """Write the page."""
    names = run_names(run_folders)
    runs = dict(zip(names, run_folders, strict=True))
    _check_runs(runs)
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Reached] = {}
    with tempfile.TemporaryDirectory() as above:
        strips: list[Path] = []
        for name, path in runs.items():
            with open_run(path) as run:
                found[name] = reached_by(run)
                if len(found) == 1:
                    copy_plots(name, run, _PLOTS, folder)
                for niche in found[name].hardest.to_dict("records"):
                    place = sub_folder(Path(above) / str(len(found)))
                    strips += draw_before_and_after(run, niche["niche_id"], niche["version_id"], place)
        if strips:
            stack_strips(strips, folder / "hardest.png")
    tables = {name: reached.tables for name, reached in found.items()}
    groups = group_runs(tables)
    theme.save_figure(plot_aggregate(groups), folder / "classes.png")
    parts = (_summary(found), _hardest(found), _classes(tables, groups), _learning(found), _growth(tables),
             _first(names[0], found[names[0]]), _cost(tables), _how(folder, tables))  # fmt: skip
    write_text(folder / "README.md", "\n\n".join(part for part in parts if part) + "\n")


def _check_runs(runs: Mapping[str, Path]) -> None:
    """Refuse, before anything is run, runs that are not seeds of one config, and terrains without the paper's genes."""
    tables = {}
    for name, path in runs.items():
        with open_run(path) as run:
            tables[name] = read_tables(run)
        if any(challenge_level(genotype) is None for genotype in tables[name].niches["genotype"]):
            raise InputError(f"the page ranks terrains by the genes of Wang et al. 2019, which {name} does not have")
    groups = group_runs(tables)
    if len(groups) > 1:
        raise InputError(f"the runs must differ in their seeds alone, but one has {groups[0].name}, another "
                         f"{groups[1].name}")  # fmt: skip


def _summary(found: Mapping[str, Reached]) -> str:
    rows = []
    for reached in found.values():
        card, hardest = run_card(reached.tables), reached.hardest
        genotypes = reached.tables.niches.set_index("niche_id")["genotype"]
        row = {
            "seed": card.seed,
            "env-steps": card.env_steps,
            "hours": round(reached.tables.iterations["seconds"].sum() / 3600, 2),
            "terrains admitted": len(reached.children),
            "robustly solved at some time": len(reached.robust),
            "their last agents cross robustly": int((reached.robust["again"] >= ROBUST_RATE).sum()),
            "the hardest of these": "",
            "class": "",
            f"its agent, of {NUM_TRIALS}": "",
            "on unseen seeds": "",
        }
        for niche in hardest.to_dict("records"):
            row["the hardest of these"] = gene_text(genotypes[niche["niche_id"]])
            row["class"] = CHALLENGE_NAMES[int(niche["challenge_level"])]
            row[f"its agent, of {NUM_TRIALS}"] = str(niche["num_tried"])
            row["on unseen seeds"] = percentage(niche["seeds_now"])
        rows.append(row)
    config = next(iter(found.values())).tables.config
    robust = percentage(ROBUST_RATE)
    num = "one seed" if len(found) == 1 else f"{len(found)} seeds"
    return f"""# What {num} reached

Success is to finish a niche's own ground with a return of 230 or more. A niche is robustly solved where an agent
succeeds under {robust} of {config.validation.episodes} pushes that nothing trains on. These are asked every
{config.validation.interval} iterations, and the best of many answers is lucky. So the last agent of each such niche was
run under {NUM_TRIALS} other pushes; it crosses robustly if it succeeds under {robust} of them. The agent of the
hardest terrain so crossed was run under {NUM_TRIALS} more, which chose nothing: that is the number in the table. A
terrain is challenging from roughness 4.5, gaps of 6 or stumps of 2.4 on (Wang et al. 2019). Percentages are cut, not
rounded. Hours are those of a clock on the wall, also where runs shared the machine or waited.

{markdown_table(pd.DataFrame(rows))}"""


def _hardest(found: Mapping[str, Reached]) -> str:
    seeds = [str(reached.tables.config.run.seed) for reached in found.values() if len(reached.hardest)]
    if not seeds:
        return ""
    return f"""## The hardest terrain that each seed crosses robustly

For each seed the agent with which it was admitted, and below it the last one: one episode each, under the push of the
niche itself. It is one push of many: who succeeds under 80 % of them may fall here, and who mostly fails may finish.
From above, seed {", ".join(seeds)}.

![Two film strips a seed](hardest.png)"""


def _classes(tables: Mapping[str, RunTables], groups: Sequence[RunGroup]) -> str:
    medians = median_milestones(tables, groups)
    shown = pd.DataFrame({"class": medians["class"], "admitted": [f"{number:g}" for number in medians["admitted"]]})
    for reached, name in (("once", "solved once"), ("robust", "robustly"), ("general", "by a general agent")):
        shown[name] = [f"{number:g}" for number in medians[reached]]
        steps = medians[f"{reached}_env_steps"]
        shown[f"the first after, M env-steps ({reached})"] = ["" if pd.isna(n) else f"{n / 1e6:.0f}" for n in steps]
    for name, when in (("success_share_at_admission", "at admission"), ("success_share_last", "at the end")):
        shown[f"success {when}"] = medians[name].map(percentage)
    return f"""## Classes of terrain over env-steps

Medians over the seeds: how many terrains of a class were admitted, solved once, robustly solved at some time, and had
an agent that succeeds on {percentage(ROBUST_RATE)} of unseen seeds, and after how many env-steps the first of them was.
A number is missing where the median seed never got there. Each run counts to its own end; the curve of the median stops
where the shortest run does.

{markdown_table(shown)}

![Curves over env-steps, the seeds as bands](classes.png)"""


def _learning(found: Mapping[str, Reached]) -> str:
    rows = []
    for reached in found.values():
        children, robust = reached.children, reached.robust
        failed = children[children["pushes_admission"] < FAILED_RATE]
        rows.append(
            {
                "seed": reached.tables.config.run.seed,
                "terrains": len(children),
                "success at admission": percentage(children["pushes_admission"].mean()),
                "at the end of each": percentage(children["pushes_now"].mean()),
                f"failed at admission (below {percentage(FAILED_RATE)})": len(failed),
                "of these robustly solved": int(failed["robust"].notna().sum()),
                f"robust ones under {NUM_TRIALS} other pushes": percentage(robust["again"].mean()),
                "with weights as float16": percentage(robust["again_float16"].mean()),
                "with noise of 1e-6": percentage(robust["again_noisy"].mean()),
            }
        )
    return f"""## From admission to the end

{markdown_table(pd.DataFrame(rows))}"""


def _growth(tables: Mapping[str, RunTables]) -> str:
    verdicts = verdicts_table(tables).rename(columns={"p_value": "p"})
    return f"""## Beside its neutral shadow

{FAMILIES}

{markdown_table(verdicts)}"""


def _first(name: str, reached: Reached) -> str:
    again = reached.robust.set_index("niche_id")["again"]  # for the others only the validation is known
    children = reached.children.assign(again=reached.children["niche_id"].map(again))
    return f"""## The family of {as_code(name)}

The last agent is that of the last validation. Under other pushes, if the niche was ever robustly solved, ran the last
one that is stored, which may be some iterations younger.

{markdown_table(niche_rows(reached.tables, children))}

![Scores, and success rates from admission on](scores.png)

![Who descends from whom](phylogeny.png)"""


def _cost(tables: Mapping[str, RunTables]) -> str:
    costs = [cost_table(run).set_index("purpose")["share, %"] for run in tables.values()]
    shares = pd.DataFrame(dict(zip(tables, costs, strict=True))).fillna(0.0).rename_axis("purpose").reset_index()
    return f"""## What it cost

Shares of env-steps, in percent.

{markdown_table(shares.sort_values(shares.columns[1], ascending=False))}"""


def _how(folder: Path, tables: Mapping[str, RunTables]) -> str:
    lines = []
    for name, run in tables.items():
        changed = differences(
            run.config, resolve_config("desktop", flags={"run.iterations": run.config.run.iterations})
        )
        settings = [word for key, value in changed.items() for word in ("--set", assignment(key, value))]
        iterations = ("--iterations", str(run.iteration))
        lines.append(poet_command("run", Path(name), "--preset", "desktop", *settings, *iterations))
    page = ["python", "-m", "experiments.reports.desktop", str(folder), *tables]
    lines.append(shlex.join(page))
    return "## How to make it again\n\n```\n" + "\n".join(map(visible, lines)) + "\n```"


if __name__ == "__main__":
    run_as_program(__doc__, main)
