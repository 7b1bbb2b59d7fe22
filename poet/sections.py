"""What a section of a config is made of: ``poet.config`` has the sections."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
_Value = TypeVar("_Value")


class Section(BaseModel):
    """A section of a config: frozen, without other keys, with finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)


def config_key(default: _Value, about: str, source: str, **limits: Any) -> _Value:
    """A key of a section.

    Args:
        default: its value where nothing sets it.
        about: what it means, in sentences.
        source: where the default comes from: a paper, the released code and its file, or us.
        limits: of ``pydantic.Field``.
    """
    field: _Value = Field(default, description=about, json_schema_extra={"source": source}, **limits)
    return field
