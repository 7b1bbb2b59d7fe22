"""What happens when objects that hold memory, threads or processes are copied or pickled."""

from __future__ import annotations

import copy
from typing import ClassVar, NoReturn, Self

from environments.errors import InputError


class CopiedWhole:
    """An object that ``copy.copy`` copies like ``copy.deepcopy``: a shallow copy would move when its original moves."""

    def __copy__(self) -> Self:
        return copy.deepcopy(self)


class NotCopied:
    """An object that belongs to this process alone: copying and pickling it is refused.

    Attributes:
        copy_refusal: the sentence; subclasses say what to do instead.
    """

    copy_refusal: ClassVar[str]

    def __reduce__(self) -> NoReturn:
        raise InputError(self.copy_refusal)
