"""An LLVM module that is being written: its functions, each of which is defined once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

POINTER = r"%ptr\.\w+"  # the register of a buffer
PARAMETER = re.compile(r"%(?:(?:ptr|size|outer|slot|error|region)\.[\w.]+|pointers\b)")
NAMED = re.compile(rf"{PARAMETER.pattern}|%(?:at|var)\.[\w.]+|!llvm\.loop !\d+")  # what differs in equal functions
MANY = 128  # the largest number of pointers that a function without loops takes


@dataclass
class Module:
    """What the functions of one module share."""

    parameters: dict[str, str]  # the register of a buffer, a size or a value of the parallel region -> its type and attributes
    places: dict[str, int]  # the register of a buffer -> its place in the table of pointers
    reads: Counter[str]  # how often the function reads each scalar
    timed: bool
    declarations: dict[str, str] = field(default_factory=dict)
    math: set[tuple[str, str]] = field(default_factory=set)
    metadata: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # the text of a function, with registers numbered -> its name

    def define(self, name: str, result: str, lines: list[str], outside: Mapping[str, str], nest: bool) -> tuple[str, list[str]]:
        """Defines an internal function, unless an equal one exists. Its parameters are the registers that its lines use. Returns its name
        and these registers.

        `outside` gives the types of registers of the caller. `nest` tells whether the function is a loop nest, which needs `noalias`."""
        if not nest and len(set(re.findall(POINTER, "\n".join(lines)))) > MANY:
            lines = list(self.load_pointers(lines))
        text = "\n".join(lines)
        types = {**self.parameters, **outside}
        used = list(dict.fromkeys(PARAMETER.findall(text)))
        numbers: dict[str, str] = {}
        numbered = NAMED.sub(lambda m: numbers.setdefault(m[0], f"%{len(numbers)}"), text)
        key = f"{result} {', '.join(types[r] for r in used)} {numbered}"
        if key not in self.names:
            self.names[key] = name
            parameters = ", ".join(f"{types[r]} {r}" for r in used)
            self.functions.append(f"define internal {result} @{name}({parameters}) #1 {{\nentry:\n{text}\n}}")
        return self.names[key], used

    def load_pointers(self, lines: list[str]) -> Iterator[str]:
        """The lines, with each pointer loaded from the table before the line that uses it."""
        for n, line in enumerate(lines):
            loaded = {register: f"%loaded.{n}.{self.places[register]}" for register in re.findall(POINTER, line)}
            for register, name in loaded.items():
                yield f"  {name}.at = getelementptr ptr, ptr %pointers, i64 {self.places[register]}"
                yield f"  {name} = load ptr, ptr {name}.at"
            yield "".join(loaded.get(part, part) for part in re.split(f"({POINTER})", line))
