"""The page of what runs have learnt: ``python -m experiments.reports.learning FOLDER RUN...``.

The runs are of one config with several seeds, validated (``validation.episodes``). FOLDER gets README.md, with how
often each niche's agent succeeds at admission and at the end, and pictures of the first run: one niche before and
after, all scores and success rates, the family tree.

Where niches rest once they are robustly solved, the rate that lets them rest is more often lucky than not. So the last
agents are run once more here, under pushes that decided nothing; and again with their weights rounded to float16, and
with noise of 1e-6 on them, which must not matter to what is really learnt.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from agents import MLPPolicy, rollout
from agents.strategies.normal import normals
from environments.errors import InputError
from environments.streams import Stream, stream_key
from environments.terrain.generation import push_from
from experiments.analysis.frames import ledger_table, niches_table
from experiments.analysis.genes import gene_text
from experiments.analysis.measures import run_card
from experiments.analysis.report import write_report
from experiments.analysis.run_tables import RunTables, read_tables
from experiments.analysis.success import percentage
from experiments.files import write_text, written
from experiments.replay.render import replay
from experiments.replay.strip import stack_strips
from experiments.reports.markdown import markdown_table
from experiments.text import as_code
from poet.archive.reader import Run, open_run
from poet.scoring import successes
from poet.validation import ROBUST_RATE

#: A niche was failed at its admission whose first agent's success rate was below this.
FAILED_RATE = 0.4
#: Episodes of each last agent on this page.
NUM_RETESTS = 200
_PLOTS = ("scores", "phylogeny")


def learnt(run: RunTables) -> pd.DataFrame:
    """What became of each child.

    Returns:
        The rows of ``niches_table`` but the root's, whose first and last agents were both validated, with is_learnt:
        failed at admission (below ``FAILED_RATE``), and robustly solved by the last agent (``ROBUST_RATE``).

    Raises:
        InputError: the run was not validated.
    """
    table = niches_table(run)
    if "pushes_now" not in table or table["pushes_now"].isna().all():
        raise InputError("the run holds no success rates: make it with --set validation.episodes=50")
    children = table[table["parent_id"].notna() & table["pushes_admission"].notna()].reset_index(drop=True)
    children["is_learnt"] = (children["pushes_admission"] < FAILED_RATE) & (children["pushes_now"] >= ROBUST_RATE)
    return children


def retest(run: Run, niche_ids: list[int]) -> pd.DataFrame:
    """Run the last stored agents under pushes that nobody has seen.

    Returns:
        Indexed by niche_id: the success rate of the agent (``as_stored``), of its weights rounded to float16
        (``as_float16``), and of its weights with Gaussian noise of 1e-6 (``noisy``), all under the same pushes.
    """
    rows, policy = {}, MLPPolicy()
    for niche_id in niche_ids:
        own, stream = run.terrain(niche_id), Stream(run.config.run.seed, "pushes of the learning page", niche_id)
        pushes = [own.with_push(push_from(stream)) for _ in range(NUM_RETESTS)]
        theta = run.agent(niche_id).theta
        eps = normals(stream_key(run.config.run.seed, "noise of the learning page", niche_id), theta.size)
        variants = {
            "as_stored": theta,
            "as_float16": theta.astype(np.float16).astype(np.float32),
            "noisy": theta + np.float32(1e-6) * eps,
        }
        steps = run.config.evaluation.max_steps
        rows[niche_id] = {
            name: successes(rollout(policy, np.tile(v, (NUM_RETESTS, 1)), pushes, max_steps=steps)).count(True)
            / NUM_RETESTS
            for name, v in variants.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="niche_id")


def main(folder: Path, run_folders: list[Path]) -> None:
    """Write the page."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, RunTables] = {}
    again: dict[str, pd.DataFrame] = {}
    for path in run_folders:
        with open_run(path) as run:
            tables[path.name] = read_tables(run)
            children = learnt(tables[path.name])
            again[path.name] = retest(run, children["niche_id"].tolist())
            if len(tables) == 1:
                _copy_plots(path.name, run, folder)
                shown = _draw_lineage(run, children, folder)
    first = next(iter(tables))
    parts = (
        _summary(tables, again),
        _lineage(shown),
        _niches(first, tables[first], again[first]),
        _cost(first, tables[first]),
    )
    write_text(folder / "README.md", "\n\n".join(part for part in parts if part) + "\n")


def _copy_plots(name: str, run: Run, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as above:
        write_report({name: run}, Path(above) / "report")
        for plot in _PLOTS:
            with written(folder / f"{plot}.png") as file:
                file.write((Path(above) / "report" / "plots" / f"{plot}.png").read_bytes())


def _draw_lineage(run: Run, niches: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Strips of the niche that was learnt best: its first agent, and its last validated one, on the same ground.

    Returns:
        Its row, if any was learnt.
    """
    gains = (niches["pushes_now"] - niches["pushes_admission"])[niches["is_learnt"]].sort_values(ascending=False)
    best = niches.loc[gains.index[:1]]
    for niche_id, created in zip(best["niche_id"], best["created"], strict=True):
        with tempfile.TemporaryDirectory() as above:
            strips = [Path(above) / name for name in ("before.png", "after.png")]
            for path, iteration in zip(strips, (int(created), None), strict=True):
                replay(run, int(niche_id), iteration=iteration, output=path)
            stack_strips(strips, folder / "learnt.png")
    return best


def _summary(tables: Mapping[str, RunTables], again: Mapping[str, pd.DataFrame]) -> str:
    rows = []
    for name, run in tables.items():
        card, children, retested = run_card(run), learnt(run), again[name]
        rows.append(
            {
                "seed": card.seed,
                "env-steps": card.env_steps,
                "terrains admitted": len(children),
                "mean success at admission": percentage(children["pushes_admission"].mean()),
                "mean success of their last agents": percentage(children["pushes_now"].mean()),
                f"the same under {NUM_RETESTS} pushes that decided nothing": percentage(retested["as_stored"].mean()),
                "with weights as float16": percentage(retested["as_float16"].mean()),
                "with noise of 1e-6": percentage(retested["noisy"].mean()),
                f"failed at admission (below {percentage(FAILED_RATE)})": int(
                    (children["pushes_admission"] < FAILED_RATE).sum()
                ),
                f"of these, robustly solved at their end ({percentage(ROBUST_RATE)} or more)": int(
                    children["is_learnt"].sum()
                ),
            }
        )
    episodes = next(iter(tables.values())).config.validation.episodes
    return f"""# What was learnt

Success is to finish a niche's own ground with a return of 230 or more. A success rate is the share of {episodes}
episodes in which an agent succeeds, each with another push at the start; nothing trains on these pushes.

{markdown_table(pd.DataFrame(rows))}"""


def _lineage(shown: pd.DataFrame) -> str:
    if shown.empty:
        return ""
    niche = shown.iloc[0]
    before, after, unseen = (percentage(niche[name]) for name in ("pushes_admission", "pushes_now", "seeds_now"))
    return f"""## One niche, before and after

Niche {niche["niche_id"]}: the agent with which it was admitted succeeds under {before} of the pushes, its last one
under {after}, and on {unseen} of unseen seeds of the same kind of terrain. Each strip is one episode, under the push of
the niche itself.

![The first agent and the last one on the same ground](learnt.png)"""


def _niches(name: str, run: RunTables, retested: pd.DataFrame) -> str:
    children = learnt(run)
    genotypes = run.niches.set_index("niche_id")["genotype"]
    rows = pd.DataFrame(
        {
            "niche": children["niche_id"],
            "parent": children["parent_id"].astype("int64"),
            "admitted in iteration": children["created"],
            "terrain": [gene_text(genotypes[niche_id]) for niche_id in children["niche_id"]],
            "pushes, at admission": children["pushes_admission"].map(percentage),
            "pushes, last": children["pushes_now"].map(percentage),
            f"{NUM_RETESTS} other pushes, last": retested["as_stored"].map(percentage).to_numpy(),
            "unseen seeds, at admission": children["seeds_admission"].map(percentage),
            "unseen seeds, last": children["seeds_now"].map(percentage),
        }
    )
    return f"""## Every terrain of {as_code(name)}

{markdown_table(rows)}

![Scores, and success rates from admission on](scores.png)

![Who descends from whom](phylogeny.png)"""


def _cost(name: str, run: RunTables) -> str:
    ledger = ledger_table(run).groupby("purpose", as_index=False)[["env_steps", "episodes"]].sum()
    ledger = ledger.sort_values("env_steps", ascending=False)
    ledger["share, %"] = (100 * ledger["env_steps"] / ledger["env_steps"].sum()).round(1)
    return f"## What {as_code(name)} cost\n\n{markdown_table(ledger)}"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
