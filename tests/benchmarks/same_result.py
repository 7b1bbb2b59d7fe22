"""One experiment, six ways: ``python tests/benchmarks/same_result.py --preset smoke --seed 3``.

With one thread, with two, on Ray, killed with ``kill -9`` at ten random moments and resumed each time, forked without a
change at every kept state of the first, and in Box2D itself. Prints the fingerprints and fails unless all are equal.
Every option is passed on to ``poet run``; the runs go to a temporary folder. ``python -m tests.benchmarks.kills`` aims
at the moments when an archive is made, written, upgraded or forked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environments.streams import Stream
from poet.archive.fingerprint import fingerprint
from poet.archive.folder import is_free
from poet.archive.reader import open_run

KILLS = 10
_POET = (sys.executable, "-m", "experiments.cli")


def run(*arguments: object) -> float:
    """Run a ``poet`` command to its end; the seconds it took."""
    begun = time.perf_counter()
    subprocess.run([*_POET, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def run_killed(folder: Path, options: list[str], seconds: float) -> int:
    """The same run, killed at random moments within the time that it takes; how many kills hit it."""
    stream, num_kills = Stream(0, "kills"), 0
    while num_kills < KILLS:
        arguments = ["run", folder, *options] if is_free(folder) else ["resume", folder]
        with subprocess.Popen([*_POET, *map(str, arguments)], stdout=subprocess.DEVNULL) as process:
            try:
                process.wait(stream.uniform(0.5, max(2.0, 0.2 * seconds)))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                num_kills += 1
    if is_free(folder):
        run("run", folder, *options)
    else:
        run("resume", folder)
    return num_kills


def main(options: list[str]) -> int:
    """Run all ways and compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = {
            "one thread": run("run", folder / "one thread", *options, "--workers", 1),
            "two threads": run("run", folder / "two threads", *options, "--workers", 2),
            "ray": run("run", folder / "ray", *options, "--executor", "ray", "--workers", 2),
        }
        begun = time.perf_counter()
        num_kills = run_killed(folder / "killed", options, seconds["two threads"])
        seconds["killed"] = time.perf_counter() - begun
        with open_run(folder / "one thread") as stored:
            kept = stored.keyframes
            transfers, niches = stored.transfers, stored.niches
            happened = {
                "candidates": len(stored.candidates),
                "admitted": len(niches) - 1,
                "transfers accepted": int(
                    ((transfers["outcome"] == "accepted") & transfers["candidate_id"].isna()).sum()
                ),
                "retired": len(stored.retirements),
            }
        for at in kept[:-1]:
            seconds[f"fork at {at}"] = run("fork", folder / "one thread", folder / f"fork at {at}", "--at", at)
        seconds["box2d"] = run("run", folder / "box2d", *options, "--engine", "box2d")
        found = {way: fingerprint(folder / way) for way in seconds}
    print(f"{json.dumps(happened)}, {num_kills} kills")
    for way, value in found.items():
        print(f"{value}  {seconds[way]:6.1f} s  {way}")
    return 0 if len(set(found.values())) == 1 and num_kills else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
