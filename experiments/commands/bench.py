"""``poet bench``."""

from __future__ import annotations

from typing import Annotated

import typer


def bench(
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="An engine to measure; may be repeated; all if not given.")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option("--against", help="Somebody else's walkers: gymnasium; may be repeated.")
    ] = None,
) -> None:
    """Measure control steps a second. One walker at a time on one core, compile time apart."""
    from agents.rollouts import ENGINES, check_engine
    from experiments.throughput import (
        MAX_STEPS,
        NUM_EPISODES,
        NUM_REPEATS,
        check_other,
        machine,
        measure_engine,
        measure_other,
    )

    engines = engine or list(ENGINES)
    for name in engines:
        check_engine(name)
    for name in against or []:
        check_other(name)

    print(machine())
    print(f"{NUM_EPISODES} episodes of at most {MAX_STEPS} steps, median and spread of {NUM_REPEATS} repetitions")
    print(f"{'who':26}{'ground':26}{'steps/s':>10}{'spread':>8}{'steps/episode':>15}{'first call':>12}")
    cases = [(measure_engine, name) for name in engines] + [(measure_other, name) for name in against or []]
    for measure, name in cases:
        for row in measure(name):
            print(
                f"{row.who:26}{row.ground:26}{row.median:10,.0f}{row.spread:8.1%}{row.steps_per_episode:15.0f}"
                f"{row.first_seconds:10.1f} s",
                flush=True,
            )
