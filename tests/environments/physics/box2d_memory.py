"""What Box2D keeps to itself: members without an accessor, read where the class declarations put them.

Source: Box2D 2.3.0, ``b2Body.h`` and ``b2Contact.h``; the layout is that of 64-bit Linux and macOS. A test compares
what also has an accessor.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Places in ``body_floats``: the transform, the sweep, the velocities and the time of rest.
POSITION = [3, 4]
SINE, COSINE = 5, 6
CENTER0, CENTER, ANGLE0, ANGLE, ALPHA0 = [9, 10], [11, 12], 13, 14, 15
VELOCITY, ANGULAR_VELOCITY = [16, 17], 18
SLEEP_TIME = 43
_NUM_BODY_FLOATS = 44
#: Of ``b2Contact::m_toiCount``, bytes.
_TOI_COUNT = 184


def address(thing: Any) -> int:
    """The address of a body or contact."""
    return int(thing.this)


def body_floats(at: int) -> NDArray[np.float32]:
    """(44,) float32: the body at this address, up to its time of rest; what is no float32 among them means nothing."""
    return np.array((ctypes.c_float * _NUM_BODY_FLOATS).from_address(at), np.float32)


def toi_count(contact: Any) -> int:
    """How many impacts of this contact the latest step handled."""
    return ctypes.c_int32.from_address(address(contact) + _TOI_COUNT).value
