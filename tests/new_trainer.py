"""The trainer that docs/how-to/add-trainer.md adds, as if it were written in this file."""

from __future__ import annotations

from tests.house import example

exec(example("add-trainer.md"), globals())
