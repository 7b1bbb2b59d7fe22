"""PTX to LLVM's assembly language, so that what a GPU is given to run can be run by a CPU, thread after thread.

Only what NVIDIA's compiler makes of this project's kernels is known here; anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.ptx.instructions import DECLARATIONS, Instructions, llvm_type, num_bits


@dataclass
class Block:
    """A basic block.

    Attributes:
        opcodes: of its instructions.
        next: numbers of the blocks that may follow; where a function is called, its first one.
    """

    opcodes: list[str] = field(default_factory=list)
    next: list[int] = field(default_factory=list)


@dataclass
class Program:
    """A kernel in LLVM's assembly language.

    Attributes:
        ir: a module with ``void @thread(ptr parameters, i32 tid, i32 ntid, i32 ctaid, i32 nctaid)``; each parameter
            has 8 bytes. With a trace it also has ``@trace`` (ptr) and ``@trace_size`` (i64): where a block begins, its
            number is written there, an int32.
        num_parameters: of the kernel.
        blocks: the kernel's and its functions' basic blocks.
    """

    ir: str
    num_parameters: int
    blocks: list[Block]


@dataclass
class _Source:
    """A function of PTX: whether it is the kernel; its name; types and names of results and parameters; its body."""

    is_entry: bool
    name: str
    results: list[tuple[str, str]]
    parameters: list[tuple[str, str]]
    body: str


def translate(ptx: str, traced: bool = False) -> Program:
    """Translate a module that has one kernel.

    Raises:
        NotImplementedError: an instruction is not known here, or NVIDIA's assembler might join it with another one.
    """
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", ptx, flags=re.DOTALL)
    variables = dict(_variables(text))
    sources = {source.name: source for source in _sources(text)}
    blocks: list[Block] = []
    functions = {name: _Function(source, list(variables), sources, blocks, traced) for name, source in sources.items()}
    parts = ["@trace = global ptr null\n@trace_size = global i64 0\n" if traced else "", *variables.values()]
    parts += [function.ir() for function in functions.values()]
    for function in functions.values():
        for name, before in function.calls:
            blocks[before].next = [functions[name].first]
            for last in functions[name].exits:
                blocks[last].next.append(before + 1)
    (entry,) = (source for source in sources.values() if source.is_entry)
    return Program("\n".join(parts) + DECLARATIONS, len(entry.parameters), blocks)


def _variables(text: str) -> Iterator[tuple[str, str]]:
    """Variables of the module: names, and their definitions."""
    pattern = r"^\s*(?:\.\w+ )*\.(?:const|global) \.align (\d+) \.(\w+) (\S+?)(?:\[(\d+)\])?(?: = \{([^}]*)\})?;"
    for found in re.finditer(pattern, text, re.MULTILINE):
        align, kind, name, size, values = found.groups()
        num = int(size or 1)
        numbers = values.split(",") if values else []
        numbers += ["0"] * (num - len(numbers))
        content = ", ".join(f"i{num_bits(kind)} {int(number)}" for number in numbers)
        yield name, f'@"{name}" = global [{num} x i{num_bits(kind)}] [{content}], align {align}'


def _sources(text: str) -> Iterator[_Source]:
    """Functions with a body."""
    pattern = r"^\.\w+ \.(entry|func)\s+(?:\(([^)]*)\)\s*)?([\w$]+)\s*\(([^)]*)\)[^{;]*\{\n(.*?)^\}"
    for found in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        kind, result, name, parameters, body = found.groups()
        yield _Source(kind == "entry", name, _signature(result or ""), _signature(parameters), body)


def _signature(text: str) -> list[tuple[str, str]]:
    return re.findall(r"\.param\s+(?:\.align \d+ )?\.(\w+)\s+([\w$]+)", text)


def _statements(body: str) -> Iterator[tuple[str, str]]:
    """Labels, and statements without their semicolons."""
    for part in body.split(";"):
        rest = part.lstrip("{} \t\n")
        while found := re.match(r"([$\w]+):[{}\s]*", rest):
            yield found[1].lstrip("$"), ""
            rest = rest[found.end() :]
        if rest.strip() and not rest.startswith((".pragma", ".loc ")):
            yield "", rest.strip()


class _Function(Instructions):
    """A function's blocks, and what is declared in it."""

    def __init__(
        self, source: _Source, variables: list[str], sources: dict[str, _Source], blocks: list[Block], traced: bool
    ) -> None:
        super().__init__()
        self.source, self.sources, self.blocks, self.traced = source, sources, blocks, traced
        self.places = {name: f'@"{name}"' for name in variables}
        self.parameters = [name for _, name in source.parameters] if source.is_entry else []
        self.first, self.exits = -1, list[int]()
        self.calls = list[tuple[str, int]]()
        self._labels = dict[str, int]()
        self._jumps = list[tuple[int, str]]()
        self._slots = list[str]()

    def ir(self) -> str:
        """The function's definition."""
        self.first = len(self.blocks)
        statements = [(label, text) for label, text in _statements(self.source.body) if not self._is_declared(text)]
        self._make_slots()
        self._begin_block("entry")
        for label, text in statements:
            if label:
                self._begin_block(label)
            else:
                self._statement(text)
        for block, target in self._jumps:
            self.blocks[block].next.append(self._labels[target])
        return "\n".join([f"{self._head()} {{", "begin:", *self._slots, "  br label %entry", *self.lines, "}\n"])

    def _head(self) -> str:
        if self.source.is_entry:
            return "define void @thread(ptr %parameters, i32 %tid, i32 %ntid, i32 %ctaid, i32 %nctaid)"
        types = ", ".join(f"{llvm_type(kind)} %in{i}" for i, (kind, _) in enumerate(self.source.parameters))
        result = llvm_type(self.source.results[0][0]) if self.source.results else "void"
        return f'define internal {result} @"{self.source.name}"({types})'

    def _is_declared(self, text: str) -> bool:
        """Note what a statement declares; False if it is an instruction, or a label."""
        if found := re.match(r"\.reg \.(\w+)\s+(%\w+)(?:<(\d+)>)?", text):
            kind, name, num = found.groups()
            self.registers |= {f"{name}{i}": kind for i in range(int(num))} if num else {name: kind}
        elif found := re.match(r"\.local \.align (\d+) \.b8\s+(\w+)\[(\d+)\]", text):
            align, name, size = found.groups()
            self._slots.append(f'  %"{name}" = alloca [{size} x i8], align {max(16, int(align))}')
            # What nobody wrote: as integers far below zero, and as floating point numbers next to the largest.
            self._slots.append(f'  call void @llvm.memset.p0.i64(ptr %"{name}", i8 -2, i64 {size}, i1 false)')
            self.places[name] = f'%"{name}"'
        elif found := re.match(r"\.param \.\w+ (\w+)", text):
            slot = f'  %"{found[1]}" = alloca i64'
            self._slots += [slot] if slot not in self._slots else []
        return text.startswith(".")

    def _make_slots(self) -> None:
        for register, kind in self.registers.items():
            # What nobody wrote is the same nonsense in registers.
            place, bits = register.replace("%", "%v_"), num_bits(kind)
            nonsense = int.from_bytes(bytes([0xFE] * (bits // 8)), signed=True) if bits > 1 else 1
            self._slots.append(f"  {place} = alloca {llvm_type(kind)}")
            self._slots.append(f"  store i{bits} {nonsense}, ptr {place}")
        if self.source.is_entry:
            return
        for i, (kind, name) in enumerate(self.source.parameters):
            self._slots += [f'  %"{name}" = alloca i64', f'  store {llvm_type(kind)} %in{i}, ptr %"{name}"']
        self._slots += [f'  %"{name}" = alloca i64' for _, name in self.source.results]

    def _begin_block(self, name: str) -> None:
        if self.lines and not self.lines[-1].startswith(("  br ", "  ret ")):
            self._jump(name)
        self._labels[name] = len(self.blocks)
        self.blocks.append(Block())
        self.lines.append(f"{name}:")
        if self.traced:
            size, start = self.new("load i64, ptr @trace_size"), self.new("load ptr, ptr @trace")
            place = self.new(f"getelementptr i32, ptr {start}, i64 {size}")
            self.lines.append(f"  store i32 {len(self.blocks) - 1}, ptr {place}")
            self.lines.append(f"  store i64 {self.new(f'add i64 {size}, 1')}, ptr @trace_size")

    def _jump(self, name: str) -> None:
        self.lines.append(f"  br label %{name}")
        self._jumps.append((len(self.blocks) - 1, name))

    def _statement(self, text: str) -> None:
        found = re.fullmatch(r"(?:@(!?)(%\w+)\s+)?([\w.]+)\s*(.*)", text, re.DOTALL)
        assert found, text
        negated, predicate, opcode, rest = found.groups()
        operands = re.findall(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[^,\s]+", rest)
        self.blocks[-1].opcodes.append(opcode)
        if not predicate:
            self.emit(opcode, operands)
        elif opcode.startswith("bra"):
            self._branch(operands[0].lstrip("$"), predicate, negated == "!")
        else:
            raise NotImplementedError(text)

    def _branch(self, target: str, predicate: str, is_negated: bool) -> None:
        condition, after = self.read(predicate, "pred"), f"after_{len(self.blocks)}"
        yes, no = (after, target) if is_negated else (target, after)
        self.lines.append(f"  br i1 {condition}, label %{yes}, label %{no}")
        self._jumps += [(len(self.blocks) - 1, target), (len(self.blocks) - 1, after)]
        self._begin_block(after)

    def _do_bra(self, s: list[str], o: list[str]) -> None:
        self._jump(o[0].lstrip("$"))

    def _do_call(self, s: list[str], o: list[str]) -> None:
        result, name, given = o if o[0].startswith("(") else ("", *o)
        called = self.sources[name]
        passed = []
        for (kind, _), slot in zip(called.parameters, re.findall(r"\w+", given), strict=True):
            passed.append(f"{llvm_type(kind)} " + self.new(f'load {llvm_type(kind)}, ptr %"{slot}"'))
        kind = llvm_type(called.results[0][0]) if called.results else "void"
        call = f'call {kind} @"{name}"({", ".join(passed)})'
        if called.results:
            slot = result.strip("() ")
            self.lines.append(f'  store {kind} {self.new(call)}, ptr %"{slot}"')
        else:
            self.lines.append(f"  {call}")
        self.calls.append((name, len(self.blocks) - 1))
        after = f"called_{len(self.blocks)}"
        self.lines.append(f"  br label %{after}")
        self._begin_block(after)

    def _do_ret(self, s: list[str], o: list[str]) -> None:
        self.exits.append(len(self.blocks) - 1)
        if not self.source.results:
            self.lines.append("  ret void")
            return
        kind, name = self.source.results[0]
        value = self.new(f'load {llvm_type(kind)}, ptr %"{name}"')
        self.lines.append(f"  ret {llvm_type(kind)} {value}")
