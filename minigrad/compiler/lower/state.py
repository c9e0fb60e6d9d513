"""What is common to all blocks of a program that is being lowered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph.dims import Symbol
from ...graph.ir import Node
from ...origin import Origin
from .. import loop_ir as L
from .storage import Indices, Pool, Stored

DTYPES = {"float32", "float64", "int32", "int64", "uint8", "uint32", "uint64", "bool"}

Inline = Callable[[Indices], L.Expr]
Part = Callable[[L.Index, L.Index], Sequence[L.Stmt]]  # the statements for positions low … high


class Unsupported(Exception):
    """An operation the compiler has no loops for; the message names it."""


@dataclass(frozen=True)
class Range:
    """What a loop runs over: start ≤ var < start + extent."""

    var: L.LoopVar
    extent: L.Index
    start: L.IndexLike = 0


@dataclass(frozen=True)
class Rows:
    """The part of a batch that is being done."""

    batch: Symbol
    low: L.LoopVar
    high: L.LoopVar


@dataclass
class Lowering:
    """What is common to all blocks of one program: names, buffers, checks."""

    rules: Mapping[str, Callable[[Any, Node], None]]  # how operations with a loop nest of their own are lowered, by name
    pool: Pool = field(default_factory=Pool)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    checks: list[tuple[Node, L.Index]] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    constants: dict[Node, Stored] = field(default_factory=dict)
    rows: Rows | None = None  # while a loop is lowered that does only some rows of the batch

    def name(self, prefix: str) -> str:
        return f"{prefix}{next(self.numbers)}"

    def loop_var(self) -> L.LoopVar:
        return L.LoopVar(self.name("i"))


def note(node: Node) -> str:
    """'h: float32(3) = tanh  train.py:41 `h = mg.tanh(x + h @ W)`'."""
    place = node.origin or Origin()
    return f"{node.name + ' = ' if node.name else ''}{node.op.name} {node.type}  {place.describe()}".replace("\n", " ")


def const(value: Any, dtype: np.dtype) -> L.Const:
    return L.Const(str(dtype), value.item() if isinstance(value, (np.ndarray, np.generic)) else value)


def nest(loops: Sequence[Range], body: Sequence[L.Stmt]) -> tuple[L.Stmt, ...]:
    """The body inside loops, outermost first."""
    inner = tuple(body)
    for r in reversed(loops):
        inner = (L.For(r.var, r.extent, inner, start=r.start),)
    return inner
