"""A region: operations of a graph that are the steps of one loop. The steps at its ends may be instances of the body, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...errors import MinigradError
from ...graph.ir import Node
from ...graph.nodes import make
from ...graph.types import TensorType
from ...origin import override
from ...primitives import index, movement
from ...primitives.rows import add_at
from ...primitives.rules import no_gradient
from ...tensor import Tensor
from .find import MOVES, Operations
from .sequences import View, can_stack, same_slice, same_type

RAISING = (index.take, index.gather, index.scatter, add_at, index.position)  # a step that is not there in full must not raise


class Constant(NamedTuple):
    """The same node at all steps."""

    node: Node


class Inside(NamedTuple):
    """The operation of this lane, of the same step."""

    lane: int


class Earlier(NamedTuple):
    """The operation of this lane, of the step `back` before."""

    back: int
    lane: int


class Carried(NamedTuple):
    """The carry with this number: what an argument `Earlier` becomes."""

    number: int


class Element(NamedTuple):
    """The element of the sequence with this number."""

    number: int


Relation = Constant | Inside | Earlier | Carried | Element


@dataclass
class Carry:
    """A lane whose value a later step reads, and the values that the first steps read, as many as it goes back."""

    lane: int
    first: list[Node]


class NoLoop(Exception):
    """Operations that repeat and are no loop: one of them, and why, as a clause."""

    def __init__(self, node: Node, why: str):
        super().__init__(why)
        self.node, self.why = node, why


def refused(node: Node, number: int, why: str) -> NoLoop:
    return NoLoop(node, f"argument {number} of {node.op.name} {why}")


@dataclass
class Elements:
    """The elements of a sequence, one for each step; a view if they are one. `lane`: they are one operation of an earlier run."""

    nodes: list[Node]
    view: View | None
    lane: bool

    def next(self, side: int) -> Node | None:
        """The element of a step more at that side, if there is one."""
        return None if self.view is None else self.view.next(side, self.nodes[0])

    def takes(self, node: Node, side: int) -> bool:
        """Whether the node may be the element of a step more at that side."""
        if self.view is not None and self.view.continues(node, side):
            return True
        return can_stack([node, *self.nodes]) or (self.lane and same_type(node.type, self.nodes[0].type))

    def grow(self, node: Node, side: int) -> None:
        if self.view is not None:
            self.view = self.view.grown(side) if self.view.continues(node, side) else None
        self.nodes.insert(0 if side < 0 else len(self.nodes), node)


class Region:
    """Rows of operations, one for each step, that are instances of one body. A lane is the same operation at all steps.

    `reference` is one of the rows, whose arguments are related as `relations` says. Lanes in `views` are slices that move on.
    """

    def __init__(
        self,
        start: int,
        end: int,
        rows: list[list[Node]],
        reference: list[Node],
        relations: list[list[Relation]],
        views: Sequence[int],
        earlier_lanes: set[tuple[int, int]],
    ):
        self.start, self.end, self.rows, self.reference, self.relations = start, end, rows, reference, relations
        self.carries: list[Carry] = []
        self.sequences: list[Elements] = []
        self.views = {k: self._view(k) for k in views}
        self.derived: dict[int, int] = {}  # a carry that is a movement of another one, made again
        self.before = self.after = 0  # steps that were found at the ends
        self._number(earlier_lanes)
        if self._is_map():
            raise NoLoop(self.reference[0], "it is elementwise work on separate arrays, and nothing accumulates from step to step")
        self._derive()

    def _view(self, lane: int) -> View:
        found = View.of([row[lane] for row in self.rows])
        if found is None:
            raise NoLoop(self.reference[lane], "the slices do not move on by the same length")
        return found

    def _number(self, earlier_lanes: set[tuple[int, int]]) -> None:
        """Numbers the carries and the sequences. Raises NoLoop for what can be neither."""
        carries: dict[tuple[object, ...], int] = {}
        sequences: dict[tuple[Node, ...], int] = {}
        for k, relations in enumerate(self.relations):
            for q, relation in enumerate(relations):
                if isinstance(relation, Earlier):
                    relations[q] = relation = self._carried(k, q, relation, carries)
                if not isinstance(relation, Element):
                    continue
                nodes = [row[k].args[q] for row in self.rows]
                key = tuple(nodes)
                if key not in sequences:
                    elements = Elements(nodes, View.of(nodes), (k, q) in earlier_lanes)
                    if elements.view is None and not elements.lane and not can_stack(nodes):
                        raise refused(self.reference[k], q, "is a separate array at each step, too large to stack")
                    sequences[key] = len(self.sequences)
                    self.sequences.append(elements)
                relations[q] = Element(sequences[key])

    def _is_map(self) -> bool:
        """Whether a loop would only copy arrays to stack them: the work is elementwise, and no carry depends on itself."""
        if self.views or any(s.view is not None for s in self.sequences):
            return False
        if not all(n.op.elementwise or n.op in MOVES for n in self.reference):
            return False
        reads: list[set[int]] = []  # the carries on which each lane depends
        for relations in self.relations:
            own = {r.number for r in relations if isinstance(r, Carried)}
            reads.append(own.union(*(reads[r.lane] for r in relations if isinstance(r, Inside))))
        after = [reads[c.lane] for c in self.carries]
        for _ in after:
            after = [found.union(*(after[c] for c in found)) for found in after]
        return not any(c in found for c, found in enumerate(after))

    def _carried(self, k: int, q: int, relation: Earlier, carries: dict[tuple[object, ...], int]) -> Carried | Element:
        back, lane = relation
        if lane in self.views and View.of([row[k].args[q] for row in self.rows]) is not None:
            return Element(-1)
        first = [row[k].args[q] for row in self.rows[:back]]
        type_ = self.reference[lane].type
        if not all(same_type(v.type, type_) for v in first):
            raise refused(self.reference[k], q, "has another type in the first step")
        key = (lane, *first)
        if key not in carries:
            carries[key] = len(self.carries)
            self.carries.append(Carry(lane, first))
        return Carried(carries[key])

    def _derive(self) -> None:
        for c, carry in enumerate(self.carries):
            node = self.reference[carry.lane]
            if len(carry.first) > 1 or node.op.kind != "move" or len(node.args) > 1 or node.op.unique or carry.lane in self.views:
                continue
            (relation,) = self.relations[carry.lane]
            for other, source in enumerate(self.carries):
                moved = isinstance(relation, Inside) and relation.lane == source.lane and len(source.first) == 1
                if moved and _remade(node, (source.first[0],)) is carry.first[0]:
                    self.derived[c] = other
                    break

    # ---- steps at the ends

    def covers(self, ops: Operations) -> tuple[int, int]:
        """How many operations of the graph it takes in, less those that it adds to it; and how little it carries."""
        ends = {n for row in (*self.rows[: self.before], *self.rows[len(self.rows) - self.after :]) for n in row if n.args}
        there = sum(ops.position.get(n, -1) >= 0 for n in ends)
        return self.end - self.start + 2 * there - len(ends), len(self.derived) - len(self.carries)

    def absorb(self, ops: Operations, taken: np.ndarray) -> None:
        """Take in the two steps before and the one after, if they are instances of the body on other arguments.

        The body is made on these arguments: it is the same step if the very nodes come out that are there, for equal operations on
        equal nodes are one node.
        """
        for _ in range(2):
            if not self._absorb_before(ops, taken):
                break
        self._absorb_after(ops, taken)

    def _absorb_before(self, ops: Operations, taken: np.ndarray) -> bool:
        """The step before the first, found backwards from the first values of the carries, which it must have made."""
        if not self.carries:
            return False
        carried: dict[int, Node] = {}
        elements: dict[int, Node] = {}
        row: dict[int, Node] = {}
        todo = [(carry.lane, carry.first[-1]) for carry in self.carries]
        while todo:
            k, x = todo.pop()
            if k in row or not self._alike(ops, k, x):
                continue
            row[k] = x
            if k in self.views:
                continue
            for relation, a in zip(self.relations[k], x.args, strict=True):
                if isinstance(relation, Inside):
                    todo.append((relation.lane, a))
                elif isinstance(relation, Carried):
                    carried.setdefault(relation.number, a)
                elif isinstance(relation, Element):
                    elements.setdefault(relation.number, a)
        for c, carry in enumerate(self.carries):
            type_ = self.reference[carry.lane].type
            if c not in carried:  # all that it was used for gave constants: any value that gives the same is as good
                carried[c] = no_gradient(Tensor(self.reference[carry.lane])).node
            if not same_type(carried[c].type, type_):
                return False
        made = self._instance(ops, taken, row, carried, elements, -1)
        if made is None or any(made[carry.lane] is not carry.first[-1] for carry in self.carries):
            return False
        self._grow(made, -1)
        for c, carry in enumerate(self.carries):
            carry.first = [carried[c], *carry.first[:-1]]
        self.before += 1
        return True

    def _absorb_after(self, ops: Operations, taken: np.ndarray) -> None:
        """The step after the last, if at least half of its work is there."""
        m, p = len(self.rows), len(self.reference)
        carried = {c: self.rows[m - len(carry.first)][carry.lane] for c, carry in enumerate(self.carries)}
        elements: dict[int, Node] = {}
        row: dict[int, Node] = {}
        lanes: dict[int, list[int]] = {}
        for j, node in enumerate(self.reference):
            lanes.setdefault(ops.token(node), []).append(j)
        k = 0
        for x in ops.order[self.end : self.end + p]:
            fitting = (j for j in lanes.get(ops.token(x), ()) if j >= k and self._alike(ops, j, x))
            j = next((j for j in fitting if self._fits(j, x, row, carried, elements)), -1)
            if j < 0:
                continue
            row[j], k = x, j + 1
            if j not in self.views:
                for relation, a in zip(self.relations[j], x.args, strict=True):
                    if isinstance(relation, Element):
                        elements[relation.number] = a
        if 2 * sum(x.op not in MOVES for x in row.values()) < sum(x.op not in MOVES for x in self.reference):
            return
        made = self._instance(ops, taken, row, carried, elements, 1)
        if made is not None and all(made[k] is x for k, x in row.items()):
            self._grow(made, 1)
            self.after += 1

    def _alike(self, ops: Operations, k: int, x: Node) -> bool:
        """Whether a node may stand in lane k: it has the same token, and takes the same part if it is a slice that does not move on."""
        node = self.reference[k]
        if not x.args or x.op is not node.op or ops.token(x) != ops.token(node):
            return False
        return x.op is not movement.slice or k in self.views or same_slice(x.attrs, node.attrs)

    def _fits(self, k: int, x: Node, row: dict[int, Node], carried: dict[int, Node], elements: dict[int, Node]) -> bool:
        """Whether the arguments of x are those that lane k has there, as far as they are known."""
        for relation, a in zip(self.relations[k], x.args, strict=True):
            if isinstance(relation, Element):
                if elements.get(relation.number, a) is not a:
                    return False
            elif self._argument(relation, row, carried, elements) is not a:
                return False
        return True

    @staticmethod
    def _argument(relation: Relation, row: dict[int, Node], carried: dict[int, Node], elements: dict[int, Node]) -> Node | None:
        if isinstance(relation, Constant):
            return relation.node
        if isinstance(relation, Inside):
            return row.get(relation.lane)
        return (carried if isinstance(relation, Carried) else elements).get(relation[0])

    def _instance(
        self, ops: Operations, taken: np.ndarray, row: dict[int, Node], carried: dict[int, Node], elements: dict[int, Node], side: int
    ) -> list[Node] | None:
        """The operations of a step with these arguments, made with what is known of them in `row`; None if it is no step of this loop."""
        for i, sequence in enumerate(self.sequences):
            e = elements.get(i) or sequence.next(side)
            if e is None or not sequence.takes(e, side):
                return None
            elements[i] = e
        self._elements = [elements[i] for i in range(len(self.sequences))]
        made: dict[int, Node] = {}
        for k, node in enumerate(self.reference):
            found = row.get(k)
            if found is not None and (place := ops.position.get(found, -1)) >= 0 and taken[place]:
                return None
            if k in self.views:
                if found is None or not self.views[k].continues(found, side):
                    found = self.views[k].next(side, node)
                if found is None:
                    return None
            else:
                args = tuple(self._argument(r, made, carried, elements) for r in self.relations[k])
                if found is None or found.args != args:
                    if node.op in RAISING:
                        return None
                    new = _remade(node, args)  # type: ignore[arg-type]
                    if new is None:
                        return None
                    found = found if found is not None and _same_constant(found, new) else new
            made[k] = found
        return list(made.values())

    def _grow(self, row: list[Node], side: int) -> None:
        self.rows.insert(0 if side < 0 else len(self.rows), row)
        for sequence, e in zip(self.sequences, self._elements, strict=True):
            sequence.grow(e, side)
        self.views = {k: view.grown(side) for k, view in self.views.items()}


def _remade(node: Node, args: tuple[Node, ...]) -> Node | None:
    """The node's operation on other arguments; None where that raises."""
    try:
        with override(node.place):
            return make(node.op, args, node.attrs)
    except MinigradError:
        return None


def _same_constant(a: Node, b: Node) -> bool:
    """Whether two nodes are constants with the same bits. (Constants are not interned.)"""
    if not (a.is_constant and b.is_constant and isinstance(a.type, TensorType)):
        return False
    return same_type(a.type, b.type) and a.value.tobytes() == b.value.tobytes()
