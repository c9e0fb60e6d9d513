"""The lowering rule of numbers that take the dtype of a tensor."""

from __future__ import annotations

import math

import numpy as np

from ...graph.ir import Node
from ...graph.types import HALVES
from .. import loop_ir as L
from ..dtypes import name_of
from .block import Block
from .state import Note, nest


def fit(block: Block, node: Node) -> None:
    """A cast, with a check that the dtype holds the value."""
    target, x, dtype = block.store(node), node.args[0], node.type.dtype
    loops, indices = block.loops(target.shape)
    source, name = name_of(x.type.dtype), block.lowering.name("v")
    value, found = L.Read(name, source), L.Cast(name_of(dtype), L.Read(name, source))
    if node.type.is_float:
        result = L.Cast("float32", found) if dtype in HALVES else found
        finite, before = (L.Compare(op, L.Unary("abs", v), L.Const(v.dtype, math.inf)) for op, v in (("ne", result), ("eq", value)))
        held = L.Binary("or", finite, before)
    else:
        limits, bounds = np.iinfo(dtype), np.iinfo(x.type.dtype)
        low, high = (L.Const(source, n) for n in (max(limits.min, bounds.min), min(limits.max, bounds.max)))
        held = L.Binary("and", L.Compare("ge", value, low), L.Compare("le", value, high))
    block.lowering.checks.append((node, L.Literal(0)))
    shown = L.Literal(0) if node.type.is_float else L.AsIndex(value)
    check = L.Check(held, len(block.lowering.checks), shown)
    store = L.Store(target.buffer, target.at(indices), found, note=Note(node))
    block.out += nest(loops, [L.Let(name, block.at(x, indices)), check, store])
