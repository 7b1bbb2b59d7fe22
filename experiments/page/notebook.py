"""One niche as a page small enough for a cell of a notebook: its agents walk on its terrain (``Run.show``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.wasm import read_layout
from environments.errors import InputError
from experiments.analysis.genes import gene_text
from experiments.analysis.success import with_rates
from experiments.files import write_text
from experiments.page.data import columns, plain, walkers, world
from experiments.page.document import make_document
from experiments.replay.pairs import Pair, choose_pair
from experiments.text import visible
from poet.archive.scores import cumulative_steps
from poet.events import ValidationSet

if TYPE_CHECKING:
    from poet.archive.reader import Run
    from poet.archive.records import StoredAgent

#: What the page is made of, each after what it imports.
MODULES = (
    "dom.mjs", "data.mjs", "colours.mjs", "lane.mjs", "scene.mjs", "stage.mjs", "traces.mjs", "player.mjs",
    "pushes.mjs", "walk.mjs",
)  # fmt: skip

#: Versions of an agent that the page holds at most besides those that walk, evenly spread; each takes some 15 KB.
MOST_OTHERS = 10
#: Pixels that the page needs with one lane, and with two.
_HEIGHTS = {1: 560, 2: 700}


@dataclass(frozen=True)
class Shown:
    """A niche that is shown: in a notebook it draws itself, and anywhere else ``save`` makes a file of it.

    Attributes:
        page: a whole HTML page that needs nothing else, no network either.
        title: whose terrain it is, and who walks there.
        height: pixels that it needs.
    """

    page: str = field(repr=False)
    title: str
    height: int

    def _repr_html_(self) -> str:
        """A frame with the page. It is a sandbox: nothing in it reaches the notebook."""
        return (
            f'<iframe srcdoc="{escape(self.page)}" sandbox="allow-scripts" title="{escape(self.title)}" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, which any browser opens.

        Raises:
            InputError: there is a folder of that name.
        """
        write_text(Path(path), self.page)


def show(run: Run, niche: int | None, agent: int | None, iteration: int | None) -> Shown:
    """See ``Run.show``."""
    with run.at_one_moment():
        pair = choose_pair(run, niche, agent, iteration)
        kind = run.config.policy.kind
        if kind not in read_layout()["policies"]:
            raise InputError(f"the policy {visible(kind)} cannot walk in a page: poet replay --trust shows its walkers")
        stored = run.stored_agents(pair.agent.version.niche_id)
        lanes = {pair.agent.version.id: ""}
        if agent is None and iteration is None and len(stored) > 1:
            lanes = {stored[0].version.id: "first agent", pair.agent.version.id: "last agent"}
        title = f"{run.folder.name}, niche {pair.niche_id}"
        data = _data(run, pair, lanes, _some(stored, set(lanes)))
    page = make_document(title, plain(data), "walk.html", MODULES)
    return Shown(page, visible(title), _HEIGHTS[len(lanes)])


def _some(stored: Sequence[StoredAgent], needed: set[int]) -> list[StoredAgent]:
    """Those that are needed, and ``MOST_OTHERS`` of the others, in order."""
    others = [agent.version.id for agent in stored if agent.version.id not in needed]
    places = np.linspace(0, len(others) - 1, min(MOST_OTHERS, len(others))).round().astype(np.int64)
    wanted = needed | {others[place] for place in places}
    return [agent for agent in stored if agent.version.id in wanted]


def _data(run: Run, pair: Pair, lanes: dict[int, str], agents: Sequence[StoredAgent]) -> dict[str, Any]:
    """What ``walk.mjs`` reads.

    Keys:
        world, agents, thetas, success, terrains: as in ``experiments.page.data.page_data``; niches is empty.
        ground: the niche's id. lanes: version and title of each walker at first. facts: of the niche, a sentence.
    """
    measured = with_rates(run.validations)
    of_agents = (measured["niche_id"] == pair.agent.version.niche_id) & (
        measured["validation_set"] == ValidationSet.PUSHES
    )
    genotype: Any = run.niches.set_index("niche_id").at[pair.niche_id, "genotype"]
    grounds = dict.fromkeys(id for id in (pair.niche_id, pair.agent.version.niche_id) if id is not None)
    return {
        "world": world(run),
        "niches": [],
        "success": columns(measured.loc[of_agents, ["validation_set", "version_id", "rate"]]),
        "terrains": {str(niche_id): run.terrain(niche_id).to_json() for niche_id in grounds},
        **walkers(run, agents, cumulative_steps(run.ledger, run.iteration or 0)),
        "ground": pair.niche_id,
        "lanes": [{"version": version, "title": title} for version, title in lanes.items()],
        "facts": visible(gene_text(genotype)) or "flat, or of genes without a number",
    }
