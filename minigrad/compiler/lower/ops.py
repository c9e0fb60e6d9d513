"""Lowering rules of the operations outside clusters: matrix products, loops over time, branches, gathers, scatters, sorting, copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...control.scan import split
from ...graph.dims import Dim, Shape, identical, symbol_of
from ...graph.ir import Graph, Node
from ...graph.types import TensorType
from ...primitives import movement
from .. import loop_ir as L
from ..llvm.gemm import DOT_ROWS
from .batch import batch_of
from .block import Block
from .numbers import fit
from .random import random
from .schedule import is_movement
from .state import Inline, Range, Rows, Unsupported, const, nest, note
from .storage import Indices, Stored, extent

Span = tuple[L.Index, L.Index]

STEPS = 8  # a loop of more steps copies transposed matrices before it starts
TRANSPOSED_FROM = 2**12  # a matrix of fewer elements is not copied
FEW = 8  # at most so many first positions of an argsort are found by selection, without sorting the rest


def matmul(block: Block, node: Node) -> None:
    if node.type.dtype.kind != "f":
        raise Unsupported(f"matmul of {node.type.dtype}")
    x, y = (block.memory(a, node) for a in node.args)
    z = block.store(node)
    m, n, k = extent(z.shape[-2]), extent(z.shape[-1]), extent(x.shape[-1])
    whole = (L.Literal(0), n)
    loops, batch = block.loops(z.shape[:-2])
    transposed = block.loop.transposed_copy(node.args[1], y) if block.loop is not None else None

    def product(rows: Span, columns: Span = whole) -> list[L.Stmt]:
        def gemm(y: Stored) -> L.Gemm:
            first = (rows[0], L.Literal(0)), (L.Literal(0), columns[0]), (rows[0], columns[0])
            a, b, c = (L.View(v.buffer, v.at((*batch, *i)), *v.strides[-2:]) for v, i in zip((x, y, z), first, strict=True))
            return L.Gemm(rows[1] - rows[0], columns[1] - columns[0], k, a, b, c, note=note(node))

        if transposed is None:
            return [gemm(y)]
        copy, pays = transposed
        return [L.If(pays, (gemm(copy),), (gemm(y),))]

    some = block.lowering.rows
    if loops:
        block.emit(loops, product((L.Literal(0), m)), loops)
    elif some is not None and symbol_of(z.shape[0]) == some.batch:
        block.share_columns(n, k, lambda low, high: product((some.low, some.high), (low, high)))
    elif some is None and block.loop is not None:
        block.share_columns(n, k, lambda low, high: product((L.Literal(0), m), (low, high)))
    else:
        block.share(m, lambda low, high: product((low, high)))


def reshape(block: Block, node: Node) -> None:
    """A view of the argument if its memory layout allows it, else a copy in row-major order."""
    found = block.view(node)
    if found is None:
        dense = block.temporary(node.args[0].type, node)
        block.copy(dense, lambda i: block.at(node.args[0], i), note(node))
        found = dense.reshaped(node.type.shape)
    block.values[node] = found


# ---- copies to another place


def pad(block: Block, node: Node) -> None:
    target, x = block.store(node), node.args[0]
    block.copy(target, lambda i: const(0, node.type.dtype), note(node))
    steps = tuple(i + 1 for i in node.attrs["interior"])
    block.copy(target.sliced(node.attrs["low"], steps, x.type.shape), lambda i: block.at(x, i), note(node))


def concat(block: Block, node: Node) -> None:
    target, axis = block.store(node), node.attrs["axis"]
    start: list[Any] = [0] * len(target.shape)
    for x in node.args:
        part = target.sliced(tuple(start), (1,) * len(start), x.type.shape)
        block.copy(part, _inline(block, x), note(node))
        start[axis] = start[axis] + x.type.shape[axis]


def roll(block: Block, node: Node) -> None:
    """Two copies: the elements that move up, and those that move from the end to the start."""
    target, x, axis = block.store(node), node.args[0], node.attrs["axis"]
    if not target.shape[axis] > 0:  # an empty axis: the shift would be a remainder by 0
        return
    n = extent(target.shape[axis])
    shift = L.Literal(node.attrs["shift"]) % n
    for length, source, goal in ((n - shift, L.Literal(0), shift), (shift, n - shift, L.Literal(0))):
        loops, indices = block.loops(target.shape)
        var = block.lowering.loop_var()
        at = next((i for i, r in enumerate(loops) if r.var == indices[axis]), len(loops))
        loops[at : at + 1] = [Range(var, length)]
        read = (*indices[:axis], var + source, *indices[axis + 1 :])
        write = (*indices[:axis], var + goal, *indices[axis + 1 :])
        block.out += nest(loops, [L.Store(target.buffer, target.at(write), block.at(x, read), note=note(node))])


# ---- indices from data


def _checked(block: Block, node: Node, position: L.Expr, n: L.Index) -> tuple[list[Any], L.AsIndex]:
    """Statements that compute an index from data and check its bounds, and the index. Negative indices count from the end."""
    raw, name = block.lowering.name("v"), block.lowering.name("v")
    size = L.FromIndex(n, "int64")
    value = L.Read(raw, "int64")
    wrapped = L.Select(L.Compare("lt", value, L.Const("int64", 0)), L.Binary("add", value, size), value)
    good = L.Binary("and", L.Compare("ge", L.Read(name, "int64"), L.Const("int64", 0)), L.Compare("lt", L.Read(name, "int64"), size))
    block.lowering.checks.append((node, n))
    code = len(block.lowering.checks)
    made = [L.Let(raw, L.Cast("int64", position)), L.Let(name, wrapped), L.Check(good, code, L.AsIndex(value))]
    return made, L.AsIndex(L.Read(name, "int64"))


def take(block: Block, node: Node) -> None:
    x, axis = block.memory(node.args[0], node), node.attrs["axis"]
    target, picks = block.store(node), node.args[1]
    loops, indices = block.loops(target.shape)
    k = picks.type.ndim
    made, position = _checked(block, node, block.at(picks, indices[axis : axis + k]), extent(x.shape[axis]))
    value = x.load((*indices[:axis], position, *indices[axis + k :]))
    _with_inner(block, loops, indices, axis + k, made, [L.Store(target.buffer, target.at(indices), value, note=note(node))])


def scatter(block: Block, node: Node) -> None:
    axis, (updates, picks) = node.attrs["axis"], node.args
    target, k = block.store(node), picks.type.ndim
    block.copy(target, lambda i: const(0, node.type.dtype), note(node))
    loops, indices = block.loops(updates.type.shape)
    made, position = _checked(block, node, block.at(picks, indices[axis : axis + k]), extent(target.shape[axis]))
    place = (*indices[:axis], position, *indices[axis + k :])
    value = L.Binary("add", target.load(place), block.at(updates, indices))
    _with_inner(block, loops, indices, axis + k, made, [L.Store(target.buffer, target.at(place), value, note=note(node))])


def _with_inner(block: Block, loops: list[Any], indices: Indices, axis: int, made: list[Any], body: list[Any]) -> None:
    """Add a loop nest that computes the index outside the loops over the axes after `axis`."""
    inner = [r for r in loops if r.var in indices[axis:]]
    outer = [r for r in loops if r not in inner]
    block.out += nest(outer, [*made, *nest(inner, body)])


def gather(block: Block, node: Node) -> None:
    x, axis, target = block.memory(node.args[0], node), node.attrs["axis"], block.store(node)
    loops, indices = block.loops(target.shape)
    made, position = _checked(block, node, block.at(node.args[1], indices), extent(x.shape[axis]))
    value = x.load((*indices[:axis], position, *indices[axis + 1 :]))
    block.out += nest(loops, [*made, L.Store(target.buffer, target.at(indices), value, note=note(node))])


def scatter_along(block: Block, node: Node) -> None:
    axis, (updates, picks), target = node.attrs["axis"], node.args, block.store(node)
    block.copy(target, lambda i: const(0, node.type.dtype), note(node))
    loops, indices = block.loops(updates.type.shape)
    made, position = _checked(block, node, block.at(picks, indices), extent(target.shape[axis]))
    place = (*indices[:axis], position, *indices[axis + 1 :])
    value = L.Binary("add", target.load(place), block.at(updates, indices))
    block.out += nest(loops, [*made, L.Store(target.buffer, target.at(place), value, note=note(node))])


# ---- along one axis


def _lines(block: Block, shape: Shape, axis: int) -> tuple[list[Any], Callable[[Any], Indices]]:
    """Loops over all axes but one, and a function from a position on that axis to the index."""
    loops, indices = block.loops((*shape[:axis], 1, *shape[axis + 1 :]))
    return loops, lambda i: (*indices[:axis], i, *indices[axis + 1 :])


def argsort(block: Block, node: Node) -> None:
    axis, descending = node.attrs["axis"], node.attrs["descending"]
    x, target = block.memory(node.args[0], node), block.store(node)
    loops, line = _lines(block, x.shape, axis)
    places = target.buffer, target.at(line(L.Literal(0))), x.buffer, x.at(line(L.Literal(0)))
    sizes = extent(x.shape[axis]), x.strides[axis], target.strides[axis]
    block.emit(loops, [L.Argsort(*places, *sizes, descending, _first_read(block, node, axis), note=note(node))], loops)


def _first_read(block: Block, node: Node, axis: int) -> int | None:
    """How many first positions of an argsort are read, if they are at most FEW, else None."""
    users = [n for n in block.graph.nodes if node in n.args]
    if node in block.graph.outputs or any(n.op is not movement.slice or not identical(n.attrs["start"][axis], 0) for n in users):
        return None
    last = [(n.type.shape[axis] - 1) * n.attrs["step"][axis] + 1 for n in users]
    return max(last) if all(isinstance(n, int) and 1 <= n <= FEW for n in last) else None


def argmax(block: Block, node: Node) -> None:
    """The position of the first largest element, or of the first NaN."""
    x, axis, target = node.args[0], node.attrs["axis"], block.store(node)
    loops, line = _lines(block, x.type.shape, axis)
    dtype = str(x.type.dtype)
    best, where, value = (block.lowering.name(p) for p in ("a", "a", "v"))
    j = block.lowering.loop_var()
    new, old = L.Read(value, dtype), L.Read(best, dtype)
    better: L.Expr = L.Compare("gt", new, old)
    if x.type.is_float:
        better = L.Binary("or", better, L.Binary("and", L.Compare("ne", new, new), L.Compare("eq", old, old)))
    step = [L.Let(value, block.at(x, line(j))), L.If(better, (L.Assign(best, new), L.Assign(where, L.FromIndex(j, "int64"))))]
    first = [L.Declare(best, block.at(x, line(L.Literal(0)))), L.Declare(where, L.Const("int64", 0))]
    outer = tuple(i for a, i in enumerate(line(L.Literal(0))) if a != axis)
    done = L.Store(target.buffer, target.at(outer), L.Read(where, "int64"), note=note(node))
    block.out += nest(loops, [*first, L.For(j, extent(x.type.shape[axis]), tuple(step)), done])


def cumsum(block: Block, node: Node) -> None:
    x, axis, target = node.args[0], node.attrs["axis"], block.store(node)
    loops, line = _lines(block, x.type.shape, axis)
    dtype, total, j = str(node.type.dtype), block.lowering.name("a"), block.lowering.loop_var()
    add = L.Assign(total, L.Binary("add", L.Read(total, dtype), block.at(x, line(j))))
    save = L.Store(target.buffer, target.at(line(j)), L.Read(total, dtype), note=note(node))
    run = L.For(j, extent(x.type.shape[axis]), (add, save), reverse=node.attrs["reverse"])
    block.out += nest(loops, [L.Declare(total, const(0, node.type.dtype)), run])


# ---- control


def cond(block: Block, node: Node) -> None:
    """A branch. Both sides store their results in the same buffers."""
    results = [block.temporary(t, node) for t in node.type]
    chosen = block.at(node.args[0], ())
    arguments = [block.view(a) or _inline(block, a) for a in node.args[1:]]

    def branch(graph: Graph) -> tuple[L.Stmt, ...]:
        targets = dict(zip(graph.outputs, results, strict=True))
        side = Block(block.lowering, graph, dict(zip(graph.params, arguments, strict=True)), targets)
        side.lower()
        for o, r in zip(graph.outputs, results, strict=True):
            if targets[o] is not r:
                side.copy(r, targets[o].load, note(o))
        return tuple(side.out)

    block.out.append(L.If(chosen, branch(node.attrs["then"]), branch(node.attrs["otherwise"]), note=note(node)))
    block.values[node] = results


def _inline(block: Block, node: Node) -> Inline:
    return lambda i: block.at(node, i)


def scan(block: Block, node: Node) -> None:
    Loop(block, node).lower()


class Loop:
    """Lowers a loop over time. A carry that is also an output is stored in the stacked output, one row a step; any other carry has two
    buffers, for its value before and after a step."""

    def __init__(self, block: Block, node: Node):
        attrs = node.attrs
        self.block, self.node, self.body = block, node, attrs["body"]
        self.carries, self.length, self.reverse = attrs["carries"], attrs["length"], attrs["reverse"]
        self.params = split(self.body.params, attrs["constants"], self.carries)
        self.given = split(node.args, attrs["constants"], self.carries)
        self.after = self.body.outputs[: self.carries]
        self.ys = self.body.outputs[self.carries :]
        self.t = block.lowering.loop_var()
        self.params_at: dict[Node, Any] = {}
        self.targets: dict[Node, Stored] = {}
        self.copies: list[tuple[Stored, Node]] = []
        self.late: list[tuple[Stored, Stored]] = []
        self.results: list[Any] = [None] * len(self.body.outputs)
        self.batch = batch_of(node) if block.shares else None
        self.copied: dict[Stored, Stored] = {}

    def lower(self) -> None:
        block = self.block
        for p, arg in zip(self.params.constants, self.given.constants, strict=True):
            self.params_at[p] = block.view(arg) or _inline(block, arg)
        for p, arg in zip(self.params.sequences, self.given.sequences, strict=True):
            self.params_at[p] = self.slice_of(arg)
        for i in range(self.carries):
            self.carry(i)
        for j, y in enumerate(self.ys):
            if self.results[self.carries + j] is None:
                stack = block.temporary(TensorType((self.length, *y.type.shape), y.type.dtype), self.node)
                self.results[self.carries + j] = stack
                self.write(y, stack.row(self.t))
        lowering, batch = block.lowering, self.batch
        rows = Rows(batch, lowering.loop_var(), lowering.loop_var()) if batch is not None else None
        lowering.rows = rows or lowering.rows
        inner = Block(lowering, self.body, self.params_at, self.targets)
        inner.loop = self if block.shares else None
        inner.lower()
        for target, y in self.copies:
            inner.copy(target, self.targets[y].load if y in self.targets else _inline(inner, y), note(y))
        for target, source in self.late:
            inner.copy(target, source.load, "")
        for view, copy in self.copied.items():
            loops, here = block.loops(copy.shape)
            body = [L.Store(copy.buffer, copy.at(here), view.load(here), note="in the order it is read")]
            block.out.append(L.If(self.pays_to_copy, nest(loops, body)))
        loop = L.For(self.t, extent(self.length), tuple(inner.out), reverse=self.reverse, note=note(self.node))
        if rows is None:
            block.separate(loop)
        else:
            lowering.rows = None
            block.separate(L.Shared(extent(Dim.of(rows.batch)), rows.low, rows.high, (loop,)))
        block.values[self.node] = self.results

    @property
    def pays_to_copy(self) -> L.Expr:
        """Whether copies of transposed matrices are faster: the condition is that the loop has many rows and steps."""
        assert self.batch is not None
        rows, steps = L.FromIndex(extent(Dim.of(self.batch)), "int64"), L.FromIndex(extent(self.length), "int64")
        return L.Binary("and", L.Compare("gt", rows, L.Const("int64", 2 * DOT_ROWS)), L.Compare("gt", steps, L.Const("int64", STEPS)))

    def transposed_copy(self, arg: Node, view: Stored) -> tuple[Stored, L.Expr] | None:
        """The transposed copy, made before the loop, of a matrix that is the same at each step; and the condition for making it.

        None if the matrix is small, not transposed, or not a constant of the loop."""
        source = arg
        while is_movement(source):
            source = source.args[0]
        shape = view.shape
        if self.batch is None or source not in self.params.constants or not all(isinstance(n, int) for n in shape):
            return None
        if len(shape) != 2 or view.strides[0] != L.Literal(1) or view.strides[1] == L.Literal(1) or shape[0] * shape[1] < TRANSPOSED_FROM:
            return None
        if view not in self.copied:
            self.copied[view] = self.block.lowering.pool.new(arg.type)
            self.block.owned.setdefault(self.node, []).append(self.copied[view])
        return self.copied[view], self.pays_to_copy

    def slice_of(self, arg: Node) -> Any:
        whole = self.block.view(arg)
        if whole is not None:
            return whole.row(self.t)
        return lambda i: self.block.at(arg, (self.t, *i))

    def write(self, y: Node, target: Stored) -> None:
        """Store a value of the body in a target: it is computed there, or copied if it already has another place."""
        if y in self.targets or y in self.params_at or y.is_constant:
            self.copies.append((target, y))
        else:
            self.targets[y] = target

    def carry(self, i: int) -> None:
        block, p, after = self.block, self.params.carries[i], self.after[i]
        stacked = [j for j, y in enumerate(self.ys) if y in (p, after) and self.results[self.carries + j] is None]
        if stacked:
            slots = block.temporary(TensorType((self.length + 1, *p.type.shape), p.type.dtype), self.node)
            before, next_ = (self.t + 1, self.t) if self.reverse else (self.t, self.t + 1)
            first = extent(self.length) if self.reverse else L.Literal(0)
            last = L.Literal(0) if self.reverse else extent(self.length)
            for j in stacked:
                from_next = (self.ys[j] is after) != self.reverse
                start = (int(from_next),) + (0,) * p.type.ndim
                shape = (self.length, *p.type.shape)
                self.results[self.carries + j] = slots.sliced(start, (1,) * len(start), shape)
            now, goal, self.results[i] = slots.row(before), slots.row(next_), slots.row(last)
            block.copy(slots.row(first), _inline(block, self.given.carries[i]), note(p))
            self.params_at[p] = now
            self.write(after, goal)
        else:
            now, goal = (block.temporary(p.type, self.node) for _ in range(2))
            block.copy(now, _inline(block, self.given.carries[i]), note(p))
            self.params_at[p] = now
            self.results[i] = now
            if after is not p:
                self.write(after, goal)
                self.late.append((now, goal))


LOWER: dict[str, Callable[[Block, Node], None]] = {
    f.__name__: f
    for f in (matmul, reshape, pad, concat, roll, take, scatter, gather, scatter_along, argsort, argmax, cumsum, fit, cond, scan, random)
}
