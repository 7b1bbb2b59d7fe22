"""The policy of a run, as its config has it."""

from __future__ import annotations

from agents.policies import make_policy, policy_settings
from agents.policies.base import AbstractPolicy
from agents.rollouts.checks import check_policy
from environments.errors import InputError
from poet.config import PolicyConfig


def make_run_policy(config: PolicyConfig) -> AbstractPolicy:
    """The policy with those of the shared settings that it has, and with its own.

    Raises:
        InputError: there is no such policy, a setting is out of range, or it is no walker's.
    """
    shared = config.model_dump(exclude={"kind", "settings"})
    try:
        known = policy_settings(config.kind)
        shared = {name: value for name, value in shared.items() if name in known}
        policy = make_policy(config.kind, **{**shared, **config.settings})
        check_policy(policy)
    except InputError as error:
        raise InputError(f"config [policy]: {error}") from None
    return policy
