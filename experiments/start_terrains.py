"""``run.start_terrain`` as people give it: JSON, TOML, or paths of terrain files. A config has it as JSON alone."""

from __future__ import annotations

from typing import Any

from environments.errors import InputError


def start_terrain_text(value: Any) -> Any:
    """The JSON text of ``run.start_terrain`` that a config and an archive have, which holds terrains and no paths.

    Args:
        value: from a command line or a TOML file: JSON text or a table, of a genotype or a terrain; the path of a
            terrain file; or a list of these, also as text. A path begins at the current folder.

    Returns:
        The text. That of one genotype, and what is no JSON, is as it was given; ``poet.roots`` says what it is worth.

    Raises:
        InputError: there is no such file, or something is no terrain.
    """
    from poet.archive.rows import canonical_json  # here, so that settings alone do not import NumPy

    if isinstance(value, str) and value.strip()[:1] in ("", "{", "["):
        text, value = value, _parsed(value)
        if not _is_terrain(value) and not isinstance(value, list):
            return text
    if not isinstance(value, str | dict | list):
        return value
    try:
        return canonical_json([_part(part) for part in value] if isinstance(value, list) else _part(value))
    except (ValueError, TypeError) as error:  # a number of a TOML table may be nan, and a value may be a date
        raise InputError(f"run.start_terrain: {error}") from None


def num_roots(value: Any) -> int:
    """How many terrains ``start_terrain_text`` would read, of which it reads none here."""
    value = _parsed(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else value
    return len(value) if isinstance(value, list) else 1


def unread_text(value: Any) -> Any:
    """What ``start_terrain_text`` takes as text, in which the paths of files are left as they are.

    Raises:
        InputError: a part of it is nothing that JSON has.
    """
    from poet.archive.rows import canonical_json

    if not isinstance(value, dict | list):
        return value
    try:
        return canonical_json(value)
    except (ValueError, TypeError) as error:
        raise InputError(f"run.start_terrain: {error}") from None


def _parsed(text: str) -> Any:
    """The value of a JSON text; or a list of words, whose quotes a shell has taken away, as in ``[a.json,b.json]``."""
    from poet.terrain_files import load_json

    try:
        return load_json(text)
    except InputError:
        is_words = text.strip()[:1] == "[" and text.strip().endswith("]") and not {*text} & {*'"{'}
        return [word.strip() for word in text.strip()[1:-1].split(",")] if is_words else None


def _part(value: Any) -> Any:
    """A genotype or a terrain as JSON values, from these, from their text, or from the path of a file."""
    from poet.terrain_files import load_json, parse_terrain, read_terrain_file

    if isinstance(value, str):
        if not value.lstrip().startswith("{"):
            return read_terrain_file(value.strip()).start_json()
        value = load_json(value)
    return parse_terrain(value).start_json() if _is_terrain(value) else value


def _is_terrain(value: Any) -> bool:
    return isinstance(value, dict) and "ground" in value
