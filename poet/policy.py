"""Makes the policy that a run's config describes."""

from __future__ import annotations

from agents.policies import make_policy, policy_settings
from agents.policies.base import AbstractPolicy
from agents.rollouts.checks import check_policy
from environments.errors import InputError
from environments.machine import check_memory
from poet.config import PolicyConfig

#: What an agent and a strategy's least state hold of a parameter: its value, two means of gradients, a sample.
_PARAMETER_BYTES = 16


def make_run_policy(config: PolicyConfig) -> AbstractPolicy:
    """The policy with its own settings, and with the shared settings that it knows.

    Raises:
        InputError: there is no such policy, a setting is out of range or has a key of its own, the policy does not fit
            a walker, or it does not fit into memory.
    """
    shared = config.model_dump(exclude={"kind", "settings"})
    try:
        for name in config.settings:
            if name in shared:
                raise InputError(f"settings has {name!r}, which is set by policy.{name}")
        known = policy_settings(config.kind)
        shared = {name: value for name, value in shared.items() if name in known}
        policy = make_policy(config.kind, **{**shared, **config.settings})
        check_policy(policy)
        check_memory(policy.num_parameters, _PARAMETER_BYTES, "parameters of an agent")
    except InputError as error:
        raise InputError(f"config [policy]: {error}") from None
    return policy
