"""A run with any policy has the same fingerprint on any engine, threads or executor, and with interruptions."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.policies.gru import GRUPolicy
from agents.policies.mlp import MLPPolicy
from poet.archive.fingerprint import fingerprint
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet, begin, end, wait_for
from tests.experiments.test_bad_input import assert_refused
from tests.house import example
from tests.new_policy import MODULE

#: In which reproduction, an admission and a round of transfers have happened.
NUM_ITERATIONS = 6
LINEAR = ("--set", "policy.layer_sizes=[24,12,4]", "--set", 'policy.activations=["relu","linear"]')
GATED = ("--set", "policy.kind=gru", "--set", "policy.settings={units=3}", "--set", "run.start=flat")
POLICIES = {"linear": (LINEAR, MLPPolicy((24, 12, 4), ("relu", "linear"))), "gated": (GATED, GRUPolicy(units=3))}


@pytest.mark.parametrize("name", POLICIES)
def test_one_fingerprint_whatever_happens(poet: Poet, tmp_path: Path, name: str) -> None:
    """Threads, Box2D in processes, Ray, a kill, and a fork; ``replay --verify`` finds every stored pair again."""
    settings, policy = POLICIES[name]
    tiny = ("--preset", "tiny", "--iterations", NUM_ITERATIONS, *settings)
    first = poet("run", tmp_path / "one", *tiny, "--workers", 1)
    assert 0 == first.code, first.err
    expected = fingerprint(tmp_path / "one")

    assert 0 == poet("run", tmp_path / "two", *tiny, "--workers", 2).code
    assert 0 == poet("run", tmp_path / "box2d", *tiny, "--engine", "box2d", "--workers", 2).code
    assert 0 == end(begin("run", tmp_path / "ray", *tiny, "--executor", "ray", "--workers", 2)).code
    process = begin("run", tmp_path / "killed", *tiny, "--workers", 2)
    wait_for(process, "iteration 3/")
    process.kill()
    process.communicate()
    assert 0 == end(begin("resume", tmp_path / "killed", "--workers", 1)).code
    assert 0 == poet("fork", tmp_path / "one", tmp_path / "fork", "--at", 4, "--workers", 1).code

    assert {expected} == {fingerprint(tmp_path / run) for run in ("two", "box2d", "ray", "killed", "fork")}
    with open_run(tmp_path / "one") as run:
        assert policy == run.policy
        assert policy.num_parameters == run.agent(0).theta.size
        assert len(run.niches) > 1
    for engine in ("box2d", "simd"):
        verified = poet("replay", tmp_path / "one", "--verify", "--engine", engine, "--workers", 1)
        assert 0 == verified.code, verified.out + verified.err
    other = (tmp_path / "one", tmp_path / "other", "--at", 4, "--set", "policy.layer_sizes=[24,5,4]")
    assert_refused(poet("fork", *other), "policy.layer_sizes", "start a new run")


def test_a_walker_starts_runs_of_its_own_policy(poet: Poet, tmp_path: Path) -> None:
    """What is exported says which that is; a run of another policy says in one sentence what does not fit."""
    tiny = ("--preset", "tiny", "--iterations", 1, "--workers", 1)
    assert 0 == poet("run", tmp_path / "run", *tiny, *LINEAR).code
    assert 0 == poet("export", tmp_path / "run", "--output", tmp_path / "export").code
    walker = tmp_path / "export" / "agents" / "0.npz"

    assert 0 == poet("run", tmp_path / "again", *tiny, *LINEAR, "--set", f"run.start={walker}").code
    with open_run(tmp_path / "run") as run, open_run(tmp_path / "again") as again:
        assert run.agent(0).version.theta_digest == again.agent(0, 0).version.theta_digest
    words = ("mlp 24-12-4 (relu, linear)", "mlp 24-40-40-4 (tanh, tanh, tanh)", "cannot begin")
    assert_refused(poet("run", tmp_path / "no", *tiny, "--set", f"run.start={walker}"), str(walker), *words)
    assert_refused(poet("run", tmp_path / "no", *tiny, *LINEAR, "--set", "run.start=flat"), "'flat'", *words[::-1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("policy.kind=mlpp",), ("config [policy]", "'mlpp'", "did you mean 'mlp'")),
        (("policy.layer_sizes=[23,4]",), ("config [policy]", "24 inputs and 4 outputs", "23")),
        (("policy.layer_sizes=[24,0,4]",), ("policy.layer_sizes",)),
        ((f"policy.layer_sizes=[24,{10**21},4]",), ("policy.layer_sizes", "65536")),
        (("policy.layer_sizes=[24,65536,65536,65536,65536,4]",), ("config [policy]", "GiB of memory")),
        (("policy.kind=gru", f"policy.settings={{units={2**31 - 1}}}"), ("config [policy]", "GiB of memory")),
        (("policy.settings={layer_sizes=[24,9,4]}",), ("config [policy]", "which is set by policy.layer_sizes")),
        (("policy.activations=[\"sin\"]",), ("config [policy]", "tanh, relu, linear", "'sin'")),
        (("policy.settings={units=3}",), ("config [policy]", "has 'units'", "no such setting")),
        (("es.strategy=standardised_es", "es.settings={hidden_units=7}"), ("hidden_units is 7", "has 40 units")),
    ],
)  # fmt: skip
def test_a_policy_that_is_none_is_refused(
    poet: Poet, tmp_path: Path, settings: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """It is refused in one sentence, before anything is created."""
    assigned = [part for setting in settings for part in ("--set", setting)]
    assert_refused(poet("run", tmp_path / "run", "--preset", "tiny", *assigned), *words)
    assert not list(tmp_path.iterdir())


def test_standardised_es_knows_the_first_layer(poet: Poet, tmp_path: Path) -> None:
    """It takes the layer from the run's policy, without a setting of its own."""
    tiny = ("--preset", "tiny", "--iterations", 1, "--workers", 1, "--set", "es.strategy=standardised_es")
    assert 0 == poet("run", tmp_path / "alone", *tiny, *LINEAR).code
    said = ("--set", "es.settings={hidden_units=12}")
    assert 0 == poet("run", tmp_path / "said", *tiny, *LINEAR, *said).code
    with open_run(tmp_path / "alone") as alone, open_run(tmp_path / "said") as explicit:
        assert alone.agent(0).theta.tobytes() == explicit.agent(0).theta.tobytes()


def test_a_policy_of_ones_own_runs_and_is_imported_with_trust_alone(tmp_path: Path) -> None:
    """The policy of ``add-policy.md`` is named in a config by its module; looking at walkers needs trust, too."""
    (tmp_path / f"{MODULE}.py").write_text(example("add-policy.md"))
    run, kind = tmp_path / "run", f"policy.kind={MODULE}:RhythmPolicy"

    def poet_there(*arguments: object) -> tuple[int, str]:
        ended = end(begin(*arguments, cwd=tmp_path))
        return ended.code, ended.out + ended.err

    code, said = poet_there("run", run, "--preset", "tiny", "--iterations", 2, "--workers", 1, "--set", kind)
    assert 0 == code, said
    assert f"imported {MODULE}:RhythmPolicy, named by policy.kind" in said
    for command in (("replay", run, "--verify"), ("resume", run, "--iterations", 3), ("analyse", run)):
        code, said = poet_there(*command, "--workers", 1)
        assert 2 == code and kind in said and "--trust" in said, said
    for command in (("replay", run, "--verify"), ("resume", run, "--iterations", 3), ("analyse", run)):
        code, said = poet_there(*command, "--workers", 1, "--trust")
        assert 0 == code, said
