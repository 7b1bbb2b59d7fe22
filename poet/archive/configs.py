"""The configs of a run: which one was in force when, and which keys affect results."""

from __future__ import annotations

import sqlite3
from typing import Any

from environments.errors import InputError
from poet.archive.digests import store_digest, stored_digests, text_digest
from poet.archive.errors import DamageError
from poet.archive.rows import canonical_json
from poet.archive.values import load_object
from poet.config import EARLIER_VALUES, NEUTRAL_KEYS, Config, config_keys, make_config

#: Differs from the value of any key.
_NEVER = object()


def set_config(connection: sqlite3.Connection, from_iteration: int, config: Config) -> None:
    """Put a config in force from an iteration on, in place of any other that would begin there."""
    text = canonical_json(config.to_json())
    connection.execute("INSERT OR REPLACE INTO configs (from_iteration, config) VALUES (?, ?)", (from_iteration, text))
    store_digest(connection, "config", from_iteration, text_digest(text))


def config_at(connection: sqlite3.Connection, iteration: int) -> Config:
    """The config that was in force in an iteration; iteration 0 is the start.

    Raises:
        DamageError: it is not what was written.
    """
    query = "SELECT from_iteration, config FROM configs WHERE from_iteration <= ? ORDER BY from_iteration DESC LIMIT 1"
    row = connection.execute(query, (iteration,)).fetchone()
    if row is None:
        raise DamageError(f"no config is in force in iteration {iteration}")
    return _read(row[0], row[1], stored_digests(connection, "config"))


def all_configs(connection: sqlite3.Connection) -> list[tuple[int, Config]]:
    """Every config, with the iteration from which it is in force.

    Raises:
        DamageError: one is not what was written.
    """
    digests = stored_digests(connection, "config")
    rows = connection.execute("SELECT from_iteration, config FROM configs ORDER BY from_iteration").fetchall()
    return [(from_iteration, _read(from_iteration, text, digests)) for from_iteration, text in rows]


def deciding_configs(connection: sqlite3.Connection) -> list[tuple[int, dict[str, Any]]]:
    """The values of the keys that affect results, each with its first iteration. Equal neighbours are merged.

    Keys that the first release did not have are left out if their values describe what it did.
    """
    history: list[tuple[int, dict[str, Any]]] = []
    for from_iteration, config in all_configs(connection):
        values = deciding_values(config)
        if not history or history[-1][1] != values:
            history.append((from_iteration, values))
    return history


def seal_configs(connection: sqlite3.Connection) -> None:
    """Store digests of configs that were copied from an older archive without digests."""
    for from_iteration, text in connection.execute("SELECT from_iteration, config FROM configs").fetchall():
        store_digest(connection, "config", from_iteration, text_digest(text))


def _read(from_iteration: int, text: Any, digests: dict[int, Any] | None) -> Config:
    """A stored config, with today's keys."""
    what = f"the config from iteration {from_iteration} on"
    stored = load_object(text, what)
    if digests is not None and digests.get(from_iteration) != text_digest(text):
        raise DamageError(f"{what} is not what was written")
    for key in config_keys():
        section, name = key.split(".")
        keys = stored.get(section, {})
        if key not in EARLIER_VALUES and not (isinstance(keys, dict) and name in keys):
            raise DamageError(f"{what} lacks {key}")
    earlier: dict[str, dict[str, Any]] = {}
    for key, value in EARLIER_VALUES.items():
        section, name = key.split(".")
        earlier.setdefault(section, {})[name] = value
    try:
        return make_config(earlier, stored)
    except (InputError, OverflowError) as error:
        raise DamageError(f"{what} is none: {error}") from error


def deciding_values(config: Config) -> dict[str, Any]:
    """What of a config decides results, by ``section.key``, without ``EARLIER_VALUES``: a later key changes nothing."""
    values = deciding_keys(config.to_json())
    return {key: value for key, value in values.items() if value != EARLIER_VALUES.get(key, _NEVER)}


def deciding_keys(config: dict[str, Any]) -> dict[str, Any]:
    """``section.key`` to value, without the neutral keys."""
    flat = {f"{section}.{key}": value for section, keys in config.items() for key, value in keys.items()}
    return {key: value for key, value in flat.items() if key not in NEUTRAL_KEYS}


def refuse_changes(old: Config, new: Config, keys: set[str] | None, why: str) -> None:
    """Check that a new config keeps the values of the old one.

    Args:
        old, new: the configs.
        keys: the keys that must not change; None for all keys that affect results.
        why: the end of the error sentence.

    Raises:
        InputError: a value differs.
    """
    before, after = deciding_keys(old.to_json()), deciding_keys(new.to_json())
    for key in sorted(before if keys is None else keys):
        if before[key] != after[key]:
            change = f"is {before[key]!r:.300} in the run and cannot become {after[key]!r:.300}"
            raise InputError(f"config key {key!r} {change}: {why}")
