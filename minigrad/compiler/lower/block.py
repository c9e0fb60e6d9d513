"""Lowering one graph: the steps of its schedule, each as a loop nest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...graph.dims import Shape, product, symbol_of
from ...graph.ir import Graph, Node
from ...graph.nodes import item
from ...graph.types import TensorType, is_one
from ...primitives import bits, elementwise, index, movement
from .. import loop_ir as L
from ..dtypes import name_of
from .places import Places
from .reductions import Nest
from .scalars import scalar
from .schedule import REDUCTIONS, Cluster, Schedule, is_leaf, is_movement, real_axes, schedule, shift_of, sources
from .state import DTYPES, Build, Inline, Lowering, Note, Part, Range, Unsupported, const, nest
from .storage import Indices, Stored, extent

COLUMNS = 64  # the columns of a shared matrix product are divided at a multiple of this
COLUMNS_WORK = 2**17  # multiplications, about 5 µs: the columns of a product with one vector are shared from this size on
PRODUCT_WORK = 2**20  # multiplications, about 20 µs: the columns of a product with any number of vectors are shared from this size on


class Block:
    """Lowers one graph: the whole program, the body of a loop, or a branch."""

    shares = False  # whether its statements may be divided between threads
    loop: Any = None  # the loop whose body this is, if several threads may run that loop

    def __init__(self, lowering: Lowering, graph: Graph, params: dict[Node, Stored | Inline], targets: dict[Node, Stored]):
        self.lowering, self.graph, self.targets = lowering, graph, targets
        self.values: dict[Node, Any] = {**lowering.constants, **params}
        self.owned: dict[Node, list[Stored]] = {}
        self.copied: dict[tuple[Stored, L.Expr], Stored] = {}  # the copies that loops made of matrices, and when they did
        self.wholes: dict[Node, Stored] = {}  # the memory of concatenations
        self.replaced: set[Node] = set()  # the params whose memory may be written: carries that a step changes in a few places
        self.renewed: set[Node] = set()  # values stored in the memory of a param, which nothing reads later
        self.last_use: dict[Node, int] = {}
        self.now = 0  # the step of the schedule
        self.out: list[L.Stmt] = []
        self.lets: dict[Node, str] = {}
        self.here: Indices | None = None
        self.flat = False

    # ---- running through the schedule

    def lower(self, plan: Schedule | None = None) -> None:
        """Add the statements of the graph, by its schedule. They store each output in its target."""
        plan = plan or schedule(self.graph)
        self.places, self.last_use = Places(plan, self.targets), plan.last_use
        dying: dict[int, list[Node]] = {}
        for node, at in plan.last_use.items():
            dying.setdefault(at, []).append(node)
        for at, step in enumerate(plan.steps):
            self.now = at
            if isinstance(step, Cluster):
                self.cluster(step, plan)
            else:
                rule = self.lowering.rules.get(step.node.op.name)
                if rule is None:
                    raise Unsupported(f"{step.node.op.name} ({step.node.origin.describe()})")
                rule(self, step.node)
            for node in dying.get(at, ()):
                self.release(node)
        for output in dict.fromkeys(self.graph.outputs):
            self.deliver(output)
        for node in dying.get(len(plan.steps), ()):
            self.release(node)

    def release(self, node: Node) -> None:
        for value in self.owned.pop(node, ()):
            self.lowering.pool.release(value)

    def deliver(self, output: Node) -> None:
        """Copy an output to its target if it was not computed there: a param, a movement, a number."""
        target = self.targets.get(output)
        if target is not None and self.values.get(output) is not target:
            self.copy(target, lambda i: self.at(output, i), Note(output))

    def emit(self, loops: Sequence[Range], body: Sequence[L.Stmt], free: Sequence[Range] = ()) -> None:
        """Add a loop nest. The iterations of the `free` loops are independent."""
        self.emit_nest(loops, lambda loops: nest(loops, body), free)

    def emit_nest(self, loops: Sequence[Range], build: Build, free: Sequence[Range]) -> None:
        """Add the statements that `build` makes of loops, those given or some of their iterations."""
        self.out += build(loops)

    def share(self, extent: L.Index, part: Part) -> None:
        """Add the statements for the positions 0 … extent, which are independent."""
        self.out += part(L.Literal(0), extent)

    def share_columns(self, rows: L.Index, columns: L.Index, depth: L.Index, part: Part) -> None:
        """Add the statements for the columns of a matrix product, each a sum of `depth` terms. In a loop, a large one is shared."""
        m, n, k = (L.evaluate(size, self.lowering.typical) for size in (rows, columns, depth))
        if self.loop is not None and (n * k >= COLUMNS_WORK or m * n * k >= PRODUCT_WORK):
            low, high = self.lowering.loop_var(), self.lowering.loop_var()
            self.out.append(L.Shared(columns, low, high, tuple(part(low, high)), grain=COLUMNS))
        else:
            self.out += part(L.Literal(0), columns)

    def separate(self, stmt: L.Stmt) -> None:
        """Add a statement that may become a phase of its own."""
        self.out.append(stmt)

    # ---- storage

    def store(self, node: Node) -> Stored:
        """Allocate storage for a node's value."""
        value = self.values[node] = self.targets.get(node) or self.placed(node) or self.temporary(node.type, node)
        return value

    def placed(self, node: Node) -> Stored | None:
        """The place of a node's value in a concatenation, if it has one."""
        place = self.places.found.get(node)
        return None if place is None else place.within(self.whole(place.whole))

    def whole(self, node: Node) -> Stored:
        """The memory of a concatenation, from the first time that a value is stored in it."""
        if node not in self.wholes:
            alone = self.targets.get(node) or self.placed(node)
            self.wholes[node] = alone or self.places.without_room(node, self.temporary(self.places.memory_type(node), node))
        return self.wholes[node]

    def temporary(self, type: TensorType, owner: Node) -> Stored:
        if name_of(type.dtype) not in DTYPES:
            raise Unsupported(f"dtype {type.dtype}")
        value = self.lowering.pool.allocate(type)
        self.owned.setdefault(owner, []).append(value)
        return value

    def take_over(self, x: Node, owner: Node) -> Stored | None:
        """The memory of x for the value of `owner`, which is x with some elements changed. None if x is read later, or by another argument
        of `owner`, or if its memory is not this block's to write."""
        found, root = self.view(x), x
        while root not in self.owned and root not in self.replaced and (is_movement(root) or root.op is movement.reshape):
            root = root.args[0]
        if found is None or not found.is_dense or self.last_use.get(root) != self.now:
            return None
        if [v.buffer for v in map(self.view, owner.args) if v is not None].count(found.buffer) > 1:
            return None
        if root in self.replaced:
            self.replaced.add(owner)
        elif any(v.buffer is found.buffer for v in self.owned.get(root, ())):
            self.owned.setdefault(owner, []).extend(self.owned.pop(root))
        else:
            return None
        self.values[owner] = found
        return found

    def view(self, node: Node) -> Stored | None:
        """The node as strided memory if it is stored or a movement of a stored node, else None."""
        value = self.values.get(node)
        if isinstance(value, Stored):
            return value
        if node.is_constant:
            return None
        if node.op is item:
            return self.values[node.args[0]][node.attrs["index"]]
        if not (is_movement(node) or node.op is movement.reshape):
            return None
        x = self.view(node.args[0])
        if x is None:
            return None
        attrs, shape = node.attrs, node.type.shape
        if node.op is movement.permute:
            return x.permuted(attrs["axes"])
        if node.op is movement.broadcast:
            return x.broadcast(shape)
        if node.op is movement.slice:
            return x.sliced(attrs["start"], attrs["step"], shape)
        if node.op is movement.flip:
            return x.flipped(attrs["axes"])
        return x.reshaped(shape) if node.op is movement.reshape else x

    def memory(self, node: Node, owner: Node) -> Stored:
        """The node as strided memory, copied there if it is not. The copy lives as long as its owner."""
        found = self.view(node)
        if found is None:
            found = self.temporary(node.type, owner)
            self.copy(found, lambda i: self.at(node, i), Note(node))
        return found

    def copy(self, target: Stored, source: Inline, text: object) -> None:
        """target[i, …] = source(i, …)."""
        loops, indices = self.loops(target.shape)
        self.emit(loops, [L.Store(target.buffer, target.at(indices), source(indices), note=text)], loops)

    def fill(self, target: Stored, value: Any, text: object) -> None:
        """Store a number in every element: if the rows of the target are one after the other, in one loop."""
        number = const(value, np.dtype(target.buffer.dtype))
        if target.is_dense and self.lowering.rows is None:
            loops, (at,) = self.loops((product(target.shape),)) if real_axes(target.shape) else ([], (L.Literal(0),))
            self.emit(loops, [L.Store(target.buffer, target.at_flat(at), number, note=text)], loops)
        else:
            self.copy(target, lambda i: number, text)

    def loops(self, shape: Shape) -> tuple[list[Range], Indices]:
        """Loops over the axes of a shape, without those of length 1, and the index of every axis."""
        made: list[Range] = []
        indices: list[L.Index] = []
        for axis, n in enumerate(shape):
            if is_one(n):
                indices.append(L.Literal(0))
                continue
            var, rows = self.lowering.loop_var(), self.lowering.rows
            some = axis == 0 and rows is not None and symbol_of(n) == rows.batch
            whole = Range(var, extent(n))
            made.append(whole.part(rows.low, rows.high - rows.low) if some and rows else whole)
            indices.append(var)
        return made, tuple(indices)

    # ---- reading a value at an index

    def at(self, node: Node, indices: Indices) -> L.Expr:
        """The element of a node at an index: a register, a load, or for a movement the element of its argument at another index."""
        if node in self.lets and (self.flat or tuple(indices[a] for a in real_axes(node.type.shape)) == self.here):
            return L.Read(self.lets[node], name_of(node.type.dtype))
        value = self.values.get(node)
        if isinstance(value, Stored):
            if not self.flat:
                return value.load(indices)
            return value.load_flat(indices[0]) if real_axes(value.shape) else value.load((L.Literal(0),) * len(value.shape))
        if value is not None:
            return value(indices)
        if node.is_constant:
            return const(node.value, node.type.dtype)
        if node.op is index.iota:
            return L.FromIndex(indices[0], name_of(node.type.dtype))
        if node.op is index.extent:
            return L.FromIndex(extent(node.attrs["n"]), name_of(node.type.dtype))
        if self.flat:
            return self.at(node.args[0], indices)
        return self.moved(node, indices)

    def moved(self, node: Node, indices: Indices) -> L.Expr:
        """The element of a movement's argument that is the movement's element at an index."""
        if node.op is item:
            return self.values[node.args[0]][node.attrs["index"]].load(indices)
        x, attrs = node.args[0], node.attrs
        shape = x.type.shape
        if node.op is movement.permute:
            back = np.argsort(attrs["axes"]).tolist()
            return self.at(x, tuple(indices[a] for a in back))
        if node.op is movement.broadcast:
            kept = indices[len(indices) - len(shape) :]
            return self.at(x, tuple(L.Literal(0) if is_one(n) else i for n, i in zip(shape, kept, strict=True)))
        if node.op is movement.slice:
            moves = zip(indices, attrs["start"], attrs["step"], strict=True)
            return self.at(x, tuple(i * k + extent(a) for i, a, k in moves))
        if node.op is movement.flip:
            flipped = (extent(n) - 1 - i if a in attrs["axes"] else i for a, (n, i) in enumerate(zip(shape, indices, strict=True)))
            return self.at(x, tuple(flipped))
        if node.op is movement.reshape:
            real = iter([indices[a] for a in real_axes(node.type.shape)])
            return self.at(x, tuple(L.Literal(0) if is_one(n) else next(real) for n in shape))
        return self.at(x, indices)

    # ---- clusters

    def cluster(self, step: Cluster, plan: Schedule) -> None:
        """Add a cluster's loop nest. Elementwise values are in registers, and in memory if in `stored`; reductions accumulate."""
        self.lowering.clusters.append(f"{', '.join(n.op.name for n in step.nodes)} over {step.domain}")
        targets = {n: self.store(n) for n in step.nodes if n in plan.stored}
        domain = step.domain
        self.flat = len(domain) > 1 and step.kind is None and self.lowering.rows is None and self.is_flat(step, targets)
        loops, here = self.loops((product(domain),) if self.flat else domain)
        self.here = here
        found = Nest(self, step, loops, here)
        last: list[L.Stmt] = []
        for node in step.nodes:
            if node.op in REDUCTIONS:
                found.reduction(node, targets[node])
                continue
            name, shift = self.lowering.name("v"), shift_of(node)
            if shift is None:
                found.body.append(L.Let(name, self.compute(node, self.full(node, here)), note=Note(node)))
            else:
                found.shift(node, shift, name)
            self.lets[node] = name
            if node in targets:
                place = targets[node].at_flat(here[0]) if self.flat else targets[node].at(self.full(node, here))
                save = L.Store(targets[node].buffer, place, L.Read(name, name_of(node.type.dtype)))
                (last if node in self.renewed else found.body).append(save)
        found.body += last
        found.emit()
        self.lets, self.here, self.flat = {}, None, False

    def full(self, node: Node, here: Indices) -> Indices:
        """The indices of a node for these loop indices: 0 on axes of length 1."""
        if self.flat:
            return here
        source = iter(here)
        return tuple(L.Literal(0) if is_one(n) else next(source) for n in node.type.shape)

    def is_flat(self, step: Cluster, targets: dict[Node, Stored]) -> bool:
        """Whether all values are read and written in memory order, or have one element, so that one loop over all elements suffices."""
        if not all(t.is_dense for t in targets.values()):
            return False
        inside = set(step.nodes)
        for node in step.nodes:
            if node.op is index.one_hot:
                return False
            for source, same in sources(node):
                if source in inside:
                    continue
                if is_leaf(source) and source not in self.values and not source.type.shape:
                    continue
                value = self.values.get(source)
                one = isinstance(value, Stored) and not real_axes(value.shape)
                if not one and not (same and isinstance(value, Stored) and value.is_dense and not _moved_by_slice(node, source)):
                    return False
        return True

    def compute(self, node: Node, indices: Indices) -> L.Expr:
        """The element of an elementwise operation at an index."""
        op, dtype = node.op, name_of(node.type.dtype)
        if dtype not in DTYPES:
            raise Unsupported(f"dtype {dtype}")
        if op is index.one_hot:
            place = self.at(node.args[0], indices[:-1])
            hit = L.Compare("eq", L.Cast("int64", place), L.FromIndex(indices[-1], "int64"))  # in a narrow dtype a long axis would wrap
            return L.Select(hit, const(1, node.type.dtype), const(0, node.type.dtype))
        x = [self.at(a, indices) for a in node.args]
        if op is elementwise.where:
            return L.Select(*x)
        if op is elementwise.cast:
            return L.Cast(dtype, x[0])
        if op is bits.bitcast:
            return L.Bitcast(dtype, x[0])
        found = scalar(op, dtype, x)
        if found is None:
            raise Unsupported(f"{op.name} ({node.origin.describe()})")
        return found


def _moved_by_slice(node: Node, source: Node) -> bool:
    """Whether a node reads its source through a slice."""
    for arg in node.args:
        while is_movement(arg):
            if arg.op is item:
                break
            if arg.op is movement.slice:
                return True
            arg = arg.args[0]
    return False
