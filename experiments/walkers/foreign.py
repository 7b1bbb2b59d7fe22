"""Walkers that other programs trained, read from their files without running anything in them.

Every one of these is a multilayer perceptron from the 24 observations to the 4 actions:

- ``.json``: estool's (Ha 2018), a list whose first entry holds the parameters in the order of ours; or a graph model of
  TensorFlow.js, whose weights lie beside it, such as those of ACCEL (Parker-Holder et al. 2022);
- ``.zip``: Stable-Baselines3's;
- ``.pt``, ``.pth``: a PyTorch state dict, which does not say what the activations are.

Weights become float32. The sums are ours, so an episode need not be that of the other program to the bit.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.activations import ACTIVATIONS
from environments.biped import NUM_JOINTS, OBSERVATION_SIZE
from environments.errors import InputError, check_name

#: The greatest file, or file within a file, that is read: a hundred times that of any walker known.
MAX_BYTES = 64 * 2**20

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Perceptron:
    """A multilayer perceptron as its file has it.

    Attributes:
        weights: of each layer, (inputs, units) float32.
        biases: of each layer, (units,) float32.
        activations: of each layer, names of ours.
        noise_std: (4,) the standard deviation of the noise on its actions in training; None for no such noise, or if
            the file does not say.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    activations: tuple[str, ...]
    noise_std: Array | None = None

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Units in each layer, including inputs and outputs."""
        return (self.weights[0].shape[0], *(weights.shape[1] for weights in self.weights))

    @property
    def theta(self) -> Array:
        """(P,) the parameters in the order of ``MLPPolicy``: for each layer weights (inputs, units), then biases."""
        parts = [part.ravel() for pair in zip(self.weights, self.biases, strict=True) for part in pair]
        return np.concatenate(parts).astype(np.float32)


def read_foreign(path: Path, activations: Sequence[str] | None = None) -> Perceptron:
    """Read a walker of another program.

    Args:
        path: of the file, whose suffix is a key of ``READERS``.
        activations: of a PyTorch state dict: for each layer, or for hidden layers and the last one, or one for all;
            None if they are not known. Other files say it themselves.

    Raises:
        InputError: it is no such file, or its network is not one that our policies can be.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has {path.stat().st_size:,} bytes, more than any walker: is it the right file?")
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused below
            network = READERS[path.suffix](path, activations)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # json, zipfile and torch have errors of their own for each kind of damage
        reason = "".join(f": {line[:200]}" for line in str(error).splitlines()[:1])
        raise InputError(f"{path} cannot be read: {type(error).__name__}{reason}") from error
    _check(path, network)
    return network


def _read_json(path: Path, activations: Sequence[str] | None) -> Perceptron:
    data = json.loads(path.read_text("utf-8"))
    if isinstance(data, dict) and "modelTopology" in data:
        return _read_tensorflow(path, data)
    if isinstance(data, list) and data and isinstance(data[0], list):
        return _read_estool(data[0])
    raise InputError("a .json walker is a list of lists (estool) or a graph model (TensorFlow.js), and this is neither")


def _read_estool(numbers: list[Any]) -> Perceptron:
    """24-40-40-4 with tanh on all layers, the one network that estool trained on this walker without noise."""
    sizes = (OBSERVATION_SIZE, 40, 40, NUM_JOINTS)
    num_parameters = sum((a + 1) * b for a, b in pairwise(sizes))
    if len(numbers) != num_parameters:
        raise InputError(
            f"an estool walker must be 24-40-40-4 with {num_parameters:,} parameters, but this one has {len(numbers):,}"
        )
    theta, at, weights, biases = np.array(numbers, np.float32), 0, [], []
    for a, b in pairwise(sizes):
        weights.append(theta[at : at + a * b].reshape(a, b))
        biases.append(theta[at + a * b : at + (a + 1) * b])
        at += (a + 1) * b
    return Perceptron(tuple(weights), tuple(biases), ("tanh",) * (len(sizes) - 1))


def _read_tensorflow(path: Path, model: Mapping[str, Any]) -> Perceptron:
    """A graph of MatMul, Add and perhaps Tanh or Relu for each layer, from the only placeholder on.

    An output that adds noise to the last layer's (``RandomStandardNormal`` or ``TruncatedNormal``) is not followed.
    """
    nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
    values = _tensorflow_weights(path, model["weightsManifest"])
    users: dict[str, list[str]] = {}
    for name, node in nodes.items():
        for source in node.get("input", []):
            users.setdefault(source.partition(":")[0], []).append(name)
    at = next((name for name, node in nodes.items() if node["op"] == "Placeholder"), None)
    if at is None:
        raise InputError("its graph has no placeholder for the observation")
    weights, biases, activations = [], [], []
    while (product := _after(at, "MatMul", users, nodes)) is not None:
        total = _after(product, "Add", users, nodes)
        if total is None:
            raise InputError("a layer of the graph has no bias")
        weights.append(_operand(product, values, nodes))
        biases.append(_operand(total, values, nodes).ravel())
        found = [name for op in ("Tanh", "Relu") if (name := _after(total, op, users, nodes)) is not None]
        activations.append(nodes[found[0]]["op"].lower() if found else "linear")
        at = found[0] if found else total
        if len(weights) > len(nodes):
            raise InputError("its graph has a cycle")
    if not weights:
        raise InputError("its graph has no layer that takes the observation")
    return Perceptron(tuple(weights), tuple(biases), tuple(activations), _tensorflow_noise(values, nodes))


def _tensorflow_noise(values: Mapping[str, Array], nodes: Mapping[str, Any]) -> Array | None:
    """exp of the sum of the stored arrays that the graph takes an exponential of; None without an exponential."""
    waiting = [source for node in nodes.values() if node["op"] == "Exp" for source in node["input"]]
    total, seen = np.zeros(NUM_JOINTS, np.float32), set(waiting)
    if not waiting:
        return None
    while waiting:
        name = waiting.pop()
        if name in values and values[name].size == NUM_JOINTS:
            total = total + values[name].ravel()
        elif name in nodes and nodes[name]["op"].removesuffix("V2") in ("Add", "Reshape", "Identity"):
            waiting += [source for source in nodes[name]["input"] if source not in seen]
            seen.update(nodes[name]["input"])
    return np.exp(total)


def _after(name: str, op: str, users: Mapping[str, list[str]], nodes: Mapping[str, Any]) -> str | None:
    """The node of this kind that uses ``name``, directly or after it was only reshaped; None without one."""
    seen, waiting = {name}, [name]
    while waiting:
        for user in users.get(waiting.pop(), []):
            kind = nodes[user]["op"]
            if kind.removesuffix("V2") == op or (op == "Add" and kind == "BiasAdd"):
                return user
            if kind in ("Reshape", "Identity") and user not in seen:
                seen.add(user)
                waiting.append(user)
    return None


def _operand(name: str, values: Mapping[str, Array], nodes: Mapping[str, Any]) -> Array:
    """The stored array that a node uses."""
    stored = [values[source] for source in nodes[name]["input"] if source in values]
    if len(stored) != 1:
        raise InputError(f"its node {name!r} uses {len(stored)} stored arrays, not one")
    return stored[0]


def _tensorflow_weights(path: Path, manifest: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """The float32 arrays by name, from files in the folder of ``path``."""
    found: dict[str, Array] = {}
    total = 0
    for name in (name for group in manifest for name in group["paths"]):
        if Path(name).name != name:
            raise InputError(f"its weights must lie in the same folder, but are in {name!r}")
        if not (path.parent / name).is_file():
            raise InputError(f"its weights {name} are missing")
        total += (path.parent / name).stat().st_size
        if total > MAX_BYTES:
            raise InputError("its weights are too large for a walker's")
    for group in manifest:
        data, at = b"".join((path.parent / name).read_bytes() for name in group["paths"]), 0
        for entry in group["weights"]:
            dtype = np.dtype(entry["dtype"]).newbyteorder("<")
            if any(length < 0 for length in entry["shape"]):
                raise InputError(f"its weights {entry['name']!r} have the shape {entry['shape']}")
            size = math.prod(entry["shape"]) * dtype.itemsize
            if at + size > len(data):
                raise InputError(f"its weights end at {len(data):,} bytes, within {entry['name']!r}")
            if dtype == np.float32:
                found[entry["name"]] = np.frombuffer(data[at : at + size], dtype).reshape(entry["shape"])
            at += size
    return found


def _read_stable_baselines(path: Path, activations: Sequence[str] | None) -> Perceptron:
    """The actor of PPO, A2C, SAC, TQC, TD3 or DDPG.

    Layers are named as in ``stable_baselines3.common.policies``, ``sac.policies`` and ``td3.policies``. An agent
    trained on normalised observations (``VecNormalize``) has those numbers in another file, and walks badly without.
    """
    with zipfile.ZipFile(path) as archive:
        for name in ("data", "policy.pth"):
            if archive.getinfo(name).file_size > MAX_BYTES:
                raise InputError(f"its {name} is too large for a walker's")
        about = json.loads(archive.read("data"))
        tensors = _tensors(archive.read("policy.pth"))
    kwargs = about.get("policy_kwargs") or {}
    given = str(kwargs.get("activation_fn", "")) if isinstance(kwargs, dict) else ""
    for hidden, last, default, output in (
        ("mlp_extractor.policy_net.", "action_net", "tanh", "linear"),
        ("actor.latent_pi.", "actor.mu", "relu", "tanh"),
        ("actor.mu.", None, "relu", "tanh"),
    ):
        prefixes = [hidden + number for number in _numbers(tensors, hidden)] + ([last] if last else [])
        if prefixes and all(f"{prefix}.weight" in tensors for prefix in prefixes):
            names = (_torch_activation(given) or default,) * (len(prefixes) - 1)
            return _from_tensors(tensors, prefixes, (*names, output), tensors.get("log_std"))
    raise InputError(
        "it has no actor whose layers are dense: only MlpPolicy of PPO, A2C, SAC, TQC, TD3 and DDPG is read"
    )


def _numbers(tensors: Mapping[str, Array], prefix: str) -> list[str]:
    """The numbers of the layers below a prefix, in order."""
    found = {name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)}
    return sorted((number for number in found if number.isdigit()), key=int)


def _torch_activation(given: str) -> str | None:
    """Our name for a class of ``torch.nn`` in the text that Stable-Baselines3 keeps; None for no text."""
    if not given:
        return None
    name = given.rpartition(".")[2].strip("'> ")
    check_name("activation_fn", name, ("Tanh", "ReLU", "Identity"))
    return {"Tanh": "tanh", "ReLU": "relu", "Identity": "linear"}[name]


def _read_state_dict(path: Path, activations: Sequence[str] | None) -> Perceptron:
    """Dense layers in the order of the file, each feeding the next."""
    tensors = _tensors(path.read_bytes())
    prefixes = [name.removesuffix(".weight") for name in tensors if name.endswith(".weight")]
    if not prefixes:
        raise InputError(
            f"a state dict of dense layers has names such as 0.weight and 0.bias, found {list(tensors)[:6]}"
        )
    num_layers = len(prefixes)
    if activations is None:
        raise InputError(
            f"a state dict does not say what the activations of its {num_layers} layers are: give one for each by "
            f"--activations, such as {','.join(['tanh'] * num_layers)} for an agent of ours; of two, the second is the "
            "last layer's"
        )
    names = tuple(activations)
    if len(names) == 2 and num_layers > 2:
        names = (*(names[0],) * (num_layers - 1), names[1])
    names = names * num_layers if len(names) == 1 else names
    if len(names) != num_layers:
        raise InputError(f"it has {num_layers} layers, but {len(names)} activations were given")
    return _from_tensors(tensors, prefixes, names, None)


def _tensors(data: bytes) -> dict[str, Array]:
    """The numbers of a PyTorch file; nothing in it is run (``weights_only``)."""
    import torch

    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise InputError("its tensors are too large for a walker's")
    found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError("a PyTorch walker must be a state dict, names with tensors: save model.state_dict()")
    if sum(value.numel() for value in found.values()) > MAX_BYTES // 4:  # a tensor may repeat what its file has once
        raise InputError("its tensors are too large for a walker's")
    return {str(name): np.asarray(value.to(torch.float32).numpy()) for name, value in found.items()}


def _from_tensors(
    tensors: Mapping[str, Array], prefixes: Sequence[str], activations: tuple[str, ...], log_std: Array | None
) -> Perceptron:
    """Layers by the prefixes of their names. PyTorch keeps weights as (units, inputs)."""
    for prefix in prefixes:
        if tensors[f"{prefix}.weight"].ndim != 2 or f"{prefix}.bias" not in tensors:
            raise InputError(f"its layer {prefix!r} is not dense with a bias")
    noise_std = np.exp(log_std) if log_std is not None and log_std.shape == (NUM_JOINTS,) else None
    return Perceptron(
        tuple(tensors[f"{prefix}.weight"].T for prefix in prefixes),
        tuple(tensors[f"{prefix}.bias"] for prefix in prefixes),
        activations,
        noise_std,
    )


def _check(path: Path, network: Perceptron) -> None:
    """Raise ``InputError`` unless every layer feeds the next, from observations to actions, by finite numbers."""
    for i, weights in enumerate(network.weights):
        if weights.ndim != 2:
            raise InputError(f"{path}: layer {i} is not dense, since its weights have the shape {weights.shape}")
    for i, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True)):
        num_in = network.layer_sizes[i]
        if weights.shape[0] != num_in or biases.shape != weights.shape[1:]:
            raise InputError(
                f"{path}: layer {i} must take {num_in} numbers and have a bias for each unit, but has weights of shape "
                f"{weights.shape} and biases of shape {biases.shape}"
            )
    for name in network.activations:
        check_name(f"{path}: activation", name, ACTIVATIONS)
    ends = network.layer_sizes[0], network.layer_sizes[-1]
    if ends != (OBSERVATION_SIZE, NUM_JOINTS):
        raise InputError(
            f"{path}: a walker has {OBSERVATION_SIZE} inputs and {NUM_JOINTS} outputs, but this one has "
            f"{ends[0]} and {ends[1]}"
        )
    if not np.isfinite(network.theta).all():
        raise InputError(f"{path}: a parameter is not finite")
    if network.noise_std is not None and not np.isfinite(network.noise_std).all():
        raise InputError(f"{path}: the noise on its actions is not finite")


#: Suffixes of files that do not say what their activations are.
STATE_DICTS = (".pt", ".pth")
#: What reads a file, by its suffix.
READERS: dict[str, Callable[[Path, Sequence[str] | None], Perceptron]] = {
    ".json": _read_json,
    ".zip": _read_stable_baselines,
    **dict.fromkeys(STATE_DICTS, _read_state_dict),
}
