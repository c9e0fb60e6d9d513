"""Generated loops run by Python on arrays that are watched.

Refused are an index outside a buffer, and an element that one part of a shared statement writes and the other uses.
Working memory and results are NaN before each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from minigrad.compiler import loop_ir, to_python
from minigrad.compiler.index import evaluate
from minigrad.compiler.lower import block, control
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.runtime import executable
from minigrad.errors import BoundsError

SPLIT_FROM = 2
SIZES = (lowering, "SHARED_WORK"), (block, "COLUMNS_WORK"), (block, "PRODUCT_WORK"), (control, "NESTED_WORK")
Place = tuple[str, int]


class Fault(AssertionError):
    """What generated loops must not do."""


@contextmanager
def divided() -> Iterator[None]:
    """Everything that threads may share is shared between them, however small."""
    with ExitStack() as stack:
        for module, name in (*SIZES, (executable, "THREAD_WORK")):
            stack.enter_context(mock.patch.object(module, name, 1))
        stack.enter_context(mock.patch.object(loop_ir, "SPLIT_FROM", SPLIT_FROM))
        yield


class Team:
    """Does the parts of a shared statement one after the other, the second first, and compares what they touch."""

    def __init__(self) -> None:
        self.part: int | None = None

    def parts(self, n: int, grain: int) -> Iterator[tuple[int, int]]:
        """Two parts; those of a statement inside a part are done by the thread that does that part."""
        middle = min(n, (n // 2 + grain - 1) // grain * grain) if n >= SPLIT_FROM else n
        if self.part is not None or middle == n:
            yield from ((middle, n), (0, middle))
            return
        self.used: tuple[set[Place], ...] = set(), set()
        self.written: tuple[set[Place], ...] = set(), set()
        for number, span in ((1, (middle, n)), (0, (0, middle))):
            self.part = number
            yield span
        self.part = None

    def touch(self, place: Place, writes: bool) -> None:
        if self.part is None:
            return
        self.used[self.part].add(place)
        if writes:
            self.written[self.part].add(place)
        if place in (self.used if writes else self.written)[1 - self.part]:
            raise Fault(f"both parts of a shared statement use {place[0]}[{place[1]}], and one writes it")


class Watched:
    """A flat buffer. Elements are asked for by an integer, a slice or an array of positions."""

    def __init__(self, name: str, array: np.ndarray, team: Team):
        self.name, self.array, self.size, self.team = name, array, array.size, team

    def __getitem__(self, at: Any) -> Any:
        if self.team.part is None and type(at) is int and 0 <= at < self.size:
            return self.array[at]
        for i in self.places(at):
            self.team.touch((self.name, i), writes=False)
        return self.array[at]

    def __setitem__(self, at: Any, value: Any) -> None:
        for i in self.places(at):
            self.team.touch((self.name, i), writes=True)
        self.array[at] = value

    def places(self, at: Any) -> list[int]:
        """The positions asked for, all inside."""
        if isinstance(at, slice):
            if at.stop < at.start:
                raise Fault(f"{self.name}[{at.start} : {at.stop}]")
            found = list(range(at.start, at.stop))
        else:
            found = [at] if type(at) is int else np.ravel(at).tolist()
        if found and not (min(found) >= 0 and max(found) < self.size):
            raise Fault(f"{self.name}[{max(found) if min(found) >= 0 else min(found)}] of {self.size}")
        return found

    def poison(self) -> None:
        kind = self.array.dtype.kind
        self.array[...] = np.nan if kind == "f" else kind == "b" or np.iinfo(self.array.dtype).max // 3


def _matrix(view: tuple[Watched, int, int, int], rows: int, columns: int) -> tuple[Watched, np.ndarray]:
    buffer, offset, row, column = view
    return buffer, offset + row * np.arange(rows)[:, None] + column * np.arange(columns)


def _gemm(m: int, n: int, k: int, *views: tuple[Watched, int, int, int]) -> None:
    (a, i), (b, j), (c, at) = (_matrix(view, *shape) for view, shape in zip(views, ((m, k), (k, n), (m, n)), strict=True))
    c[at] = a[i] @ b[j]


def _argsort(x: Watched, offset: int, n: int, stride: int, descending: bool) -> np.ndarray:
    found = x[offset + stride * np.arange(n)]
    return to_python._argsort(found, 0, n, 1, descending)


class InPython:
    """A lowered program, as `Executable` has it, whose calls are checked."""

    def __init__(self, lowered: lowering.Lowered):
        self.lowered = lowered
        self.names = [f"<{phase.name}>" for phase in lowered.phases]
        self.texts = [to_python.to_python(phase) for phase in lowered.phases]
        self.codes = [compile(*pair, "exec") for pair in zip(self.texts, self.names, strict=True)]

    def run(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], numbers: tuple[int, ...]) -> None:
        """Fill the outputs. Raises BoundsError as Executable does, Fault for what should not be."""
        if not self.codes:
            return
        team, first = Team(), self.lowered.phases[0]
        sizes = {s.name: n for s, n in zip(self.lowered.sizes, numbers, strict=True)}
        values = [*arrays, *self.lowered.constants, *outputs]
        given = [Watched(b.name, np.reshape(a, -1), team) for b, a in zip(first.arguments, values, strict=True)]
        arena = [Watched(b.name, np.empty(evaluate(b.size, sizes), b.dtype), team) for b in first.locals]
        for buffer, declared in zip(given, first.arguments, strict=True):
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
