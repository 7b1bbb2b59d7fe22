"""One run that is followed: what its page is made of, what is new since, and what the page asks for later."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any

import pandas as pd

from environments.errors import InputError
from experiments.analysis.complexity import measure_niche
from experiments.analysis.gene_space import gene_space
from experiments.page.data import (
    MOST_POINTS,
    agents_table,
    births,
    growth_data,
    news_data,
    plain,
    run_data,
    score_table,
    theta_text,
)
from experiments.page.document import make_document
from experiments.page.drawing import drawing_data, made_niches
from experiments.page.record import Record
from experiments.text import visible
from experiments.view.curves import run_curves
from poet.archive.errors import DamageError
from poet.archive.files import file_id
from poet.archive.folder import ARCHIVE_NAME
from poet.archive.lock import writer_of
from poet.archive.reader import open_run
from poet.events import AgentVersion, CandidateJudged
from poet.trainers import shown_events

#: A run with more stored agents than this has only the first and the last one of each niche listed from the start.
MOST_LISTED = 2000
#: Points that all curves of scores have together at most in the first page; each niche has a few, and asks for more.
_ALL_POINTS = 30_000
_FEWEST_POINTS = 8
#: Agents that are handed out at once.
_MOST_THETAS = 200
#: Seconds between two looks at the archive, and for which terrains are measured at once.
_LOOK_AFTER, _MEASURE_FOR = 0.5, 0.1
_REMARK = (
    "No growth is to be read from these curves alone: terrains drift upward by mutation. A neutral shadow "
    "(poet control neutral RUN) tells drift from growth, and poet analyse RUN draws both."
)


class Watched:
    """A run, open for reading for as long as it is watched. Threads take turns.

    Attributes:
        name: of the run, for people.
    """

    def __init__(self, name: str, folder: Path) -> None:
        """Open the run and read what is recorded.

        Raises:
            InputError: there is no run, or it is damaged.
        """
        self.name = name
        self._folder = folder
        self._lock = RLock()
        self._openings = 0
        self._page: tuple[str, str] = ("", "")
        self._open()
        self._look()

    def page(self) -> str | None:
        """The page as it is now; None before anything is recorded.

        Raises:
            InputError: the archive is damaged or cannot be read.
        """
        with self._lock:
            self._look()
            if self._record.iteration < 0:
                return None
            if self._page[0] != self._moment:
                self._page = self._moment, make_document(self.name, plain(self._first()), is_served=True)
            return self._page[1]

    def news(self, moment: str) -> dict[str, Any]:
        """What came after a moment.

        Args:
            moment: ``moment`` of the page or of the last news.

        Keys:
            moment, state: of the run now, the second as a sentence.
            is_other: only if the moment is of another archive, which lay at this place before.
            those of ``experiments.page.data.news_data``, agents (those stored since) and made (see
            ``experiments.page.drawing.made_niches``, of new niches), if anything is new.

        Raises:
            InputError: as for ``page``; or the moment is none.
        """
        with self._lock:
            self._look()
            opening, iteration, thetas = self._parsed(moment)
            found: dict[str, Any] = {"moment": self._moment, "state": self._state()}
            if opening != self._openings:
                return found | {"is_other": True}
            if found["moment"] != moment:
                versions = [version for seen, version in self._stored if seen > thetas]
                found |= news_data(self._record, self._kinds, MOST_POINTS, iteration)
                found["made"] = made_niches(self._run.config, births(self._record, iteration))
                found["agents"] = agents_table(self._run, self._record.steps, versions)
            values: dict[str, Any] = plain(found)
            return values

    def niche(self, niche_id: int) -> dict[str, Any]:
        """A niche's terrain, as ``Terrain.to_json`` writes it, and tables of its stored agents and of its scores.

        Raises:
            InputError: there is no such niche.
        """
        with self._lock:
            terrain = self._run.terrain(niche_id)
            versions = [v for v in self._run.stored_versions(niche_id) if v.iteration <= self._record.iteration]
            values: dict[str, Any] = plain(
                {
                    "terrain": terrain.to_json(),
                    "agents": agents_table(self._run, self._record.steps, versions),
                    "scores": score_table(self._record, [self._record.niche(niche_id)], MOST_POINTS),
                }
            )
            return values

    def thetas(self, version_ids: Sequence[int]) -> dict[str, str]:
        """Parameters as base64 by version id; those that are not stored are left out.

        Raises:
            InputError: too many are asked for at once.
        """
        if len(version_ids) > _MOST_THETAS:
            raise InputError(f"at most {_MOST_THETAS} agents may be asked for at once, found {len(version_ids)}")
        thetas = {}
        for version_id in version_ids:
            try:
                thetas[str(version_id)] = theta_text(self._run.stored_agent(version_id).theta)
            except DamageError:
                raise
            except InputError:
                continue  # it is not stored
        return thetas

    def curves(self) -> dict[str, Any]:
        """What an overview of several runs draws of this one.

        Keys:
            name, iteration, env_steps, niches, active, state: of the run; -1 and zeros before anything is recorded.
            curves: see ``experiments.view.curves.run_curves``.
        """
        with self._lock:
            self._look()
            record = self._record
            return {
                "name": visible(self.name),
                "iteration": record.iteration,
                "env_steps": record.steps[-1] if record.steps else 0,
                "niches": len(record.niches),
                "active": sum(niche.retired is None for niche in record.niches),
                "state": self._state(),
                "curves": run_curves(record),
            }

    def growth(self) -> dict[str, Any]:
        """How complex the terrains are. Measuring takes a while, and goes on with each call.

        Keys:
            done, of: how many niches have been measured.
            those of ``experiments.page.data.growth_data`` once all are, if the run makes terrains.
        """
        with self._lock:
            niches = self._record.niches if CandidateJudged in self._kinds else []
            until = time.monotonic() + _MEASURE_FOR
            space = gene_space(self._run.config)
            while len(self._measures) < len(niches) and time.monotonic() < until:
                niche = niches[len(self._measures)]
                self._measures.append(measure_niche(niche.genotype, self._run.terrain(niche.id), space))
            found: dict[str, Any] = {"done": len(self._measures), "of": len(niches)}
            if niches and len(self._measures) == len(niches):
                found |= self._growth_of(self._moment)
            return found

    def close(self) -> None:
        """Close the archive."""
        with self._lock:
            self._run.close()

    def _open(self) -> None:
        self._run = open_run(self._folder)
        self._file = file_id(self._folder / ARCHIVE_NAME)
        self._openings += 1
        self._kinds = shown_events(self._run)
        self._forget()

    def _forget(self) -> None:
        self._record = Record(self._run)
        self._stored: list[tuple[int, AgentVersion]] = []
        self._num_thetas = 0
        self._measures: list[dict[str, float]] = []
        self._looked = 0.0
        self._growth_of = lru_cache(1)(self._growth)

    def _look(self) -> None:
        """Take in what is new, unless that was just done. A new archive at this place takes that of the old one."""
        if self._looked and time.monotonic() - self._looked < _LOOK_AFTER:
            return
        there = file_id(self._folder / ARCHIVE_NAME)
        if there is not None and there != self._file:
            self._run.close()
            self._open()
        try:
            with self._run.at_one_moment():
                before = self._record.iteration
                self._record.follow()
                self._find_stored(before)
        except BaseException:
            self._forget()  # a part of what is new may have been taken in
            raise
        self._looked = time.monotonic()

    def _find_stored(self, before: int) -> None:
        """The agents that have been stored since: those of niches that were active, since others stay as they are."""
        num_thetas = self._run.num_thetas
        if num_thetas == self._num_thetas:
            return
        if not self._stored:
            versions = self._run.stored_versions()
        else:
            last: dict[int, int] = {}
            for _, version in self._stored:
                last[version.niche_id] = max(version.id, last.get(version.niche_id, -1))
            active = [n.id for n in self._record.niches if n.retired is None or n.retired > before]
            versions = [v for i in active for v in self._run.stored_versions(i, last.get(i, -1))]
        self._stored += [(num_thetas, v) for v in versions if v.iteration <= self._record.iteration]
        self._num_thetas = num_thetas

    @property
    def _moment(self) -> str:
        return f"{self._openings}.{self._record.iteration}.{self._num_thetas}"

    def _parsed(self, moment: str) -> tuple[int, int, int]:
        try:
            opening, iteration, thetas = (int(part) for part in moment.split("."))
        except ValueError:
            raise InputError(f"{moment!r:.60} is no moment of a run: load the page again") from None
        return opening, iteration, thetas

    def _first(self) -> dict[str, Any]:
        most_points = max(_FEWEST_POINTS, min(MOST_POINTS, _ALL_POINTS // max(1, len(self._record.niches))))
        versions = [version for _, version in self._stored]
        chosen = f"This page has every agent that the archive has stored: {len(versions):,}."
        if len(versions) > MOST_LISTED:
            last = {version.niche_id: version for version in versions}
            first = {version.niche_id: version for version in reversed(versions)}
            listed = {version.id: version for version in (*first.values(), *last.values())}
            chosen = (
                f"Of the {len(versions):,} agents that the archive has stored, the {len(listed):,} that were stored "
                "first and last of each niche are run, and those of the niches that were looked at."
            )
            versions = [listed[version_id] for version_id in sorted(listed)]
        return {
            **run_data(self.name, self._run, self._record, self._kinds, most_points),
            "tables_page": None,
            "terrains": {},
            "complexity": None,
            "agents": agents_table(self._run, self._record.steps, versions),
            "thetas": None,
            "chosen": chosen,
            "drawing": drawing_data(self._run.config, births(self._record)),
            "live": {"moment": self._moment, "state": self._state()},
        }

    def _state(self) -> str:
        try:
            writer = writer_of(self._folder)
        except (InputError, OSError):
            return "Its files are out of reach."
        return "It goes on, and this page with it." if writer is not None else "It has stopped."

    def _growth(self, moment: str) -> dict[str, Any]:
        niches = self._record.niches
        frame = pd.DataFrame(self._measures)
        frame.insert(0, "niche_id", [niche.id for niche in niches])
        frame["created"] = [niche.created for niche in niches]
        frame["solved"] = pd.array([niche.solved for niche in niches], dtype="Int64")
        steps = pd.Series(self._record.steps, index=pd.RangeIndex(len(self._record.steps), name="iteration"))
        values: dict[str, Any] = plain(growth_data(frame, steps, _REMARK, None))
        return values
