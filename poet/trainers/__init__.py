"""Trainers by name: who makes a run's iterations."""

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
    """The trainer that a config names, ``run.trainer``, with its ``trainer.settings``.

    Raises:
        InputError: no trainer of that name (a key of ``TRAINERS``, or ``"package.module:Name"`` of a user's subclass of
            ``AbstractTrainer``), no such setting, or a value out of range.
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
    """The kinds of events by which a run is shown: those that its trainer declares.

    A user's own trainer is not imported by who looks at a run: there the kinds count of which there are any.
    """
    name = run.config.run.trainer
    return _trainer_class(name).events if name in TRAINERS else run.recorded


def _trainer_class(name: str) -> type[AbstractTrainer[Any]]:
    from poet.trainers.base import AbstractTrainer  # here, since its parts ask what trainers do not read

    found = load_named(name, TRAINERS, "trainer")
    trainer = load_named(found, {}, "trainer") if name in TRAINERS else found
    if not (isinstance(trainer, type) and issubclass(trainer, AbstractTrainer)) or isabstract(trainer):
        raise InputError(
            f"trainer {name!r} must be a concrete subclass of {AbstractTrainer.__module__}.AbstractTrainer"
        )
    return trainer
