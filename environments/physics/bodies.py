"""The walker's bodies and joints as Box2D has them: numbers of ``biped.py``, rounded to float32, as constant arrays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from environments.biped import BODIES, JOINTS, BodySpec
from environments.physics.shapes import Mass, Polygon, as_box, as_polygon, mass_of
from environments.terrain.constants import FRICTION


def _polygon(spec: BodySpec) -> Polygon:
    return as_box(*spec.vertices[2]) if spec.is_box else as_polygon(spec.vertices)


def _padded(rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(N, V, 2): what has fewer than V rows repeats its last one."""
    most = max(len(row) for row in rows)
    return np.stack([np.pad(row, ((0, most - len(row)), (0, 0)), mode="edge") for row in rows])


def _radius(polygon: Polygon, mass: Mass) -> float:
    """Distance of the farthest vertex from the centre of mass, rounded up by a little."""
    away = polygon.vertices.astype(np.float64) - mass.center
    return 1.000001 * max(math.sqrt(x * x + y * y) for x, y in away.tolist())


_POLYGONS = [_polygon(spec) for spec in BODIES]
_MASSES = [mass_of(polygon, spec.density) for polygon, spec in zip(_POLYGONS, BODIES, strict=True)]

# Of the bodies, in the order of ``biped.BODIES``.
#: (5,) 1/kg and 1/(kg m2), the latter about the centre of mass.
INVERSE_MASS = np.array([mass.inverse_mass for mass in _MASSES], np.float32)
INVERSE_INERTIA = np.array([mass.inverse_inertia for mass in _MASSES], np.float32)
#: (5, 2) m: the centre of mass in the body's frame.
LOCAL_CENTER = np.array([mass.center for mass in _MASSES], np.float32)
#: (5,) the number of vertices.
NUM_VERTICES = np.array([len(polygon.vertices) for polygon in _POLYGONS], np.int64)
#: (5, 5, 2) m, in the body's frame, counter-clockwise; a box repeats its last vertex, and its last normal.
VERTICES = _padded([polygon.vertices for polygon in _POLYGONS])
#: (5, 5, 2) outward normal of the side from each vertex to the next.
NORMALS = _padded([polygon.normals for polygon in _POLYGONS])
#: (5, 2) m: of the polygon, in the body's frame.
CENTROID = np.array([polygon.centroid for polygon in _POLYGONS], np.float32)
#: (5,) friction coefficient against ground and obstacles (``b2MixFriction``).
CONTACT_FRICTION = np.sqrt(np.array([spec.friction for spec in BODIES], np.float32) * np.float32(FRICTION))
#: (5,) m: no vertex is farther than this from the centre of mass; the skin is not counted.
RADIUS = np.array([_radius(polygon, mass) for polygon, mass in zip(_POLYGONS, _MASSES, strict=True)], np.float32)
#: (5, 2) m and (5,) rad: where the body's origin is put at the start of an episode.
START_POSITION = np.array([spec.position for spec in BODIES], np.float32)
START_ANGLE = np.array([spec.angle for spec in BODIES], np.float32)

# Of the joints, in the order of ``biped.JOINTS``.
#: (4,) indices of bodies.
JOINT_BODY_A = np.array([joint.body_a for joint in JOINTS], np.int64)
JOINT_BODY_B = np.array([joint.body_b for joint in JOINTS], np.int64)
#: (4, 2) m: the anchors in the bodies' frames, from the centres of mass.
ANCHOR_A = np.array([joint.anchor_a for joint in JOINTS], np.float32) - LOCAL_CENTER[JOINT_BODY_A]
ANCHOR_B = np.array([joint.anchor_b for joint in JOINTS], np.float32) - LOCAL_CENTER[JOINT_BODY_B]
#: (4,) rad.
REFERENCE_ANGLE = np.array([joint.reference_angle for joint in JOINTS], np.float32)
LOWER_ANGLE = np.array([joint.lower_angle for joint in JOINTS], np.float32)
UPPER_ANGLE = np.array([joint.upper_angle for joint in JOINTS], np.float32)
