"""The state of a lowering, and helper functions that all rules use."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...graph.dims import Symbol
from ...graph.ir import Node
from .. import loop_ir as L
from ..dtypes import name_of
from .storage import Indices, Pool, Stored

DTYPES = {"float16", "bfloat16", "float32", "float64", "int32", "int64", "uint8", "uint32", "uint64", "bool"}

Inline = Callable[[Indices], L.Expr]
Build = Callable[[Sequence["Range"]], Sequence[L.Stmt]]
Part = Callable[[L.Index, L.Index], Sequence[L.Stmt]]  # the statements for positions low … high


class Unsupported(Exception):
    """The compiler has no rule for an operation or a dtype, which the message names."""


@dataclass(frozen=True)
class Range:
    """The range of a loop: start ≤ var < start + extent, in falling order with `reverse`."""

    var: L.LoopVar
    extent: L.Index
    start: L.IndexLike = 0
    reverse: bool = False

    def part(self, start: L.IndexLike, extent: L.Index) -> Range:
        """Some iterations of the loop, in its direction."""
        return replace(self, start=start, extent=extent)


@dataclass(frozen=True)
class Rows:
    """A range of rows of the batch, low ≤ row < high."""

    batch: Symbol
    low: L.LoopVar
    high: L.LoopVar


@dataclass
class Lowering:
    """What all blocks of a program that is being lowered share: names, buffers, checks."""

    rules: Mapping[str, Callable[[Any, Node], None]]  # the lowering rules of operations outside clusters, by name
    pool: Pool = field(default_factory=Pool)
    arguments: list[L.Buffer] = field(default_factory=list)  # they are only read
    numbers: Iterator[int] = field(default_factory=itertools.count)
    checks: list[tuple[Node, L.Index]] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    constants: dict[Node, Stored] = field(default_factory=dict)
    typical: Mapping[str, int] = field(default_factory=dict)  # a value of each size, for estimates
    rows: Rows | None = None  # set while a loop is lowered that is divided over the batch

    def name(self, prefix: str) -> str:
        return f"{prefix}{next(self.numbers)}"

    def loop_var(self) -> L.LoopVar:
        return L.LoopVar(self.name("i"))


@dataclass(frozen=True)
class Note:
    """The comment of a statement, worked out when someone reads it:
    'h: float32(3) = tanh  train.py:41 `h = mg.tanh(x + h @ W)`'."""

    node: Node

    def __str__(self) -> str:
        node = self.node
        text = f"{node.name + ' = ' if node.name else ''}{node.op.name} {node.type}  {node.origin.describe()}"
        return text.replace("\n", " ")


def const(value: Any, dtype: np.dtype) -> L.Expr:
    """A number. NaN is given by its bits: a Python number has neither its sign in print nor all of them."""
    number = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
    if number == number:
        return L.Const(name_of(dtype), number)
    bits = f"uint{8 * dtype.itemsize}"
    return L.Bitcast(name_of(dtype), L.Const(bits, int(np.asarray(value, dtype).view(bits))))


def nest(loops: Sequence[Range], body: Sequence[L.Stmt]) -> tuple[L.Stmt, ...]:
    """A loop nest around a body. The first loop is the outermost."""
    inner = tuple(body)
    for r in reversed(loops):
        inner = (L.For(r.var, r.extent, inner, r.reverse, r.start),)
    return inner
