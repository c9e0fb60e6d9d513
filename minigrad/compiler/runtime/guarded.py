"""Guarded calls: compiled code runs on copies of its arguments, and writes outside its buffers are found. For tests and MINIGRAD_CHECK.

Guard bytes stand between the buffers. They hold a known pattern (poison), and a changed byte shows a write out of bounds. Results before
the call, working memory and unused blocks of the pool hold the pattern too, so that reading uninitialised memory gives NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import MemoryFault
from .. import loop_ir as L
from ..lower.program import Lowered
from . import memory
from .executable import Executable, named

POISON = 0x7FFDA5A57FFDA5A5  # NaN as one float64 and as two float32
PATTERN = np.array([POISON]).view(np.uint8)


@dataclass(frozen=True)
class Place:
    """The bytes of a block that hold a buffer."""

    buffer: L.Buffer
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.buffer.name} ({self.buffer.dtype}, {self.stop - self.start} bytes)"


class Places:
    """The places of the buffers in a block of memory, in order. All other bytes are guards."""

    def __init__(self, places: Sequence[Place], size: int):
        self.places = places
        starts, stops = [p.start for p in places], [p.stop for p in places]
        self.guards = np.concatenate([np.arange(a, b) for a, b in zip([0, *stops], [*starts, size], strict=True)])
        self.whole = PATTERN[self.guards % len(PATTERN)]

    def harm(self, block: np.ndarray) -> Harm | None:
        """The first run of guard bytes that were overwritten, in a block that was poisoned before; None if there is none."""
        changed = self.guards[block[self.guards] != self.whole]
        if not changed.size:
            return None
        last = next((p for p in reversed(self.places) if p.stop <= changed[0]), None)
        after = next((p for p in self.places if p.start > changed[0]), None)
        changed = changed[changed < after.start] if after else changed
        if last and (not after or changed[0] - last.stop <= after.start - changed[-1]):
            return Harm(f"{changed.size} bytes after {last} were written, up to {changed[-1] - last.stop + 1} behind its end", last.buffer)
        assert after is not None
        return Harm(f"{changed.size} bytes before {after} were written, from {after.start - changed[0]} ahead of its start", after.buffer)


@dataclass(frozen=True)
class Harm:
    """Bytes that were written and must not be, in or beside a buffer."""

    what: str
    buffer: L.Buffer


def run_guarded(executable: Executable, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray], numbers: tuple[int, ...]) -> None:
    """Like executable.run. Raises MemoryFault if the call writes outside a buffer or into an argument. What it does not write is NaN."""
    if not executable.kernels:
        return
    for block, unused in memory.all_blocks():
        if unused and block[:8].view(np.uint64) != POISON:
            poison(block)
    given = [*arrays, *executable.lowered.constants]
    places, block = _arguments(executable.lowered, [*given, *outputs])
    copies = [np.ndarray(a.shape, a.dtype, block, p.start) for a, p in zip((*given, *outputs), places.places, strict=True)]
    inputs, results = copies[: len(given)], copies[len(given) :]
    for copy, array in zip(inputs, given, strict=True):
        copy[...] = array
    arena = executable.take_arena(numbers)
    poison(arena)
    problem = executable.call(tuple(copies), numbers, arena)
    harm = places.harm(block) or _locals(executable, numbers).harm(memory.aligned(arena)) or _changed(places.places, inputs, given)
    if harm is not None:
        raise MemoryFault(_fault_message(executable.lowered, harm, named(executable.lowered, numbers)))
    if problem is not None:
        raise problem
    for output, result in zip(outputs, results, strict=True):
        output[...] = result
    executable.keep_arena(numbers, arena)


def poison(block: np.ndarray) -> None:
    """Fill a block with the pattern, up to a multiple of 8 bytes."""
    block[: block.nbytes // 8 * 8].view(np.uint64)[:] = POISON


def _arguments(lowered: Lowered, arrays: Sequence[np.ndarray]) -> tuple[Places, np.ndarray]:
    """Poisoned memory with a place for each argument and result, at the same offset from a cache line as the array has."""
    places, end = [], 0
    for buffer, array in zip(lowered.phases[0].arguments, arrays, strict=True):
        start = end + L.ALIGNMENT
        start += (memory.address(array) - start) % L.ALIGNMENT
        end = start + array.nbytes
        places.append(Place(buffer, start, end))
    block = memory.aligned(np.empty(end // 8 * 8 + 3 * L.ALIGNMENT, np.uint8))
    poison(block)
    return Places(places, block.nbytes), block


def _locals(executable: Executable, numbers: tuple[int, ...]) -> Places:
    """The places of the local buffers in working memory, counted from its first cache line."""
    known = executable.known(numbers)
    if known.locals is None:
        function, sizes = executable.lowered.phases[0], named(executable.lowered, numbers)  # all phases have the same buffers
        offsets, size = function.layout(sizes)
        starts = [(b, offsets[b.name]) for b in function.locals]
        known.locals = Places([Place(b, start, start + L.evaluate(b.size, sizes) * b.itemsize) for b, start in starts], size)
    return known.locals


def _changed(places: Sequence[Place], copies: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> Harm | None:
    """The first argument whose copy was changed by the call; None if there is none."""
    for place, *pair in zip(places, copies, given, strict=False):
        copy, array = (a.reshape(-1).view(np.uint8) for a in pair)
        if not np.array_equal(copy, array):
            return Harm(f"{np.count_nonzero(copy != array)} bytes of {place} were written, which is only read", place.buffer)
    return None


def _fault_message(lowered: Lowered, harm: Harm, sizes: dict[str, int]) -> str:
    where = ", ".join(f"{name} = {n}" for name, n in sizes.items())
    lines = [f"compiled code: {harm.what}", *([f"where {where}"] if where else [])]
    return "\n  ".join([*lines, *(f"{harm.buffer.name} is written by {note}" for note in _writers(lowered, harm.buffer))])


def _writers(lowered: Lowered, buffer: L.Buffer) -> list[str]:
    """The notes of the statements that write a buffer. A statement without a note has the note before it."""
    found: list[object] = []
    note: object = ""
    for stmt in (s for phase in lowered.phases for s in L.walk(phase.body)):
        note = stmt.note or note
        if buffer in _targets(stmt):
            found.append(note)
    return list(dict.fromkeys(map(str, filter(None, found))))


def _targets(stmt: L.Stmt) -> tuple[L.Buffer, ...]:
    match stmt:
        case L.Store(buffer) | L.Argsort(buffer):
            return (buffer,)
        case L.Gemm():
            return (stmt.c.buffer,)
        case L.Extern():
            return tuple(a.buffer for a in stmt.outputs)
    return ()
