"""Policies by name."""

from __future__ import annotations

import inspect
from numbers import Integral
from typing import Any

from agents.policies.base import AbstractPolicy
from environments.errors import InputError
from environments.registry import load_class, own_settings

#: Our policies, imported when first asked for.
POLICIES = {
    "mlp": "agents.policies.mlp:MLPPolicy",
    "gru": "agents.policies.gru:GRUPolicy",
}


def make_policy(kind: str, **settings: Any) -> AbstractPolicy:
    """The policy called ``kind``.

    Args:
        kind: a key of ``POLICIES``, or ``"package.module:Name"`` of a user's subclass of ``AbstractPolicy``.
        settings: its fields; a field that is left out keeps its default.

    Raises:
        InputError: no policy of that name, no such setting, one is missing, or a value out of range.
    """
    policy = _policy_class(kind)
    made = policy(**own_settings(policy, settings, f"policy {kind!r}", {}))
    if not all(isinstance(number, Integral) for number in made.shape):
        raise InputError(
            f"policy {kind!r} must have whole numbers in its shape, but has {made.shape!r}: see its settings"
        )
    return made


def policy_settings(kind: str) -> list[str]:
    """The names of the settings of the policy called ``kind``.

    Raises:
        InputError: no policy of that name.
    """
    return list(inspect.signature(_policy_class(kind)).parameters)


def _policy_class(kind: str) -> type[AbstractPolicy]:
    return load_class(kind, POLICIES, AbstractPolicy, "policy")
