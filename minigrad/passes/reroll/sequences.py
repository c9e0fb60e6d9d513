"""Sequences of a loop: elements that are slices of one array, one after the other, or that are stacked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...graph.dims import identical as equal
from ...graph.dims import typical
from ...graph.ir import Node
from ...graph.nodes import CONSTANT, behind_broadcast, is_number, known, make
from ...graph.types import TensorType, identical
from ...origin import override
from ...primitives import movement
from ...tensor import Tensor

STACKED_BYTES = 2**14  # of one element, where separate arrays are stacked
WINDOW = 8  # the most slices that an element may be put together from


@dataclass(frozen=True)
class View:
    """Slices of `source` along an axis: the first is from `start` on, each is `width` long and `stride` after the one before.

    `slice` are the attributes of the first one. They are reshaped to `shape`."""

    source: Node
    axis: int
    start: int
    stride: int
    width: int
    count: int
    slice: dict[str, Any]
    shape: Any
    reshaped: bool

    @staticmethod
    def of(elements: Sequence[Node]) -> View | None:
        """The view that the elements are, else None."""
        slices = [below_reshapes(e) for e in elements]
        first = slices[0]
        if len(slices) < 2 or any(s.op is not movement.slice or s.args[0] is not first.args[0] for s in slices):
            return None
        start, stop, shape = first.attrs["start"], first.attrs["stop"], elements[0].type.shape
        moving = [a for a, (i, j) in enumerate(zip(start, slices[1].attrs["start"], strict=True)) if i is not j and not equal(i, j)]
        if len(moving) != 1 or any(s != 1 for s in first.attrs["step"]):
            return None
        (axis,) = moving
        one, two, end = start[axis], slices[1].attrs["start"][axis], stop[axis]
        if not (type(one) is type(two) is type(end) is int):
            return None
        stride, width = two - one, end - one
        if width < 1 or (abs(stride) != width and width > WINDOW):
            return None
        others = [a for a in range(len(start)) if a != axis]
        for i, (e, s) in enumerate(zip(elements, slices, strict=True)):
            low, high = s.attrs["start"], s.attrs["stop"]
            if type(low[axis]) is not int or low[axis] != one + i * stride or high[axis] - low[axis] != width:
                return None
            for a in others:
                if not (low[a] is start[a] or equal(low[a], start[a])) or not (high[a] is stop[a] or equal(high[a], stop[a])):
                    return None
            if e.type.shape is not shape and not identical(e.type.shape, shape):
                return None
        return View(first.args[0], axis, one, stride, width, len(elements), first.attrs, shape, elements[0] is not first)

    def attrs(self, number: int) -> dict[str, Any]:
        """The attributes of the slice with this number; −1 is the one before the first."""
        return moved(self.slice, self.axis, number * self.stride)

    def continues(self, node: Node, side: int) -> bool:
        """Whether the node is the element after the last (side 1) or before the first (side −1)."""
        found = below_reshapes(node)
        return (
            found.op is movement.slice
            and found.args[0] is self.source
            and type(found.attrs["start"][self.axis]) is int
            and identical(node.type.shape, self.shape)
            and same_slice(found.attrs, self.attrs(self.count if side > 0 else -1))
        )

    def grown(self, side: int) -> View:
        """The view with one element more at that side."""
        if side > 0:
            return replace(self, count=self.count + 1)
        return replace(self, count=self.count + 1, start=self.start - self.stride, slice=self.attrs(-1))

    def next(self, side: int, like: Node) -> Node | None:
        """The element after the last or before the first, made if the source is long enough."""
        attrs, n = self.attrs(self.count if side > 0 else -1), self.source.type.shape[self.axis]
        if type(n) is not int or attrs["start"][self.axis] < 0 or attrs["stop"][self.axis] > n:
            return None
        with override(like.place):
            found = make(movement.slice, (self.source,), attrs)
            return make(movement.reshape, (found,), {"shape": self.shape}) if self.reshaped else found

    def stacked(self, source: Node, reverse: bool) -> Node:
        """All elements along a new first axis, the last first if `reverse`."""
        axis, m, w, stride = self.axis, self.count, self.width, abs(self.stride)
        low = min(self.start, self.start + (m - 1) * self.stride)
        if stride == w or m == 1:
            t = self._part(source, low, low + m * w, 1)
            if w > 1 or axis:
                t = movement.reshape(t, shape=(*t.shape[:axis], m, w, *t.shape[axis + 1 :]))
                t = movement.permute(t, axes=(axis, *(a for a in range(t.ndim) if a != axis)))
        else:
            rows = [self._part(source, low + j, low + j + (m - 1) * stride + 1, stride) for j in range(w)]
            rows = [movement.permute(r, axes=(axis, *(a for a in range(r.ndim) if a != axis))) for r in rows]
            rows = [movement.reshape(r, shape=(m, *r.shape[1 : axis + 1], 1, *r.shape[axis + 1 :])) for r in rows]
            t = movement.concat(*rows, axis=axis + 1) if w > 1 else rows[0]
        if (self.stride < 0) != reverse:
            t = movement.flip(t, axes=(0,))
        shape = (m, *self.shape)
        return (t if identical(t.shape, shape) else movement.reshape(t, shape=shape)).node

    def _part(self, source: Node, low: int, high: int, step: int) -> Tensor:
        start = tuple(low if a == self.axis else s for a, s in enumerate(self.slice["start"]))
        stop = tuple(high if a == self.axis else s for a, s in enumerate(self.slice["stop"]))
        if step == 1 and identical(stop, source.type.shape) and not any(type(s) is not int or s for s in start):
            return Tensor(source)
        steps = tuple(step if a == self.axis else 1 for a in range(len(start)))
        return movement.slice(Tensor(source), start=start, stop=stop, step=steps)


def same_slice(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two slices take the same part, for all sizes. Adds no guard."""
    return a is b or all(identical(a[k], b[k]) for k in ("start", "stop", "step"))


def moved(attrs: dict[str, Any], axis: int, by: int) -> dict[str, Any]:
    start, stop = (tuple(n + by if a == axis else n for a, n in enumerate(attrs[k])) for k in ("start", "stop"))
    return {"start": start, "stop": stop, "step": attrs["step"]}


def below_reshapes(node: Node) -> Node:
    while node.op is movement.reshape:
        node = node.args[0]
    return node


def size(type_: Any) -> int:
    """The bytes of a value; a value of several parts counts as huge, since only its parts can be stored."""
    return math.prod(map(typical, type_.shape)) * type_.dtype.itemsize if type(type_) is TensorType else 2**40


def same_type(a: Any, b: Any) -> bool:
    """Whether two nodes have one type for all sizes; false for nodes with several results. Adds no guard."""
    return type(a) is type(b) is TensorType and a.dtype == b.dtype and identical(a.shape, b.shape)


def can_stack(elements: Sequence[Node]) -> bool:
    """Whether these, which are no view, may be a sequence."""
    first = elements[0].type
    if not all(same_type(first, e.type) for e in elements):
        return False
    if all(is_number(e) for e in elements) or all(e.is_constant for e in elements):
        return True
    if len(set(elements)) <= len(elements) // 2:  # the same ones again and again: weights of a step that is several repetitions long
        return False
    return size(first) <= STACKED_BYTES


def stack(elements: Sequence[Node], new: Callable[[Node], Node], reverse: bool) -> Node:
    """A sequence of the elements, after they are replaced by `new`. Numbers are stacked before they are broadcast."""
    elements = elements[::-1] if reverse else elements
    if all(map(is_number, elements)):
        elements = [behind_broadcast(e) for e in elements]
    if all(e.is_constant for e in elements):
        values = np.stack([e.value for e in elements])
        values.flags.writeable = False
        return known(CONSTANT, values)
    found = [new(e) for e in elements]
    view = View.of(found)
    if view is not None:
        return view.stacked(view.source, False)
    parts = [movement.reshape(Tensor(e), shape=(1, *e.type.shape)).node for e in found]
    return movement.concat(*map(Tensor, merged(parts, 0)), axis=0).node


def merged(args: Sequence[Node], axis: int) -> tuple[Node, ...]:
    """The arguments of a concatenation, those that are consecutive slices of one array in one."""
    found: list[Node] = []
    i = 0
    while i < len(args):
        j, source = i + 1, below_reshapes(args[i])
        if source.op is movement.slice:
            while j < len(args) and (other := below_reshapes(args[j])).op is movement.slice and other.args[0] is source.args[0]:
                j += 1
        view = View.of(args[i:j]) if j - i > 1 else None
        if view is None:
            found.append(args[i])
            i += 1
            continue
        t = Tensor(view.stacked(view.source, False))
        shape = args[i].type.shape
        shape = (*shape[:axis], view.count * shape[axis], *shape[axis + 1 :])
        order = (*range(1, axis + 1), 0, *range(axis + 1, t.ndim))
        t = movement.permute(t, axes=order) if axis else Tensor(below_reshapes(t.node))
        found.append((t if identical(t.shape, shape) else movement.reshape(t, shape=shape)).node)
        i = j
    return tuple(found)
