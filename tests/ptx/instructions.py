"""One PTX instruction after the other in LLVM's assembly language; virtual registers are places on the stack.

Each does what the PTX ISA says of it, also where C or LLVM would differ: shifts by a word's width and more, conversions
of numbers that are too large, the smaller of two zeros.
"""

from __future__ import annotations

import re

_LLVM = {"pred": "i1", "f32": "float", "f64": "double"}
_ORDERED = {"eq": "oeq", "ne": "one", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "num": "ord", "nan": "uno"}
_UNORDERED = {"equ": "ueq", "neu": "une", "ltu": "ult", "leu": "ule", "gtu": "ugt", "geu": "uge"}
_SPECIAL = {"%tid.x": "%tid", "%ntid.x": "%ntid", "%ctaid.x": "%ctaid", "%nctaid.x": "%nctaid"}
_ROUNDING = {"rni": "rint", "rzi": "trunc", "rmi": "floor", "rpi": "ceil"}
_FLOATS = (("float", "f32"), ("double", "f64"))

# Suffixes beyond these change what an operation does.
_MOST_SUFFIXES = {"min": 1, "max": 1, "abs": 1, "neg": 1, "setp": 2, "selp": 1, "mov": 1, "not": 1, "bfi": 1, "rem": 1}

#: Of LLVM's intrinsics that instructions call.
DECLARATIONS = "".join(
    f"\ndeclare {result} @llvm.{name}({', '.join(arguments)})"
    for result, name, arguments in [
        *((t, f"{what}.{s}", [t]) for t, s in _FLOATS for what in ("fabs", "sqrt", "floor", "ceil", "trunc", "rint")),
        *((t, f"{what}.{s}", [t, t]) for t, s in _FLOATS for what in ("minimumnum", "maximumnum")),
        *((f"i{b}", f"{what}.i{b}", [f"i{b}"] * 2) for b in (16, 32, 64) for what in ("smin", "smax", "umin", "umax")),
        *((f"i{b}", f"fpto{u}i.sat.i{b}.{s}", [t]) for b in (16, 32, 64) for u in "su" for t, s in _FLOATS),
        ("void", "memset.p0.i64", ["ptr", "i8", "i64", "i1"]),
    ]
)


def num_bits(kind: str) -> int:
    """Of a PTX type, such as u64 or pred."""
    return 1 if kind == "pred" else int(kind[1:])


def llvm_type(kind: str) -> str:
    """What a PTX type is called in LLVM."""
    return _LLVM.get(kind) or f"i{num_bits(kind)}"


class Instructions:
    """The instructions of one function.

    Attributes:
        registers: PTX types of virtual registers, by name.
        places: what addresses have names: of variables in LLVM's language.
        parameters: names of the kernel's parameters, in order; none in other functions.
        lines: what was written.
    """

    def __init__(self) -> None:
        self.registers = dict[str, str]()
        self.places = dict[str, str]()
        self.parameters = list[str]()
        self.lines = list[str]()
        self._num_values = 0

    def emit(self, opcode: str, operands: list[str]) -> None:
        """Write one instruction.

        Raises:
            NotImplementedError: it is not known here, or NVIDIA's assembler might join it with another one.
        """
        operation, *suffixes = opcode.split(".")
        write = getattr(self, f"_do_{operation}", None)
        if write is None or len(suffixes) > _MOST_SUFFIXES.get(operation, 9) or {"ftz", "sat", "NaN"} & set(suffixes):
            raise NotImplementedError(f"{opcode} {operands}")
        write(suffixes, operands)

    def new(self, code: str) -> str:
        """Write an expression; the name of its value."""
        self._num_values += 1
        self.lines.append(f"  %t{self._num_values} = {code}")
        return f"%t{self._num_values}"

    def read(self, operand: str, kind: str) -> str:
        """An operand as a value of a PTX type."""
        wanted = llvm_type(kind)
        if operand in self.registers:
            has = llvm_type(self.registers[operand])
            value = self.new(f"load {has}, ptr {operand.replace('%', '%v_')}")
            return self._as(value, has, wanted)
        if operand in _SPECIAL:
            return _SPECIAL[operand]
        if found := re.fullmatch(r"0([fd])([0-9A-Fa-f]+)", operand):
            integer = str(int(found[2], 16))
            return self._as(self.new(f"add i{num_bits(kind)} {integer}, 0"), f"i{num_bits(kind)}", wanted)
        if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)", operand):
            number = int(operand, 0)
            return ("true" if number else "false") if wanted == "i1" else str(number)
        if operand in self.places:
            return self.new(f"ptrtoint ptr {self.places[operand]} to i64")
        raise NotImplementedError(f"operand {operand}")

    def _as(self, value: str, has: str, wanted: str) -> str:
        if has == wanted:
            return value
        if has[0] == wanted[0] == "i":
            how = "trunc" if int(has[1:]) > int(wanted[1:]) else "zext"
            return self.new(f"{how} {has} {value} to {wanted}")
        return self.new(f"bitcast {has} {value} to {wanted}")

    def _write(self, register: str, value: str, kind: str) -> None:
        wanted = llvm_type(self.registers[register])
        value = self._as(value, llvm_type(kind), wanted)
        self.lines.append(f"  store {wanted} {value}, ptr {register.replace('%', '%v_')}")

    def _address(self, operand: str) -> str:
        base, offset = re.fullmatch(r"\[([^+\]]+)(?:\+(-?\d+))?\]", operand).groups()  # type: ignore[union-attr]
        integer = self.read(base, "u64")
        if offset:
            integer = self.new(f"add i64 {integer}, {offset}")
        return self.new(f"inttoptr i64 {integer} to ptr")

    # One method for each PTX operation; ``s`` are the opcode's suffixes, ``o`` the operands.

    def _do_mov(self, s: list[str], o: list[str]) -> None:
        self._write(o[0], self.read(o[1], s[-1]), s[-1])

    def _do_cvta(self, s: list[str], o: list[str]) -> None:
        self._write(o[0], self.read(o[1], "u64"), "u64")

    def _binary(self, s: list[str], o: list[str], of_float: str, of_integer: str) -> None:
        kind = s[-1]
        if kind[0] == "f" and "rn" not in s:
            raise NotImplementedError(f"{of_float}.{'.'.join(s)} may be fused")
        a, b = self.read(o[1], kind), self.read(o[2], kind)
        operation = of_float if kind[0] == "f" else of_integer
        self._write(o[0], self.new(f"{operation} {llvm_type(kind)} {a}, {b}"), kind)

    def _do_add(self, s: list[str], o: list[str]) -> None:
        self._binary(s, o, "fadd", "add")

    def _do_sub(self, s: list[str], o: list[str]) -> None:
        self._binary(s, o, "fsub", "sub")

    def _do_mul(self, s: list[str], o: list[str]) -> None:
        if s[0] == "wide":
            how, bits = ("sext" if s[1][0] == "s" else "zext"), num_bits(s[1])
            a, b = (self.new(f"{how} i{bits} {self.read(x, s[1])} to i{2 * bits}") for x in o[1:])
            self._write(o[0], self.new(f"mul i{2 * bits} {a}, {b}"), f"u{2 * bits}")
        elif s[0] in ("lo", "rn"):
            self._binary(s, o, "fmul", "mul")
        else:
            raise NotImplementedError(f"mul.{'.'.join(s)}")

    def _do_div(self, s: list[str], o: list[str]) -> None:
        self._binary(s, o, "fdiv", "sdiv" if s[-1][0] == "s" else "udiv")

    def _do_rem(self, s: list[str], o: list[str]) -> None:
        self._binary(s, o, "", "srem" if s[-1][0] == "s" else "urem")

    def _do_and(self, s: list[str], o: list[str]) -> None:
        self._binary(s, o, "", "and")

    def _do_or(self, s: list[str], o: list[str]) -> None:
        self._binary(s, o, "", "or")

    def _do_xor(self, s: list[str], o: list[str]) -> None:
        self._binary(s, o, "", "xor")

    def _do_not(self, s: list[str], o: list[str]) -> None:
        self._write(o[0], self.new(f"xor {llvm_type(s[-1])} {self.read(o[1], s[-1])}, -1"), s[-1])

    def _do_rcp(self, s: list[str], o: list[str]) -> None:
        self._rounded(s)
        self._write(o[0], self.new(f"fdiv {llvm_type(s[-1])} 1.0, {self.read(o[1], s[-1])}"), s[-1])

    def _do_sqrt(self, s: list[str], o: list[str]) -> None:
        self._rounded(s)
        self._unary("sqrt", s[-1], o)

    def _do_abs(self, s: list[str], o: list[str]) -> None:
        if s[-1][0] != "f":
            raise NotImplementedError(f"abs.{'.'.join(s)}")
        self._unary("fabs", s[-1], o)

    def _rounded(self, s: list[str]) -> None:
        if s[:-1] != ["rn"]:
            raise NotImplementedError(f"{'.'.join(s)} is not rounded to the nearest number")

    def _unary(self, name: str, kind: str, o: list[str]) -> None:
        t = llvm_type(kind)
        self._write(o[0], self.new(f"call {t} @llvm.{name}.{kind}({t} {self.read(o[1], kind)})"), kind)

    def _do_neg(self, s: list[str], o: list[str]) -> None:
        kind, value = s[-1], self.read(o[1], s[-1])
        code = f"fneg {llvm_type(kind)} {value}" if kind[0] == "f" else f"sub {llvm_type(kind)} 0, {value}"
        self._write(o[0], self.new(code), kind)

    def _extreme(self, s: list[str], o: list[str], which: str) -> None:
        kind, t = s[-1], llvm_type(s[-1])
        a, b = self.read(o[1], kind), self.read(o[2], kind)
        name = f"{which}imumnum.{kind}" if kind[0] == "f" else f"{'s' if kind[0] == 's' else 'u'}{which}.{t}"
        self._write(o[0], self.new(f"call {t} @llvm.{name}({t} {a}, {t} {b})"), kind)

    def _do_min(self, s: list[str], o: list[str]) -> None:
        self._extreme(s, o, "min")

    def _do_max(self, s: list[str], o: list[str]) -> None:
        self._extreme(s, o, "max")

    def _do_bfi(self, s: list[str], o: list[str]) -> None:
        t, start, length = llvm_type(s[-1]), int(o[3], 0), int(o[4], 0)
        mask = (1 << length) - 1
        if start + length > num_bits(s[-1]):
            raise NotImplementedError(f"bfi {o}")
        field = self.new(f"and {t} {self.read(o[1], s[-1])}, {mask}")
        kept = self.new(f"and {t} {self.read(o[2], s[-1])}, {~(mask << start)}")
        self._write(o[0], self.new(f"or {t} {kept}, {self.new(f'shl {t} {field}, {start}')}"), s[-1])

    def _shift(self, s: list[str], o: list[str], operation: str) -> None:
        t, bits = llvm_type(s[-1]), num_bits(s[-1])
        value, by = self.read(o[1], s[-1]), self.read(o[2], "u32")
        # PTX takes larger shifts for the word's width; LLVM leaves them undefined.
        inside = self.new(f"icmp ult i32 {by}, {bits}")
        amount = self._as(self.new(f"select i1 {inside}, i32 {by}, i32 {bits - 1}"), "i32", t)
        shifted = self.new(f"{operation} {t} {value}, {amount}")
        if operation != "ashr":
            shifted = self.new(f"select i1 {inside}, {t} {shifted}, {t} 0")
        self._write(o[0], shifted, s[-1])

    def _do_shl(self, s: list[str], o: list[str]) -> None:
        self._shift(s, o, "shl")

    def _do_shr(self, s: list[str], o: list[str]) -> None:
        self._shift(s, o, "ashr" if s[-1][0] == "s" else "lshr")

    def _do_setp(self, s: list[str], o: list[str]) -> None:
        how, kind = s[0], s[-1]
        a, b = self.read(o[1], kind), self.read(o[2], kind)
        if kind[0] == "f":
            code = f"fcmp {_ORDERED.get(how) or _UNORDERED[how]}"
        else:
            sign = {"s": "s", "u": "u", "b": "u"}[kind[0]]
            code = f"icmp {how if how in ('eq', 'ne') else sign + how}"
        self._write(o[0], self.new(f"{code} {llvm_type(kind)} {a}, {b}"), "pred")

    def _do_selp(self, s: list[str], o: list[str]) -> None:
        kind, t = s[-1], llvm_type(s[-1])
        a, b, which = self.read(o[1], kind), self.read(o[2], kind), self.read(o[3], "pred")
        self._write(o[0], self.new(f"select i1 {which}, {t} {a}, {t} {b}"), kind)

    def _do_cvt(self, s: list[str], o: list[str]) -> None:
        *how, to, of = s
        value, t, u = self.read(o[1], of), llvm_type(to), llvm_type(of)
        if to[0] == "f" and of[0] == "f":
            self._write(o[0], self._resized("".join(how), to, of, value), to)
        elif to[0] == "f":
            self._rounded([*how, to])
            self._write(o[0], self.new(f"{'s' if of[0] == 's' else 'u'}itofp {u} {value} to {t}"), to)
        elif of[0] == "f":
            self._write(o[0], self._truncated(how[0], to, of, value), to)
        else:
            self._write_resized(o[0], to, of, value)

    def _resized(self, how: str, to: str, of: str, value: str) -> str:
        t, u = llvm_type(to), llvm_type(of)
        if how in _ROUNDING:
            return self.new(f"call {t} @llvm.{_ROUNDING[how]}.{to}({t} {value})")
        if num_bits(to) > num_bits(of):
            return self.new(f"fpext {u} {value} to {t}")
        self._rounded([how, to])
        return self.new(f"fptrunc {u} {value} to {t}")

    def _truncated(self, how: str, to: str, of: str, value: str) -> str:
        t, u, sign = llvm_type(to), llvm_type(of), "s" if to[0] == "s" else "u"
        value = self.new(f"call {u} @llvm.{_ROUNDING[how]}.{of}({u} {value})")
        # Too large numbers become the type's largest; no number becomes 0, or the integer whose first bit alone is set
        # where 64 bits take part on either side.
        converted = self.new(f"call {t} @llvm.fpto{sign}i.sat.{t}.{of}({u} {value})")
        if of != "f64" and num_bits(to) != 64:
            return converted
        is_nan = self.new(f"fcmp uno {u} {value}, {value}")
        return self.new(f"select i1 {is_nan}, {t} {-(2 ** (num_bits(to) - 1))}, {t} {converted}")

    def _write_resized(self, register: str, to: str, of: str, value: str) -> None:
        if num_bits(to) > num_bits(of):
            how = "sext" if of[0] == "s" else "zext"
            value = self.new(f"{how} {llvm_type(of)} {value} to {llvm_type(to)}")
        else:
            value = self._as(value, llvm_type(of), llvm_type(to))
        has = self.registers[register]
        if num_bits(has) > num_bits(to) and to[0] in "su":
            # The rest of a wider register has the type's sign.
            value = self.new(f"{'sext' if to[0] == 's' else 'zext'} {llvm_type(to)} {value} to {llvm_type(has)}")
            to = f"u{num_bits(has)}"
        self._write(register, value, to)

    def _do_ld(self, s: list[str], o: list[str]) -> None:
        kind = s[-1]
        if s[0] == "param":
            self._write(o[0], self.new(f"load {llvm_type(kind)}, ptr {self._parameter(o[1])}"), kind)
            return
        address = self._address(o[1])
        for i, register in enumerate(re.findall(r"%\w+", o[0])):
            place = self.new(f"getelementptr {llvm_type(kind)}, ptr {address}, i64 {i}")
            self._write_resized(register, kind, kind, self.new(f"load {llvm_type(kind)}, ptr {place}"))

    def _do_st(self, s: list[str], o: list[str]) -> None:
        kind = s[-1]
        if s[0] == "param":
            self.lines.append(f"  store {llvm_type(kind)} {self.read(o[1], kind)}, ptr {self._parameter(o[0])}")
            return
        address = self._address(o[0])
        for i, operand in enumerate(o[1].strip("{}").split(",")):
            place = self.new(f"getelementptr {llvm_type(kind)}, ptr {address}, i64 {i}")
            self.lines.append(f"  store {llvm_type(kind)} {self.read(operand.strip(), kind)}, ptr {place}")

    def _parameter(self, operand: str) -> str:
        name, offset = re.fullmatch(r"\[([^+\]]+)(?:\+(\d+))?\]", operand).groups()  # type: ignore[union-attr]
        if offset not in (None, "0"):
            raise NotImplementedError(f"parameter {operand}")
        if name not in self.parameters:
            return f'%"{name}"'
        return self.new(f"getelementptr i64, ptr %parameters, i64 {self.parameters.index(name)}")

    def _do_atom(self, s: list[str], o: list[str]) -> None:
        if "add" not in s or s[-1] != "u64":
            raise NotImplementedError(f"atom.{'.'.join(s)}")
        address, by = self._address(o[1]), self.read(o[2], "u64")
        before = self.new(f"load i64, ptr {address}")
        self.lines.append(f"  store i64 {self.new(f'add i64 {before}, {by}')}, ptr {address}")
        self._write(o[0], before, "u64")
