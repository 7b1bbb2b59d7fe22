"""What the module exports: a terrain is laid, an episode begins, a policy acts, and a step is taken.

Each takes the address of a walker's block, see ``memory``. The steps are those of a GPU thread, one walker at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.policies import POLICIES, make_policy
from agents.policies.kernels import act_policy, begin_policy
from agents.wasm.memory import AT, float32_at, float64_at, int32_at, int64_at, number_at, table_at
from environments.biped import NUM_BODIES, NUM_JOINTS, OBSERVATION_SIZE
from environments.compiled import kernel, kernel_template
from environments.physics.constants import TOUCHING_CAPACITY
from environments.physics.contacts import collide
from environments.physics.course import NUM_EDGE_COLUMNS, fill_edges, fill_polygons
from environments.physics.impact import next_island
from environments.physics.layout import WORLD_SIZE
from environments.physics.lidar import RAYS_SIZE
from environments.physics.solver_layout import SOLVER_SIZE
from environments.physics.step import drive, start_world
from environments.physics.thread_step import look_ahead, solve_island, solve_late_world, solve_world
from environments.walker.ending import GOES_ON
from environments.walker.judge import NUM_READINGS, judge_world


@kernel
def lay(at):  # type: ignore[no-untyped-def]
    """Make the tables of edges and obstacles from the vertices of ground and obstacles."""
    num_edges, num_polygons = number_at(at + AT.num_edges), number_at(at + AT.num_polygons)
    edges = table_at(number_at(at + AT.edges_at), (num_edges, NUM_EDGE_COLUMNS))
    ground_edges = int64_at(at + AT.ground_edges, (1,))
    ground_edges[0] = num_edges
    fill_edges(table_at(number_at(at + AT.ground_at), (num_edges + 1, 2)), ground_edges, edges)
    points = table_at(number_at(at + AT.points_at), (number_at(at + AT.num_points), 2))
    polygons = table_at(number_at(at + AT.polygons_at), (num_polygons, number_at(at + AT.polygon_columns)))
    fill_polygons(points, int64_at(number_at(at + AT.point_counts_at), (num_polygons,)), polygons)


@kernel
def start(at):  # type: ignore[no-untyped-def]
    """Begin an episode; the next step is the reset's, without torque."""
    num_edges, num_polygons = number_at(at + AT.num_edges), number_at(at + AT.num_polygons)
    edges = table_at(number_at(at + AT.edges_at), (num_edges, NUM_EDGE_COLUMNS))
    polygons = table_at(number_at(at + AT.polygons_at), (num_polygons, number_at(at + AT.polygon_columns)))
    push, action = float32_at(at + AT.push, (1,))[0], float32_at(at + AT.action, (NUM_JOINTS,))
    start_world(float32_at(at + AT.world, (WORLD_SIZE,)), 0, 1, push, edges, polygons)
    for joint in range(NUM_JOINTS):
        action[joint] = 0.0
    float64_at(at + AT.shaping, (1,))[0] = 0.0
    float64_at(at + AT.total, (1,))[0] = 0.0
    int32_at(at + AT.num_steps, (1,))[0] = -1
    int32_at(at + AT.outcome, (1,))[0] = GOES_ON


@kernel
def step(at):  # type: ignore[no-untyped-def]
    """Take a step with the block's action: motors, physics, observation, reward and end."""
    num_edges, num_polygons = number_at(at + AT.num_edges), number_at(at + AT.num_polygons)
    edges = table_at(number_at(at + AT.edges_at), (num_edges, NUM_EDGE_COLUMNS))
    polygons = table_at(number_at(at + AT.polygons_at), (num_polygons, number_at(at + AT.polygon_columns)))
    s, m = float32_at(at + AT.world, (WORLD_SIZE,)), float32_at(at + AT.m, (SOLVER_SIZE,))
    slots, num_slots = float32_at(at + AT.slots, (SOLVER_SIZE,)), int64_at(at + AT.num_slots, (NUM_BODIES,))
    drive(s, 0, 1, table_at(at + AT.action, (1, NUM_JOINTS)), 0)
    collide(s, 0, 1, edges, polygons)
    is_solved, moved = solve_world(s, 0, 1, m, slots, num_slots)
    if not is_solved:
        moved = solve_late_world(s, 0, 1, m, slots, num_slots)
    if look_ahead(s, 0, 1, edges, polygons, moved):
        members = int64_at(at + AT.members, (TOUCHING_CAPACITY,))
        num, body, alpha = next_island(s, 0, 1, edges, polygons, members)
        while num > 0:
            solve_island(s, 0, 1, edges, polygons, slots, members, num, body, alpha)
            num, body, alpha = next_island(s, 0, 1, edges, polygons, members)
    _judge(at, s, edges, polygons)


@kernel
def _judge(at, s, edges, polygons):  # type: ignore[no-untyped-def]
    """Observe what a step has led to, and add up the reward."""
    num_steps, max_steps = number_at(at + AT.num_steps) + 1, number_at(at + AT.max_steps)
    action, shaping = float32_at(at + AT.action, (NUM_JOINTS,)), float64_at(at + AT.shaping, (1,))
    readings, rays = float32_at(at + AT.readings, (NUM_READINGS,)), float32_at(at + AT.rays, (RAYS_SIZE,))
    observation = float32_at(at + AT.observation, (OBSERVATION_SIZE,))
    reward, shaping[0], outcome = judge_world(
        s, 0, 1, edges, polygons, action, shaping[0], num_steps, max_steps, readings, rays, observation
    )
    float64_at(at + AT.reward, (1,))[0] = reward
    float64_at(at + AT.total, (1,))[0] += reward
    int32_at(at + AT.num_steps, (1,))[0] = num_steps
    int32_at(at + AT.outcome, (1,))[0] = outcome


@kernel_template
def begin(at):  # type: ignore[no-untyped-def]
    """Set the policy's state back, at the beginning of an episode."""
    theta = float32_at(number_at(at + AT.theta_at), (number_at(at + AT.num_parameters),))
    shape = int64_at(number_at(at + AT.shape_at), (number_at(at + AT.shape_size),))
    state = float32_at(number_at(at + AT.state_at), (number_at(at + AT.state_size),))
    begin_policy(theta, 0, 1, shape, state, 0)


@kernel_template
def act(at):  # type: ignore[no-untyped-def]
    """Compute the action for the latest observation."""
    theta = float32_at(number_at(at + AT.theta_at), (number_at(at + AT.num_parameters),))
    shape = int64_at(number_at(at + AT.shape_at), (number_at(at + AT.shape_size),))
    state = float32_at(number_at(at + AT.state_at), (number_at(at + AT.state_size),))
    scratch_shape = number_at(at + AT.scratch_rows), number_at(at + AT.scratch_columns)
    observation, action = (
        float32_at(at + AT.observation, (OBSERVATION_SIZE,)),
        float32_at(at + AT.action, (NUM_JOINTS,)),
    )
    scratch = table_at(number_at(at + AT.scratch_at), scratch_shape)
    act_policy(theta, 0, 1, shape, observation, state, 0, action, scratch)


def exports() -> dict[str, Callable[..., Any]]:
    """Every kernel that the module exports, by name; for each policy of ours ``begin_KIND`` and ``act_KIND``."""
    found = {"lay": lay, "start": start, "step": step}
    for kind in POLICIES:
        kernels = make_policy(kind).kernels
        found[f"begin_{kind}"] = begin.calling(begin_policy=kernels.begin)
        found[f"act_{kind}"] = act.calling(act_policy=kernels.act)
    return found
