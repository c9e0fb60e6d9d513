"""Philox 4x64-10 as loops (Salmon et al. 2011): each counter gives four numbers, with the same bits as in the interpreter."""

from __future__ import annotations

import numpy as np

from ...graph.dims import product
from ...graph.ir import Node
from ...primitives.index import PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL
from .. import loop_ir as L
from ..dtypes import name_of
from .block import Block
from .state import Note, nest
from .storage import extent


def bits(value: int) -> L.Const:
    return L.Const("uint64", value)


class Rounds:
    """Builds the statements that compute the four numbers of one counter."""

    def __init__(self, block: Block):
        self.block = block
        self.made: list[L.Stmt] = []

    def let(self, expr: L.Expr) -> L.Expr:
        name = self.block.lowering.name("v")
        self.made.append(L.Let(name, expr))
        return L.Read(name, expr.dtype)

    def high(self, a: L.Expr, multiplier: int) -> L.Expr:
        """The upper 64 bits of a product, computed from products of 32-bit halves."""
        low, up = bits(multiplier & 0xFFFFFFFF), bits(multiplier >> 32)
        half = bits(32)
        al = self.let(L.Binary("and", a, bits(0xFFFFFFFF)))
        ah = self.let(L.Binary("shr", a, half))
        carry = self.let(L.Binary("shr", L.Binary("mul", al, low), half))
        middle = self.let(L.Binary("add", L.Binary("mul", ah, low), carry))
        cross = self.let(L.Binary("add", L.Binary("mul", al, up), L.Binary("and", middle, bits(0xFFFFFFFF))))
        carries = L.Binary("add", L.Binary("shr", middle, half), L.Binary("shr", cross, half))
        return self.let(L.Binary("add", L.Binary("mul", ah, up), carries))

    def run(self, counter: list[L.Expr], key: list[L.Expr]) -> list[L.Expr]:
        for r in range(PHILOX_ROUNDS):
            if r:
                key = [self.let(L.Binary("add", k, bits(w))) for k, w in zip(key, PHILOX_WEYL, strict=True)]
            h0, h1 = self.high(counter[0], PHILOX_MULTIPLIERS[0]), self.high(counter[2], PHILOX_MULTIPLIERS[1])
            l0 = self.let(L.Binary("mul", counter[0], bits(PHILOX_MULTIPLIERS[0])))
            l1 = self.let(L.Binary("mul", counter[2], bits(PHILOX_MULTIPLIERS[1])))
            first = self.let(L.Binary("xor", L.Binary("xor", h1, counter[1]), key[0]))
            third = self.let(L.Binary("xor", L.Binary("xor", h0, counter[3]), key[1]))
            counter = [first, l1, third, l0]
        return counter


def random(block: Block, node: Node) -> None:
    """Random numbers for each key. A float takes the leading 24 or 53 bits."""
    keys, stream = node.args
    target, dtype = block.store(node), node.type.dtype
    loops, lead = block.loops(keys.type.shape[:-1])
    j = block.lowering.loop_var()
    n = extent(product(node.attrs["shape"]))
    rounds = Rounds(block)
    key: list[L.Expr] = [rounds.let(block.at(keys, (*lead, L.Literal(i)))) for i in range(2)]
    streams = block.at(stream, lead if stream.type.shape else ())
    start: list[L.Expr] = [rounds.let(L.FromIndex(j + 1, "uint64")), bits(0), streams, bits(node.attrs["domain"])]
    found = rounds.run(start, key)
    first = target.at((*lead, *[L.Literal(0)] * len(node.attrs["shape"])))
    saves = [_save(block, target.buffer, first, j * 4 + i, n, value, dtype) for i, value in enumerate(found)]
    block.out += nest(loops, [L.For(j, (n + 3) // 4, (*rounds.made, *saves), note=Note(node))])


def _save(block: Block, buffer: L.Buffer, first: L.Index, at: L.Index, n: L.Index, value: L.Expr, dtype: np.dtype) -> L.If:
    if dtype.kind == "f":
        kept = np.finfo(dtype).nmant + 1
        value = L.Binary("mul", L.Cast(name_of(dtype), L.Binary("shr", value, bits(64 - kept))), L.Const(name_of(dtype), 2.0**-kept))
    inside = L.Compare("lt", L.FromIndex(at, "int64"), L.FromIndex(n, "int64"))
    return L.If(inside, (L.Store(buffer, first + at, value),))
