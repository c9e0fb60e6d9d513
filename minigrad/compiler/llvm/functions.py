"""The LLVM functions of a program, each a module of its own.

A function is named by a digest of its text, in which the registers of its parameters are numbered. So equal functions have one name, in
all programs of a process: they are compiled once and called with other pointers.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import math_llvm
from .arithmetic import INTEGER_POWER
from .gemm import gemm_module
from .gemm_kernels import tile
from .work_board import WAIT

MANY = 128  # the largest number of pointers that a function without loops takes
POINTER = r"%ptr\.\w+"  # the register of a buffer
PARAMETER = re.compile(r"%(?:(?:ptr|size|outer|slot|error|region)\.[\w.]+|pointers\b)")
NAMED = re.compile(rf"{PARAMETER.pattern}|%(?:at|var)\.[\w.]+")  # the registers whose names differ in equal functions
SIZE = f"i64 range(i64 0, {2**62})"  # the type of a size
UNROLLED = "!unrolled"  # the metadata of a loop that LLVM unrolls
CALLED = re.compile(r"@([\w.]+)\(")
DEFINED = {"mg_pow_int64": INTEGER_POWER, "mg_wait": WAIT}
ATTRIBUTES = """
attributes #0 = { alwaysinline nounwind willreturn memory(none) }
attributes #1 = { noinline nounwind }
attributes #2 = { nounwind willreturn memory(argmem: readwrite) }
attributes #4 = { noinline nounwind willreturn memory(none) }
"""


@dataclass(frozen=True)
class Unit:
    """A function as an LLVM module, without target or triple. `plain` tells that it runs once a call and has no loop to optimise. The
    module may define `others` beside it."""

    name: str
    text: str
    plain: bool
    others: tuple[str, ...] = ()


OUTSIDE = re.compile(r"^declare .*@(mg_[a-z]\w*_float(?:32|64))\(", re.MULTILINE)  # declarations of functions that `outside` makes


def outside(name: str, features: Sequence[str]) -> Unit:
    """A function that programs share, a matrix product or an elementwise function, for a processor with these features."""
    if name.startswith("mg_gemm_"):
        return Unit(name, gemm_module(tile(name.removeprefix("mg_gemm_"), features)), plain=False)
    text, others = math_llvm.module(name)
    return Unit(name, text + ATTRIBUTES, False, others)


def has_loops(lines: list[str]) -> bool:
    return any(" = phi " in line for line in lines)


@dataclass
class Functions:
    """The functions of one program, and what they share."""

    parameters: dict[str, str]  # the register of a buffer, a size or a value of the parallel region -> its type and attributes
    places: dict[str, int]  # the register of a buffer -> its place in the table of pointers
    declarations: dict[str, str] = field(default_factory=dict)
    math: set[tuple[str, str]] = field(default_factory=set)
    units: dict[str, Unit] = field(default_factory=dict)

    def define(
        self, result: str, lines: list[str], outside: Mapping[str, str], nest: bool = False, plain: bool = False
    ) -> tuple[str, list[str]]:
        """Defines a function, unless an equal one exists. Its parameters are the registers that its lines use. Returns its name and these
        registers.

        `outside` gives the types of registers of the caller. `nest` tells whether the function is a loop nest, which needs `noalias`."""
        if not nest and len(set(re.findall(POINTER, "\n".join(lines)))) > MANY:
            lines = list(self.load_pointers(lines))
        types = {**self.parameters, **outside}
        used = list(dict.fromkeys(PARAMETER.findall("\n".join(lines))))
        return self.add(result, [(types.get(r, SIZE), r) for r in used], lines, plain), used

    def add(self, result: str, parameters: list[tuple[str, str]], lines: list[str], plain: bool) -> str:
        """Defines a function with these parameters, unless an equal one exists. Returns its name."""
        numbers: dict[str, str] = {}
        head = ", ".join(f"{type} {register}" for type, register in parameters)
        text = "\n".join([f"({head}) #1 {{", "entry:", *lines, "}"])
        text = NAMED.sub(lambda m: numbers.setdefault(m[0], f"%r{len(numbers)}"), text)
        name = "mg_" + hashlib.sha256(f"{result} {plain} {text}".encode()).hexdigest()[:32]
        if name not in self.units:
            self.units[name] = Unit(name, self.module(f"define {result} @{name}{text}"), plain)
            self.declarations[name] = f"declare {result} @{name}({', '.join(type.split()[0] for type, _ in parameters)}) #1"
        return name

    def module(self, text: str) -> str:
        """The module of a function: its definition with the declarations, elementwise functions and metadata that it needs."""
        called = dict.fromkeys(CALLED.findall(text))
        declarations = {n: self.declarations[n] for n in called if n in self.declarations and n not in DEFINED}
        math, kept = [], []
        for op, dtype in sorted(self.math):
            if (name := math_llvm.name(op, dtype)) not in called:
                continue
            if math_llvm.is_outside(op, text.count(f"@{name}(")):
                math.append(math_llvm.declaration(op, dtype, declarations))
                kept += [f"ptr @{symbol}" for symbol in math_llvm.versions(op, dtype)]
            else:
                math.append(math_llvm.definition(op, dtype, declarations))
        if kept:  # the vectoriser calls them later
            math.append(f'@llvm.compiler.used = appending global [{len(kept)} x ptr] [{", ".join(kept)}], section "llvm.metadata"')
        math += [definition for name, definition in DEFINED.items() if name in called]
        loops = itertools.count()
        text = re.sub(UNROLLED, lambda _: f"!{next(loops)}", text)
        full = next(loops)
        metadata = [f"!{n} = distinct !{{!{n}, !{full}}}" for n in range(full)] + [f'!{full} = !{{!"llvm.loop.unroll.full"}}'] * bool(full)
        return "\n".join([*(d for _, d in sorted(declarations.items())), *math, text, ATTRIBUTES, *metadata, ""])

    def load_pointers(self, lines: list[str]) -> Iterator[str]:
        """The lines, with each pointer loaded from the table before the line that uses it."""
        for n, line in enumerate(lines):
            parts = re.split(f"({POINTER})", line)
            loaded = {register: f"%loaded.{n}.{self.places[register]}" for register in parts[1::2]}
            for register, name in loaded.items():
                yield f"  {name}.at = getelementptr ptr, ptr %pointers, i64 {self.places[register]}"
                yield f"  {name} = load ptr, ptr {name}.at"
            yield "".join([loaded.get(part, part) for part in parts])
