"""Makes the policy that a run's config describes."""

from __future__ import annotations

from agents.policies import make_policy, policy_settings
from agents.policies.base import AbstractPolicy
from agents.rollouts import check_policy
from environments.errors import InputError
from poet.config import PolicyConfig


def make_run_policy(config: PolicyConfig) -> AbstractPolicy:
    """The policy with its own settings, and with the shared settings that it knows.

    Raises:
        InputError: there is no such policy, a setting is out of range, or the policy does not fit a walker.
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
