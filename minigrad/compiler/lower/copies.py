"""Copies of matrices that are the same at each step of a loop, made before it, in the layout that products read faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...graph.dims import Extent, product
from ...graph.ir import Node
from ...graph.types import TensorType
from .. import loop_ir as L
from ..llvm.gemm import DOT_ROWS
from .state import nest
from .storage import Stored, extent

if TYPE_CHECKING:
    from .block import Block

STEPS = 8  # a loop of more steps copies matrices
TRANSPOSED_FROM = 2**12  # a transposed matrix of fewer elements is not copied by rows
FEW_ROWS = 3  # a product of at most so many rows takes as long as its loads of the matrix
FEW_ROWS_FROM = 2**9  # for such products no matrix of fewer elements is copied


class Copies:
    """The copies that the products of one loop read. Loops of a block share them if nothing can write the matrix."""

    def __init__(self, block: Block, loop: Node, steps: Extent):
        self.block, self.loop, self.steps = block, loop, steps
        self.new: list[tuple[Stored, Stored, L.Expr]] = []  # a matrix, its copy, and when the copy is made

    def of(self, view: Stored, rows: Extent) -> list[tuple[Stored, L.Expr]]:
        """Copies of the second matrix of a product of so many rows, each with the condition that the product reads it.

        Many rows read a transposed matrix by rows. Few rows read one whose rows begin on cache lines: a load then touches one line."""
        size = product(view.shape)
        if len(view.shape) != 2 or not isinstance(size, int) or size == 0:  # an empty matrix may have a run-time size
            return []
        found: list[tuple[Stored, L.Expr]] = []
        long = _compared("gt", self.steps, STEPS)
        transposed = view.strides[0] == L.Literal(1) and view.strides[1] != L.Literal(1)
        if transposed and size >= TRANSPOSED_FROM and (not isinstance(rows, int) or rows > DOT_ROWS):
            pays = L.Binary("and", _compared("gt", rows, DOT_ROWS), long)
            found.append((self.copy(view, pays), pays))
        by_rows = view.permuted((1, 0)) if transposed else view
        if _crosses_lines(by_rows) and size >= FEW_ROWS_FROM and (not isinstance(rows, int) or rows <= FEW_ROWS):
            pays = L.Binary("and", _compared("le", rows, FEW_ROWS), long)
            copy = self.copy(by_rows, pays)
            found.append((copy.permuted((1, 0)) if transposed else copy, pays))
        return found

    def copy(self, view: Stored, pays: L.Expr) -> Stored:
        """The copy of a view in row-major order, with rows that begin on cache lines."""
        block, (rows, columns) = self.block, view.shape
        known = block.copied.get((view, pays))
        if known is None:
            line = L.ALIGNMENT // view.buffer.itemsize
            memory = block.lowering.pool.new(TensorType((rows, -(-columns // line) * line), np.dtype(view.buffer.dtype)))
            known = block.copied[view, pays] = memory.sliced((0, 0), (1, 1), view.shape)
            self.new.append((view, known, pays))
        return known

    def make(self) -> None:
        """Add the statements that make the copies. A copy of what may change later belongs to this loop alone."""
        block = self.block
        for view, copy, pays in self.new:
            loops, here = block.loops(copy.shape)
            body = [L.Store(copy.buffer, copy.at(here), view.load(here), note="in the order it is read")]
            block.out.append(L.If(pays, nest(loops, body)))
            if view.buffer not in block.lowering.arguments:
                block.owned.setdefault(self.loop, []).append(copy)
                del block.copied[view, pays]


def _compared(op: str, n: Extent, number: int) -> L.Expr:
    return L.Compare(op, L.FromIndex(extent(n), "int64"), L.Const("int64", number))


def _crosses_lines(view: Stored) -> bool:
    """Whether rows of contiguous elements begin at any place of a cache line."""
    line, (pitch, step) = L.ALIGNMENT // view.buffer.itemsize, view.strides
    if step != L.Literal(1) or view.shape[1] < line or not isinstance(pitch, L.Literal) or not isinstance(view.offset, L.Literal):
        return False
    return pitch.value % line != 0 or view.offset.value % line != 0
