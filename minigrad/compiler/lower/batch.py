"""Which loops over time may be divided over the batch. If each row of the batch is computed from that row alone, each thread can run the
loop for a range of rows."""

from __future__ import annotations

import math

from ...control.scan import split
from ...graph.dims import Dim, Shape, Symbol, symbol_of
from ...graph.ir import Graph, Node
from ...primitives import index, linalg, movement, reduce
from .schedule import is_leaf, is_movement

ALONG_ONE_AXIS = (movement.concat, movement.roll, reduce.argmax, reduce.cumsum, reduce.cumprod, index.argsort)
OVER_AXES = (movement.flip, reduce.sum, reduce.prod, reduce.max, reduce.min)


def batch_of(node: Node) -> Symbol | None:
    """The run-time size over which a loop may be divided, or None.

    It is the first axis of every carry, every output, and every value of the body that depends on it."""
    body = node.attrs["body"]
    params = split(body.params, node.attrs["constants"], node.attrs["carries"])
    sizes = {symbol_of(p.type.shape[0]) if p.type.shape else None for p in params.carries}
    if len(sizes) != 1 or None in sizes:
        return None
    (batch,) = sizes
    assert batch is not None
    rows = {p for p in body.params if _leads(p.type.shape, batch)}
    if any(_mentions(p.type.shape, batch) for p in body.params if p not in rows):
        return None
    for n in body.nodes:
        if n.is_constant:
            continue
        inputs = [a in rows for a in n.args]
        if not isinstance(n.type, tuple) or not hasattr(n.type, "shape"):
            return None
        if _leads(n.type.shape, batch):
            if not (_row_by_row(n, inputs) if any(inputs) else is_movement(n) or is_leaf(n)):
                return None  # an operation such as a scatter may write all rows, not only those of one thread
            rows.add(n)
        elif any(inputs) or _mentions(n.type.shape, batch):
            return None
        elif not (is_movement(n) or is_leaf(n)):
            return None  # a value stored at each step: threads at different steps would overwrite each other's
    return batch if all(o in rows for o in body.outputs) else None


def row_work(body: Graph) -> int:
    """The multiplications of a loop's matrix products in one step, without axes of run-time sizes, such as the batch."""
    products = [(*n.type.shape, n.args[0].type.shape[-1]) for n in body.nodes if n.op is linalg.matmul]
    return sum(math.prod(n for n in shape if isinstance(n, int)) for shape in products)


def _leads(shape: Shape, batch: Symbol) -> bool:
    return bool(shape) and symbol_of(shape[0]) == batch and not _mentions(shape[1:], batch)


def _mentions(shape: Shape, batch: Symbol) -> bool:
    return any(isinstance(n, Dim) and batch in n.symbols for n in shape)


def _row_by_row(node: Node, inputs: list[bool]) -> bool:
    """Whether row i of the result depends only on row i of the arguments."""
    op, attrs = node.op, node.attrs
    if op is linalg.matmul:
        return node.type.ndim > 2 or inputs == [True, False]
    if op is movement.permute:
        return attrs["axes"][0] == 0
    if op is movement.broadcast:
        return len(attrs["shape"]) == node.args[0].type.ndim
    if op is movement.slice:
        return attrs["step"][0] == 1
    if op is movement.pad:
        return attrs["low"][0] == 0 and attrs["interior"][0] == 0
    if op in OVER_AXES:
        return 0 not in attrs["axes"]
    if op in ALONG_ONE_AXIS or op in (index.gather, index.scatter_along):
        return attrs["axis"] != 0
    return op.elementwise or op in (movement.reshape, index.one_hot)
