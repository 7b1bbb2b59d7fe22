"""A state as bytes: an .npz file of arrays with a JSON header. There is no pickle, so reading never runs code.

The optimisers of all active niches are stored together, with each field concatenated along its first axis. Retired
niches no longer change and are read from the record, see ``poet.archive.retired``. Until archive schema 4 a state
repeated them, and had only their thetas from the record. Tables that grow are stored apart, see
``poet.archive.grown``; until schema 5 a state repeated these too. The other fields of a trainer's state are stored and
read by their types; see ``poet.types.RunState``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from agents.strategies.base import StrategyState, concatenate, split
from environments.errors import InputError
from environments.terrain.genotype import AbstractGenotype
from environments.terrain.terrain import Terrain
from poet.archive.errors import DamageError
from poet.archive.grown import Grown, grown_names
from poet.archive.retired import Values, check_retired, recorded_order, retired_digest
from poet.archive.values import load_object
from poet.types import Evaluation, Niche, RetiredNiche, RunState, State, SuccessRates

_HEADER = "header"
_OPTIMISER = "optimiser."

#: The values of a niche in the header, active or retired.
_ANY_NICHE: dict[str, type | UnionType] = {
    "id": int, "genotype": dict, "terrain_seed": int, "parent_id": int | None, "created": int, "version_id": int,
    "is_solved": bool,
}  # fmt: skip
_NICHE = _ANY_NICHE | {"evaluation": dict, "recent_scores": list, "success": dict | None}
_RETIRED = _ANY_NICHE | {"retired": int, "theta": str}
_HEADER_KINDS: dict[str, type | UnionType] = {
    "counters": dict, "active": list, "retired": list | None, "retired_digest": str | None, "retired_drawn": list,
    "grown": dict | None, "others": dict,
}  # fmt: skip
_EVALUATION = {
    "score": int | float, "own_return": int | float, "own_length": int, "own_outcome": int, "num_solved": int,
}  # fmt: skip
_SUCCESS = {"version_id": int, "pushes": float, "seeds": float}


def encode_state(state: RunState, retired_digest: str, grown: Mapping[str, str]) -> bytes:
    """Encode a state as bytes, from which, with the record, every number can be restored to the bit.

    Args:
        state: the state.
        retired_digest: of what the record says of its retired niches.
        grown: the digest of each of its tables that are stored apart.

    Raises:
        ValueError: no niche is active, an array holds Python objects, or a value is not of its field's type.
    """
    if not state.active:
        raise ValueError("a state needs at least one active niche, but has none")
    try:
        return _encoded(state, retired_digest, grown)
    except _WrongError as error:
        raise ValueError(f"{type(state).__name__} cannot be stored: {error!s:.200}") from error


def _encoded(state: RunState, retired_digest: str, grown: Mapping[str, str]) -> bytes:
    own = _own_fields(type(state))
    joined = concatenate([niche.optimiser for niche in state.active])
    arrays = {_OPTIMISER + field.name: np.asarray(getattr(joined, field.name)) for field in fields(joined)}
    arrays |= {name: np.asarray(getattr(state, name)) for name in own.arrays}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{type(joined).__name__}: {name} must be an array of numbers, but is of {array.dtype}")
    _optimiser(
        {name: array for name, array in arrays.items() if name not in own.arrays}, type(joined), len(state.active)
    )
    for name, dtype in own.arrays.items():
        _array(name, arrays[name], dtype)
    header = {
        "counters": _counters({name: getattr(state, name) for name in own.counters}, own),
        "active": [_niche_to_json(niche) for niche in state.active],
        "retired": _order(state.retired),
        "retired_digest": retired_digest,
        "retired_drawn": [niche.id for niche in state.retired if niche.drawn is not None],
        "grown": dict(grown),
    }
    if own.others:
        others = {name: _plain(state, name, adapter) for name, adapter in own.others.items()}
        for name, value in others.items():
            _other(name, value, own.others)
        header["others"] = others
    # Python's JSON writes -Infinity for -inf and reads it back; no other program reads the header.
    arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def decode_state(
    data: bytes,
    theta_of: Callable[[str], NDArray[np.float32]],
    retired_at: Callable[[int], list[Values]],
    grown_at: Callable[[str, int], Grown],
    state_type: type[State],
    optimiser_type: type[StrategyState],
    genotype_type: type[AbstractGenotype],
) -> State:
    """Decode the bytes from ``encode_state``.

    Args:
        data: the bytes.
        theta_of: digest to theta (P,) float32, for retired niches.
        retired_at: iteration to what the record says of the niches that had retired by its end.
        grown_at: name and iteration to a table as it was then.
        state_type: the state class of the run's trainer. A field that is missing, as in an older state, gets its
            default.
        optimiser_type: the state class of the niches' optimisers, such as the strategy's.
        genotype_type: the run's genotype class.

    Raises:
        InputError: the bytes are damaged, or come from another trainer, strategy or genotype.
    """
    try:
        return _decoded(data, theta_of, retired_at, grown_at, state_type, optimiser_type, genotype_type)
    except _WrongError as error:
        message = f"a stored state is damaged ({error!s:.200}): go on from another kept state by poet fork"
        raise InputError(message) from error


def _decoded(
    data: bytes,
    theta_of: Callable[[str], NDArray[np.float32]],
    retired_at: Callable[[int], list[Values]],
    grown_at: Callable[[str, int], Grown],
    state_type: type[State],
    optimiser_type: type[StrategyState],
    genotype_type: type[AbstractGenotype],
) -> State:
    own, arrays = _own_fields(state_type), _arrays(data)
    earlier: dict[str, Any] = {"others": {}, "retired_digest": None, "retired_drawn": [], "grown": None}
    header = _checked("the header", earlier | _header(arrays), _HEADER_KINDS)
    counters = _counters(_defaults(state_type, own.counters) | header["counters"], own)
    repeated = own.grown if header["grown"] is None else ()  # by archive schema 1 to 4
    kinds = own.arrays | dict.fromkeys(repeated, np.dtype(np.float64))
    of_state: dict[str, Any] = {
        name: _array(name, arrays.pop(name), dtype) for name, dtype in kinds.items() if name in arrays
    }
    of_state |= _grown(header["grown"] or {}, own.grown, lambda name: grown_at(name, counters["iteration"]))
    others = {name: _other(name, value, own.others) for name, value in header["others"].items()}
    optimisers = split(_optimiser(arrays, optimiser_type, len(header["active"])))
    active = [_niche(values, o, genotype_type) for values, o in zip(header["active"], optimisers, strict=True)]
    recorded = retired_at(counters["iteration"])
    is_early = header["retired_digest"] is None  # of archive schema 1 to 3
    values = header["retired"] or [] if is_early else _retired_values(header, recorded)
    retired = [_retired(of_niche, theta_of, genotype_type) for of_niche in values]
    if is_early:
        _check_early(retired, recorded)
    try:
        return state_type(active=tuple(active), retired=tuple(retired), **counters, **of_state, **others)
    except TypeError as error:  # a field without a default is missing
        raise _WrongError(error) from error


@dataclass(frozen=True)
class _OwnFields:
    """The fields of a state other than its niches, by how they are stored.

    Attributes:
        counters: integers from 0 on.
        arrays: name to the dtype in the field's type; None for any.
        grown: tables that are stored apart.
        others: name to the adapter that converts the value to JSON, and checks it when it is read.
    """

    counters: tuple[str, ...]
    arrays: dict[str, np.dtype[Any] | None]
    grown: tuple[str, ...]
    others: dict[str, TypeAdapter[Any]]


def _own_fields(state_type: type[RunState]) -> _OwnFields:
    hints = get_type_hints(state_type)
    grown = grown_names(state_type)
    names = [field.name for field in fields(state_type) if field.name not in ("active", "retired", *grown)]
    arrays = {name: _dtype(hints[name]) for name in names if get_origin(hints[name]) is np.ndarray}
    counters = tuple(name for name in names if hints[name] is int)
    others = {name: TypeAdapter(hints[name]) for name in names if name not in arrays and name not in counters}
    return _OwnFields(counters, arrays, grown, others)


def _plain(state: RunState, name: str, adapter: TypeAdapter[Any]) -> Any:
    """The JSON value of a field."""
    try:
        return adapter.dump_python(getattr(state, name), mode="json", warnings="error")
    except PydanticSerializationError as error:
        raise ValueError(f"{type(state).__name__}: {name} is not of its type: {error}") from error


def _dtype(hint: Any) -> np.dtype[Any] | None:
    """The dtype in ``NDArray[...]``."""
    (number,) = get_args(get_args(hint)[1])
    return None if number is Any else np.dtype(number)


def _defaults(state_type: type[RunState], names: Iterable[str]) -> dict[str, Any]:
    by_name: dict[str, Field[Any]] = {field.name: field for field in fields(state_type)}
    return {name: by_name[name].default for name in names if by_name[name].default is not MISSING}


def _array(name: str, array: NDArray[Any], dtype: np.dtype[Any] | None) -> NDArray[Any]:
    if dtype is not None and array.dtype != dtype:
        raise _WrongError(f"{name} is of {array.dtype}")
    return array


def _grown(
    digests: Mapping[str, Any], names: Sequence[str], table_at: Callable[[str], Grown]
) -> dict[str, NDArray[np.float64]]:
    """The tables that are stored apart, if they are as they were when the state was stored."""
    if unknown := digests.keys() - {*names}:
        raise _WrongError(f"it has {min(unknown)!r:.60}, which its trainer does not know")
    try:
        tables = {name: table_at(name) for name in digests}
    except DamageError as error:
        raise _WrongError(error) from error
    for name, table in tables.items():
        if table.digest != digests[name]:
            raise _WrongError(f"{name} is not as it was recorded when the state was stored")
    return {name: table.values for name, table in tables.items()}


def _other(name: str, value: Any, known: Mapping[str, TypeAdapter[Any]]) -> Any:
    if name not in known:
        raise _WrongError(f"it has {name!r:.60}, which its trainer does not know")
    try:
        return known[name].validate_json(json.dumps(value), strict=True)
    except ValueError as error:
        raise _WrongError(f"{name} is {value!r:.60}") from error


class _WrongError(ValueError):
    """What no state may hold."""


def _counters(values: dict[str, Any], own: _OwnFields) -> dict[str, Any]:
    return _checked("the counters", values, dict.fromkeys(own.counters, int))


def _arrays(data: Any) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file. Entries must be uncompressed, with declared sizes that fit into the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
        is_packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if is_packed or sum(entry.file_size for entry in entries) > len(data):
            raise ValueError("its arrays are larger than the file")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # zipfile and NumPy raise different errors for each kind of damage
        raise _WrongError(error) from error


def _header(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    if _HEADER not in arrays:
        raise _WrongError("it has no header")
    try:
        return load_object(arrays.pop(_HEADER).tobytes(), "its header", may_be_infinite=True)
    except DamageError as error:
        raise _WrongError(error) from error


def _checked(what: str, values: Any, kinds: Mapping[str, type | UnionType]) -> dict[str, Any]:
    """The values, checked for the keys and types that were written. Integers are counts and ids, so not negative."""
    if not isinstance(values, dict) or values.keys() != kinds.keys():
        raise _WrongError(f"{what} does not have the keys {sorted(kinds)}")
    for name, kind in kinds.items():
        value = values[name]
        is_bool = isinstance(value, bool)
        if not isinstance(value, kind) or is_bool is not (kind is bool):
            raise _WrongError(f"{name} of {what} is {value!r:.60}")
        if kind in (int, int | None) and isinstance(value, int) and not 0 <= value < 2**63:
            raise _WrongError(f"{name} of {what} is {value!r:.60}")
    return values


def _genotype(values: dict[str, Any], genotype_type: type[AbstractGenotype]) -> AbstractGenotype:
    try:
        return genotype_type.from_json(values["genotype"])
    except Exception as error:  # a user's own class may raise anything
        raise _WrongError(f"genotype of niche {values['id']}: {error}") from error


def _drawn_to_json(niche: Niche | RetiredNiche) -> dict[str, Any]:
    """The drawn ground of a niche. Other niches have no such value, so their states are as they always were."""
    return {} if niche.drawn is None else {"drawn": niche.drawn.to_json()}


def _drawn(values: dict[str, Any]) -> dict[str, Terrain]:
    try:
        return {"drawn": Terrain.from_json(values["drawn"])} if "drawn" in values else {}
    except (ValueError, OverflowError) as error:
        raise _WrongError(f"the ground of niche {values['id']}: {error}") from error


def _kinds_of(values: Any, kinds: Mapping[str, type | UnionType]) -> dict[str, type | UnionType]:
    """The kinds of a niche's values, of which only some niches have a ground."""
    is_drawn = isinstance(values, dict) and "drawn" in values
    return {**kinds, **({"drawn": dict} if is_drawn else {})}


def _optimiser(arrays: dict[str, NDArray[Any]], optimiser_type: type[StrategyState], num_niches: int) -> StrategyState:
    """The optimisers of all active niches, concatenated."""
    values = {name.removeprefix(_OPTIMISER): array for name, array in arrays.items()}
    expected = {field.name for field in fields(optimiser_type)}
    if set(values) != expected:
        raise InputError(
            f"the stored state is of another strategy: {optimiser_type.__name__} has the fields {sorted(expected)}, "
            f"found {sorted(values)}; es.strategy cannot change within a run"
        )
    for name, array in values.items():
        if array.ndim < 1 or len(array) != num_niches or num_niches == 0:
            raise _WrongError(f"{name} has the shape {array.shape}, but {num_niches} niches are active")
    if values["centre"].dtype != np.float32 or values["centre"].ndim != 2:
        raise _WrongError(f"centre has the shape {values['centre'].shape}, of {values['centre'].dtype}")
    return optimiser_type(**values)


def _niche_to_json(niche: Niche) -> dict[str, Any]:
    values = _drawn_to_json(niche) | {
        "id": niche.id,
        "genotype": niche.genotype.to_json(),
        "terrain_seed": niche.terrain_seed,
        "parent_id": niche.parent_id,
        "created": niche.created,
        "version_id": niche.version_id,
        "evaluation": asdict(niche.evaluation),
        "recent_scores": [*niche.recent_scores],
        "is_solved": niche.is_solved,
        "success": None if niche.success is None else asdict(niche.success),
    }
    return _checked_niche(values)


def _checked_niche(values: Any) -> dict[str, Any]:
    """The values, if they are an active niche's."""
    checked = _checked("a niche", values, _kinds_of(values, _NICHE))
    _checked("an evaluation", checked["evaluation"], _EVALUATION)
    for score in checked["recent_scores"]:
        _checked("a score", {"score": score}, {"score": int | float})
    if checked["success"] is not None:
        _checked("success", checked["success"], _SUCCESS)
    return checked


def _niche(values: Any, optimiser: StrategyState, genotype_type: type[AbstractGenotype]) -> Niche:
    # States of archive schemas 1 and 2 have no success rates.
    if isinstance(values, dict) and isinstance(evaluation := values.get("evaluation"), dict):
        values = {"success": None} | values | {"evaluation": {"num_solved": 0} | evaluation}
    values = _checked_niche(values)
    success = values["success"]
    parts = {
        "genotype": _genotype(values, genotype_type),
        "optimiser": optimiser,
        "evaluation": Evaluation(**values["evaluation"]),
        "recent_scores": tuple(values["recent_scores"]),
        "success": None if success is None else SuccessRates(**success),
    } | _drawn(values)
    return Niche(**{**values, **parts})


def _check_early(retired: Sequence[RetiredNiche], recorded: Sequence[Values]) -> None:
    try:
        check_retired(retired, recorded)
    except Exception as error:  # a user's own genotype may raise anything
        raise _WrongError(error) from error


def _order(retired: Sequence[RetiredNiche]) -> list[int] | None:
    """Ids of retired niches in the state's order; None if that is the record's order."""
    ids = [niche.id for niche in retired]
    return None if ids == [niche.id for niche in sorted(retired, key=recorded_order)] else ids


def _retired_values(header: Mapping[str, Any], recorded: Sequence[Values]) -> list[Values]:
    """What the record says of a state's retired niches, in the order of the ids that were stored."""
    if retired_digest(recorded) != header["retired_digest"]:
        raise _WrongError("its retired niches are not as they were recorded when it was stored")
    by_id = {values["id"]: values for values in recorded}
    order, drawn = header["retired"], header["retired_drawn"]
    if order is None:
        order = [*by_id]
    if {*map(type, [*order, *drawn])} - {int} or sorted(order) != sorted(by_id):
        raise _WrongError("its retired niches are not those recorded")
    if not {*drawn} <= {niche_id for niche_id, values in by_id.items() if "drawn" in values}:
        raise _WrongError("it has a drawn ground of a retired niche that is no root")
    # Of every root the record has the ground, also of one that a genotype makes.
    return [
        {name: value for name, value in by_id[niche_id].items() if name != "drawn" or niche_id in drawn}
        for niche_id in order
    ]


def _retired(
    values: Any, theta_of: Callable[[str], NDArray[np.float32]], genotype_type: type[AbstractGenotype]
) -> RetiredNiche:
    values = _checked("a retired niche", values, _kinds_of(values, _RETIRED))
    parts = {"genotype": _genotype(values, genotype_type), "theta": theta_of(values["theta"])} | _drawn(values)
    return RetiredNiche(**{**values, **parts})
