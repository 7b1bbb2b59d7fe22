"""The minimal criterion: neither too hard nor too easy.

Reference: Wang et al. 2019, MC_SATISFIED of algorithm 3; POET.md 4.2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum


class Judgement(StrEnum):
    """What a score says about an environment."""

    TOO_HARD = "too_hard"
    ADMISSIBLE = "admissible"
    TOO_EASY = "too_easy"


@dataclass(frozen=True)
class AbstractCriterion(ABC):
    """Made from the two bounds of a config.

    Attributes:
        lower, upper: ``poet.criterion_lower`` and ``poet.criterion_upper``.
    """

    lower: float
    upper: float

    @abstractmethod
    def judge(self, score: float) -> Judgement:
        """What a score (-inf for a diverged world) says about the environment it was made in."""


class ReturnBand(AbstractCriterion):
    """Admissible from ``lower`` to ``upper``, both included."""

    def judge(self, score: float) -> Judgement:
        """See ``AbstractCriterion``."""
        if score < self.lower:
            return Judgement.TOO_HARD
        return Judgement.ADMISSIBLE if score <= self.upper else Judgement.TOO_EASY
