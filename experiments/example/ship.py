"""Make the example that comes with the package: ``python -m experiments.example.ship RUN``.

RUN is ``poet run RUN --preset demo --set checkpoint.keep_every=1000 --set checkpoint.theta_every=1000``, which keeps no
more agents and states than a run must. It is proven before it is taken.
"""

from __future__ import annotations

import sys
from pathlib import Path

from experiments.drafts import draft_of
from experiments.example import FOLDER
from experiments.replay.verify import verify
from poet.archive.folder import ARCHIVE_NAME
from poet.archive.packed import pack_run


def main(folder: Path) -> None:
    """Run every stored pair again in Gymnasium, and put the archive into the package."""
    report = verify(folder)
    print(*report.lines(), sep="\n")
    if report.exit_status:
        sys.exit(f"{folder} is not what its archive says, and cannot be the example")
    with draft_of(FOLDER / ARCHIVE_NAME) as draft:
        pack_run(folder, draft)
        draft.replace(FOLDER / ARCHIVE_NAME)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
