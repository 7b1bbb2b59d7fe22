"""Walkers of other programs: their networks are computed as there, and a wrong file is refused in one sentence."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from environments.errors import InputError
from experiments.walkers import Walker, load_walker
from poet.archive.reader import open_run
from tests.experiments.command_line import Poet
from tests.experiments.test_bad_input import assert_refused

#: Policies of theirs and ours are computed in float32, in different orders.
CLOSE = 1e-5
OBSERVATIONS = np.random.default_rng(3).normal(size=(20, 24)).astype(np.float32)

Array = NDArray[np.float32]


def _network(sizes: tuple[int, ...], *activations: type[torch.nn.Module]) -> torch.nn.Sequential:
    torch.manual_seed(5)
    layers: list[torch.nn.Module] = []
    for i, activation in enumerate(activations):
        layers += [torch.nn.Linear(sizes[i], sizes[i + 1]), activation()]
    return torch.nn.Sequential(*layers)


def _assert_same_actions(walker: Walker, network: torch.nn.Module) -> None:
    """Our controller acts as the network does."""
    with torch.no_grad():
        expected = network(torch.from_numpy(OBSERVATIONS)).numpy()
    act = walker.policy.controller(walker.theta)
    np.testing.assert_allclose(np.array([act(row).copy() for row in OBSERVATIONS]), expected, atol=CLOSE, rtol=0)


def _state_dict(path: Path, network: torch.nn.Module) -> Path:
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_state_dict_acts_as_its_network(tmp_path: Path, suffix: str) -> None:
    """Two activations are those of hidden layers and of the last one."""
    network = _network((24, 16, 8, 4), torch.nn.ReLU, torch.nn.ReLU, torch.nn.Tanh)
    path = _state_dict(tmp_path / f"walker{suffix}", network)
    walker = load_walker(str(path), ["relu", "tanh"])
    assert (24, 16, 8, 4) == walker.config.layer_sizes
    assert ("relu", "relu", "tanh") == walker.config.activations
    assert walker.noise_std is None
    _assert_same_actions(walker, network)
    _assert_same_actions(load_walker(str(path), ["relu", "relu", "tanh"]), network)


def _renamed(network: torch.nn.Sequential, names: list[str]) -> dict[str, torch.Tensor]:
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    return {
        f"{name}.{part}": getattr(layer, part).detach()
        for name, layer in zip(names, layers, strict=True)
        for part in ("weight", "bias")
    }


def _stable_baselines(path: Path, tensors: Mapping[str, torch.Tensor], kwargs: dict[str, Any]) -> Path:
    """A zip as ``BaseAlgorithm.save`` writes it."""
    weights = io.BytesIO()
    torch.save(dict(tensors), weights)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", json.dumps({"policy_kwargs": {":type:": "<class 'dict'>", **kwargs}}))
        archive.writestr("policy.pth", weights.getvalue())
    return path


def test_the_actor_of_ppo_is_found_beside_its_critic(tmp_path: Path) -> None:
    """Hidden layers have tanh unless the file says otherwise; the noise is exp(log_std)."""
    names = ["mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net"]
    critic = _renamed(
        _network((24, 64, 64, 1), *(torch.nn.Tanh,) * 3),
        ["mlp_extractor.value_net.0", "mlp_extractor.value_net.2", "value_net"],
    )
    tanh = _network((24, 64, 64, 4), torch.nn.Tanh, torch.nn.Tanh, torch.nn.Identity)
    log_std = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    path = _stable_baselines(tmp_path / "a.zip", {"log_std": log_std, **critic, **_renamed(tanh, names)}, {})
    walker = load_walker(str(path))
    _assert_same_actions(walker, tanh)
    assert walker.noise_std is not None
    np.testing.assert_allclose(walker.noise_std, np.exp([-1.0, 0.0, 0.5, 1.0]), rtol=1e-6)

    relu = _network((24, 32, 48, 4), torch.nn.ReLU, torch.nn.ReLU, torch.nn.Identity)
    given = {"activation_fn": "<class 'torch.nn.modules.activation.ReLU'>"}
    _assert_same_actions(load_walker(str(_stable_baselines(tmp_path / "b.zip", _renamed(relu, names), given))), relu)


@pytest.mark.parametrize(
    "names", [["actor.latent_pi.0", "actor.latent_pi.2", "actor.mu"], ["actor.mu.0", "actor.mu.2", "actor.mu.4"]]
)
def test_the_actors_of_sac_and_td3(tmp_path: Path, names: list[str]) -> None:
    """ReLU within and tanh at the end, unless the file says otherwise; layers in the order of their numbers."""
    network = _network((24, 40, 30, 4), torch.nn.ReLU, torch.nn.ReLU, torch.nn.Tanh)
    tensors = dict(reversed(_renamed(network, names).items()))
    _assert_same_actions(load_walker(str(_stable_baselines(tmp_path / "a.zip", tensors, {}))), network)


def test_an_estool_walker(tmp_path: Path) -> None:
    """Its parameters stand in our order: (Ha 2018, model.py) weights (inputs, units), then biases, layer by layer."""
    network = _network((24, 40, 40, 4), *(torch.nn.Tanh,) * 3)
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    numbers = [x for layer in layers for part in (layer.weight.T, layer.bias) for x in part.detach().flatten().tolist()]
    path = tmp_path / "walker.json"
    path.write_text(json.dumps([numbers, [273.0]]))
    _assert_same_actions(load_walker(str(path)), network)
    path.write_text(json.dumps([[*numbers, 0.0]]))
    with pytest.raises(InputError, match=r"24-40-40-4 with 2,804 parameters, but this one has 2,805"):
        load_walker(str(path))


def _node(name: str, op: str, *sources: str) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(sources)}


def _tensorflow(folder: Path, network: torch.nn.Sequential, log_std: list[float]) -> Path:
    """A graph model as TensorFlow.js's converter writes one, with noise on its output."""
    arrays: dict[str, Array] = {"std_a": np.array([log_std], np.float32), "std_b": np.zeros((1, 4), np.float32)}
    nodes, at = [_node("input", "Placeholder"), _node("flat", "Reshape", "input", "shape")], "flat"
    for i, layer in enumerate(network):
        if isinstance(layer, torch.nn.Linear):
            arrays[f"w{i}"] = layer.weight.detach().numpy().T.copy()
            arrays[f"b{i}"] = layer.bias.detach().numpy()
            nodes += [_node(f"product{i}", "MatMul", at, f"w{i}"), _node(f"sum{i}", "AddV2", f"product{i}", f"b{i}")]
            at = f"sum{i}"
        elif isinstance(layer, torch.nn.Tanh):
            nodes.append(_node(f"act{i}", "Tanh", at))
            at = f"act{i}"
    nodes += [
        _node("shape", "Const"), *(_node(name, "Const") for name in arrays),
        _node("std_c", "Reshape", "std_b", "shape"),
        _node("log_std", "Add", "std_a", "std_c"), _node("std", "Exp", "log_std"), _node("random", "TruncatedNormal"),
        _node("noise", "Mul", "std", "random"), _node("noisy", "Add", "noise", at), _node("out", "Identity", "noisy"),
    ]  # fmt: skip
    arrays["shape"] = np.array([1, 4], np.int32)  # type: ignore[assignment]
    manifest = [{"name": name, "shape": list(array.shape), "dtype": str(array.dtype)} for name, array in arrays.items()]
    (folder / "shard.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    model = {
        "modelTopology": {"node": nodes[::-1]},
        "weightsManifest": [{"paths": ["shard.bin"], "weights": manifest}],
    }
    path = folder / "model.json"
    path.write_text(json.dumps(model))
    return path


def test_a_graph_of_tensorflow_js(tmp_path: Path) -> None:
    """Layers are followed from the input on, whatever order the nodes have; the noise is told apart."""
    network = _network((24, 64, 64, 4), torch.nn.Tanh, torch.nn.Tanh, torch.nn.Identity)
    walker = load_walker(str(_tensorflow(tmp_path, network, [-2.0, -1.0, 0.0, 1.0])))
    assert ("tanh", "tanh", "linear") == walker.config.activations
    _assert_same_actions(walker, network)
    assert walker.noise_std is not None
    np.testing.assert_allclose(walker.noise_std, np.exp([-2.0, -1.0, 0.0, 1.0]), rtol=1e-6)


def test_weights_of_a_graph_lie_beside_it(tmp_path: Path) -> None:
    """A file may not name others in any other folder, or weights that are not there."""
    path = _tensorflow(tmp_path, _network((24, 4), torch.nn.Tanh), [0.0] * 4)
    text = path.read_text()
    path.write_text(text.replace("shard.bin", "../shard.bin"))
    with pytest.raises(InputError, match="in the same folder"):
        load_walker(str(path))
    path.write_text(text)
    (tmp_path / "shard.bin").write_bytes((tmp_path / "shard.bin").read_bytes()[:50])
    with pytest.raises(InputError, match="weights end at 50 bytes"):
        load_walker(str(path))
    (tmp_path / "shard.bin").unlink()
    with pytest.raises(InputError, match="missing"):
        load_walker(str(path))


class _Hostile:
    """A pickle that runs a command."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path("hostile").touch, ()


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch files are pickles; only tensors are read from them."""
    monkeypatch.chdir(tmp_path)
    torch.save({"0.weight": _Hostile()}, "walker.pt")
    with pytest.raises(InputError, match=r"walker\.pt cannot be read"):
        load_walker("walker.pt", ["tanh"])
    assert not Path("hostile").exists()


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A small file whose tensors would be larger than any walker's."""
    torch.save({"0.weight": torch.zeros(4, 24)}, tmp_path / "walker.pt")
    with zipfile.ZipFile(tmp_path / "walker.pt", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("walker/data/1", bytes(65 * 2**20))
    with pytest.raises(InputError, match="too large"):
        load_walker(str(tmp_path / "walker.pt"), ["tanh"])


def test_a_tensor_that_repeats_one_number_is_not_spread_out(tmp_path: Path) -> None:
    """Its file is small, and so is what it unpacks to."""
    torch.save({"0.weight": torch.zeros(1).expand(10**7, 24)}, tmp_path / "walker.pt")
    with pytest.raises(InputError, match="tensors are too large"):
        load_walker(str(tmp_path / "walker.pt"), ["tanh"])


@pytest.mark.parametrize("in_groups", [False, True])
def test_weights_that_are_named_many_times_are_not_read(tmp_path: Path, in_groups: bool) -> None:
    """The limit is that of all files together."""
    path = _tensorflow(tmp_path, _network((24, 4), torch.nn.Tanh), [0.0] * 4)
    model = json.loads(path.read_text())
    with (tmp_path / "shard.bin").open("ab") as file:
        file.truncate(23 * 2**20)
    (group,) = model["weightsManifest"]
    path.write_text(json.dumps(model))
    load_walker(str(path))
    model["weightsManifest"] = [group] * 3 if in_groups else [{**group, "paths": group["paths"] * 3}]
    path.write_text(json.dumps(model))
    with pytest.raises(InputError, match="weights are too large"):
        load_walker(str(path))


def test_our_own_files_have_a_limit(tmp_path: Path) -> None:
    """What is packed counts, and the file itself."""
    path = tmp_path / "walker.npz"
    np.savez_compressed(path, theta=np.zeros(17 * 2**20, np.float32))
    with pytest.raises(InputError, match="more than any walker"):
        load_walker(str(path))
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(InputError, match="has 68,157,440 bytes, more than any walker"):
        load_walker(str(path))


def test_noise_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    """In a file of Stable-Baselines3 and in a graph."""
    network = _network((24, 4), torch.nn.Identity)
    tensors = {"log_std": torch.full((4,), torch.nan), **_renamed(network, ["action_net"])}
    for path in (
        _stable_baselines(tmp_path / "a.zip", tensors, {}),
        _tensorflow(tmp_path, network, [1000.0, 0.0, 0.0, 0.0]),
    ):
        with pytest.raises(InputError, match="noise on its actions is not finite"):
            load_walker(str(path))


def test_errors_without_text_and_layers_that_are_not_dense(tmp_path: Path) -> None:
    """One sentence for each, too."""
    path = tmp_path / "walker.pt"
    path.touch()
    with pytest.raises(InputError, match=r"walker\.pt cannot be read"):
        load_walker(str(path), ["tanh"])
    path = _tensorflow(tmp_path, _network((24, 4), torch.nn.Tanh), [0.0] * 4)
    text = path.read_text()
    for old, new, sentence in (
        ("Placeholder", "Const", "no placeholder"),
        ("[24, 4]", "[96]", r"layer 0 is not dense, since its weights have the shape \(96,\)"),
        ("[24, 4]", "[]", r"layer 0 is not dense, since its weights have the shape \(\)"),
        ("[24, 4]", "[-24, 4]", r"'w0' have the shape \[-24, 4\]"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(InputError, match=sentence):
            load_walker(str(path))


def test_activations_are_of_state_dicts_alone(tmp_path: Path, poet: Poet) -> None:
    """They are refused where no agent has use for them; blanks between them do not matter."""
    network = _network((24, 8, 4), torch.nn.ReLU, torch.nn.Tanh)
    path = _state_dict(tmp_path / "walker.pt", network)
    assert_refused(poet("evaluate", "flat", "--on", "grid", "--activations", "tanh"), "leave out --activations")
    assert_refused(poet("evaluate", path, "--on", "grid", "--activations", ""), "activation must be one of")
    assert_refused(poet("evaluate", path, "flat", "--activations", "relu, tanh "), "name the grounds")


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    """Each with the sentence that helps."""
    good = _network((24, 8, 4), torch.nn.Tanh, torch.nn.Tanh)
    path = _state_dict(tmp_path / "walker.pt", good)
    for activations, sentence in (
        (None, "one for each by --activations, such as tanh,tanh"),
        (["tanh"] * 3, "has 2 layers, but 3 activations"),
        (["gelu"], "activation must be one of"),
    ):
        with pytest.raises(InputError, match=sentence):
            load_walker(str(path), activations)
    for sizes, sentence in (((24, 8, 3), "24 inputs and 4 outputs, but this one has 24 and 3"), ((23, 4), "has 23")):
        _state_dict(path, _network(sizes, *(torch.nn.Tanh,) * (len(sizes) - 1)))
        with pytest.raises(InputError, match=sentence):
            load_walker(str(path), ["tanh"])
    torch.save({"0.weight": torch.full((4, 24), torch.nan), "0.bias": torch.zeros(4)}, path)
    with pytest.raises(InputError, match="not finite"):
        load_walker(str(path), ["tanh"])
    path.write_bytes(b"no file of PyTorch")
    with pytest.raises(InputError, match=r"walker\.pt cannot be read"):
        load_walker(str(path), ["tanh"])
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(InputError, match="estool"):
        load_walker(str(tmp_path / "a.json"))
    with pytest.raises(InputError, match="MlpPolicy"):
        load_walker(str(_stable_baselines(tmp_path / "a.zip", {"cnn.weight": torch.zeros(1)}, {})))
    with pytest.raises(InputError, match="did you mean 'flat'"):
        load_walker("flatt")


def test_a_run_starts_from_one(tmp_path: Path, poet: Poet) -> None:
    """With the policy that the file has; activations of a state dict are those of the config."""
    network = _network((24, 8, 4), torch.nn.ReLU, torch.nn.Tanh)
    path = _state_dict(tmp_path / "walker.pt", network)
    of_walker = ["--set", "policy.layer_sizes=[24,8,4]", "--set", 'policy.activations=["relu","tanh"]']
    arguments = ["--preset", "tiny", "--iterations", "1", "--workers", "1", "--set", f"run.start={path}"]
    ended = poet("run", tmp_path / "run", *arguments, *of_walker)
    assert 0 == ended.code, ended.err
    with open_run(tmp_path / "run") as run:
        assert (load_walker(str(path), ["relu", "tanh"]).theta == run.agent(0, 0).theta).all()
    assert_refused(poet("run", tmp_path / "other", *arguments), "run.start", "set [policy] to the walker's")
