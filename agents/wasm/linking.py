"""A relocatable WebAssembly object as a module by itself, without a linker.

LLVM writes into an object what its places would be if nothing else were linked: functions have the object's own
numbers, and data begins at address 0. So an object that refers to nothing outside is a module already, but for its
memory and its stack pointer, which it imports, and for exports. Here they become its own.

Sources: the WebAssembly specification, section 5.5 (binary format); WebAssembly's tool conventions, on linking.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

_CUSTOM, _TYPE, _IMPORT, _FUNCTION, _MEMORY, _GLOBAL, _EXPORT, _CODE, _DATA, _DATA_COUNT = (
    0,
    1,
    2,
    3,
    5,
    6,
    7,
    10,
    11,
    12,
)
#: What an object may consist of, custom sections aside, and a module's sections in their order.
_KNOWN = (_TYPE, _IMPORT, _FUNCTION, _CODE, _DATA, _DATA_COUNT)
_ORDER = (_TYPE, _FUNCTION, _MEMORY, _GLOBAL, _EXPORT, _DATA_COUNT, _CODE, _DATA)
_HEADER = b"\0asm\1\0\0\0"
_OF_FUNCTION, _OF_TABLE, _OF_MEMORY, _OF_GLOBAL = range(4)
#: The only things that an object may import: the kind of each.
_OWN = {"__linear_memory": _OF_MEMORY, "__stack_pointer": _OF_GLOBAL}
_I32, _CONSTANT, _VARIABLE, _I32_CONST, _END = 0x7F, 0, 1, 0x41, 0x0B
_SYMBOL_TABLE, _UNDEFINED, _NAMED = 8, 0x10, 0x40
_DATA_SYMBOL, _SECTION_SYMBOL = 1, 3

PAGE = 1 << 16
#: Bytes for the stack, which lies behind the data and grows towards it.
STACK_SIZE = 1 << 16
_ALIGNMENT = 16


class _Reader:
    """Reads numbers and names, one after another."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._data)

    def byte(self) -> int:
        return self.bytes(1)[0]

    def bytes(self, num: int) -> bytes:
        self._at += num
        if self._at > len(self._data):
            raise ValueError("the object is cut off")
        return self._data[self._at - num : self._at]

    def number(self) -> int:
        """An unsigned LEB128 number."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def name(self) -> str:
        return self.bytes(self.number()).decode()


def _number(value: int) -> bytes:
    """An unsigned number as LEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _signed(value: int) -> bytes:
    """A number from 0 on as signed LEB128."""
    out = bytearray()
    while value >= 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _vector(*items: bytes) -> bytes:
    return _number(len(items)) + b"".join(items)


def _named(name: str) -> bytes:
    return _number(len(name)) + name.encode()


def link(object_code: bytes, exports: Collection[str]) -> bytes:
    """A module that imports nothing.

    It exports ``memory``, the functions, and ``heap_base``: the address from which on memory is free.

    Args:
        object_code: a wasm32 object.
        exports: the names of functions that the object defines.

    Raises:
        ValueError: the object imports a function or anything else but memory and stack pointer, lacks an export, or has
            parts that are not understood.
    """
    sections, functions = dict[int, bytes](), dict[str, int]()
    for kind, body in _sections(object_code):
        if kind == _CUSTOM:
            functions.update(_functions(body))
        elif kind in _KNOWN:
            sections[kind] = body
        else:
            raise ValueError(f"the object has a section of the kind {kind}, which cannot be linked")
    _check_imports(sections.pop(_IMPORT, b"\0"))
    if missing := set(exports) - set(functions):
        raise ValueError(f"the object lacks {', '.join(sorted(missing))}")

    stack_end = _aligned(_data_end(sections.get(_DATA, b"\0")))
    heap_base = stack_end + STACK_SIZE
    sections[_MEMORY] = _vector(bytes([0]) + _number(-(-heap_base // PAGE)))
    sections[_GLOBAL] = _vector(*(_global(mutability, heap_base) for mutability in (_VARIABLE, _CONSTANT)))
    sections[_EXPORT] = _vector(
        _named("memory") + bytes([_OF_MEMORY, 0]),
        _named("heap_base") + bytes([_OF_GLOBAL, 1]),
        *(_named(name) + bytes([_OF_FUNCTION]) + _number(functions[name]) for name in exports),
    )
    kept = [(kind, sections[kind]) for kind in _ORDER if kind in sections]
    return _HEADER + b"".join(bytes([kind]) + _number(len(body)) + body for kind, body in kept)


def _sections(code: bytes) -> Iterator[tuple[int, bytes]]:
    reader = _Reader(code)
    if reader.bytes(len(_HEADER)) != _HEADER:
        raise ValueError("this is no WebAssembly of version 1")
    while not reader.is_at_end:
        kind = reader.byte()
        yield kind, reader.bytes(reader.number())


def _check_imports(body: bytes) -> None:
    """Let nothing pass that somebody else would have to bring; a function may be libm's, with bits of its own."""
    reader = _Reader(body)
    for _ in range(reader.number()):
        _, name, kind = reader.name(), reader.name(), reader.byte()
        if _OWN.get(name) != kind:
            what = {_OF_FUNCTION: "function", _OF_TABLE: "table", _OF_MEMORY: "memory", _OF_GLOBAL: "global"}
            raise ValueError(f"the object imports the {what.get(kind, 'unknown thing')} {name}, which nobody brings")
        if kind == _OF_GLOBAL:
            reader.bytes(2)
        else:
            has_most = reader.byte() & 1
            for _ in range(1 + has_most):
                reader.number()


def _functions(custom: bytes) -> dict[str, int]:
    """The numbers of named functions, from the custom section ``linking``; of other custom sections none."""
    reader, found = _Reader(custom), dict[str, int]()
    if reader.name() != "linking":
        return found
    reader.number()  # version
    while not reader.is_at_end:
        kind, part = reader.byte(), _Reader(reader.bytes(reader.number()))
        if kind == _SYMBOL_TABLE:
            for _ in range(part.number()):
                _read_symbol(part, found)
    return found


def _read_symbol(part: _Reader, functions: dict[str, int]) -> None:
    kind, flags = part.byte(), part.number()
    if kind == _DATA_SYMBOL:
        name = part.name()
        if flags & _UNDEFINED:
            raise ValueError(f"the object lacks {name}")
        for _ in range(3):
            part.number()
    elif kind == _SECTION_SYMBOL:
        part.number()
    else:
        index = part.number()
        if not flags & _UNDEFINED or flags & _NAMED:
            name = part.name()
            if kind == _OF_FUNCTION:
                functions[name] = index


def _data_end(body: bytes) -> int:
    """The address behind the last byte of data."""
    reader, end = _Reader(body), 0
    for _ in range(reader.number()):
        if (reader.number(), reader.byte()) != (0, _I32_CONST):
            raise ValueError("the object has data without a fixed place, which cannot be linked")
        at = reader.number()
        if reader.byte() != _END:
            raise ValueError("the object has data whose place is computed, which cannot be linked")
        size = reader.number()
        reader.bytes(size)
        end = max(end, at + size)
    return end


def _global(mutability: int, value: int) -> bytes:
    return bytes([_I32, mutability, _I32_CONST]) + _signed(value) + bytes([_END])


def _aligned(address: int) -> int:
    return -(-address // _ALIGNMENT) * _ALIGNMENT
