"""Lowering rules of the operations outside clusters: matrix products, gathers, scatters, sorting, copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...graph.dims import Extent, Shape, identical, product, symbol_of
from ...graph.ir import Node
from ...graph.nodes import behind_broadcast, is_number
from ...graph.types import FLOAT, WIDE, TensorType
from ...primitives import index, movement, reduce
from .. import loop_ir as L
from ..dtypes import name_of
from .block import Block
from .control import cond, inline, scan, while_loop
from .kernel import kernel
from .numbers import fit
from .places import part
from .random import random
from .reductions import TERMS
from .schedule import real_axes
from .state import Note, Range, Unsupported, nest
from .storage import Indices, Stored, extent

Span = tuple[L.Index, L.Index]

FEW = 32  # at most so many first positions of an argsort are found by selection, without sorting the rest


def matmul(block: Block, node: Node) -> None:
    if node.type.dtype.kind != "f":
        raise Unsupported(f"matmul of {node.type.dtype}")
    x, y = (block.memory(a, node) for a in node.args)
    z = block.store(node)
    m, n, k = extent(z.shape[-2]), extent(z.shape[-1]), extent(x.shape[-1])
    whole = (L.Literal(0), n)
    loops, batch = block.loops(z.shape[:-2])
    copies = block.loop.copies_of(node.args[1], y, z.shape[-2]) if block.loop is not None else []

    def product(rows: Span, columns: Span = whole) -> list[L.Stmt]:
        def gemm(y: Stored) -> L.Gemm:
            first = (rows[0], L.Literal(0)), (L.Literal(0), columns[0]), (rows[0], columns[0])
            a, b, c = (L.View(v.buffer, v.at((*batch, *i)), *v.strides[-2:]) for v, i in zip((x, y, z), first, strict=True))
            return L.Gemm(rows[1] - rows[0], columns[1] - columns[0], k, a, b, c, m, n, note=Note(node))

        found: L.Stmt = gemm(y)
        for copy, pays in copies:
            found = L.If(pays, (gemm(copy),), (found,))
        return [found]

    some = block.lowering.rows
    if loops:
        block.emit(loops, product((L.Literal(0), m)), loops)
    elif some is not None and symbol_of(z.shape[0]) == some.batch:
        block.share_columns(L.Literal(1), n, k, lambda low, high: product((some.low, some.high), (low, high)))
    elif some is None and block.loop is not None:
        block.share_columns(m, n, k, lambda low, high: product((L.Literal(0), m), (low, high)))
    else:
        block.share(m, lambda low, high: product((low, high)))


def reshape(block: Block, node: Node) -> None:
    """A view of the argument if its memory layout allows it, else a copy in row-major order."""
    found = block.view(node)
    if found is None:
        dense = block.temporary(node.args[0].type, node)
        block.copy(dense, lambda i: block.at(node.args[0], i), Note(node))
        found = dense.reshaped(node.type.shape)
    block.values[node] = found


# ---- copies to another place


def pad(block: Block, node: Node) -> None:
    target, x = block.store(node), node.args[0]
    block.fill(target, 0, Note(node))
    steps = tuple(i + 1 for i in node.attrs["interior"])
    block.copy(target.sliced(node.attrs["low"], steps, x.type.shape), lambda i: block.at(x, i), Note(node))


def concat(block: Block, node: Node) -> None:
    if node in block.values:  # a loop has stored it
        return
    target = block.values[node] = block.whole(node)
    for number, x in enumerate(node.args):
        if (node, number) in block.places.filled:
            continue
        if is_number(x):
            block.fill(part(node, number, target), behind_broadcast(x).value, Note(node))
        else:
            block.copy(part(node, number, target), inline(block, x), Note(node))


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
        block.out += nest(loops, [L.Store(target.buffer, target.at(write), block.at(x, read), note=Note(node))])


# ---- indices from data


def _checked(block: Block, node: Node, position: L.Expr, n: L.Index) -> tuple[list[Any], L.AsIndex]:
    """Statements that compute an index from data and check its bounds, and the index. Negative indices count from the end; one that int64
    does not hold is negative there, and out of bounds."""
    raw, name = block.lowering.name("v"), block.lowering.name("v")
    size = L.FromIndex(n, "int64")
    value = L.Read(raw, "int64")
    from_end = L.Select(L.Compare("lt", value, L.Const("int64", 0)), L.Binary("add", value, size), value)
    wrapped = value if position.dtype == "uint64" else from_end
    good = L.Binary("and", L.Compare("ge", L.Read(name, "int64"), L.Const("int64", 0)), L.Compare("lt", L.Read(name, "int64"), size))
    block.lowering.checks.append((node, n))
    code = len(block.lowering.checks)
    made = [L.Let(raw, L.Cast("int64", position)), L.Let(name, wrapped), L.Check(good, code, L.AsIndex(value))]
    return made, L.AsIndex(L.Read(name, "int64"))


def take(block: Block, node: Node) -> None:
    (x, picks), axis = node.args, node.attrs["axis"]
    target = block.store(node)
    loops, indices = block.loops(target.shape)
    k = picks.type.ndim
    made, position = _checked(block, node, block.at(picks, indices[axis : axis + k]), extent(x.type.shape[axis]))
    value = block.at(x, (*indices[:axis], position, *indices[axis + k :]))
    store = L.Store(target.buffer, target.at(indices), value, note=Note(node))
    block.out += _with_inner(loops, indices, axis + k, made, [store])


def position(block: Block, node: Node) -> None:
    target = block.store(node)
    loops, indices = block.loops(target.shape)
    made, found = _checked(block, node, block.at(node.args[0], indices), extent(node.attrs["n"]))
    block.out += nest(loops, [*made, L.Store(target.buffer, target.at(indices), found.expr, note=Note(node))])


def scatter(block: Block, node: Node) -> None:
    op, start = ("add", 0) if node.op is index.scatter else ("maximum", index.lowest(node.type.dtype))
    target, picks = block.store(node), node.args[1]
    block.fill(target, start, Note(node))
    _accumulate(block, node, target, op, product(picks.type.shape), lambda goal: _slices(block, node, goal, op))


def add_at(block: Block, node: Node) -> None:
    """In the memory of x if nobody reads x from now on, else in a copy."""
    picks, x = node.args[1:]
    target = block.take_over(x, node)
    if target is None:
        target = block.store(node)
        block.copy(target, inline(block, x), Note(node))
    _accumulate(block, node, target, "add", product(picks.type.shape), lambda goal: _slices(block, node, goal, "add"))


def scatter_along(block: Block, node: Node) -> None:
    axis, (updates, picks), target = node.attrs["axis"], node.args, block.store(node)
    block.fill(target, 0, Note(node))

    def elements(goal: Stored) -> tuple[L.Stmt, ...]:
        loops, indices = block.loops(updates.type.shape)
        made, position = _checked(block, node, block.at(picks, indices), extent(goal.shape[axis]))
        place = (*indices[:axis], position, *indices[axis + 1 :])
        return nest(loops, [*made, _combined(goal, "add", place, block.at(updates, indices), Note(node))])

    _accumulate(block, node, target, "add", picks.type.shape[axis], elements)


def _accumulate(block: Block, node: Node, target: Stored, op: str, terms: Extent, into: Callable[[Stored], Sequence[L.Stmt]]) -> None:
    """Add the statements that change the target. If a line of float32 elements may get more terms than it has elements, and many, they are
    added up in float64: that takes no longer than the terms do."""
    room = target.shape[node.attrs["axis"]]
    spare = room - terms
    never = spare >= 0 if isinstance(spare, int) else spare.lower is not None and spare.lower >= 0
    if op != "add" or node.type.dtype != FLOAT or never or (isinstance(terms, int) and terms <= TERMS):
        block.out += into(target)
        return
    total = block.lowering.pool.allocate(TensorType(target.shape, WIDE))

    def cast(goal: Stored, source: Stored) -> tuple[L.Stmt, ...]:
        loops, at = block.loops(goal.shape)
        return nest(loops, [L.Store(goal.buffer, goal.at(at), L.Cast(goal.buffer.dtype, source.load(at)), note=Note(node))])

    many = L.Compare("gt", L.FromIndex(extent(terms), "int64"), L.FromIndex(extent(room), "int64"))
    block.out.append(L.If(many, (*cast(total, target), *into(total), *cast(target, total)), tuple(into(target))))
    block.lowering.pool.release(total)


def _slices(block: Block, node: Node, target: Stored, op: str) -> tuple[L.Stmt, ...]:
    """Statements that combine each slice of updates with the one at its index."""
    (updates, picks), axis = node.args[:2], node.attrs["axis"]
    k = picks.type.ndim
    loops, indices = block.loops(updates.type.shape)
    made, position = _checked(block, node, block.at(picks, indices[axis : axis + k]), extent(target.shape[axis]))
    body = _combined(target, op, (*indices[:axis], position, *indices[axis + k :]), block.at(updates, indices), Note(node))
    return _with_inner(loops, indices, axis + k, made, [body])


def _combined(target: Stored, op: str, place: Indices, value: L.Expr, text: object) -> L.Store:
    found = L.Binary(op, target.load(place), L.Cast(target.buffer.dtype, value))
    return L.Store(target.buffer, target.at(place), found, note=text)


def _with_inner(loops: list[Any], indices: Indices, axis: int, made: list[Any], body: list[Any]) -> tuple[L.Stmt, ...]:
    """A loop nest that computes the index outside the loops over the axes after `axis`."""
    inner = [r for r in loops if r.var in indices[axis:]]
    outer = [r for r in loops if r not in inner]
    return nest(outer, [*made, *nest(inner, body)])


def gather(block: Block, node: Node) -> None:
    (x, picks), axis, target = node.args, node.attrs["axis"], block.store(node)
    loops, indices = block.loops(target.shape)
    made, position = _checked(block, node, block.at(picks, indices), extent(x.type.shape[axis]))
    value = block.at(x, (*indices[:axis], position, *indices[axis + 1 :]))
    block.out += nest(loops, [*made, L.Store(target.buffer, target.at(indices), value, note=Note(node))])


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
    block.emit(loops, [L.Argsort(*places, *sizes, descending, _first_read(block, node, axis), note=Note(node))], loops)


def _first_read(block: Block, node: Node, axis: int) -> int | None:
    """How many first positions of an argsort are read, if they are at most FEW, else None."""
    users = [n for n in block.graph.nodes if node in n.args]
    if node in block.graph.outputs or any(n.op is not movement.slice or not identical(n.attrs["start"][axis], 0) for n in users):
        return None
    last = [(n.type.shape[axis] - 1) * n.attrs["step"][axis] + 1 for n in users]
    return max(last) if all(isinstance(n, int) and 1 <= n <= FEW for n in last) else None


def argmax(block: Block, node: Node) -> None:
    """The position of the first largest element, or of the first NaN."""
    x, axis = node.args[0], node.attrs["axis"]
    if any(a > axis for a in real_axes(x.type.shape)):
        _argmax_of_rows(block, node)
        return
    target = block.store(node)
    loops, line = _lines(block, x.type.shape, axis)
    dtype = name_of(x.type.dtype)
    best, where, value = (block.lowering.name(p) for p in ("a", "a", "v"))
    j = block.lowering.loop_var()
    better = _better(L.Read(value, dtype), L.Read(best, dtype))
    step = [
        L.Let(value, block.at(x, line(j))),
        L.If(better, (L.Assign(best, L.Read(value, dtype)), L.Assign(where, L.FromIndex(j, "int64")))),
    ]
    first = [L.Declare(best, block.at(x, line(L.Literal(0)))), L.Declare(where, L.Const("int64", 0))]
    outer = tuple(i for a, i in enumerate(line(L.Literal(0))) if a != axis)
    done = L.Store(target.buffer, target.at(outer), L.Read(where, "int64"), note=Note(node))
    block.out += nest(loops, [*first, L.For(j, extent(x.type.shape[axis]), tuple(step)), done])


def _argmax_of_rows(block: Block, node: Node) -> None:
    """All lines of an axis other than the last at once: a row is compared with the largest elements so far."""
    x, axis, target = node.args[0], node.attrs["axis"], block.store(node)
    largest = block.temporary(TensorType(target.shape, x.type.dtype), node)
    block.copy(largest, lambda i: block.at(x, (*i[:axis], L.Literal(0), *i[axis:])), Note(node))
    block.copy(target, lambda i: L.Const("int64", 0), Note(node))
    loops, line = _lines(block, x.type.shape, axis)
    j, dtype = block.lowering.loop_var(), name_of(x.type.dtype)
    place = tuple(i for a, i in enumerate(line(j)) if a != axis)
    value, best, better = (block.lowering.name("v") for _ in range(3))
    new, old, hit = L.Read(value, dtype), L.Read(best, dtype), L.Read(better, "bool")
    made = [L.Let(value, block.at(x, line(j))), L.Let(best, largest.load(place)), L.Let(better, _better(new, old))]
    where = L.Select(hit, L.FromIndex(j, "int64"), target.load(place))
    save = L.Store(largest.buffer, largest.at(place), L.Select(hit, new, old)), L.Store(target.buffer, target.at(place), where)
    before = sum(r.var in line(j)[:axis] for r in loops)
    block.emit([*loops[:before], Range(j, extent(x.type.shape[axis])), *loops[before:]], [*made, *save], loops)


def _better(new: L.Expr, old: L.Expr) -> L.Expr:
    """Whether an element comes before the best so far: it is larger, or the first NaN."""
    more = L.Compare("gt", new, old)
    if new.dtype not in L.FLOATS:
        return more
    return L.Binary("or", more, L.Binary("and", L.Compare("ne", new, new), L.Compare("eq", old, old)))


def cumulative(block: Block, node: Node) -> None:
    """Cumulative sums and products. Those of floats accumulate in float64."""
    op, start = ("add", 0) if node.op is reduce.cumsum else ("mul", 1)
    x, axis, target = node.args[0], node.attrs["axis"], block.store(node)
    loops, line = _lines(block, x.type.shape, axis)
    dtype = name_of(WIDE if node.type.is_float else node.type.dtype)
    total, j = L.Read(block.lowering.name("a"), dtype), block.lowering.loop_var()
    take_in = L.Assign(total.name, L.Binary(op, total, L.Cast(dtype, block.at(x, line(j)))))
    save = L.Store(target.buffer, target.at(line(j)), L.Cast(name_of(node.type.dtype), total), note=Note(node))
    run = L.For(j, extent(x.type.shape[axis]), (take_in, save), reverse=node.attrs["reverse"])
    block.out += nest(loops, [L.Declare(total.name, L.Const(dtype, start)), run])


CONTROL = (cond, while_loop, scan)
ALONE = (matmul, reshape, pad, concat, roll, take, position, scatter, add_at, gather, scatter_along, argsort, argmax, fit, random, kernel)
OTHERS: dict[str, Callable[[Block, Node], None]] = {"scatter_max": scatter, "cumsum": cumulative, "cumprod": cumulative}
LOWER: dict[str, Callable[[Block, Node], None]] = {f.__name__: f for f in (*ALONE, *CONTROL)} | OTHERS
