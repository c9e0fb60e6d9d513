"""The loop nest of a cluster, with its reductions and shifts.

A long float32 sum is blocked: each block is summed in float32, and the sums of the blocks in float64. So the error does not grow with the
number of terms, and vectors stay as wide as without blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.ir import Node
from ...graph.types import WIDE, TensorType
from ...primitives import reduce
from .. import loop_ir as L
from ..dtypes import name_of
from .schedule import Cluster, Shift
from .state import Note, Range, const, nest
from .storage import Indices, Stored

if TYPE_CHECKING:
    from .block import Block

FOLD = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum"}
TERMS = 64  # the largest number of terms of a block
# A sum of at most so many terms, their number literal, is not blocked if it accumulates in a register: a vector has four lanes or more.
SHORT = 4 * TERMS


def is_blocked(node: Node) -> bool:
    """Whether a reduction is blocked if it is long."""
    return node.op is reduce.sum and node.type.dtype == np.float32


def identity(node: Node) -> Any:
    """The identity element of a reduction."""
    kind, dtype = node.op, node.type.dtype
    if kind is reduce.sum or kind is reduce.prod:
        return 0 if kind is reduce.sum else 1
    low = -math.inf if dtype.kind == "f" else np.iinfo(dtype).min
    high = math.inf if dtype.kind == "f" else np.iinfo(dtype).max
    return low if kind is reduce.max else high


class Nest:
    """The loop nest of a cluster, and its statements by the place where they stand.

    If the innermost axis is reduced, reductions accumulate in registers, in loops inside those over the results. Else they accumulate in
    memory, and the innermost loop runs over the results. Shifts are along the innermost axis."""

    def __init__(self, block: Block, step: Cluster, loops: Sequence[Range], here: Indices):
        axes = step.axes or ()
        self.block, self.axes, self.here = block, axes, here
        self.kept = [r for a, r in enumerate(loops) if a not in axes]
        self.reduced = [r for a, r in enumerate(loops) if a in axes]
        self.in_registers = not axes or len(loops) - 1 in axes
        self.loops = [*self.kept, *self.reduced] if self.in_registers else loops
        self.divided = self.division() if any(map(is_blocked, step.nodes)) else None
        self.before: list[L.Stmt] = []
        self.opening: list[L.Stmt] = []  # before a block
        self.body: list[L.Stmt] = []
        self.closing: list[L.Stmt] = []  # after a block
        self.after: list[L.Stmt] = []
        self.sums: list[tuple[Stored, Stored]] = []
        self.shifted = 0  # how far all shifts together reach
        if step.kind == -1:
            self.loops = self.kept = [*loops[:-1], replace(loops[-1], reverse=True)]

    def division(self) -> tuple[L.LoopVar, int] | None:
        """The reduced loop that is divided into blocks, and how many of its positions a block has. None if one block has all terms."""
        lengths = [r.extent.value for r in self.reduced if isinstance(r.extent, L.Literal)]
        if self.in_registers and len(lengths) == len(self.reduced) and math.prod(lengths) <= SHORT:
            return None
        room = TERMS
        for r in reversed(self.reduced):
            if not isinstance(r.extent, L.Literal) or r.extent.value > room:
                return r.var, room
            room //= max(r.extent.value, 1)
        return None

    # ---- one reduction

    def reduction(self, node: Node, target: Stored) -> None:
        """Add the statements of a reduction, which stores its result in the target."""
        x = self.block.at(node.args[0], self.block.full(node.args[0], self.here))
        outer = self.block.full(node, tuple(i for a, i in enumerate(self.here) if a not in self.axes))
        if not self.axes:
            self.body.append(L.Store(target.buffer, target.at(outer), x, note=Note(node)))
        elif self.in_registers:
            self.accumulate(node, target.buffer, target.at(outer), x)
        else:
            self.accumulate_in_memory(node, target, outer, x)

    def accumulate(self, node: Node, buffer: L.Buffer, place: L.Index, x: L.Expr) -> None:
        dtype, name = name_of(node.type.dtype), self.block.lowering.name("a")
        sum_ = L.Read(name, dtype)
        zero = L.Declare(name, const(identity(node), node.type.dtype))
        self.body.append(L.Assign(name, L.Binary(FOLD[node.op.name], sum_, x), note=Note(node)))
        if self.divided is None or not is_blocked(node):
            self.before.append(zero)
            self.after.append(L.Store(buffer, place, sum_))
            return
        total = L.Read(self.block.lowering.name("a"), str(WIDE))
        self.before.append(L.Declare(total.name, const(0, WIDE)))
        self.opening.append(zero)
        self.closing.append(L.Assign(total.name, L.Binary("add", total, L.Cast(str(WIDE), sum_))))
        self.after.append(L.Store(buffer, place, L.Cast(dtype, total)))

    def accumulate_in_memory(self, node: Node, target: Stored, outer: Indices, x: L.Expr) -> None:
        zero = const(identity(node), node.type.dtype)
        self.block.fill(target, identity(node), "")
        place, sum_ = target.at(outer), target.load(outer)
        self.body.append(L.Store(target.buffer, place, L.Binary(FOLD[node.op.name], sum_, x), note=Note(node)))
        if self.divided is None or not is_blocked(node):
            return
        total = self.block.lowering.pool.allocate(TensorType(target.shape, WIDE))
        self.block.fill(total, 0, "")
        more = L.Binary("add", total.load(outer), L.Cast(str(WIDE), sum_))
        self.closing += [L.Store(total.buffer, total.at(outer), more), L.Store(target.buffer, place, zero)]
        self.sums.append((target, total))

    # ---- one shift

    def shift(self, node: Node, shift: Shift, name: str) -> None:
        """Add the statements of a shift, whose element is that of its value some iterations before, at first one of the edge."""
        block, dtype, axis = self.block, name_of(node.type.dtype), node.attrs["axis"]
        kept = [L.Read(block.lowering.name("a"), dtype) for _ in range(shift.by)]
        for k, register in enumerate(kept):
            at = list(block.full(node, self.here))
            at[axis] = L.Literal(k if shift.direction > 0 else shift.by - 1 - k)
            self.before.append(L.Declare(register.name, block.at(shift.edge, tuple(at))))
        self.body.append(L.Let(name, kept[0], note=Note(node)))
        self.body += [L.Assign(a.name, b) for a, b in pairwise(kept)]
        self.body.append(L.Assign(kept[-1].name, block.at(shift.value, block.full(shift.value, self.here))))
        self.shifted += shift.by

    def run_up(self, loops: Sequence[Range]) -> tuple[L.Stmt, ...]:
        """The iterations before a part of a loop with shifts. They store nothing, but give the registers their values."""
        if not self.shifted:
            return ()
        part, whole = loops[-1], self.loops[-1]
        if (part.extent, L.as_index(part.start)) == (whole.extent, L.Literal(0)):
            return ()
        if part.reverse:
            start = part.extent + part.start
            before = L.minimum(self.shifted, whole.extent - start)
        else:
            before = L.minimum(self.shifted, part.start)
            start = part.start - before
        return nest([part.part(start, before)], [s for s in self.body if not isinstance(s, L.Store)])

    # ---- the whole nest

    def emit(self) -> None:
        """Add the nest to its block. The iterations over the results are independent."""
        self.block.emit_nest(self.loops, self.build, self.kept)
        for target, total in self.sums:
            self.block.copy(target, partial(_single, total), "")
            self.block.lowering.pool.release(total)

    def build(self, loops: Sequence[Range]) -> tuple[L.Stmt, ...]:
        outside = len(self.kept) - (self.shifted > 0) if self.in_registers else 0
        return nest(loops[:outside], [*self.before, *self.run_up(loops), *self.blocks(loops[outside:]), *self.after])

    def blocks(self, loops: Sequence[Range]) -> tuple[L.Stmt, ...]:
        if self.divided is None:
            return nest(loops, self.body)
        var, size = self.divided
        at = next(i for i, r in enumerate(loops) if r.var == var)
        n, start, number = loops[at].extent, loops[at].start, self.block.lowering.loop_var()
        whole = isinstance(n, L.Literal) and n.value % size == 0
        length = L.Literal(size) if whole else L.minimum(L.Literal(size), n - number * size)
        inside = [loops[at].part(number * size + start, length), *loops[at + 1 :]]
        results = [r for r in loops[at + 1 :] if r.var in {k.var for k in self.kept}]
        block = [*self.opening, *nest(inside, self.body), *nest(results, self.closing)]
        return nest([*loops[:at], Range(number, (n + (size - 1)) // size)], block)


def _single(total: Stored, indices: Indices) -> L.Expr:
    return L.Cast("float32", total.load(indices))
