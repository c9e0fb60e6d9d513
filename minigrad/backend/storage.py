"""Where values live: strided views of buffers, and the allocation of buffers that share memory when their lives do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..dims import Dim, Extent, Shape
from ..types import TensorType, identical, is_one
from .loops import Buffer, Expr, Index, Literal, Load, Size, as_index

Indices = tuple[Index, ...]


def extent(n: Extent) -> Index:
    """An axis length as an index expression of the run-time sizes."""
    if not isinstance(n, Dim):
        return Literal(n)
    total: Index = Literal(0)
    for symbols, coefficient in n.terms:
        term: Index = Literal(coefficient)
        for s in symbols:
            term = term * Size(s.name)
        total = total + term
    return total


def count(shape: Shape) -> Index:
    total: Index = Literal(1)
    for n in shape:
        total = total * extent(n)
    return total


def row_major(shape: Shape) -> Indices:
    strides: list[Index] = []
    step: Index = Literal(1)
    for n in reversed(shape):
        strides.insert(0, step)
        step = step * extent(n)
    return tuple(strides)


@dataclass(frozen=True)
class Stored:
    """Elements of a buffer: (i, j, …) is at offset + i·stride₀ + j·stride₁ + …"""

    buffer: Buffer
    offset: Index
    strides: Indices
    shape: Shape

    def at(self, indices: Sequence[Index]) -> Index:
        place = self.offset
        for i, s in zip(indices, self.strides, strict=True):
            place = place + i * s
        return place

    def load(self, indices: Sequence[Index]) -> Expr:
        return Load(self.buffer, self.at(indices))

    def at_flat(self, i: Index) -> Index:
        """Position i in row-major order of a dense view."""
        return self.offset + i

    def load_flat(self, i: Index) -> Expr:
        return Load(self.buffer, self.at_flat(i))

    @property
    def is_dense(self) -> bool:
        """Whether the elements stand in row-major order without gaps."""
        dense = row_major(self.shape)
        return all(is_one(n) or s == d for n, s, d in zip(self.shape, self.strides, dense, strict=True))

    def permuted(self, axes: Sequence[int]) -> Stored:
        return Stored(self.buffer, self.offset, tuple(self.strides[a] for a in axes), tuple(self.shape[a] for a in axes))

    def broadcast(self, shape: Shape) -> Stored:
        extra = len(shape) - len(self.shape)
        strides = [s if not is_one(n) or is_one(m) else Literal(0) for s, n, m in zip(self.strides, self.shape, shape[extra:], strict=True)]
        return Stored(self.buffer, self.offset, (*[Literal(0)] * extra, *strides), shape)

    def sliced(self, start: Shape, step: Sequence[int], shape: Shape) -> Stored:
        offset = self.at([extent(a) for a in start])
        return Stored(self.buffer, offset, tuple(s * k for s, k in zip(self.strides, step, strict=True)), shape)

    def flipped(self, axes: Sequence[int]) -> Stored:
        offset, strides = self.offset, list(self.strides)
        for a in axes:
            offset = offset + (extent(self.shape[a]) - 1) * strides[a]
            strides[a] = strides[a] * -1
        return Stored(self.buffer, offset, tuple(strides), self.shape)

    def reshaped(self, shape: Shape) -> Stored | None:
        """The same elements in another shape without moving them, or None where that takes a copy."""
        if self.is_dense:
            return Stored(self.buffer, self.offset, row_major(shape), shape)
        if not identical(*(tuple(n for n in s if not is_one(n)) for s in (self.shape, shape))):
            return None
        kept = [s for s, n in zip(self.strides, self.shape, strict=True) if not is_one(n)]
        source = iter(kept)
        return Stored(self.buffer, self.offset, tuple(Literal(0) if is_one(n) else next(source) for n in shape), shape)

    def row(self, i: Index) -> Stored:
        """Position i of the first axis."""
        return Stored(self.buffer, self.offset + i * self.strides[0], self.strides[1:], self.shape[1:])


class Pool:
    """Buffers of one function: a new one, or one whose value is no longer read."""

    def __init__(self, prefix: str = "b"):
        self.prefix = prefix
        self.buffers: list[Buffer] = []
        self.free: dict[tuple[str, Index], list[Buffer]] = {}

    def allocate(self, type: TensorType) -> Stored:
        idle = self.free.get((str(type.dtype), count(type.shape)))
        return Stored(idle.pop(), as_index(0), row_major(type.shape), type.shape) if idle else self.new(type)

    def new(self, type: TensorType) -> Stored:
        """A buffer of its own: for what is made before a loop and asked for inside, where idle buffers were written to at each step."""
        buffer = Buffer(f"{self.prefix}{len(self.buffers)}", str(type.dtype), count(type.shape))
        self.buffers.append(buffer)
        return Stored(buffer, as_index(0), row_major(type.shape), type.shape)

    def release(self, value: Stored) -> None:
        self.free.setdefault((value.buffer.dtype, as_index(value.buffer.size)), []).append(value.buffer)
