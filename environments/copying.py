"""What becomes of things that hold memory, threads or processes when they are copied or pickled."""

from __future__ import annotations

import copy
from typing import ClassVar, NoReturn, Self

from environments.errors import InputError


class CopiedWhole:
    """A thing that ``copy.copy`` copies as ``copy.deepcopy`` does: half a copy would move when its original moves."""

    def __copy__(self) -> Self:
        return copy.deepcopy(self)


class NotCopied:
    """A thing that belongs to this process alone: copying and pickling it is refused.

    Attributes:
        copy_refusal: the sentence; subclasses say what to do instead.
    """

    copy_refusal: ClassVar[str]

    def __reduce__(self) -> NoReturn:
        raise InputError(self.copy_refusal)
