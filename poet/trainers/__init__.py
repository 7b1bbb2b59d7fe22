"""Trainers by name. A trainer makes a run's iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from environments.registry import load_class, own_settings
from poet.config import config_keys

if TYPE_CHECKING:
    from poet.archive.reader import Run
    from poet.config import Config
    from poet.events import AnyEvent
    from poet.trainers.base import AbstractTrainer

#: Our trainers, imported when first asked for.
TRAINERS = {
    "poet": "poet.trainers.poet:Poet",
    "es": "poet.trainers.es:EsAlone",
    "curriculum": "poet.trainers.curriculum:DirectPath",
    "dr": "poet.trainers.dr:DomainRandomisation",
    "adr": "poet.trainers.adr:AutomaticDomainRandomisation",
    "plr": "poet.trainers.plr:Plr",
    "accel": "poet.trainers.accel:Accel",
    "sfl": "poet.trainers.sfl:Sfl",
    "paced": "poet.trainers.paced:PacedCurriculum",
    "ppo": "poet.trainers.ppo:Ppo",
    "joint": "poet.trainers.meta:Joint",
    "reptile": "poet.trainers.reptile:Reptile",
    "fomaml": "poet.trainers.reptile:Fomaml",
    "es-maml": "poet.trainers.es_maml:EsMaml",
}


def make_trainer(config: Config) -> AbstractTrainer[Any]:
    """The trainer that ``run.trainer`` of a config names, with its ``trainer.settings``.

    The name is a key of ``TRAINERS``, or ``"package.module:Name"`` for a user's subclass of ``AbstractTrainer``.

    Raises:
        InputError: there is no such trainer or setting, a setting is missing, or a value is out of range.
    """
    trainer = _trainer_class(config.run.trainer)
    return trainer(**own_settings(trainer, config.trainer.settings, "trainer.settings", {}))


def unread_keys(name: str) -> tuple[str, ...]:
    """The config keys, as ``section.key``, that the trainer called ``name`` does not read.

    Raises:
        InputError: no trainer of that name.
    """
    unused = {*_trainer_class(name).unused}
    return tuple(key for key in config_keys() if {key, key.partition(".")[0]} & unused)


def shown_events(run: Run) -> frozenset[type[AnyEvent]]:
    """The kinds of events to show for a run: those that its trainer declares.

    Looking at a run does not import a user's own trainer. For such a run, it is the kinds that have been recorded.
    """
    name = run.config.run.trainer
    return _trainer_class(name).events if name in TRAINERS else run.recorded


def _trainer_class(name: str) -> type[AbstractTrainer[Any]]:
    from poet.trainers.base import AbstractTrainer  # here, so that the names alone cost no imports

    return load_class(name, TRAINERS, AbstractTrainer, "trainer")
