"""Storage of values: strided views of buffers, and buffer allocation. Values whose lifetimes do not overlap may share a buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ...graph.dims import Dim, Extent, Shape, Symbol
from ...graph.types import TensorType, identical, is_one
from .. import loop_ir as L
from ..dtypes import name_of

Indices = tuple[L.Index, ...]


def extent(n: Extent) -> L.Index:
    """An axis length as an index expression of the run-time sizes."""
    return _polynomial(n.terms) if isinstance(n, Dim) else L.Literal(n)


@lru_cache(1024)
def _polynomial(terms: tuple[tuple[tuple[Symbol, ...], int], ...]) -> L.Index:
    total: L.Index = L.Literal(0)
    for symbols, coefficient in terms:
        term: L.Index = L.Literal(coefficient)
        for s in symbols:
            term = term * L.Size(s.name)
        total = total + term
    return total


def count(shape: Shape) -> L.Index:
    total: L.Index = L.Literal(1)
    for n in shape:
        total = total * extent(n)
    return total


def row_major(shape: Shape) -> Indices:
    strides: list[L.Index] = []
    step: L.Index = L.Literal(1)
    for n in reversed(shape):
        strides.insert(0, step)
        step = step * extent(n)
    return tuple(strides)


@dataclass(frozen=True)
class Stored:
    """A strided view of a buffer: element (i, j, …) is at offset + i·stride₀ + j·stride₁ + …"""

    buffer: L.Buffer
    offset: L.Index
    strides: Indices
    shape: Shape

    def at(self, indices: Sequence[L.Index]) -> L.Index:
        place = self.offset
        for i, s in zip(indices, self.strides, strict=True):
            place = place + i * s
        return place

    def load(self, indices: Sequence[L.Index]) -> L.Expr:
        return L.Load(self.buffer, self.at(indices))

    def at_flat(self, i: L.Index) -> L.Index:
        """The position of element i, in row-major order, of a dense view."""
        return self.offset + i

    def load_flat(self, i: L.Index) -> L.Expr:
        return L.Load(self.buffer, self.at_flat(i))

    @property
    def is_dense(self) -> bool:
        """Whether the elements are in row-major order without gaps."""
        dense = row_major(self.shape)
        return all(is_one(n) or s == d for n, s, d in zip(self.shape, self.strides, dense, strict=True))

    def permuted(self, axes: Sequence[int]) -> Stored:
        return Stored(self.buffer, self.offset, tuple(self.strides[a] for a in axes), tuple(self.shape[a] for a in axes))

    def broadcast(self, shape: Shape) -> Stored:
        extra = len(shape) - len(self.shape)
        axes = zip(self.strides, self.shape, shape[extra:], strict=True)
        strides = [s if not is_one(n) or is_one(m) else L.Literal(0) for s, n, m in axes]
        return Stored(self.buffer, self.offset, (*[L.Literal(0)] * extra, *strides), shape)

    def sliced(self, start: Shape, step: Sequence[int], shape: Shape) -> Stored:
        offset = self.at([extent(a) for a in start])
        return Stored(self.buffer, offset, tuple(s * k for s, k in zip(self.strides, step, strict=True)), shape)

    def around(self, start: Shape, shape: Shape) -> Stored:
        """The view of which this one is the slice from `start` on, with steps of 1."""
        offset = self.offset
        for a, s in zip(start, self.strides, strict=True):
            offset = offset - extent(a) * s
        return Stored(self.buffer, offset, self.strides, shape)

    def flipped(self, axes: Sequence[int]) -> Stored:
        offset, strides = self.offset, list(self.strides)
        for a in axes:
            offset = offset + (extent(self.shape[a]) - 1) * strides[a]
            strides[a] = strides[a] * -1
        return Stored(self.buffer, offset, tuple(strides), self.shape)

    def reshaped(self, shape: Shape) -> Stored | None:
        """The view with another shape, or None if that needs a copy."""
        if self.is_dense:
            return Stored(self.buffer, self.offset, row_major(shape), shape)
        if not identical(*(tuple(n for n in s if not is_one(n)) for s in (self.shape, shape))):
            return None
        kept = [s for s, n in zip(self.strides, self.shape, strict=True) if not is_one(n)]
        source = iter(kept)
        return Stored(self.buffer, self.offset, tuple(L.Literal(0) if is_one(n) else next(source) for n in shape), shape)

    def row(self, i: L.Index) -> Stored:
        """The view at position i of the first axis."""
        return Stored(self.buffer, self.offset + i * self.strides[0], self.strides[1:], self.shape[1:])


class Pool:
    """The allocator of a function's buffers. It reuses buffers whose value is no longer read."""

    def __init__(self, prefix: str = "b"):
        self.prefix = prefix
        self.buffers: list[L.Buffer] = []
        self.free: dict[tuple[str, L.Index], list[L.Buffer]] = {}

    def allocate(self, type: TensorType) -> Stored:
        idle = self.free.get((name_of(type.dtype), count(type.shape)))
        return Stored(idle.pop(), L.as_index(0), row_major(type.shape), type.shape) if idle else self.new(type)

    def new(self, type: TensorType) -> Stored:
        """A new buffer. Needed for a value that is asked for inside a loop but stored before it: each step may write to a reused buffer."""
        buffer = L.Buffer(f"{self.prefix}{len(self.buffers)}", name_of(type.dtype), count(type.shape))
        self.buffers.append(buffer)
        return Stored(buffer, L.as_index(0), row_major(type.shape), type.shape)

    def release(self, value: Stored) -> None:
        self.free.setdefault((value.buffer.dtype, L.as_index(value.buffer.size)), []).append(value.buffer)
