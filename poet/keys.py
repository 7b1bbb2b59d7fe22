"""What every config key means: read from the sections of ``poet.config``, which are the one place that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from poet.config import Config

#: What a value of each type of JSON schema is called: one of them, and several.
_KINDS = {
    "integer": ("a whole number", "whole numbers"),
    "number": ("a number", "numbers"),
    "string": ("a text", "texts"),
    "boolean": ("true or false", "true or false"),
    "object": ("a table of settings", "tables"),
}
#: Words before each limit of JSON schema.
_LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


@dataclass(frozen=True)
class ConfigKey:
    """A key of the config.

    Attributes:
        name: ``section.key``.
        default: its value where nothing sets it, as JSON has it.
        takes: its type and range, or its allowed values, in words.
        about: what it means, in sentences; empty if nobody wrote it down.
        source: where the default comes from: a paper, the released code or ours; empty if nobody wrote it down.
    """

    name: str
    default: Any
    takes: str
    about: str
    source: str


def describe_keys() -> dict[str, ConfigKey]:
    """Every key by its ``section.key``, in the order of ``config_keys``."""
    found = {}
    for section, values in Config().to_json().items():
        schema = _section_type(section).model_json_schema()["properties"]
        for key, default in values.items():
            name, said = f"{section}.{key}", schema[key]
            about, source = said.get("description", ""), said.get("source", "")
            found[name] = ConfigKey(name, default, _takes(said), about, source)
    return found


def describe_sections() -> dict[str, str]:
    """What each section is about, by its name."""
    return {name: (_section_type(name).__doc__ or "").replace("``", "") for name in Config.model_fields}


def _section_type(section: str) -> Any:
    return type(getattr(Config(), section))


def _takes(schema: Mapping[str, Any], is_one: bool = True) -> str:
    """A type of JSON schema in words."""
    if "anyOf" in schema:
        return " or ".join(_takes(choice, is_one) for choice in schema["anyOf"])
    if choices := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " or ".join(f'"{choice}"' for choice in choices)
    if schema["type"] == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        number = (f" of {least} to {most}" if most else f" of {least} or more" if least else " of") + " "
        return f"a list{number}{_takes(schema['items'], is_one=False)}"
    limits = [f"{words} {_number(schema[limit])}" for limit, words in _LIMITS.items() if limit in schema]
    return f"{_KINDS[schema['type']][not is_one]} {', '.join(limits)}".rstrip()


def _number(limit: float) -> str:
    return "2^63" if limit == 2**63 else f"{limit:,g}" if isinstance(limit, float) else f"{limit:,}"
