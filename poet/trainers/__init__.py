"""Trainers by name. A trainer makes a run's iterations."""

from __future__ import annotations

import inspect
from inspect import isabstract
from typing import TYPE_CHECKING, Any

from environments.errors import InputError, nearest
from environments.registry import load_named

if TYPE_CHECKING:
    from poet.archive.reader import Run
    from poet.config import Config
    from poet.events import AnyEvent
    from poet.trainers.base import AbstractTrainer

#: Our trainers, imported when first asked for.
TRAINERS = {
    "poet": "poet.trainers.poet:Poet",
    "es": "poet.trainers.es:EsAlone",
}


def make_trainer(config: Config) -> AbstractTrainer[Any]:
    """The trainer that ``run.trainer`` of a config names, with its ``trainer.settings``.

    The name is a key of ``TRAINERS``, or ``"package.module:Name"`` for a user's subclass of ``AbstractTrainer``.

    Raises:
        InputError: there is no such trainer or setting, or a value is out of range.
    """
    name, settings = config.run.trainer, config.trainer.settings
    trainer = _trainer_class(name)
    known = list(inspect.signature(trainer).parameters)
    for setting in settings:
        if setting not in known:
            what_it_has = nearest(setting, known) if known else "it has no settings"
            raise InputError(f"trainer.settings: the trainer {name!r} has no {setting!r}; {what_it_has}")
    return trainer(**settings)


def unread_sections(name: str) -> tuple[str, ...]:
    """The sections of a config that the trainer called ``name`` does not read.

    Raises:
        InputError: no trainer of that name.
    """
    return _trainer_class(name).unused


def shown_events(run: Run) -> frozenset[type[AnyEvent]]:
    """The kinds of events to show for a run: those that its trainer declares.

    Looking at a run does not import a user's own trainer. For such a run, it is the kinds that have been recorded.
    """
    name = run.config.run.trainer
    return _trainer_class(name).events if name in TRAINERS else run.recorded


def _trainer_class(name: str) -> type[AbstractTrainer[Any]]:
    from poet.trainers.base import AbstractTrainer  # here, so that the names alone cost no imports

    found = load_named(name, TRAINERS, "trainer")
    trainer = load_named(found, {}, "trainer") if name in TRAINERS else found
    if not (isinstance(trainer, type) and issubclass(trainer, AbstractTrainer)) or isabstract(trainer):
        raise InputError(
            f"trainer {name!r} must be a concrete subclass of {AbstractTrainer.__module__}.AbstractTrainer"
        )
    return trainer
