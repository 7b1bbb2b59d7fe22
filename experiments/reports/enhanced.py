"""The page of one Enhanced POET run: ``python -m experiments.reports.enhanced RUN FOLDER [KIND=RUN]...``.

RUN is made by ``poet run RUN --preset report2020``. KIND is ``random``, a run of the same config that admits at random
(``poet control neutral RUN --admission random``); ``uncached``, one with ``novelty.cached=false``; or ``rule2019``, one
with ``transfer.rule=2019``: the comparison ends where the shorter of the two does. FOLDER gets README.md and
its pictures. The neutral shadow is made if the run has none.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from environments.walker.ending import Outcome
from experiments.analysis.complexity import GROWTH_MEASURES, niche_complexity
from experiments.analysis.frames import annecs_table
from experiments.analysis.measures import run_card
from experiments.analysis.run_tables import RunTables, read_tables
from experiments.analysis.shadow_comparison import named_measures, shadow_remark, summary_table
from experiments.analysis.shadow_file import FOLDER_NAME, write_shadow
from experiments.controls import NUM_REPLICATES
from experiments.controls.neutral import neutral_shadow
from experiments.files import sub_folder, write_text
from experiments.markdown import markdown_table
from experiments.replay.render import replay
from experiments.replay.strip import stack_strips
from experiments.reports.pages import copy_plots, cost_table
from experiments.text import as_code, poet_command, visible
from poet.archive.reader import Run, open_run
from poet.events import TransferOutcome

#: What a compared run is for, by its kind.
KINDS = {
    "random": "admission at random among children that pass the criterion",
    "uncached": "every score of PATA-EC recomputed",
    "rule2019": "the 2019 transfer rule",
}
_NUM_STRIPS = 4
_TRANSFERS = ("transfer_direct", "transfer_proposal", "transfer_confirmation")
#: Tables that are equal for runs with equal results, whatever these cost.
_RESULTS = ("niches", "candidates", "judgements", "solved", "retirements", "transfers", "transfer_sources", "versions")


@dataclass(frozen=True, eq=False)
class Compared:
    """Two runs up to the last iteration that both have.

    Attributes:
        ours, other: their tables.
        until: that iteration.
    """

    ours: RunTables
    other: RunTables
    until: int

    @classmethod
    def of(cls, ours: RunTables, other: RunTables) -> Compared:
        """Compare two runs of any length."""
        return cls(ours, other, min(ours.iteration, other.iteration))

    def steps(self, *purposes: str) -> tuple[int, int]:
        """Env-steps spent on some purposes, ours and the other's; on all if none is named."""
        found = []
        for run in (self.ours, self.other):
            ledger = run.ledger[run.ledger["iteration"] <= self.until]
            wanted = ledger["purpose"].isin(purposes) if purposes else np.full(len(ledger), True)
            found.append(int(ledger.loc[wanted, "env_steps"].sum()))
        return found[0], found[1]

    def has_equal_results(self) -> bool:
        """Whether both have the same history, apart from costs."""
        return all(self._until(self.ours, name).equals(self._until(self.other, name)) for name in _RESULTS)

    def _until(self, run: RunTables, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = getattr(run, name)
        return frame[frame["iteration"] <= self.until].reset_index(drop=True)


def main(run_folder: Path, output: Path, others: dict[str, Path]) -> None:
    """Write the page."""
    if unknown := set(others) - set(KINDS):
        sys.exit(f"what is compared must be of {', '.join(KINDS)}, but found {', '.join(sorted(unknown))}")
    output.mkdir(parents=True, exist_ok=True)
    with open_run(run_folder) as run:
        tables = read_tables(run)
        if tables.shadow.niches is None:  # there is none, or none that fits the run as it is now
            write_shadow(neutral_shadow(run, NUM_REPLICATES), sub_folder(run_folder / FOLDER_NAME))
            tables = read_tables(run)
        copy_plots(run_folder.name, run, ("annecs", "phylogeny", "complexity"), output)
        hardest = _draw_hardest(run, tables, output)
    compared = {}
    for kind, folder in others.items():
        with open_run(folder) as other:
            compared[kind] = Compared.of(tables, read_tables(other))
    text = "\n\n".join(part for part in (
        _summary(run_folder.name, tables),
        _growth(tables, compared.get("random")),
        _film(hardest),
        _cost(tables, compared),
        _how(run_folder.name, list(others)),
    ) if part)  # fmt: skip
    write_text(output / "README.md", text + "\n")


def _draw_hardest(run: Run, tables: RunTables, output: Path) -> pd.DataFrame:
    """Film strips of the solved niches whose ground rises and falls most, among those that their last agent finishes.

    Returns:
        Their rows, if any.
    """
    frame = niche_complexity(tables)
    by_hardness = frame[frame["solved"].notna()].sort_values("variation", ascending=False)
    drawn: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for niche_id in by_hardness["niche_id"].tolist():
            path = Path(folder) / f"{niche_id}.png"
            if len(drawn) < _NUM_STRIPS and replay(run, niche_id, output=path).outcome == Outcome.FINISHED:
                drawn.append(niche_id)
        if drawn:
            stack_strips([Path(folder) / f"{niche_id}.png" for niche_id in drawn], output / "film.png")
    return by_hardness[by_hardness["niche_id"].isin(drawn)]


def _summary(name: str, run: RunTables) -> str:
    card, annecs = run_card(run), annecs_table(run).iloc[-1]
    return f"""# Enhanced POET, one run

{as_code(name)}: {card.iterations:,} iterations of the preset `report2020`, {card.env_steps:,} env-steps, seed
{run.config.run.seed}. {card.niches_admitted} niches admitted, {card.niches_solved_once} solved once,
{card.niches_active} active at the end. The terrains are CPPNs, candidates are ranked by PATA-EC, agents move by the
2020 rule.

**ANNECS: {int(annecs["annecs_paper"])} by the paper** (passed the minimal criterion against all agents, and solved
once), {int(annecs["passed_unsolved"])} more passed and not yet solved; **{int(annecs["annecs_released"])} as the
released code counts** (judged by retired agents alone, never asked whether solved).

![ANNECS over env-steps](annecs.png)

![Who descends from whom](phylogeny.png)"""


def _growth(run: RunTables, random: Compared | None) -> str:
    table = named_measures(summary_table(run))
    num_replicates = 0 if run.shadow.niches is None else run.shadow.niches["replicate"].nunique()
    text = f"""## Against its neutral shadow

{shadow_remark(run)} The shadow has the run's births and retirements, but parents are drawn and every child is admitted:
{num_replicates} replicates. "late" is the mean over the last third.

{markdown_table(table)}

![Measures over env-steps, with the shadow's band](complexity.png)"""
    if random is None:
        return text
    frames = {"this run": random.ours, KINDS["random"]: random.other}
    rows = []
    for who, tables in frames.items():
        frame = niche_complexity(tables)
        late = frame[(frame["created"] <= random.until) & (frame["created"] > 2 * random.until // 3)]
        values = {what: late[name].median() for name, (what, _) in GROWTH_MEASURES.items() if late[name].notna().any()}
        rows.append({"run": who, "niches": len(late), **values})
    return f"""{text}

A run with the same config and seed that draws whom it admits among the children that pass: medians of the niches
admitted in the last third of the first {random.until} iterations. One run each, so that no conclusion follows:

{markdown_table(pd.DataFrame(rows))}"""


def _film(hardest: pd.DataFrame) -> str:
    if hardest.empty:
        return ""
    rows = hardest[["niche_id", "created", "depth", "variation", "largest_step", "cppn_nodes", "cppn_connections"]]
    return f"""## The hardest terrains solved once

Those that rise and fall most, of the ones that their own last agent finishes; in Box2D.

![Film strips](film.png)

{markdown_table(rows)}"""


def _cost(run: RunTables, compared: dict[str, Compared]) -> str:
    text = f"## What it cost\n\n{markdown_table(cost_table(run))}"
    if "uncached" in compared:
        found = compared["uncached"]
        cached, anew = found.steps("novelty")
        everything = found.steps()
        text += f"""

PATA-EC without its cache, the first {found.until} iterations ({everything[0]:,} and {everything[1]:,} env-steps):
{anew:,} env-steps on novelty instead of {cached:,}, {anew / cached:.2f} times as many. Results, costs aside:
**{"identical" if found.has_equal_results() else "DIFFERENT"}** (niches, candidates, transfers, versions, thetas)."""
    if "rule2019" in compared:
        found = compared["rule2019"]
        ours, other = found.steps(*_TRANSFERS)
        everything = found.steps()
        text += f"""

Transfers by the 2020 rule took {ours:,} env-steps in {found.until} iterations, by the 2019 rule {other:,}:
**{100 * ours / other:.1f} %** (the paper: 79.7 %). Accepted: {_accepted(found.ours, found.until)} attempts, and
{_accepted(found.other, found.until)}. Both runs in all: {everything[0]:,} and {everything[1]:,} env-steps."""
    return text


def _accepted(run: RunTables, until: int) -> str:
    transfers = run.transfers
    rounds = transfers[transfers["candidate_id"].isna() & (transfers["iteration"] <= until)]
    return f"{100 * (rounds['outcome'] == TransferOutcome.ACCEPTED).mean():.0f} % of {len(rounds):,}"


def _how(name: str, kinds: list[str]) -> str:
    run = Path(name)
    lines = [poet_command("run", run, "--preset", "report2020"), poet_command("replay", run, "--verify")]
    if "random" in kinds:
        lines.append(poet_command("control", "neutral", run, "--admission", "random", "--output", "random"))
    if "uncached" in kinds:
        lines.append("poet run uncached --preset report2020 --set novelty.cached=false --env-steps 200000000")
    if "rule2019" in kinds:
        lines.append("poet run rule2019 --preset report2020 --set transfer.rule=2019 --env-steps 200000000")
    page = f"python -m experiments.reports.enhanced {shlex.quote(name)} experiments/reports/enhanced2020"
    lines.append(" ".join([page, *(f"{kind}={kind}" for kind in kinds)]))
    return "## How it was made\n\n```\n" + "\n".join(map(visible, lines)) + "\n```"


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    pairs = (argument.partition("=") for argument in sys.argv[3:])
    main(Path(sys.argv[1]), Path(sys.argv[2]), {kind: Path(path) for kind, _, path in pairs})
