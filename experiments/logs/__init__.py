"""A run's numbers for TensorBoard, Weights & Biases, MLflow, or a logger of the user's own."""

from __future__ import annotations

from experiments.logs.base import AbstractLogger, LoggedRun, Numbers
from experiments.logs.loggers import Loggers, log_run

__all__ = ["AbstractLogger", "LoggedRun", "Loggers", "Numbers", "log_run"]
