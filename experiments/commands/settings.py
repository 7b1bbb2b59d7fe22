"""``poet config`` and ``poet presets``: what can be set, and what is set together."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from environments.errors import InputError
from experiments.commands.options import Assignments, Preset, complete_keys
from experiments.commands.terminal import say


def config(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY...]", help="A key, such as es.pairs, a section, or a word to look for; all if not given.",
            show_default=False, autocompletion=complete_keys,
        ),
    ] = None,
    preset: Preset = None,
    file: Annotated[Path | None, typer.Option("--config", help="TOML file laid over the preset.")] = None,
    assignments: Assignments = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/CONFIG.md: all keys, and what each part takes, as tables.")
    ] = False,
) -> None:  # fmt: skip
    """Explain config keys, or show merged settings.

    Merged are a preset, a file and --set. What is printed is TOML: save it, change it, and give it back by --config.
    """
    from experiments.reference.listing import Given, documented_lines, find_keys, given_by_preset, merged_lines
    from experiments.settings import parse_assignment, read_config_file

    if markdown:
        from experiments.reference.page import config_page

        if keys or preset or file or assignments:
            raise InputError("--markdown prints all keys with their defaults: leave out keys and other options")
        say(*config_page().splitlines())
        return
    given = [given_by_preset(preset)] if preset else []
    given += [Given(str(file), read_config_file(file))] if file else []
    given += [Given("--set", parse_assignment(text)) for text in assignments or ()]
    if given and not keys:
        say(*merged_lines(given))
    else:
        say(*documented_lines(find_keys(keys or ()), given, is_detailed=bool(keys)))


def presets() -> None:
    """List the presets, with their time and purpose."""
    from experiments.presets import describe_preset, preset_names

    for name in preset_names():
        found = describe_preset(name)
        about = textwrap.wrap(f"{found.about} For {found.purpose}", 80)
        say(f"{name:<18}{found.time}", *(f"{'':<18}{line}" for line in about))
    say("", "all values of one, with their sources: poet config --preset NAME")
