"""What a round of transfers costs, which grows with the square of the niches: told before a run begins."""

from __future__ import annotations

from dataclasses import dataclass

from poet.config import Config
from poet.trainers import unread_keys

#: How many times the training until the next round is worth a warning. The papers' rounds cost up to that training.
_COSTLY = 2


@dataclass(frozen=True)
class RoundCost:
    """Of a round in which ``poet.max_active`` niches are active.

    Attributes:
        num_trials: agents tried in niches.
        num_episodes: as they are and, by the 2019 rule, after an ES step, with that step's sample. The 2020 rule takes
            the step only where an agent is better as it is, which nobody knows before.
        num_trained: episodes of ES until the next round.
    """

    num_trials: int
    num_episodes: int
    num_trained: int


def round_cost(config: Config) -> RoundCost | None:
    """The least that a full round costs; None if there are no rounds."""
    rule, num_niches = config.transfer, config.poet.max_active
    if not rule.periodic or "transfer.rule" in unread_keys(config.run.trainer):
        return None
    num_sources = num_niches - 1 if isinstance(rule.max_sources, str) else min(rule.max_sources, num_niches - 1)
    num_trials = num_niches * num_sources
    of_agent = 1 + config.niche.num_fresh
    of_step = 2 * config.es.pairs + of_agent
    of_trial = of_agent + (of_step if rule.rule == "2019" else 0)
    return RoundCost(num_trials, num_trials * of_trial, rule.interval * num_niches * of_step)


def costly_round(config: Config) -> str | None:
    """A sentence on what a round costs, if it is far more than the training until the next one; otherwise None."""
    cost = round_cost(config)
    if cost is None or cost.num_episodes <= _COSTLY * cost.num_trained:
        return None
    return (
        f"a transfer round with all {config.poet.max_active} niches tries {cost.num_trials:,} agents in "
        f"{cost.num_episodes:,} episodes, {cost.num_episodes / cost.num_trained:.1f} times those of training until the "
        "next one: transfer.max_sources limits the agents tried in each niche"
    )
