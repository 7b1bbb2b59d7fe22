"""Whether the code that a stranger's archive names may run here."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from environments.errors import InputError
from poet.config import Config
from poet.parts import imported_code


def check_trust(
    folder: Path,
    config: Config,
    trust: bool,
    given: Collection[str] = (),
    keys: Collection[str] | None = None,
    engine: str | None = None,
) -> None:
    """Refuse to import what an archive names, unless the user trusts it or names it too.

    Args:
        folder: of the run whose archive it is.
        config: its settings, with those of the command line.
        trust: whether the user said ``--trust``.
        given: keys that the command line sets; the code that they name is the user's own.
        keys: the keys whose code is imported; None for all.
        engine: what the command line gives as ``--engine``, which is as if it set ``evaluation.engine``.

    Raises:
        InputError: code would be imported that nobody trusts.
    """
    given = given if engine is None else {*given, "evaluation.engine"}
    named = {
        key: name for key, name in imported_code(config).items() if key not in given and (keys is None or key in keys)
    }
    if named and not trust:
        what = ", ".join(f"{key}={name}" for key, name in named.items())
        raise InputError(
            f"the run {folder} names code that would be imported and may do anything here: {what}; add --trust if you "
            "trust it"
        )
