"""Lowering rules of control flow: branches, loops until a condition is false, loops over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...control.scan import split
from ...graph.dims import Dim, Extent
from ...graph.ir import Graph, Node
from ...graph.nodes import item
from ...graph.types import TensorType
from ...primitives import linalg, movement
from ...primitives.rows import add_at
from .. import loop_ir as L
from .batch import batch_of, row_work
from .block import Block
from .copies import Copies
from .schedule import Cluster, is_movement, is_pointwise, schedule, sources
from .state import Inline, Note, Rows
from .storage import Stored, extent

NESTED_WORK = 2**12  # multiplications in a step for one row: a loop of less inside another loop is not shared


def cond(block: Block, node: Node) -> None:
    """A branch. Both sides store their results in the same buffers."""
    results = [block.temporary(t, node) for t in node.type]
    chosen = block.at(node.args[0], ())
    arguments = [block.view(a) or inline(block, a) for a in node.args[1:]]

    def branch(graph: Graph) -> tuple[L.Stmt, ...]:
        targets = dict(zip(graph.outputs, results, strict=True))
        side = Block(block.lowering, graph, dict(zip(graph.params, arguments, strict=True)), targets)
        side.lower()
        for o, r in zip(graph.outputs, results, strict=True):
            if targets[o] is not r:
                side.copy(r, targets[o].load, Note(o))
        return tuple(side.out)

    block.out.append(L.If(chosen, branch(node.attrs["then"]), branch(node.attrs["otherwise"]), note=Note(node)))
    block.values[node] = results


def while_loop(block: Block, node: Node) -> None:
    """A loop until a condition is false. Each carry has two buffers, for its value before and after a step."""
    condition, body, constants = (node.attrs[name] for name in ("condition", "body", "constants"))
    arguments: list[Any] = [block.view(a) or inline(block, a) for a in node.args[:constants]]
    now, goal = ([block.temporary(t, node) for t in node.type] for _ in range(2))
    for place, arg in zip(now, node.args[constants:], strict=True):
        block.copy(place, inline(block, arg), Note(arg))
    going = block.temporary(condition.out_types[0], node)

    def lowered(graph: Graph, results: list[Stored]) -> list[L.Stmt]:
        targets = dict(zip(graph.outputs, results, strict=True))
        inner = Block(block.lowering, graph, dict(zip(graph.params, [*arguments, *now], strict=True)), targets)
        inner.lower()
        for o, r in zip(graph.outputs, results, strict=True):
            if targets[o] is not r:
                inner.copy(r, targets[o].load, Note(o))
        return inner.out

    head, step = lowered(condition, [going]), lowered(body, goal)
    after = Block(block.lowering, body, {}, {})
    for place, source in zip(now, goal, strict=True):
        after.copy(place, source.load, "")
    block.out.append(L.While(tuple(head), going.load(()), (*step, *after.out), note=Note(node)))
    block.values[node] = now


def inline(block: Block, node: Node) -> Inline:
    return lambda i: block.at(node, i)


def scan(block: Block, node: Node) -> None:
    Loop(block, node).lower()


class Loop:
    """Lowers a loop over time. A carry that is also an output is stored in the stacked output, one row a step. Any other carry has one
    buffer if a step reads the old value no later than it stores the new one, or only adds some slices to it, else two."""

    def __init__(self, block: Block, node: Node):
        attrs = node.attrs
        self.block, self.node, self.body = block, node, attrs["body"]
        self.carries, self.length, self.reverse = attrs["carries"], attrs["length"], attrs["reverse"]
        self.params = split(self.body.params, attrs["constants"], self.carries)
        self.given = split(node.args, attrs["constants"], self.carries)
        self.after = self.body.outputs[: self.carries]
        self.ys = self.body.outputs[self.carries :]
        self.plan = schedule(self.body)
        self.t = block.lowering.loop_var()
        self.params_at: dict[Node, Any] = {}
        self.targets: dict[Node, Stored] = {}
        self.copies: list[tuple[Stored, Node]] = []
        self.late: list[tuple[Stored, Stored]] = []
        self.changed: dict[Node, tuple[Stored, Node]] = {}
        self.renewed: set[Node] = set()  # carries after a step that are stored where they were before it
        self.carried: dict[int, Stored] = {}  # the memory of carries that are no outputs
        self.scratch: list[Stored] = []
        self.results: list[Any] = [None] * len(self.body.outputs)
        inside = block.loop is not None and block.lowering.rows is None and row_work(self.body) >= NESTED_WORK
        self.shared = block.shares or inside
        self.batch = batch_of(node) if self.shared else None
        self.matrices = Copies(block, node, self.length)

    def lower(self) -> None:
        block = self.block
        for p, arg in zip(self.params.constants, self.given.constants, strict=True):
            self.params_at[p] = block.view(arg) or inline(block, arg)
        for p, arg in zip(self.params.sequences, self.given.sequences, strict=True):
            self.params_at[p] = self.slice_of(arg)
        for i in range(self.carries):
            self.carry(i)
        for j, y in enumerate(self.ys):
            if self.results[self.carries + j] is None:
                stack = self.delivered(self.carries + j) or block.temporary(
                    TensorType((self.length, *y.type.shape), y.type.dtype), self.node
                )
                self.results[self.carries + j] = stack
                self.write(y, stack.row(self.t))
        lowering, batch = block.lowering, self.batch
        rows = Rows(batch, lowering.loop_var(), lowering.loop_var()) if batch is not None else None
        lowering.rows = rows or lowering.rows
        inner = Block(lowering, self.body, self.params_at, self.targets)
        inner.loop = self if self.shared else None
        inner.replaced, inner.renewed = set(self.changed), self.renewed
        inner.lower(self.plan)
        for now, after in self.changed.values():
            found = inner.view(after)
            if found is not None and found.buffer is not now.buffer:
                self.late.append((now, found))
        for target, y in self.copies:
            inner.copy(target, self.targets[y].load if y in self.targets else inline(inner, y), Note(y))
        for target, source in self.late:
            inner.copy(target, source.load, "")
        self.matrices.make()
        loop = L.For(self.t, extent(self.length), tuple(inner.out), reverse=self.reverse, note=Note(self.node))
        if rows is None:
            block.separate(loop)
        else:
            lowering.rows = None
            block.separate(L.Shared(extent(Dim.of(rows.batch)), rows.low, rows.high, (loop,)))
        block.values[self.node] = self.results
        self.release()

    def release(self) -> None:
        """Give back the memory of carries that nobody reads after the loop."""
        block = self.block
        read = {n.attrs["index"] for n in block.graph.nodes if n.op is item and n.args[0] is self.node}
        idle = {id(v) for v in self.scratch} | {id(v) for i, v in self.carried.items() if i not in read}
        for value in (owned := block.owned.get(self.node, [])):
            if id(value) in idle:
                block.lowering.pool.release(value)
        block.owned[self.node] = [v for v in owned if id(v) not in idle]

    def is_result(self, node: Node, index: int) -> bool:
        return node.op is item and node.args[0] is self.node and node.attrs["index"] == index

    def delivered(self, index: int) -> Stored | None:
        """The target of a result that is an output of the block, where the loop then stores it."""
        return self.target(lambda output: self.is_result(output, index))

    def history(self, i: int) -> Stored | None:
        """The target of an output of the block that is a carry before each step, and after the last one."""
        before = [k for k, y in enumerate(self.body.outputs) if k >= self.carries and y is self.params.carries[i]]

        def is_history(output: Node) -> bool:
            if output.op is not movement.concat or output.attrs["axis"] != 0 or len(output.args) != 2:
                return False
            steps, last = output.args[::-1] if self.reverse else output.args
            return any(self.is_result(steps, k) for k in before) and last.op is movement.reshape and self.is_result(last.args[0], i)

        return self.target(is_history)

    def target(self, fits: Callable[[Node], bool]) -> Stored | None:
        output = next(filter(fits, self.block.targets), None)
        if output is None:
            return None
        self.block.values[output] = self.block.targets[output]
        return self.block.targets[output]

    def copies_of(self, arg: Node, view: Stored, rows: Extent) -> list[tuple[Stored, L.Expr]]:
        """The copies of a matrix in which a product of so many rows may read it; none if it is not stored before the loop."""
        while is_movement(arg):
            arg = arg.args[0]
        before = arg in self.params.constants and isinstance(self.params_at[arg], Stored)
        return self.matrices.of(view, rows) if before else []

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
            slots = self.history(i) or block.temporary(TensorType((self.length + 1, *p.type.shape), p.type.dtype), self.node)
            before, next_ = (self.t + 1, self.t) if self.reverse else (self.t, self.t + 1)
            first = extent(self.length) if self.reverse else L.Literal(0)
            last = L.Literal(0) if self.reverse else extent(self.length)
            for j in stacked:
                from_next = (self.ys[j] is after) != self.reverse
                start = (int(from_next),) + (0,) * p.type.ndim
                shape = (self.length, *p.type.shape)
                self.results[self.carries + j] = slots.sliced(start, (1,) * len(start), shape)
            now, goal, self.results[i] = slots.row(before), slots.row(next_), slots.row(last)
            block.copy(slots.row(first), inline(block, self.given.carries[i]), Note(p))
            self.params_at[p] = now
            self.write(after, goal)
        else:
            now = self.params_at[p] = self.results[i] = self.carried[i] = block.temporary(p.type, self.node)
            block.copy(now, inline(block, self.given.carries[i]), Note(p))
            if adds_rows(after, p):
                self.changed[p] = now, after
            elif self.may_renew(p, after):
                self.renewed.add(after)
                self.targets[after] = now
            elif after is not p:
                goal = block.temporary(p.type, self.node)
                self.scratch.append(goal)
                self.write(after, goal)
                self.late.append((now, goal))

    def may_renew(self, before: Node, after: Node) -> bool:
        """Whether a carry after a step may be stored where it was before it: nothing reads that later, and what is computed in the same
        loop nest reads it at the same place."""
        at, last = self.plan.place.get(after), self.plan.last_use.get(before, -1)
        if at is None or after in self.targets:
            return False
        step = self.plan.steps[at]
        if last < at:
            return isinstance(step, Cluster) or after.op is linalg.matmul
        reads = [same for n in step.nodes for source, same in sources(n) if source is before] if isinstance(step, Cluster) else [False]
        return last == at and is_pointwise(after) and all(reads)


def adds_rows(after: Node, before: Node) -> bool:
    """Whether a value is another one with slices added."""
    node = after
    while node is not before and node.op in (add_at, movement.reshape):
        node = node.args[-1]
    return node is before and after is not before
