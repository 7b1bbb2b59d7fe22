"""An archive as SQL, for a test that later versions read it: ``python -m tests.poet.golden.make_archive > FILE``.

Run it with the code whose schema should be preserved, before that schema changes. ``archive_v1.sql`` was made at commit
bbd10dd, ``archive_v3.sql`` at 1579a56, ``archive_v4.sql`` at 4d5b86f.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from tests.poet.archive_examples import toy_run

NUM_ITERATIONS = 6


def main() -> None:
    """Print the archive of a toy run of six iterations."""
    with tempfile.TemporaryDirectory() as name:
        folder = toy_run(Path(name) / "run", NUM_ITERATIONS)
        with closing(sqlite3.connect(folder / "run.sqlite")) as connection:
            for pragma in ("application_id", "user_version"):
                ((value,),) = connection.execute(f"PRAGMA {pragma}")
                print(f"PRAGMA {pragma} = {value};")
            print("\n".join(connection.iterdump()).replace("-Inf", "-9e999"))  # which SQL can read


if __name__ == "__main__":
    main()
