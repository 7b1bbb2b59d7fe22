"""What JavaScript has to know of Python's numbers, as JSON: so nothing is written twice."""

from __future__ import annotations

from typing import Any

from agents.policies import POLICIES
from agents.wasm.memory import ALIGNMENT, BLOCK_SIZE, FIELDS
from environments.biped import BODIES, LIDAR_RAYS, MAX_STEPS, NUM_BODY_OBSERVATIONS
from environments.physics import layout as places
from environments.physics.bodies import NUM_VERTICES, VERTICES
from environments.physics.constants import STEPS_PER_SECOND
from environments.physics.course import NUM_EDGE_COLUMNS, VERTEX
from environments.physics.shapes import VERTEX_SIZE
from environments.terrain.constants import FINISH_X, MAX_POLYGON_VERTICES, MIN_POLYGON_AREA
from environments.walker.ending import Outcome
from environments.walker.judge import OVERFLOWED, SPUN, STATE_FIELDS


def layout() -> dict[str, Any]:
    """Plain JSON values.

    Keys:
        alignment, block_size: of a walker's block, bytes. fields: kind, size and place (bytes) of each.
        edge_columns, polygon_columns, vertex_columns: of the tables; an obstacle has polygon_columns numbers and
            vertex_columns more for each vertex.
        bodies: name and vertices (m, in the body's frame) of each part of the walker.
        body_at, body_size, state_fields: where in ``world`` the bodies lie; of each the places of x, y, angle, and the
            three velocities (m, rad, 1/s).
        touching: places in ``world`` of the flags of both lower legs.
        outcomes: names by number; 0, which is not there, goes on. OVERFLOWED and SPUN are episodes that the engines
            finish in Box2D; a page has none, and can only say so.
        lidar_rays: the way from the hull to each ray's end, m; first_ray: the first reading in an observation.
        steps_per_second, max_steps, finish_x (m).
        most_vertices, least_area (m2): of obstacles.
        policies: the kinds that the module knows.
    """
    return {
        "alignment": ALIGNMENT,
        "block_size": BLOCK_SIZE,
        "fields": {name: field._asdict() for name, field in FIELDS.items()},
        "edge_columns": NUM_EDGE_COLUMNS,
        "polygon_columns": VERTEX,
        "vertex_columns": VERTEX_SIZE,
        "bodies": [
            {"name": body.name, "vertices": vertices[:num].tolist()}
            for body, vertices, num in zip(BODIES, VERTICES, NUM_VERTICES, strict=True)
        ],
        "body_at": places.BODY,
        "body_size": places.BODY_SIZE,
        "state_fields": STATE_FIELDS.tolist(),
        "touching": [places.IS_TOUCHING_1, places.IS_TOUCHING_2],
        "outcomes": {str(code): name for name, code in OUTCOMES.items()},
        "lidar_rays": [list(ray) for ray in LIDAR_RAYS],
        "first_ray": NUM_BODY_OBSERVATIONS,
        "steps_per_second": STEPS_PER_SECOND,
        "max_steps": MAX_STEPS,
        "finish_x": FINISH_X,
        "most_vertices": MAX_POLYGON_VERTICES,
        "least_area": MIN_POLYGON_AREA,
        "policies": list(POLICIES),
    }


#: How an episode may end in the module.
OUTCOMES = {outcome.name: int(outcome) for outcome in Outcome} | {"OVERFLOWED": OVERFLOWED, "SPUN": SPUN}
