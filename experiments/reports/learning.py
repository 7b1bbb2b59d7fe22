"""The page about what runs have learnt: ``python -m experiments.reports.learning FOLDER RUN...``.

The runs are of one config with several seeds, validated (``validation.episodes``). FOLDER gets README.md, with how
often each niche's agent succeeds at admission and at the end, and pictures of the first run: one niche before and
after, all scores and success rates, the family tree.

If niches rest once they are robustly solved, the rate that lets them rest is more often lucky than not. So every last
agent is run again here, under pushes that decided nothing, and these rates say what was learnt. It is also run with its
weights rounded to float16, and with noise of 1e-6 on them, which must not matter.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from agents.strategies.normal import normals
from environments.errors import InputError
from environments.streams import stream_key
from experiments.analysis.aggregate import run_names
from experiments.analysis.frames import niches_table
from experiments.analysis.genes import CHALLENGE_NAMES, gene_text
from experiments.analysis.measures import run_card
from experiments.analysis.run_tables import RunTables, read_tables
from experiments.analysis.success import percentage
from experiments.files import write_text
from experiments.markdown import markdown_table
from experiments.replay.pairs import pair_of
from experiments.replay.strip import stack_strips
from experiments.reports.pages import copy_plots, cost_table, draw_walk, run_as_program
from experiments.text import as_code
from experiments.trials import NUM_TRIALS, num_successes
from poet.archive.reader import Run, open_run
from poet.validation import ROBUST_RATE

#: A niche counts as failed at admission if its first agent's success rate was below this.
FAILED_RATE = 0.4
_PLOTS = ("scores", "phylogeny")


def children_of(run: RunTables) -> pd.DataFrame:
    """The niches that were admitted, the root left out.

    Returns:
        The rows of ``niches_table``, without the root's, of niches whose first and last agents were both validated; and
        version_id, the first agent's.

    Raises:
        InputError: the run was not validated.
    """
    table = niches_table(run)
    if "pushes_now" not in table or table["pushes_now"].isna().all():
        raise InputError("the run holds no success rates: make it with --set validation.episodes=50")
    children = table[table["parent_id"].notna() & table["pushes_admission"].notna()].reset_index(drop=True)
    first = run.niches.set_index("niche_id")["version_id"]
    return children.assign(version_id=children["niche_id"].map(first))


def retest(run: Run, children: pd.DataFrame) -> pd.DataFrame:
    """Run the last stored agents under pushes that decided nothing.

    Returns:
        ``children_of`` with the success rate of the last agent (again), of its weights rounded to float16
        (again_float16) and with Gaussian noise of 1e-6 (again_noisy), all under the same pushes; and is_learnt: failed
        at admission (below ``FAILED_RATE``), and ``ROBUST_RATE`` or more now.
    """
    rates = []
    for niche_id in children["niche_id"].tolist():
        theta = run.agent(niche_id).theta
        eps = normals(stream_key(run.config.run.seed, "noise of the learning page", niche_id), theta.size)
        variants = {
            "again": theta,
            "again_float16": theta.astype(np.float16).astype(np.float32),
            "again_noisy": theta + np.float32(1e-6) * eps,
        }
        rates.append(
            {
                name: num_successes(run, niche_id, variant, "pushes of the learning page") / NUM_TRIALS
                for name, variant in variants.items()
            }
        )
    table = children.join(pd.DataFrame(rates, index=children.index, columns=["again", "again_float16", "again_noisy"]))
    return table.assign(is_learnt=(table["pushes_admission"] < FAILED_RATE) & (table["again"] >= ROBUST_RATE))


def main(folder: Path, run_folders: list[Path]) -> None:
    """Write the page."""
    folder.mkdir(parents=True, exist_ok=True)
    names = run_names(run_folders)
    tables: dict[str, RunTables] = {}
    found: dict[str, pd.DataFrame] = {}
    for name, path in zip(names, run_folders, strict=True):
        with open_run(path) as run:
            tables[name] = read_tables(run)
            found[name] = retest(run, children_of(tables[name]))
            if len(tables) == 1:
                copy_plots(name, run, _PLOTS, folder)
                shown = _draw_lineage(run, found[name], folder)
    first = names[0]
    parts = (_summary(tables, found), _lineage(shown), _niches(first, tables[first], found[first]),
             _cost(first, tables[first]))  # fmt: skip
    write_text(folder / "README.md", "\n\n".join(part for part in parts if part) + "\n")


def draw_before_and_after(run: Run, niche_id: int, first_version: int, folder: Path) -> list[Path]:
    """Strips of a niche's first agent, the version of that id, and of its last stored one, on the same ground."""
    first = next(agent for agent in run.stored_agents() if agent.version.id == first_version)
    strips = []
    for when, agent in (("before", first), ("after", run.agent(niche_id))):
        strips.append(folder / f"{when}-{niche_id}.png")
        draw_walk(strips[-1], pair_of(run, niche_id, agent))
    return strips


def _draw_lineage(run: Run, children: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Strips of the niche that gained most.

    Returns:
        Its row, if any was learnt.
    """
    learnt = children[children["is_learnt"]]
    best = learnt.loc[(learnt["again"] - learnt["pushes_admission"]).sort_values(ascending=False).index[:1]]
    for niche in best.to_dict("records"):
        with tempfile.TemporaryDirectory() as above:
            strips = draw_before_and_after(run, niche["niche_id"], niche["version_id"], Path(above))
            stack_strips(strips, folder / "learnt.png")
    return best


def _summary(tables: Mapping[str, RunTables], found: Mapping[str, pd.DataFrame]) -> str:
    failed, robust = percentage(FAILED_RATE), percentage(ROBUST_RATE)
    rows = []
    for name, run in tables.items():
        card, children = run_card(run), found[name]
        rows.append(
            {
                "seed": card.seed,
                "env-steps": card.env_steps,
                "terrains admitted": len(children),
                "mean success of their first agents": percentage(children["pushes_admission"].mean()),
                "of their last ones": percentage(children["again"].mean()),
                "with weights as float16": percentage(children["again_float16"].mean()),
                "with noise of 1e-6": percentage(children["again_noisy"].mean()),
                f"failed at admission (below {failed})": int((children["pushes_admission"] < FAILED_RATE).sum()),
                f"of these learnt ({robust} or more)": int(children["is_learnt"].sum()),
            }
        )
    config = next(iter(tables.values())).config
    rest = "" if config.niche.rest_interval == 1 else " They do decide when a niche rests."
    return f"""# What was learnt

Success is to finish a niche's own ground with a return of 230 or more. First agents are measured in
{config.validation.episodes} episodes, each with another push at the start; nothing trains on these pushes.{rest} Last
agents are measured in {NUM_TRIALS} further episodes, under pushes that decided nothing.

{markdown_table(pd.DataFrame(rows))}"""


def _lineage(shown: pd.DataFrame) -> str:
    if shown.empty:
        return ""
    niche = shown.iloc[0]
    before, after, unseen = (percentage(niche[name]) for name in ("pushes_admission", "again", "seeds_now"))
    return f"""## One niche, before and after

The niche that gained most, {niche["niche_id"]}: the agent with which it was admitted succeeds under {before} of the
pushes, its last one under {after}, and on {unseen} of unseen seeds of the same kind of terrain. Each strip is one
episode, under the push of the niche itself.

![The first agent and the last one on the same ground](learnt.png)"""


def niche_rows(run: RunTables, children: pd.DataFrame) -> pd.DataFrame:
    """One row a niche for people: its terrain, and how often its first and its last agent succeed; see ``retest``."""
    genotypes = run.niches.set_index("niche_id")["genotype"]
    rows = {
        "niche": children["niche_id"],
        "parent": children["parent_id"].astype("int64"),
        "admitted in iteration": children["created"],
        "terrain": [gene_text(genotypes[niche_id]) for niche_id in children["niche_id"]],
        "pushes, first agent": children["pushes_admission"].map(percentage),
        "last agent": children["pushes_now"].map(percentage),
    }
    if "again" in children:
        rows[f"last agent, {NUM_TRIALS} other pushes"] = children["again"].map(percentage)
    rows["unseen seeds, first agent"] = children["seeds_admission"].map(percentage)
    rows["unseen seeds, last agent"] = children["seeds_now"].map(percentage)
    return pd.DataFrame(rows)


def _niches(name: str, run: RunTables, children: pd.DataFrame) -> str:
    levels = children["challenge_level"].dropna()
    level = f"The hardest is {CHALLENGE_NAMES[int(levels.max())]}, as the paper counts.\n\n" if len(levels) else ""
    rows = niche_rows(run, children)
    return f"""## Every terrain of {as_code(name)}

{level}{markdown_table(rows)}

![Scores, and success rates from admission on](scores.png)

![Who descends from whom](phylogeny.png)"""


def _cost(name: str, run: RunTables) -> str:
    return f"## What {as_code(name)} cost\n\n{markdown_table(cost_table(run))}"


if __name__ == "__main__":
    run_as_program(__doc__, main)
