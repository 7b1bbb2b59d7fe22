"""Slow twins: obviously right, as close to the source as can be, used only to check the fast ones."""

from __future__ import annotations

from typing import Any

import numpy as np


def naive_course(
    stream: Any,
    roughness: float,
    pit_gap: Any = None,
    stump_height: Any = None,
    stair_height: Any = None,
    stair_steps: Any = None,
) -> tuple[list[tuple[float, float]], list[list[tuple[float, float]]]]:
    """POET's ``_generate_terrain`` as released, vertex by vertex, without the draws of one outcome or no effect."""
    step, height = 14 / 30.0, 400 / 30.0 / 4
    present = {"stump": stump_height, "stairs": stair_height, "pit": pit_gap}
    kinds = [kind for kind, gene in present.items() if gene is not None]
    state, oneshot, counter, velocity, y = "grass", False, 20, 0.0, height
    xs: list[float] = []
    ys: list[float] = []
    polygons = []
    for i in range(200):
        x = i * step
        xs.append(x)
        if state == "grass" and not oneshot:
            velocity = 0.8 * velocity + 0.01 * float(np.sign(height - y))
            if i > 20:
                velocity += stream.uniform(-1, 1) / 30.0
            y += roughness * velocity
        elif state == "pit" and oneshot:
            gap = 1.0 + stream.uniform(*pit_gap)
            counter = int(np.ceil(gap))
            pit_diff = counter - gap
            wall = [(x, y), (x + step, y), (x + step, y - 4 * step), (x, y - 4 * step)]
            polygons += [wall, [(px + step * gap, py) for px, py in wall]]
            counter += 2
            original_y = y
        elif state == "pit":
            y = original_y
            if counter > 1:
                y -= 4 * step
            if counter == 1:
                xs[-1] -= pit_diff * step
        elif state == "stump":
            counter, top = 1, y + stream.uniform(*stump_height) * step
            polygons.append([(x, top), (x + step, top), (x + step, y), (x, y)])
        elif state == "stairs" and oneshot:
            rise = stream.uniform(*stair_height)
            slope = 1 if stream.uniform() > 0.5 else -1
            steps = stream.integer(stair_steps[0], stair_steps[1] + 1)
            original_y = y
            for s in range(steps):
                left, right = x + s * 4 * step, x + (1 + s) * 4 * step
                top, bottom = y + s * rise * slope * step, y + (-rise + s * rise * slope) * step
                polygons.append([(left, top), (right, top), (right, bottom), (left, bottom)])
            counter = steps * 4 + 1
        elif state == "stairs":
            n = (steps * 4 - counter) // 4
            y = original_y + (n * rise * slope) * step - (rise if slope == -1 else 0) * step
        oneshot = False
        ys.append(y)
        counter -= 1
        if counter == 0:
            oneshot = True
            if state == "grass" and kinds:
                state = stream.choice(kinds)
            else:
                state, counter = "grass", stream.integer(5, 10)
    return list(zip(xs, ys, strict=True)), polygons
