"""Generated loops run by Python on arrays that are watched.

Refused are an index outside a buffer, a write to an input, and an element that the two parts of a shared statement both use, one writing.
Working memory and results are NaN before each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from minigrad.backend import block, loops, lower, native, to_llvm, to_python
from minigrad.backend.index import evaluate
from minigrad.errors import BoundsError

SPLIT_FROM = 2


class Fault(AssertionError):
    """What generated loops must not do."""


@contextmanager
def divided() -> Iterator[None]:
    """Everything that two threads may share is shared between them, however small."""
    with ExitStack() as stack:
        for module, name in ((lower, "SHARED_WORK"), (block, "COLUMNS_WORK"), (native, "INVITE_FROM")):
            stack.enter_context(mock.patch.object(module, name, 0))
        for module in (lower, loops, to_llvm, to_python):
            stack.enter_context(mock.patch.object(module, "SPLIT_FROM", SPLIT_FROM))
        yield


class Team:
    """Does the parts of a shared statement one after the other, the second first, and compares what they touch."""

    def __init__(self) -> None:
        self.part: int | None = None
        self.read: set[tuple[str, int]] = set()
        self.written: set[tuple[str, int]] = set()

    def parts(self, n: int, grain: int) -> Iterator[tuple[int, int]]:
        """Two parts; those of a statement inside a part are done by the thread that does that part."""
        middle = min(n, (n // 2 + grain - 1) // grain * grain) if n >= SPLIT_FROM else n
        inside = self.part is not None or middle == n
        self.read, self.written = (self.read, self.written) if inside else (set(), set())
        for number, span in ((1, (middle, n)), (0, (0, middle))):
            if not inside:
                self.part = number
            yield span
        if not inside:
            self.part = None

    def touch(self, at: tuple[str, int], writes: bool) -> None:
        if self.part == 1:
            (self.written if writes else self.read).add(at)
        elif at in self.written or (writes and at in self.read):
            raise Fault(f"both parts of a shared statement use {at[0]}[{at[1]}], and one writes it")


class Watched:
    """A flat buffer. Elements are asked for by an integer, a slice or an array of positions."""

    def __init__(self, name: str, array: np.ndarray, team: Team, fixed: bool = False):
        self.name, self.array, self.team, self.fixed, self.size = name, array, team, fixed, array.size

    def __getitem__(self, at: Any) -> Any:
        self.look(at)
        return self.array[at]

    def __setitem__(self, at: Any, value: Any) -> None:
        if self.fixed:
            raise Fault(f"writes to {self.name}, which is an input")
        self.look(at, True)
        self.array[at] = value

    def look(self, at: Any, writes: bool = False) -> None:
        if type(at) is int:
            if not 0 <= at < self.size:
                raise Fault(f"{self.name}[{at}] of {self.size}")
            if self.team.part is not None:
                self.team.touch((self.name, at), writes)
        elif isinstance(at, slice):
            if not 0 <= at.start <= at.stop <= self.size:
                raise Fault(f"{self.name}[{at.start} : {at.stop}] of {self.size}")
            if self.team.part is not None:
                for i in range(at.start, at.stop):
                    self.team.touch((self.name, i), writes)
        else:
            for i in np.ravel(at).tolist():
                self.look(i, writes)

    def poison(self) -> None:
        kind = self.array.dtype.kind
        self.array[...] = np.nan if kind == "f" else kind == "b" or np.iinfo(self.array.dtype).max // 3


def _matrix(view: tuple[Watched, int, int, int], rows: int, columns: int) -> tuple[Watched, np.ndarray]:
    buffer, offset, row, column = view
    return buffer, offset + row * np.arange(rows)[:, None] + column * np.arange(columns)


def _gemm(m: int, n: int, k: int, *views: tuple[Watched, int, int, int], accumulate: bool) -> None:
    (a, i), (b, j), (c, at) = (_matrix(view, *shape) for view, shape in zip(views, ((m, k), (k, n), (m, n)), strict=True))
    found = a[i] @ b[j]
    c[at] = c[at] + found if accumulate else found


def _argsort(x: Watched, offset: int, n: int, stride: int, descending: bool) -> np.ndarray:
    found = x[offset + stride * np.arange(n)]
    return to_python._argsort(found, 0, n, 1, descending)


class Checked:
    """A lowered program, as `Native` has it, whose calls are checked."""

    def __init__(self, lowered: lower.Lowered):
        self.lowered = lowered
        self.names = [f"<{phase.name}>" for phase in lowered.phases]
        self.texts = [to_python.to_python(phase) for phase in lowered.phases]
        self.codes = [compile(*pair, "exec") for pair in zip(self.texts, self.names, strict=True)]

    def run(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], numbers: tuple[int, ...]) -> None:
        """Fill the outputs. Raises BoundsError as Native does, Fault for what should not be."""
        if not self.codes:
            return
        team, first = Team(), self.lowered.phases[0]
        sizes = {s.name: n for s, n in zip(self.lowered.sizes, numbers, strict=True)}
        values = [*arrays, *self.lowered.constants, *outputs]
        given = [Watched(b.name, np.reshape(a, -1), team) for b, a in zip(first.arguments, values, strict=True)]
        arena = [Watched(b.name, np.empty(evaluate(b.size, sizes), b.dtype), team) for b in first.locals]
        for buffer, declared in zip(given, first.arguments, strict=True):
            buffer.fixed = declared in first.inputs
            if buffer.size != evaluate(declared.size, sizes):
                raise Fault(f"{buffer.name} has {buffer.size} elements, and the loops expect {evaluate(declared.size, sizes)}")
        for buffer in (*given[len(first.inputs) :], *arena):
            buffer.poison()
        for code, text, phase in zip(self.codes, self.texts, self.lowered.phases, strict=True):
            rest = iter(arena)
            watched = {"empty": lambda *_, rest=rest: next(rest), "parts": team.parts, "gemm": _gemm, "argsort": _argsort}
            namespace: dict[str, Any] = {**to_python._NAMESPACE, **watched}
            exec(code, namespace)
            try:
                with np.errstate(all="ignore"):
                    failed, value = namespace[phase.name](*given, *numbers)
            except Fault as fault:
                raise Fault(f"{fault}, in\n  {_line(fault, phase.name, text)}\n  for {sizes}") from None
            if failed:
                raise BoundsError(f"check {failed} failed for {value}")


def _line(fault: Fault, name: str, text: str) -> str:
    """The line of the generated loops that an exception comes from."""
    trace, found = fault.__traceback__, 0
    while trace is not None:
        found = trace.tb_lineno if trace.tb_frame.f_code.co_name == name else found
        trace = trace.tb_next
    return text.splitlines()[found - 1].strip()
