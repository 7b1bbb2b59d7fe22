"""A perceptron with its parameters as a network of other libraries: PyTorch, ONNX, Stable-Baselines3.

The parameters are the same to the bit; the actions are not. Those libraries sum in an order of their own, which differs
by build, processor and batch, and have another tanh: they differ in the last bits of float32, some 1e-7. Walking is
chaotic, so an episode takes another course after some seconds. How often a walker succeeds stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.policies.mlp import MLPPolicy
from environments.errors import InputError
from environments.registry import import_optional

if TYPE_CHECKING:
    import torch

    Array = NDArray[np.float32]

#: Names of ONNX's operators and of the classes of ``torch.nn`` by ours; a linear layer needs none.
_OPERATORS = {"tanh": "Tanh", "relu": "Relu"}
_MODULES = {"tanh": "Tanh", "relu": "ReLU", "linear": "Identity"}
#: What readers of the last years know (ONNX 1.12, of 2022).
_OPSET, _IR_VERSION = 17, 8


def to_torch(policy: MLPPolicy, theta: Array) -> torch.nn.Sequential:
    """The perceptron as a PyTorch module, from observations (B, 24) or (24,) to actions (B, 4) or (4,), float32.

    Args:
        policy: its layers.
        theta: (P,) float32.

    Raises:
        InputError: theta does not fit the policy.
    """
    import torch

    modules: list[torch.nn.Module] = []
    for weights, biases, activation in _layers(policy, theta):
        # Draws nothing from PyTorch's generator.
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *weights.shape)  # type: ignore[no-untyped-call]
        _fill(linear, weights, biases)
        modules += [linear] if activation == "linear" else [linear, getattr(torch.nn, _MODULES[activation])()]
    return torch.nn.Sequential(*modules)


def to_onnx(policy: MLPPolicy, theta: Array, path: Path) -> None:
    """Write the perceptron as an ONNX model: ``observation`` (B, 24) to ``action`` (B, 4), float32.

    Args:
        policy, theta: see ``to_torch``.
        path: of the file, which is replaced if it is there.

    Raises:
        InputError: theta does not fit the policy, or the package ``onnx`` is missing.
    """
    onnx = import_optional("onnx", "onnx", "to_onnx")
    nodes, arrays, source = [], [], "observation"
    for i, (weights, biases, activation) in enumerate(_layers(policy, theta)):
        arrays += [onnx.numpy_helper.from_array(weights, f"weights_{i}")]
        arrays += [onnx.numpy_helper.from_array(biases, f"biases_{i}")]
        nodes.append(onnx.helper.make_node("Gemm", [source, f"weights_{i}", f"biases_{i}"], [f"sum_{i}"]))
        source = f"sum_{i}"
        if activation in _OPERATORS:
            nodes.append(onnx.helper.make_node(_OPERATORS[activation], [source], [f"layer_{i}"]))
            source = f"layer_{i}"
    nodes.append(onnx.helper.make_node("Identity", [source], ["action"]))
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", size])
        for name, size in (("observation", policy.num_inputs), ("action", policy.num_outputs))
    ]
    graph = onnx.helper.make_graph(nodes, "walker", ends[:1], ends[1:], arrays, policy.description)
    opset = onnx.helper.make_opsetid("", _OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="poet")
    onnx.checker.check_model(model)
    # Complete or not at all: the file takes its name when it is written.
    with TemporaryDirectory(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent) as place:
        draft = Path(place, "draft.onnx")
        draft.write_bytes(model.SerializeToString())
        draft.replace(path)


def to_sb3(policy: MLPPolicy, theta: Array, env: Any) -> Any:
    """The perceptron as the actor of a model of Stable-Baselines3: TD3 if it ends with tanh, as theirs does, else PPO.

    Args:
        policy, theta: see ``to_torch``.
        env: where the model can go on learning, see SB3.

    Returns:
        ``TD3`` or ``PPO``. Its critics have not learnt anything.

    Raises:
        InputError: theta does not fit the policy, the package is missing, or SB3 has no such network: one activation
            in all hidden layers, and tanh or none at the end.
    """
    sb3 = import_optional("stable_baselines3", "sb3", "to_sb3")
    hidden, last = policy.activations[:-1], policy.activations[-1]
    if len(set(hidden)) > 1 or last == "relu":
        raise InputError(
            "Stable-Baselines3 has networks with one activation in all hidden layers, and tanh or none at the end, but "
            f"this is {policy.description}: take it to PyTorch or ONNX"
        )
    import torch

    kwargs: dict[str, Any] = {"net_arch": list(policy.layer_sizes[1:-1])}
    if hidden:
        kwargs["activation_fn"] = getattr(torch.nn, _MODULES[hidden[0]])
    if last == "tanh":
        # The default is a million steps, for which SB3 wants 0.2 GB.
        model = sb3.TD3("MlpPolicy", env, policy_kwargs=kwargs, buffer_size=100_000, device="cpu")
        actors = [model.actor.mu, model.actor_target.mu]
    else:
        model = sb3.PPO("MlpPolicy", env, policy_kwargs=kwargs, device="cpu")
        actors = [torch.nn.ModuleList([*model.policy.mlp_extractor.policy_net, model.policy.action_net])]
    for actor in actors:
        linears = (module for module in actor.modules() if isinstance(module, torch.nn.Linear))
        for linear, (weights, biases, _) in zip(linears, _layers(policy, theta), strict=True):
            _fill(linear, weights, biases)
    return model


def _layers(policy: MLPPolicy, theta: Array) -> Iterator[tuple[Array, Array, str]]:
    """Weights (inputs, units), biases (units,) and activation of each layer, see ``agents.policies.mlp.forward``."""
    policy.check_theta(theta)
    at = 0
    for (num_in, num_out), activation in zip(pairwise(policy.layer_sizes), policy.activations, strict=True):
        bias = at + num_in * num_out
        yield theta[at:bias].reshape(num_in, num_out), theta[bias : bias + num_out], activation
        at = bias + num_out


def _fill(linear: torch.nn.Linear, weights: Array, biases: Array) -> None:
    """Set a layer's parameters. PyTorch keeps weights as (units, inputs)."""
    import torch

    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weights.T.copy()))
        linear.bias.copy_(torch.from_numpy(biases.copy()))
