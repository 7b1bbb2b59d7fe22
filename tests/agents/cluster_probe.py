"""A request on a Ray cluster whose nodes come and go, in a process of its own: ``main`` prints what happened."""

from __future__ import annotations

import json
import logging
import sys
import time

import numpy as np

from agents import MLPPolicy
from agents.evaluation import make_executor
from agents.evaluation.ray import RayExecutor
from agents.rollouts.request import EvaluationRequest, Thetas, every_row
from environments import ObstacleGenotype
from tests.small_cluster import SmallCluster

_NUM = 60


def main() -> None:
    """Nobody is there, then node ``a``, one of whose workers is killed, then also ``b``, and ``a`` goes."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    thetas = np.random.default_rng(1).normal(0.0, 0.1, (_NUM, 2804)).astype(np.float32)
    block = every_row(Thetas(thetas), (ObstacleGenotype(roughness=1.0).express(seed=1),))
    request = EvaluationRequest((block,), MLPPolicy(), max_steps=400, engine="box2d")
    with make_executor("local", 1) as executor:
        (expected,) = executor.evaluate(request)
    with SmallCluster() as cluster:
        begun = time.monotonic()
        with RayExecutor(address=cluster.address) as executor:
            said = {"joined in": time.monotonic() - begun, "workers": executor.num_workers, "killed": 0}

            def happen(num_done: int, _: int, __: int) -> None:
                nodes = set(cluster.nodes)
                if not nodes and not num_done:
                    cluster.add("a")
                elif nodes == {"a"} and num_done and (said["killed"] or cluster.kill_worker("a")):
                    said["killed"] = 1
                    cluster.add("b")
                elif nodes == {"a", "b"} and num_done > _NUM // 3 and cluster.workers("a"):
                    cluster.remove("a")

            (found,) = executor.evaluate(request, happen)
            said |= {"nodes": sorted(cluster.nodes), "is equal": found.equals(expected)}
            said |= {"steps": executor.num_steps, "again": executor.num_steps_again}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
