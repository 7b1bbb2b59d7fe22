"""The tables of a run's archive. History tables have the fields of the event records (``poet.events``) as columns.

Enums are stored as text, JSON as canonical text, None as NULL. Scores may be -Inf. Foreign keys are checked at the end
of a transaction, since the events of an iteration refer to each other. A trainer's own events have further tables that
are not listed here: see ``poet.archive.own``.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from environments.errors import InputError

#: "POET" in ASCII, which marks a file as one of our archives.
APPLICATION_ID = 0x504F4554

_JUDGEMENTS = """
CREATE TABLE judgements (                -- of a niche by all agents, at its admission
    niche_id         INTEGER NOT NULL PRIMARY KEY REFERENCES niches (niche_id),
    iteration        INTEGER NOT NULL,
    num_agents       INTEGER NOT NULL,
    num_retired      INTEGER NOT NULL,
    best_score       REAL NOT NULL,
    judgement        TEXT NOT NULL,
    retired_best_score REAL,
    retired_judgement TEXT
);
"""

#: The tables of schema 2, in which SQLite accepts any value in any column. JSON columns are declared ``JSON_TEXT``.
_TABLES_2 = f"""
CREATE TABLE run (                       -- one row: where the run comes from
    id               INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    created_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    parent_run       TEXT,               -- folder of the run that it was forked from
    parent_iteration INTEGER             -- the last iteration that both share
);

CREATE TABLE configs (                   -- the whole config, from that iteration on
    from_iteration   INTEGER NOT NULL PRIMARY KEY,
    config           JSON_TEXT NOT NULL
);

CREATE TABLE sessions (                  -- each time that a program went on with the run
    id               INTEGER NOT NULL PRIMARY KEY,
    started_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    host             TEXT NOT NULL,
    versions         JSON_TEXT NOT NULL, -- of Python and of packages
    engine           TEXT NOT NULL,
    executor         TEXT NOT NULL,
    workers          INTEGER NOT NULL,
    code_version     TEXT NOT NULL       -- of POET itself, such as a git commit
);

CREATE TABLE iterations (                -- the clock
    iteration        INTEGER NOT NULL PRIMARY KEY,
    session_id       INTEGER NOT NULL REFERENCES sessions (id),
    seconds          REAL NOT NULL,      -- wall time of this iteration
    env_steps        INTEGER NOT NULL,   -- control steps of this iteration, the sum of its ledger
    episodes         INTEGER NOT NULL
);

CREATE TABLE niches (
    niche_id         INTEGER NOT NULL PRIMARY KEY,
    iteration        INTEGER NOT NULL,
    parent_id        INTEGER REFERENCES niches (niche_id),
    candidate_id     INTEGER REFERENCES candidates (id),
    genotype         JSON_TEXT NOT NULL,
    terrain_seed     INTEGER NOT NULL,
    terrain          JSON_TEXT NOT NULL, -- metres, newtons
    score            REAL NOT NULL,
    novelty          REAL,
    version_id       INTEGER NOT NULL REFERENCES versions (id)
);

CREATE TABLE candidates (
    id               INTEGER NOT NULL PRIMARY KEY,
    iteration        INTEGER NOT NULL,
    parent_id        INTEGER NOT NULL REFERENCES niches (niche_id),
    genotype         JSON_TEXT NOT NULL,
    terrain_seed     INTEGER NOT NULL,
    parent_score     REAL,
    novelty          REAL,
    best_score       REAL,
    outcome          TEXT NOT NULL,
    niche_id         INTEGER REFERENCES niches (niche_id)
);

{_JUDGEMENTS.strip()}

CREATE TABLE solved (
    niche_id         INTEGER NOT NULL PRIMARY KEY REFERENCES niches (niche_id),
    iteration        INTEGER NOT NULL,
    source_id        INTEGER NOT NULL REFERENCES niches (niche_id),
    source_version_id INTEGER NOT NULL REFERENCES versions (id),
    origin           TEXT NOT NULL,
    purpose          TEXT NOT NULL,
    own_return       REAL NOT NULL,
    theta_digest     TEXT NOT NULL
);

CREATE TABLE retirements (
    niche_id         INTEGER NOT NULL PRIMARY KEY REFERENCES niches (niche_id),
    iteration        INTEGER NOT NULL,
    version_id       INTEGER NOT NULL REFERENCES versions (id),
    score            REAL NOT NULL
);

CREATE TABLE transfers (
    id               INTEGER NOT NULL PRIMARY KEY,
    iteration        INTEGER NOT NULL,
    target_id        INTEGER REFERENCES niches (niche_id),
    candidate_id     INTEGER REFERENCES candidates (id),
    threshold        REAL,
    outcome          TEXT NOT NULL,
    source_id        INTEGER REFERENCES niches (niche_id),
    origin           TEXT,
    score            REAL,
    version_id       INTEGER REFERENCES versions (id)
);

CREATE TABLE transfer_sources (
    transfer_id      INTEGER NOT NULL REFERENCES transfers (id),
    source_id        INTEGER NOT NULL REFERENCES niches (niche_id),
    iteration        INTEGER NOT NULL,
    direct_score     REAL NOT NULL,
    proposal_score   REAL,
    PRIMARY KEY (transfer_id, source_id)
) WITHOUT ROWID;

CREATE TABLE generations (
    iteration        INTEGER NOT NULL,
    niche_id         INTEGER NOT NULL REFERENCES niches (niche_id),
    version_id       INTEGER NOT NULL REFERENCES versions (id),
    return_mean      REAL NOT NULL,
    return_median    REAL NOT NULL,
    return_std       REAL NOT NULL,
    return_min       REAL NOT NULL,
    return_max       REAL NOT NULL,
    length_mean      REAL NOT NULL,
    num_diverged     INTEGER NOT NULL,
    noise_std        REAL NOT NULL,
    learning_rate    REAL NOT NULL,
    theta_norm       REAL NOT NULL,
    update_norm      REAL NOT NULL,
    score            REAL NOT NULL,
    PRIMARY KEY (iteration, niche_id)
) WITHOUT ROWID;

CREATE TABLE versions (
    id               INTEGER NOT NULL PRIMARY KEY,
    niche_id         INTEGER NOT NULL REFERENCES niches (niche_id),
    iteration        INTEGER NOT NULL,
    parent_id        INTEGER REFERENCES versions (id),
    origin           TEXT NOT NULL,
    source_id        INTEGER REFERENCES niches (niche_id),
    theta_digest     TEXT NOT NULL,      -- SHA-256; the theta itself is in thetas for some versions
    score            REAL NOT NULL,
    own_return       REAL NOT NULL,
    own_length       INTEGER NOT NULL,
    own_outcome      INTEGER NOT NULL
);
CREATE INDEX versions_of_niche ON versions (niche_id, iteration);

CREATE TABLE ledger (
    iteration        INTEGER NOT NULL,
    niche_id         INTEGER NOT NULL REFERENCES niches (niche_id),
    purpose          TEXT NOT NULL,
    env_steps        INTEGER NOT NULL,
    episodes         INTEGER NOT NULL,
    PRIMARY KEY (iteration, niche_id, purpose)
) WITHOUT ROWID;

CREATE TABLE thetas (
    digest           TEXT NOT NULL PRIMARY KEY,
    theta            BLOB NOT NULL       -- (P,) float32, little-endian
);

CREATE TABLE snapshots (                 -- states from which the run can go on; see poet/archive/checkpoint.py
    iteration        INTEGER NOT NULL PRIMARY KEY,
    keyframe         INTEGER NOT NULL,   -- 1: stays; 0: goes when the next iteration comes
    state            BLOB NOT NULL
);
"""

#: What schema 3 adds.
_ADDED_3 = """
CREATE TABLE validations (               -- success rates of agent versions on sets that nothing trains on
    version_id       INTEGER NOT NULL REFERENCES versions (id),
    validation_set   TEXT NOT NULL,
    niche_id         INTEGER NOT NULL REFERENCES niches (niche_id),
    iteration        INTEGER NOT NULL,
    occasion         TEXT NOT NULL,
    num_episodes     INTEGER NOT NULL,
    num_successes    INTEGER NOT NULL,
    return_mean      REAL NOT NULL,
    length_mean      REAL NOT NULL,
    PRIMARY KEY (version_id, validation_set)
) STRICT, WITHOUT ROWID;

CREATE TABLE digests (                   -- SHA-256 of what was written, so that damage is found; see digests.py
    kind             TEXT NOT NULL,      -- 'config' in force from that iteration on, or 'events' of it
    iteration        INTEGER NOT NULL,
    digest           TEXT NOT NULL,
    PRIMARY KEY (kind, iteration)
) STRICT, WITHOUT ROWID;
"""

#: What schema 5 adds.
_ADDED_5 = """
CREATE TABLE grown (                     -- what an iteration adds to tables of the state; see poet/archive/grown.py
    name             TEXT NOT NULL,
    iteration        INTEGER NOT NULL,
    is_whole         INTEGER NOT NULL,   -- 1: it begins anew
    num_rows         INTEGER NOT NULL,   -- of the table with it
    num_columns      INTEGER NOT NULL,
    added            BLOB NOT NULL,      -- float64, little-endian: new rows, then of earlier rows new columns
    changed          BLOB NOT NULL,      -- int32 row and column of each earlier number that is another now, then these
    PRIMARY KEY (name, iteration)
) STRICT;
"""


def table_names(tables: str) -> list[str]:
    """The names of tables, in the order in which they are created."""
    return re.findall(r"CREATE TABLE (\w+)", tables)


def _strict(tables: str) -> str:
    """The same tables as STRICT ones, in which SQLite refuses values of another type."""
    typed = tables.replace("JSON_TEXT", "TEXT")
    return typed.replace("\n) WITHOUT ROWID;", "\n) STRICT, WITHOUT ROWID;").replace("\n);", "\n) STRICT;")


def _made_anew(tables: str) -> str:
    """SQL that recreates tables with the same names and columns, and copies their rows."""
    copies = [
        f"INSERT INTO new_{name} SELECT * FROM {name};\nDROP TABLE {name};\nALTER TABLE new_{name} RENAME TO {name};"
        for name in table_names(tables)
    ]
    indexes = re.findall(r"CREATE INDEX .*;", tables)
    drafts = re.sub(r"CREATE INDEX .*;", "", tables).replace("CREATE TABLE ", "CREATE TABLE new_")
    return "\n".join([drafts, *copies, *indexes])


#: The tables of the current schema.
_TABLES_3 = f"{_strict(_TABLES_2)}{_ADDED_3}"
TABLES = f"{_TABLES_3}{_ADDED_5}"

#: ``MIGRATIONS[i]`` is the SQL that turns schema version i + 1 into i + 2. Released ones are never edited.
MIGRATIONS: tuple[str, ...] = (
    _JUDGEMENTS,
    f"{_made_anew(_strict(_TABLES_2))}{_ADDED_3}"
    "INSERT INTO digests SELECT 'config', from_iteration, poet_sha256(config) FROM configs;",
    "",
    _ADDED_5,
)

#: The schema that this code reads and writes. Schema 4 has the tables of schema 3, but its states have no values of
#: retired niches (``poet.archive.retired``), which an older POET would take for damage.
SCHEMA_VERSION = 5

#: The tables of each schema; readers understand all of them.
TABLES_OF = {
    1: _TABLES_2.replace(_JUDGEMENTS.strip(), ""), 2: _TABLES_2, 3: _TABLES_3, 4: _TABLES_3, SCHEMA_VERSION: TABLES,
}  # fmt: skip

#: The columns of each table that hold a JSON object.
JSON_COLUMNS = {
    table: set(re.findall(r"^ +(\w+) +JSON_TEXT", columns, re.MULTILINE))
    for table, columns in re.findall(r"CREATE TABLE (\w+) (.*?)\n\)", _TABLES_2, re.DOTALL)
}


def create_schema(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty database, in WAL mode, so that readers and the writer never wait for each other."""
    connection.execute("PRAGMA journal_mode = WAL")
    _run_script(connection, f"{TABLES}\nPRAGMA application_id = {APPLICATION_ID};", SCHEMA_VERSION)


def schema_version(connection: sqlite3.Connection, folder: Path, newest: int = SCHEMA_VERSION) -> int:
    """The version of an archive's tables.

    Args:
        connection: open on the archive.
        folder: the run, for the error sentence.
        newest: the latest version that is understood.

    Raises:
        InputError: the file is not one of our archives, or a newer POET wrote it.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID or version < 1:
        raise InputError(f"{folder} is no run: POET did not write the database run.sqlite in it; name a run's folder")
    if version > newest:
        raise InputError(
            f"the run {folder} has archive schema {version}, but this POET knows up to {newest}: use the newer POET"
        )
    return int(version)


def upgrade_schema(connection: sqlite3.Connection, folder: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Upgrade an older archive to the newest version, each step in its own transaction.

    Raises:
        InputError: as for ``schema_version``.
    """
    version = schema_version(connection, folder, newest=1 + len(migrations))
    connection.execute("PRAGMA foreign_keys = OFF")  # referenced tables are recreated
    connection.create_function("poet_sha256", 1, lambda text: hashlib.sha256(text.encode()).hexdigest())
    for i, migration in enumerate(migrations[version - 1 :], start=version):
        _run_script(connection, migration, i + 1)


def _run_script(connection: sqlite3.Connection, script: str, version: int) -> None:
    """Run SQL and set the version, both or neither."""
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
