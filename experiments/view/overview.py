"""Several runs over cumulative env-steps: which arm each belongs to, and the page that overlays them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments.errors import InputError
from experiments.comparison.arms import arm_and_seed
from experiments.page.document import make_overview
from experiments.text import visible

if TYPE_CHECKING:
    from experiments.view.watched import Watched


class Overview:
    """The page of several runs."""

    def __init__(self, runs: Sequence[Watched]) -> None:
        """Tell the arms, by what the runs' names have before their seed; a run of another name is an arm of its own."""
        self._runs = runs
        self._arms = [_arm(run.name) for run in runs]

    def page(self) -> str:
        """The page as it is now."""
        return make_overview(self.curves())

    def curves(self) -> dict[str, Any]:
        """What it draws.

        Keys:
            arms: their names, in the order given.
            runs: for each run the keys of ``Watched.curves``, the place of its arm, and its address; or for one that
                cannot be read name, arm, address and error, a sentence.
        """
        arms = list(dict.fromkeys(self._arms))
        return {
            "arms": [visible(arm) for arm in arms],
            "runs": [
                {"arm": arms.index(arm), "address": f"run/{place}/", **_curves(run)}
                for place, (run, arm) in enumerate(zip(self._runs, self._arms, strict=True))
            ],
        }


def _arm(name: str) -> str:
    found = arm_and_seed(name)
    return Path(name).name if found is None else found[0]


def _curves(run: Watched) -> dict[str, Any]:
    try:
        return run.curves()
    except (InputError, RuntimeError) as error:  # of one run; the others are shown
        return {"name": visible(run.name), "error": visible(str(error))}
