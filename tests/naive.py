"""Slow twins: obviously right, as close to the source as can be, used only to check the fast ones."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.strategies.normal import normal_from_word
from agents.strategies.openai_es import OpenAIES
from environments.streams import StreamKey, words


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


def float32(x: float) -> float:
    """``x`` rounded to float32, by way of its four bytes."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", x))
    return float(rounded)


def naive_tanh(x: float) -> float:
    """The policy's tanh: float32 operations done in double and rounded, which is the same (24 * 2 + 2 <= 53 bits)."""
    x = max(-8.5, min(8.5, x))
    z = float32(x * x)
    p, q = 0.0, 0.0
    for coefficient in (1.4271526e-08, 2.1252796e-05, 0.0035341377, 0.13413341, 1.0):
        p = float32(float32(p * z) + float32(coefficient))
    for coefficient in (8.1460905e-07, 0.0003349043, 0.02602318, 0.46746665, 1.0):
        q = float32(float32(q * z) + float32(coefficient))
    return max(-1.0, min(1.0, float32(float32(x * p) / q)))


def naive_policy(
    theta: list[float], layer_sizes: list[int], observation: list[float], activations: Sequence[str] = ()
) -> list[float]:
    """The action of a policy: one unit after the other, one weight after the other; tanh if nothing else is said."""
    functions = {"tanh": naive_tanh, "relu": lambda x: 0.0 if x < 0.0 else x, "linear": lambda x: x}
    layer, rest, names = observation, theta, activations or ("tanh",) * (len(layer_sizes) - 1)
    for (num_in, num_out), name in zip(itertools.pairwise(layer_sizes), names, strict=True):
        following = []
        for j in range(num_out):
            total = rest[num_in * num_out + j]
            for i in range(num_in):
                total = float32(total + float32(layer[i] * rest[i * num_out + j]))
            following.append(functions[name](total))
        layer, rest = following, rest[(num_in + 1) * num_out :]
    return layer


def naive_gru(
    theta: list[float], units: int, state: list[float], observation: list[float], action: list[float]
) -> tuple[list[float], list[float]]:
    """What a gated recurrent unit makes of the perceptron's action, and its next state; its parameters alone."""
    num_rows, num_out = len(observation) + units, len(action)

    def sums(rest: list[float], inputs: list[float], width: int) -> list[float]:
        found = []
        for j in range(width):
            total = rest[num_rows * width + j]
            for i, x in enumerate(inputs):
                total = float32(total + float32(x * rest[i * width + j]))
            found.append(total)
        return found

    def sigmoid(x: float) -> float:
        return float32(0.5 + float32(0.5 * naive_tanh(float32(0.5 * x))))

    gates = [sigmoid(total) for total in sums(theta, observation + state, 2 * units)]
    reset = [float32(r * h) for r, h in zip(gates[:units], state, strict=True)]
    rest = theta[(num_rows + 1) * 2 * units :]
    candidate = [naive_tanh(total) for total in sums(rest, observation + reset, units)]
    following = [
        float32(float32(z * h) + float32(float32(1.0 - z) * c))
        for z, h, c in zip(gates[units:], state, candidate, strict=True)
    ]
    weights, said = rest[(num_rows + 1) * units :], []
    for j in range(num_out):
        total = 0.0
        for k in range(units):
            total = float32(total + float32(following[k] * weights[k * num_out + j]))
        said.append(total)
    return [a if s == 0.0 else float32(a + s) for a, s in zip(action, said, strict=True)], following


def naive_directions(place: StreamKey, num_directions: int, num_parameters: int) -> list[list[float]]:
    """eps[m][p]: the stream's normal numbers in order, each direction from a new block of four on."""
    width = 4 * math.ceil(num_parameters / 4)
    numbers = [float32(normal_from_word(word)) for word in words(place, 0, num_directions * width // 4)]
    return [numbers[m * width : m * width + num_parameters] for m in range(num_directions)]


def naive_centered_ranks(fitness: list[float]) -> list[float]:
    """How many rows are worse, or as good and earlier; scaled to -0.5..0.5."""
    ranks = []
    for i, own in enumerate(fitness):
        below = sum(other < own or (other == own and j < i) for j, other in enumerate(fitness))
        ranks.append(below / (len(fitness) - 1) - 0.5)
    return ranks


@dataclass
class NaiveNiche:
    """One niche's OpenAI-ES: theta, Adam's moments, its powers of beta and the step sizes."""

    theta: list[float]
    first: list[float]
    second: list[float]
    beta1_power: float = 1.0
    beta2_power: float = 1.0
    learning_rate: float = 0.01
    noise_std: float = 0.1


def naive_openai_es(niche: NaiveNiche, place: StreamKey, fitness: list[float], es: OpenAIES) -> NaiveNiche:
    """One step of es.py and optimizers.py of the released code, parameter by parameter; kept numbers are float32."""
    eps = naive_directions(place, es.pairs, len(niche.theta))
    ceiling = es.return_ceiling
    if isinstance(ceiling, str):
        ranks = naive_centered_ranks(fitness)
    else:
        ranks = naive_mean_ranks([ceiling if value > ceiling else value for value in fitness])
    beta1_power, beta2_power = niche.beta1_power * 0.9, niche.beta2_power * 0.999
    rate = niche.learning_rate * math.sqrt(1.0 - beta2_power) / (1.0 - beta1_power)
    theta, first, second = [], [], []
    for p, before in enumerate(niche.theta):
        total = 0.0
        for m in range(es.pairs):
            total += (ranks[2 * m] - ranks[2 * m + 1]) * eps[m][p]
        gradient = es.weight_decay * before - total / (es.pairs * float32(niche.noise_std))
        first.append(float32(0.9 * niche.first[p] + (1.0 - 0.9) * gradient))
        second.append(float32(0.999 * niche.second[p] + (1.0 - 0.999) * (gradient * gradient)))
        theta.append(float32(before - rate * first[p] / (math.sqrt(second[p]) + 1e-8)))
    return NaiveNiche(
        theta,
        first,
        second,
        beta1_power,
        beta2_power,
        max(es.learning_rate_decay * niche.learning_rate, es.learning_rate_limit),
        max(es.noise_decay * niche.noise_std, es.noise_limit),
    )


def naive_mean_ranks(values: list[float]) -> list[float]:
    """Ranks from -0.5 to 0.5: each value's is the mean of the places that it and its equals could take."""
    if len(values) == 1:
        return [0.0]
    ranks = []
    for own in values:
        below = sum(other < own for other in values)
        places = [below + i for i in range(sum(other == own for other in values))]
        ranks.append(sum(places) / len(places) / (len(values) - 1) - 0.5)
    return ranks


def naive_pata_ec(own: list[float], others: list[list[float]], neighbors: int, lower: float, upper: float) -> float:
    """Novelty of an environment, from the scores of the same agents in it and in the others."""

    def vector(scores: list[float]) -> list[float]:
        return naive_mean_ranks([lower if s < lower else upper if s > upper else s for s in scores])

    distances = [
        math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(vector(own), vector(other), strict=True))) for other in others
    ]
    nearest = sorted(distances)[:neighbors]
    return math.fsum(nearest) / len(nearest)


def naive_transfers(
    rule: str,
    own: list[float],
    recent: list[list[float]],
    direct: list[list[float]],
    proposal: list[list[float]],
) -> list[tuple[int, str] | None]:
    """Who comes to each target, and how: POET.md 4.3 as two loops.

    Args:
        rule: ``"2019"`` or ``"2020"``.
        own: what each niche's agent scored in the last evaluation.
        recent: the last five of them, oldest first.
        direct, proposal: [target][source].
    """
    arrivals: list[tuple[int, str] | None] = []
    for t in range(len(own)):
        best, found = (own[t], None) if rule == "2019" else (max(recent[t][-5:]), None)
        threshold = best
        sources = [s for s in range(len(own)) if s != t]
        if rule == "2019":
            for kind, scores in (("direct", direct), ("proposal", proposal)):
                for s in sources:
                    if scores[t][s] > best:
                        best, found = scores[t][s], (s, kind)
        else:
            for s in sources:
                if direct[t][s] > threshold and proposal[t][s] > best:
                    best, found = proposal[t][s], (s, "proposal")
        arrivals.append(found)
    return arrivals


def naive_annecs(judged: list[Any], solved: dict[int, int], iteration: int) -> tuple[int, int, int]:
    """(paper, passed and unsolved, released) at the end of an iteration, from ``NicheJudged`` records."""
    paper = unsolved = released = 0
    for record in judged:
        if record.iteration > iteration:
            continue
        if record.retired_judgement == "admissible":
            released += 1
        if record.judgement == "admissible" and solved.get(record.niche_id, iteration + 1) <= iteration:
            paper += 1
        elif record.judgement == "admissible":
            unsolved += 1
    return paper, unsolved, released


def naive_success(returns: list[float], outcomes: list[int]) -> tuple[int, float]:
    """(successes, mean return): one episode after the other."""
    num, total = 0, 0.0
    for value, outcome in zip(returns, outcomes, strict=True):
        if outcome == 1 and value >= 230.0:  # 1: finished
            num += 1
        total += value
    return num, total / len(returns)
