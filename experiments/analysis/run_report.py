"""The report of one run."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.analysis import page, theme
from experiments.analysis.annecs_plot import plot_annecs
from experiments.analysis.complexity_report import COMPLEXITY_TABLES, complexity_sections
from experiments.analysis.frames import (
    agent_genealogy,
    annecs_table,
    ledger_table,
    niche_ledger_table,
    niches_table,
    score_history,
    terrain_genealogy,
)
from experiments.analysis.gene_plot import plot_genes
from experiments.analysis.matrix import solves_table
from experiments.analysis.matrix_plot import plot_matrix
from experiments.analysis.measures import RunCard, candidates_table, progress_curves, run_card
from experiments.analysis.milestones import milestones_table
from experiments.analysis.phylogeny import MAX_THUMBNAILS, plot_phylogeny
from experiments.analysis.readable import readable, settings_table, short_niches_table
from experiments.analysis.run_tables import RunTables
from experiments.analysis.score_plot import plot_scores
from experiments.analysis.success import percentage, success_history
from experiments.analysis.thumbnail import thumbnail_svg
from experiments.analysis.transfers import transfers_by_kind, transfers_by_pair
from experiments.files import sub_folder, write_text
from poet.events import AnyEvent, CandidateJudged, CandidateOutcome, NicheJudged, TransferAttempted
from poet.validation import ROBUST_RATE

#: Rows of a trainer's own table that a page shows.
_LAST_NOTED = 15

#: File in ``tables/`` to what makes it and what it holds.
TABLES: dict[str, tuple[Callable[[RunTables], pd.DataFrame], str]] = {
    "niches": (niches_table, "every niche: times, genes, scores, transfers, cost"),
    "progress": (lambda run: progress_curves(run).reset_index(), "what was reached by the end of each iteration"),
    "annecs": (annecs_table, "ANNECS by the paper and by the released code, after each iteration"),
    "success": (success_history, "success rates measured: which agent version, on which set, on which occasion"),
    "scores": (score_history, "score of every niche's agent after each iteration"),
    "terrain_genealogy": (terrain_genealogy, "which terrain was mutated from which, with the genes of both"),
    "agent_genealogy": (agent_genealogy, "every agent that came from another niche: source, target, kind"),
    "transfers_by_kind": (transfers_by_kind, "attempts and accepted ones, periodic and at admission"),
    "transfers_by_pair": (transfers_by_pair, "the same from each source niche to each target niche"),
    "milestones": (milestones_table, "the first terrain of each class: solved once, robustly, by a general agent"),
    "candidates": (candidates_table, "what became of candidates"),
    "ledger": (ledger_table, "env-steps and episodes by purpose"),
    "ledger_by_niche": (niche_ledger_table, "env-steps by niche and purpose"),
    **COMPLEXITY_TABLES,
}

#: The kind of events without which a run's trainer gives a table nothing to hold; it is left out then.
KIND_OF_TABLE: dict[str, type[AnyEvent]] = {
    "annecs": NicheJudged,
    **dict.fromkeys(("agent_genealogy", "transfers_by_kind", "transfers_by_pair"), TransferAttempted),
    **dict.fromkeys(("terrain_genealogy", "candidates", *COMPLEXITY_TABLES), CandidateJudged),
}

#: Makes a section of a run's page, which saves its plots in the folder; empty where there is nothing to show.
Section = Callable[[RunTables, Path], str]


def write_run_report(
    name: str, run: RunTables, folder: Path, matrix: pd.DataFrame | None, walkers_page: str | None = None
) -> Path:
    """Write plots, tables and the page of a run into an existing folder.

    Args:
        name: of the run.
        run: its tables.
        folder: where to.
        matrix: ``score_matrix`` of some niches; None to leave it out.
        walkers_page: where its walkers walk, relative to the folder; None for no link.

    Returns:
        The path of the page.
    """
    described = {file: what for file, (_, what) in TABLES.items() if KIND_OF_TABLE.get(file) in {None, *run.kinds}}
    tables = {file: TABLES[file][0](run) for file in described}
    for name_of_own, own in run.own.items():
        tables[f"own_{name_of_own}"], described[f"own_{name_of_own}"] = own, "what its trainer alone notes"
    if matrix is not None:
        tables["score_matrix"], described["score_matrix"] = matrix, "last agents on terrains, one episode each"
    write_tables(tables, folder)
    #: In the order of the page, with the kind of events that a section is about; None: of every run.
    sections: list[tuple[Section, type[AnyEvent] | None]] = [
        (_card_section, None),
        (_phylogeny_section, CandidateJudged),
        (_score_section, None),
        (_own_section, None),
        (_annecs_section, NicheJudged),
        (_gene_section, CandidateJudged),
        (_milestone_section, None),
        (_complexity_section, CandidateJudged),
        (partial(_matrix_section, matrix), None),
        (_transfer_section, TransferAttempted),
        (_cost_section, None),
        (_niche_section, None),
    ]
    parts = [
        page.link(walkers_page, "The page of this run", "its archived walkers walk there.") if walkers_page else ""
    ]
    parts += [make(run, folder) for make, kind in sections if kind in {None, *run.kinds}]
    path = folder / "index.html"
    write_text(path, page.make_page(name, _lead(run), [part for part in (*parts, _file_section(described)) if part]))
    return path


def write_tables(tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write each table as ``tables/NAME.csv``."""
    place = sub_folder(folder / "tables")
    for name, table in tables.items():
        write_text(place / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


def format_seconds(seconds: float) -> str:
    """A time span in its two largest units, such as ``3 h 05 min``."""
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    if hours < 1:
        return f"{minutes} min {int(seconds) % 60:02d} s"
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"


def _lead(run: RunTables) -> str:
    card = run_card(run)
    return (
        f"{card.iterations:,} iterations and {theme.format_count(card.env_steps)} env-steps: {card.niches_admitted} "
        f"niches admitted, {card.niches_solved_once} solved once, {_success_words(card)}"
        f"{card.niches_active} active at the end."
    )


def _success_words(card: RunCard) -> str:
    if card.niches_robust is None:
        return ""
    return f"{card.niches_robust} robustly solved, {card.niches_general} with a general agent, "


def _card_section(run: RunTables, folder: Path) -> str:
    """The numbers that matter, and how the run was set up."""
    card, settings = run_card(run), settings_table(run)
    num_admitted = int((run.candidates["outcome"] == CandidateOutcome.ADMITTED).sum())
    share = f"{100 * card.transfers_accepted_share:.0f} %" if card.transfers_tried else "none"
    levels = card.solved_challenging
    values = [
        ("env-steps", theme.format_count(card.env_steps)),
        ("iterations", f"{card.iterations:,}"),
        (f"niches admitted: {card.niches_active} active, {card.niches_retired} retired", f"{card.niches_admitted:,}"),
        ("niches solved once by some agent", f"{card.niches_solved_once:,}"),
        *_success_tiles(card),
        (
            "of those solved once challenging, very, extremely challenging",
            " / ".join(map(str, levels)) if levels else "unknown",
        ),
        ("best score of an agent in its niche", "none" if math.isnan(card.best_score) else f"{card.best_score:.0f}"),
        *([(f"accepted of {card.transfers_tried:,} periodic transfers", share)] * (TransferAttempted in run.kinds)),
        *(
            [(f"admitted of {card.candidates_judged:,} candidates", f"{num_admitted:,}")]
            * (CandidateJudged in run.kinds)
        ),
        ("wall time", format_seconds(card.wall_seconds)),
        ("env-steps a second, all included", theme.format_count(card.env_steps_per_second)),
    ]
    how = (
        "A terrain is challenging that meets one of the paper's conditions, very challenging two, extremely "
        "challenging all three: roughness from 4.5, gaps from 6, stumps from 2.4."
    )
    forked = ""
    if run.parent is not None:
        origin = f"Forked from {run.parent.run} after iteration {run.parent.iteration}: what went before is that run's"
        forked = page.note(f"{origin}, and the settings below are those after the fork.")
    changed = "<h3>Settings that differ from the defaults</h3>" + page.table(settings) if len(settings) else ""
    return page.section("Run card", how, page.tiles(values) + forked + changed)


def _success_tiles(card: RunCard) -> list[tuple[str, str]]:
    """Nothing if no agent was validated."""
    if card.niches_robust is None:
        return []
    first, last = percentage(card.success_share_at_admission), percentage(card.success_share_last)
    return [
        ("niches robustly solved, at some time", f"{card.niches_robust:,}"),
        ("niches with a general agent, at some time", f"{card.niches_general:,}"),
        ("mean success on pushes, at admission and last", f"{first or 'none'} / {last or 'none'}"),
    ]


def _plot_section(folder: Path, file: str, figure: Figure | None, title: str, how: str, below: str = "") -> str:
    """Save a plot and show it, with HTML below it; nothing if there is no plot."""
    if figure is None:
        return ""
    theme.save_figure(figure, sub_folder(folder / "plots") / f"{file}.png")
    return page.section(title, how, page.image(f"plots/{file}.png", title) + below)


def _phylogeny_section(run: RunTables, folder: Path) -> str:
    how = (
        "Time runs right, in env-steps. Each line is a niche from its admission to its retirement or the end, and "
        "begins on its parent's line; it turns green when any agent solves it once. An orange arc is an agent "
        "that moved to the niche with the dot." + _thumbnail_remark(run)
    )
    return _plot_section(folder, "phylogeny", plot_phylogeny(run), "Phylogeny", how)


def _score_section(run: RunTables, folder: Path) -> str:
    how = "Above: each niche's score, with the scores that decide something as dashed lines. Below: "
    return _plot_section(folder, "scores", plot_scores(run), "Scores", how + _band_remark(run))


def _own_section(run: RunTables, folder: Path) -> str:
    """What a trainer alone notes, whatever it is."""
    content = "".join(
        f"<h3>{name.replace('_', ' ').capitalize()}</h3>" + page.table(readable(own.tail(_LAST_NOTED)))
        for name, own in run.own.items()
    )
    how = f"What the trainer {run.config.run.trainer} alone notes: the last rows; tables/own_NAME.csv has all."
    return page.section("Noted by its trainer", how, content) if content else ""


def _gene_section(run: RunTables, folder: Path) -> str:
    how = (
        "Each bar is a niche where it was admitted, from the lower to the upper end of the gene; the dashed line "
        "is the upper end from which the paper calls a terrain challenging. Bars climb by mutation alone, too: "
        "what goes beyond that is said under Complexity."
    )
    return _plot_section(folder, "genes", plot_genes(run), "Genes", how)


def _complexity_section(run: RunTables, folder: Path) -> str:
    return "\n".join(part for part in complexity_sections(run, folder, _plot_section) if part)


def _band_remark(run: RunTables) -> str:
    if run.validations.empty:
        return "one band a niche, the darker the better; a band begins at admission and ends at retirement."
    return (
        f"one curve a niche, how often its agent succeeds on its own ground under {run.config.validation.episodes} "
        "pushes that it was never trained on, from none on the line to all at the top of the row. It is filled from "
        f"{percentage(ROBUST_RATE)} on, robustly solved; the thin line is the rate on fresh seeds of the genotype."
    )


def _annecs_section(run: RunTables, folder: Path) -> str:
    how = (
        "The number of novel environments created and solved. Green: at admission neither too hard nor too easy for "
        "all agents there were, retired ones included, and solved once since; grey above it: passed, not yet solved "
        "(late ones have had less time). Orange: the released code's count, which asks retired agents alone, and for "
        "no solution." + ("" if run.validations.empty else " Dashed: passed, and robustly solved since.")
    )
    figure = plot_annecs(run)
    if figure is not None:
        return _plot_section(folder, "annecs", figure, "ANNECS", how, _annecs_shares(run))
    if run.niches["parent_id"].isna().all():
        return ""
    why = "Unknown: its niches were not judged by all agents when they were admitted (poet.annecs, or an older POET)."
    return page.section("ANNECS", how, page.note(why))


def _milestone_section(run: RunTables, folder: Path) -> str:
    how = (
        "Env-steps and seconds by the end of the iteration in which the first terrain of a class was solved once, "
        "robustly, and by a general agent; how many were; and mean success on pushes. Hardcore-like: roughness from 1, "
        "gaps from 3, stumps from 2. Challenging terrains are counted with the very and the extremely challenging."
    )
    return page.section("First of each class", how, page.table(readable(milestones_table(run))))


def _annecs_shares(run: RunTables) -> str:
    """The counts, compared with what the cadence of admissions allows."""
    table = annecs_table(run)
    possible, paper, robust = (table[name].iloc[-1] for name in ("admissible", "paper_share", "robust_share"))
    if math.isnan(paper):
        return ""
    more = "" if math.isnan(robust) else f", the robust one is {percentage(robust)} of it"
    return page.note(
        f"Reproductions times the most that one admits allow {possible:,} environments: the paper's count is "
        f"{percentage(paper)} of it{more}."
    )


def _thumbnail_remark(run: RunTables) -> str:
    if len(run.niches) > MAX_THUMBNAILS:
        return f" Terrains are drawn for up to {MAX_THUMBNAILS} niches; here they stand in the table of niches."
    return " Beside each node stands its terrain, heights enlarged."


def _matrix_section(matrix: pd.DataFrame | None, run: RunTables, folder: Path) -> str:
    if matrix is None:
        return ""
    num_shown, num_niches = matrix["agent_id"].nunique(), len(run.niches)
    chosen = "" if num_shown == num_niches else f" {num_shown} of {num_niches} niches, spread evenly over admissions."
    how = (
        "Rows are the last stored agents, columns the terrains, both in order of admission; one episode each. A dark "
        "row is a generalist, a dark column an easy terrain, a dark diagonal specialists." + chosen
    )
    generality = page.table(readable(solves_table(matrix)))
    return _plot_section(folder, "matrix", plot_matrix(matrix), "Agents on terrains", how, generality)


def _transfer_section(run: RunTables, folder: Path) -> str:
    by_kind, by_pair = transfers_by_kind(run), transfers_by_pair(run)
    if by_kind.empty:
        return page.section("Transfers", "Agents that moved between niches.", page.note("No transfer was tried."))
    content = page.table(readable(by_kind))
    busiest = by_pair[by_pair["accepted"] > 0].head(15)
    if len(busiest):
        content += "<h3>Busiest routes of periodic transfers</h3>" + page.table(readable(busiest))
    how = (
        "An attempt is one round and one target; its origin is that of the best source tried. A route's share is of "
        "the times that the source was tried there."
    )
    return page.section("Transfers", how, content)


def _cost_section(run: RunTables, folder: Path) -> str:
    costs, candidates = ledger_table(run), candidates_table(run)
    named = {purpose.replace("_", " "): share for purpose, share in zip(costs["purpose"], costs["share"], strict=True)}
    content = page.shares_bar(named) + page.table(readable(costs))
    if len(run.candidates):
        tried = candidates[candidates["candidates"] > 0]
        outcomes = {o.replace("_", " "): s for o, s in zip(tried["outcome"], tried["share"], strict=True)}
        content += f"<h3>What became of {len(run.candidates):,} candidates</h3>" + page.shares_bar(outcomes)
    return page.section("Cost", "Where env-steps went; they add up to the cost of the run.", content)


def _niche_section(run: RunTables, folder: Path) -> str:
    """All niches with their terrains."""
    niches = short_niches_table(run)
    niches.insert(1, "terrain", [thumbnail_svg(run.terrains[niche_id]) for niche_id in sorted(run.terrains)])
    how = "Every niche ever admitted; times are iterations, heights are enlarged."
    return page.section("Niches", how, page.table(niches, html_columns=["terrain"]))


def _file_section(described: dict[str, str]) -> str:
    rows = "".join(f'<li><a href="tables/{file}.csv">{file}.csv</a>: {what}</li>' for file, what in described.items())
    return page.section("Tables", "The numbers behind all of this, as CSV.", f"<ul>{rows}</ul>")
