"""Loops whose length is no multiple of a vector. LLVM computes what remains one element at a time, and a loop of fewer than VECTOR
elements with masks, which cost more than little work does. So the printer gives it loops that fill vectors."""

from __future__ import annotations

from dataclasses import replace

from .. import loop_ir as L
from .expressions import every

VECTOR = 16  # elements: no vector has more floats
SHORT = VECTOR // 2  # loops of at most so many elements may be unrolled
LEAST = 4  # the fewest elements of a vector that is worth it
FEW = 8  # statements
FUNCTIONS = {"exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "sin", "cos", "erf"}  # each is some twenty instructions


def is_unrolled(loop: L.For, around: L.For | None) -> bool:
    """Whether a loop without loops inside is unrolled: a very short one, a short sum without functions, and a short one that stands in a
    loop `around` it whose iterations store apart: these then become the vectors."""
    n = L.as_index(loop.extent)
    if not isinstance(n, L.Literal) or n.value > SHORT:
        return False
    stores = {(s.buffer, s.index) for s in loop.body if isinstance(s, L.Store)}
    elsewhere = {load.buffer for load in every(L.Load, loop.body) if (load.buffer, load.index) not in stores}
    apart = around is not None and all(around.var in every(L.LoopVar, i) and b not in elsewhere for b, i in stores)
    return n.value < LEAST or (_has_sum(loop) and not _has_functions(loop)) or apart


def vectors(loop: L.For, masks: bool) -> tuple[L.For, ...]:
    """A loop without loops inside as loops that fill vectors, one after the other.

    14 elements are 8, 4 and 2, and 20 are 16 and 4. In a longer loop the last vector begins earlier where it would not be full: 31 elements
    are 16 and 16, of which it leaves one as it is; in a shorter one if that may run twice: 7 elements are 4 and 4, else 4, 2 and 1. A sum
    stays whole in such a loop, where to add up one more vector takes longer than to add the elements, and beside much other work, which
    takes as long for a small vector as for a masked one; so does a short loop with functions where `masks` cost little. What an iteration
    leaves to the next needs each once: 31 are 16, 8, 4, 2 and 1."""
    n, start, carries = L.as_index(loop.extent), L.as_index(loop.start), _carries(loop)
    if not isinstance(n, L.Literal) or n.value <= LEAST or n.value == SHORT or n.value % VECTOR == 0 or (loop.reverse and not carries):
        return (loop,)

    def part(at: int, length: int) -> L.For:
        return replace(loop, extent=L.Literal(length), start=start + (n.value - at - length if loop.reverse else at))

    if _stays_whole(loop, n.value, masks):
        return (loop,)
    if carries or SHORT < n.value < VECTOR or (n.value < SHORT and not _may_run_twice(loop)):
        whole = n.value - n.value % VECTOR
        return (part(0, whole),) * (whole > 0) + tuple(part(n.value - n.value % (2 * m), m) for m in (8, 4, 2, 1) if n.value & m)
    rest = n.value % (VECTOR if n.value > VECTOR else LEAST)
    done, length = n.value - rest, 1 << (rest - 1).bit_length() if n.value > VECTOR else LEAST
    last = part(n.value - length, length)
    return part(0, done), last if length == rest or _may_run_twice(loop) else _from(start + done, last)


def _stays_whole(loop: L.For, n: int, masks: bool) -> bool:
    """Whether masks, or elements one at a time, are faster than vectors of several lengths."""
    if n > SHORT:
        return _has_sum(loop) and (len(loop.body) > FEW or n > VECTOR)
    return masks and not _carries(loop) if _has_functions(loop) else _has_sum(loop)


def _has_functions(loop: L.For) -> bool:
    return any(x.op in FUNCTIONS for x in every(L.Unary, loop.body)) or any(x.op == "pow" for x in every(L.Binary, loop.body))


def _has_sum(loop: L.For) -> bool:
    return any(isinstance(s, L.Assign) and _reads_itself(s) for s in loop.body)


def _carries(loop: L.For) -> bool:
    """Whether an iteration leaves a value to the next one that is no sum."""
    return any(isinstance(s, L.Assign) and not _reads_itself(s) for s in loop.body)


def _reads_itself(s: L.Assign) -> bool:
    return any(r.name == s.name for r in every(L.Read, s.expr))


def _may_run_twice(loop: L.For) -> bool:
    """Whether an iteration may run twice: the loop reads no buffer that it writes, and changes no variable."""
    written = {s.buffer for s in loop.body if isinstance(s, L.Store)}
    return not any(isinstance(s, L.Assign) for s in loop.body) and not any(load.buffer in written for load in every(L.Load, loop.body))


def _from(first: L.Index, loop: L.For) -> L.For:
    """The loop with effect from an iteration on: those before it write what is there."""
    counts = L.Compare("ge", L.FromIndex(loop.var, "int64"), L.FromIndex(first, "int64"))

    def kept(s: L.Stmt) -> L.Stmt:
        return replace(s, expr=L.Select(counts, s.expr, L.Load(s.buffer, s.index))) if isinstance(s, L.Store) else s

    return replace(loop, body=tuple(map(kept, loop.body)))
