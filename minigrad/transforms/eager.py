"""Gradients of eager results. Their values are computed at once, their graphs when someone asks for them.

A gradient rule is traced once for each operation with its attributes, types and needed arguments, and then runs as straight-line NumPy
code: the same functions on the same arrays as in the graph of the gradient, so that both agree to the last bit. The rules of loops,
branches and calls, and those that users write, are applied to tensors instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from threading import Lock
from typing import Any

import numpy as np

from ..errors import AbstractValueError, MinigradError
from ..graph.ir import Graph, Node, ancestors, new_id
from ..graph.nodes import CONSTANT, interning, is_tracing, known, signature
from ..origin import is_engine, override
from ..primitives.elementwise import alias
from ..primitives.rows import added
from ..primitives.rules import cotangent_type
from ..tensor import Tensor, abstract
from .reverse import gradient_rule, pullback, reverse, vjp_of
from .straight import straight

NONE = None, None


def gradient_values(outputs: Sequence[Node], cts: Sequence[Any], wrt: Sequence[Node], order: Sequence[Node] | None = None) -> list[Any]:
    """The values of the cotangents that `pullback` gives, without a graph."""
    with np.errstate(all="ignore"):
        return reverse(outputs, cts, wrt, _vjp_values, np.add, order=order)


def _vjp_values(node: Node, cts: list[Any], needs: tuple[bool, ...]) -> Sequence[Any]:
    shared, args = node.signature or signature(node.op, tuple([a.type for a in node.args]), node.attrs), node.args
    if not shared.has_body:
        rule, pull = shared.pulls.get(needs, NONE)
        if pull is None or rule is not node.op.vjp:
            pull = _traced(node, needs)
            shared.pulls[needs] = node.op.vjp, pull
        try:
            if len(args) == 1:
                return pull(cts[0], node.value, args[0].value)
            if len(args) == 2:
                return pull(cts[0], node.value, args[0].value, args[1].value)
            return pull(cts[0], node.value, *[a.value for a in args])
        except (MinigradError, MemoryError):  # the rule on tensors says at which line
            pass
    given = [None if ct is None else Tensor(known(CONSTANT, np.asarray(ct))) for ct in cts]
    return [None if ct is None else ct.node.value for ct in vjp_of(node, given, needs)]


def _traced(node: Node, needs: tuple[bool, ...]) -> Callable[..., Any]:
    """The gradient rule of a node as code: (cotangent, result, *arguments) -> cotangents."""
    rule = gradient_rule(node.op)
    if not all(map(_is_ours, getattr(rule, "rules", (rule,)))):
        return _needs_tensors  # a user's rule may give something else the next time
    with interning():
        params = [abstract(cotangent_type(node.type)), abstract(node.type), *[abstract(a.type) for a in node.args]]
        with override(node):
            found = rule(params[:1], params[1], params[2:], needs, **node.attrs)
    cts = [ct if need else None for ct, need in zip(found, needs, strict=True)]
    outputs = tuple(ct.node for ct in cts if ct is not None)
    return straight(Graph(tuple(p.node for p in params), outputs, node.op.name), [ct is not None for ct in cts])


def _is_ours(rule: Callable[..., Any]) -> bool:
    code = getattr(rule, "__code__", None)
    return code is not None and is_engine(code.co_filename)


def _needs_tensors(*_: Any) -> Any:
    raise AbstractValueError


class Recipe:
    """The graph of gradients whose values are known. It is built once, when the arguments of one of them are asked for."""

    def __init__(self, outputs: Sequence[Tensor], cts: Sequence[Tensor | None], wrt: Sequence[Tensor]):
        self.given = [o.node for o in outputs], cts, [x.node for x in wrt]
        self.first, self.lock = new_id(), Lock()
        self.found: list[Tensor | None] | None = None

    def node(self, position: int) -> Node:
        with self.lock:
            if self.found is None:
                self.found = Context().run(reverse, *self.given, vjp_of, added)  # as the values are summed
                made = [t.node for t in self.found if t is not None]
                for i, node in enumerate(n for n in ancestors(made, lambda n: n.id < self.first) if n.id > self.first):
                    node.id = self.first + 1 + i  # as if it had been built when the values were computed
            found = self.found[position]
        assert found is not None
        return found.node


class Gradient(Node):
    """A gradient. Its value is known, and its argument, which is the graph that computes it, is built when it is asked for."""

    __slots__ = ("_args", "_recipe")
    _args: tuple[Node, ...]

    def __init__(self, recipe: Recipe, position: int, of: Node, value: np.ndarray):
        self._recipe: tuple[Recipe, int] | None = (recipe, position)
        super().__init__(alias, (), {}, cotangent_type(of.type), value, origin=of)

    @property
    def args(self) -> tuple[Node, ...]:  # type: ignore[override]
        if self._recipe is not None:
            recipe, position = self._recipe
            self._args, self._recipe = (recipe.node(position),), None
        return self._args

    @args.setter
    def args(self, args: tuple[Node, ...]) -> None:
        self._args = args


def gradients(
    outputs: Sequence[Tensor], cts: Sequence[Tensor | None], wrt: Sequence[Tensor], order: Sequence[Node] | None = None
) -> list[Tensor | None]:
    """What `pullback` gives: eagerly the values at once, and the graph when it is asked for. `order` is that of `reverse`."""
    if is_tracing() or any(t is not None and t.node.value is None for t in (*outputs, *cts)):
        return pullback(outputs, cts, wrt)
    arrays = [None if ct is None else ct.node.value for ct in cts]
    found = gradient_values([o.node for o in outputs], arrays, [x.node for x in wrt], order)
    recipe = Recipe(outputs, cts, wrt)
    return [None if g is None else Tensor(Gradient(recipe, i, wrt[i].node, _frozen(g))) for i, g in enumerate(found)]


def _frozen(value: Any) -> np.ndarray:
    array = np.asarray(value)
    array.setflags(write=False)
    return array
