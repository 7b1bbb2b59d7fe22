"""A new run that shares another's history up to a kept state: an exact counterfactual."""

from __future__ import annotations

import sqlite3
from os import PathLike
from pathlib import Path

from environments.errors import InputError, whole_number
from poet.archive.configs import config_at, refuse_changes, seal_configs, set_config
from poet.archive.database import connect_to_read, create_archive, readable_uri, transaction
from poet.archive.errors import explained
from poet.archive.folder import archive_path, new_run
from poet.archive.frames import table_columns
from poet.archive.own import own_tables
from poet.archive.rows import EVENT_TABLES
from poet.archive.snapshots import kept_iterations, nearest_kept
from poet.config import Config, PolicyConfig

_POLICY = {"policy.kind", "policy.layer_sizes", "policy.activations", "policy.settings"}
#: Config keys that a state already depends on: the types of its numbers, the start values of its optimisers and
#: terrains, and the kinds of its genotypes and thetas.
_TAKEN_IN = {
    "es.strategy", "es.learning_rate", "es.noise_std", "ppo.log_noise", "terrain.genotype", "cppn.released_quirks",
    "run.start_terrain", "run.start_terrain_seed", "run.trainer",
} | _POLICY  # fmt: skip

#: The rows that a fork copies from the source; ``:at`` is the last shared iteration. Referenced tables come first.
_SHARED = {
    "configs": "from_iteration <= :at + 1",
    "sessions": "id IN (SELECT session_id FROM source.iterations WHERE iteration <= :at)",
    "iterations": "iteration <= :at",
    **dict.fromkeys(EVENT_TABLES.values(), "iteration <= :at"),
    "thetas": "digest IN (SELECT theta_digest FROM source.versions WHERE iteration <= :at"
    " UNION SELECT theta_digest FROM source.solved WHERE iteration <= :at)",
    "snapshots": "iteration = :at",
    "grown": "iteration <= :at",
    "digests": "iteration <= CASE kind WHEN 'config' THEN :at + 1 ELSE :at END",
}


def fork_run(
    source_folder: str | PathLike[str], destination: str | PathLike[str], at: int, config: Config | None = None
) -> None:
    """Make a run that continues from a state of another run. ``RunArchive.open`` can then go on with it.

    Args:
        source_folder: the other run. It is only read, and may be running.
        destination: the new run's folder. It must not exist, or be empty.
        at: the last iteration that both share. Its state must be kept (``Run.keyframes``).
        config: in force from iteration ``at + 1`` on; None for the source's. Without a change, the new run will have
            the source's fingerprint.

    Raises:
        InputError: there is no such run or state, the destination cannot be used, or the config changes the trainer,
            the strategy, the policy or the genotype.
        ArchiveError: the disk is full or fails.
    """
    source, folder, at = Path(source_folder), Path(destination), whole_number("at", at)
    with explained(source):
        connect_to_read(source).close()
        source_uri = readable_uri(source)
    with explained(folder, source), new_run(folder) as draft:
        connection = create_archive(draft)
        try:
            connection.trust_nothing([archive_path(source)])
            connection.execute("ATTACH DATABASE ? AS source", (source_uri,))
            with transaction(connection):
                _check_kept(connection, source, at)
                _copy_shared(connection, at)
                connection.execute("UPDATE snapshots SET keyframe = 1")
                connection.execute(
                    "INSERT INTO run (id, parent_run, parent_iteration) VALUES (1, ?, ?)", (str(source.resolve()), at)
                )
                if config is not None:
                    _change_config(connection, at, config)
        finally:
            connection.close()


def check_change(shared: Config, config: Config) -> None:
    """Raise ``InputError`` if a fork's config changes a key that the shared state depends on."""
    keys = _TAKEN_IN - _POLICY if _is_one_policy(shared.policy, config.policy) else _TAKEN_IN
    refuse_changes(shared, config, keys, "the stored state has taken it in; start a new run")


def _is_one_policy(one: PolicyConfig, other: PolicyConfig) -> bool:
    """Whether two configs describe the same policy. A user's own is not imported to find out."""
    if one.kind != other.kind or ":" in one.kind:
        return one == other
    from poet.policy import make_run_policy  # here, since importing policies takes time

    return make_run_policy(one) == make_run_policy(other)


def _check_kept(connection: sqlite3.Connection, source: Path, at: int) -> None:
    kept = kept_iterations(connection, "source")
    if at not in kept:
        raise InputError(nearest_kept(source, kept, at))


def _copy_shared(connection: sqlite3.Connection, at: int) -> None:
    in_source = {name for (name,) in connection.execute("SELECT name FROM source.sqlite_schema WHERE type = 'table'")}
    own = own_tables(connection, "source")
    for sql in own.values():
        connection.execute(sql)
    for table, condition in {**_SHARED, **dict.fromkeys(own, "iteration <= :at")}.items():
        if table not in in_source:  # an older POET wrote it
            continue
        names = ", ".join(name for name, _, _ in table_columns(connection, table))
        connection.execute(
            f"INSERT INTO main.{table} ({names}) SELECT {names} FROM source.{table} WHERE {condition}", {"at": at}
        )
    if "digests" not in in_source:
        seal_configs(connection)


def _change_config(connection: sqlite3.Connection, at: int, config: Config) -> None:
    shared = config_at(connection, at + 1)
    check_change(shared, config)
    if config != shared:
        set_config(connection, at + 1, config)
