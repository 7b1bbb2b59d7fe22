"""A state as bytes: an .npz file of arrays with a JSON header, no pickle, so reading it never runs code.

The optimisers of all active niches are stored as one: each field of the strategy's state joined along its first axis.
Thetas of retired niches are named by digest and live in the archive's table of thetas, since they no longer change.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.strategies.base import StrategyState, concatenate, split
from environments.errors import InputError
from environments.terrain.genotype import AbstractGenotype
from poet.types import Evaluation, Niche, PoetState, RetiredNiche, SuccessRates, theta_digest

_HEADER = "header"
_OPTIMISER = "optimiser."
_RETIRED_SCORES = "retired_scores"


def encode_state(state: PoetState) -> bytes:
    """The state as bytes; every number comes back to the bit.

    Raises:
        ValueError: no active niche, or a strategy state that holds Python objects.
    """
    if not state.active:
        raise ValueError("a state needs at least one active niche, but has none")
    joined = concatenate([niche.optimiser for niche in state.active])
    arrays = {_OPTIMISER + field.name: np.asarray(getattr(joined, field.name)) for field in fields(joined)}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{type(joined).__name__}: {name} must be an array of numbers, but is of {array.dtype}")
    arrays[_RETIRED_SCORES] = state.retired_scores
    header = {
        "counters": {name: getattr(state, name) for name in _counter_names()},
        "active": [_niche_to_json(niche) for niche in state.active],
        "retired": [_retired_to_json(niche) for niche in state.retired],
    }
    # Python's JSON writes -Infinity for -inf and reads it back; no other program reads the header.
    arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def decode_state(
    data: bytes,
    theta_of: Callable[[str], NDArray[np.float32]],
    state_type: type[StrategyState],
    genotype_type: type[AbstractGenotype],
) -> PoetState:
    """The state that ``encode_state`` made bytes of.

    Args:
        data: the bytes.
        theta_of: digest to theta (P,) float32, for retired niches.
        state_type: the state class of the run's strategy.
        genotype_type: the run's genotype class.

    Raises:
        InputError: the bytes are damaged, or come from another strategy or genotype.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise InputError(f"a stored state is damaged ({error}): go on from another kept state by poet fork") from error
    header = json.loads(arrays.pop(_HEADER).tobytes())
    # A state of archive schema 1 knows no scores.
    retired_scores = arrays.pop(_RETIRED_SCORES, np.zeros((0, 0)))
    optimisers = split(_optimiser(arrays, state_type))
    active = [_niche(values, o, genotype_type) for values, o in zip(header["active"], optimisers, strict=True)]
    retired = [_retired(values, theta_of, genotype_type) for values in header["retired"]]
    return PoetState(active=tuple(active), retired=tuple(retired), retired_scores=retired_scores, **header["counters"])


def _counter_names() -> list[str]:
    return [field.name for field in fields(PoetState) if field.name not in ("active", "retired", _RETIRED_SCORES)]


def _optimiser(arrays: dict[str, NDArray[Any]], state_type: type[StrategyState]) -> StrategyState:
    """The joined strategy state of all active niches."""
    values = {name.removeprefix(_OPTIMISER): array for name, array in arrays.items()}
    expected = {field.name for field in fields(state_type)}
    if set(values) != expected:
        raise InputError(
            f"the stored state is of another strategy: {state_type.__name__} has the fields {sorted(expected)}, found "
            f"{sorted(values)}; es.strategy cannot change within a run"
        )
    return state_type(**values)


def _niche_to_json(niche: Niche) -> dict[str, Any]:
    return {
        "id": niche.id,
        "genotype": niche.genotype.to_json(),
        "terrain_seed": niche.terrain_seed,
        "parent_id": niche.parent_id,
        "created": niche.created,
        "version_id": niche.version_id,
        "evaluation": asdict(niche.evaluation),
        "recent_scores": niche.recent_scores,
        "is_solved": niche.is_solved,
        "success": None if niche.success is None else asdict(niche.success),
    }


def _niche(values: dict[str, Any], optimiser: StrategyState, genotype_type: type[AbstractGenotype]) -> Niche:
    parts = {
        "genotype": genotype_type.from_json(values["genotype"]),
        "optimiser": optimiser,
        "evaluation": Evaluation(**values["evaluation"]),
        "recent_scores": tuple(values["recent_scores"]),
        "success": SuccessRates(**success) if (success := values.get("success")) else None,  # schema 2 knows none
    }
    return Niche(**{**values, **parts})


def _retired_to_json(niche: RetiredNiche) -> dict[str, Any]:
    return {
        "id": niche.id,
        "genotype": niche.genotype.to_json(),
        "terrain_seed": niche.terrain_seed,
        "parent_id": niche.parent_id,
        "created": niche.created,
        "is_solved": niche.is_solved,
        "retired": niche.retired,
        "version_id": niche.version_id,
        "theta": theta_digest(niche.theta),
    }


def _retired(
    values: dict[str, Any], theta_of: Callable[[str], NDArray[np.float32]], genotype_type: type[AbstractGenotype]
) -> RetiredNiche:
    parts = {"genotype": genotype_type.from_json(values["genotype"]), "theta": theta_of(values["theta"])}
    return RetiredNiche(**{**values, **parts})
