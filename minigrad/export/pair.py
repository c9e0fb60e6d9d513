"""A function and its gradient as two compiled programs of one trace. The first also gives what the second reads of it, the residuals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..captured import find
from ..compiled import KEPT_SPECIALIZATIONS, as_array, compile_graph, structure_of, symbolic, traced
from ..control.scan import SCAN, residuals, split
from ..errors import GraphError, message
from ..graph.dims import Symbol
from ..graph.ir import Graph, Node, ancestors, substitute
from ..graph.nodes import INPUT, item, make
from ..graph.types import TensorType
from ..ops import astype, concat, expand_dims
from ..primitives.elementwise import detach
from ..primitives.rules import cotangent_type
from ..program import Layout, Program, Specialization, Structure
from ..tensor import Tensor, abstract, differentiating, tensor
from ..transforms.reverse import pullback
from ..transforms.tracing import argument_names


class Pulled(NamedTuple):
    """The results of a function, and its gradient."""

    outs: list[Tensor]
    out_tree: tree.TreeDef
    varying: tuple[int, ...]  # the results that have cotangents: floats that depend on what is differentiated
    cts: list[Tensor]
    grads: list[Tensor | None]  # one for each leaf of the arguments that is differentiated; None if no result depends on it


def pulled(f: Callable[..., Any], args: Any, kwargs: Any, wanted: Sequence[bool], cts: Sequence[Tensor] | None = None) -> Pulled:
    """f(*args, **kwargs) and its gradient for the wanted leaves of the arguments. Without cotangents there are abstract ones."""
    wrt = [leaf for leaf, want in zip(tree.leaves((args, kwargs)), wanted, strict=True) if want]
    with differentiating():
        found, out_tree = tree.flatten(f(*args, **kwargs))
        outs = [tensor(o) for o in found]
    sources = {x.node for x in wrt}
    varying = tuple(i for i, o in enumerate(outs) if not sources.isdisjoint(ancestors([o.node], _stops)))
    cts = [abstract(outs[i].type, "ct") for i in varying] if cts is None else list(cts)
    seeds = [astype(ct, cotangent_type(ct.type).dtype) for ct in cts]
    grads = pullback([outs[i] for i in varying], seeds, wrt)
    return Pulled(outs, out_tree, varying, cts, [None if g is None else astype(g, x.dtype) for g, x in zip(grads, wrt, strict=True)])


def _stops(node: Node) -> bool:
    """Whether no gradient passes the node."""
    return node.op is detach or node.is_constant or (isinstance(node.type, TensorType) and not node.type.is_float)


class Split(NamedTuple):
    """What a trace gives: the nodes of the forward program's results (those of the function first), and the backward graph."""

    pulled: Pulled
    kept: list[Node]  # the residuals, in the order of the backward graph's params; the cotangents come after them
    results: list[Tensor]
    backward: Graph | None

    @staticmethod
    def of(found: Pulled, name: str) -> Split:
        grads = [g.node for g in found.grads if g is not None]
        outs, cts = [o.node for o in found.outs], [ct.node for ct in found.cts]
        if not grads:
            return Split(found, [], found.outs, None)
        below = ancestors([*outs, *grads], lambda n: n.is_constant)
        after = set(cts)
        for node in below:
            if any(a in after for a in node.args):
                after.add(node)
        forward = {n for n in below if n not in after and not n.is_constant}
        stored = _stored(residuals(grads, forward, {*outs, *(n for n in forward if n.op is INPUT)}, "auto"), outs)
        kept = list(dict.fromkeys(source for source, _ in stored.values()))
        stand_in = {n: abstract(n.type, n.name) for n in kept}
        mapping = {n: part(stand_in[source]).node for n, (source, part) in stored.items()} | {ct: ct for ct in cts}
        graph = Graph((), tuple(grads), f"{name}.vjp", out_tree=tree.flatten(grads)[1])
        backward = substitute(graph, mapping, (*(t.node for t in stand_in.values()), *cts))
        fresh = [Tensor(n) for n in kept if n.op is not INPUT and n not in outs]
        return Split(found, kept, [*found.outs, *fresh], backward)


def _stored(kept: Sequence[Node], outs: Collection[Node]) -> dict[Node, tuple[Node, Callable[[Tensor], Tensor]]]:
    """For each residual the node that is stored, and the part of it that is the residual. The values of a loop's carry before and after
    each step are parts of one: all its values, one more than there are steps."""
    found: dict[Node, tuple[Node, Callable[[Tensor], Tensor]]] = {n: (n, lambda t: t) for n in kept}
    stacks = [n for n in kept if n.op is item and n.args[0].op is SCAN and n not in outs]
    for before in stacks:
        (loop,), k = before.args, before.attrs["index"]
        body, carries, reverse = (loop.attrs[name] for name in ("body", "carries", "reverse"))
        params = split(body.params, loop.attrs["constants"], carries).carries
        if k < carries or body.outputs[k] not in params:
            continue
        i = params.index(body.outputs[k])
        last = expand_dims(Tensor(make(item, (loop,), {"index": i})), 0)
        parts = [last, Tensor(before)] if reverse else [Tensor(before), last]
        first, rest = ((concat(parts).node, part) for part in (lambda t: t[:-1], lambda t: t[1:]))
        found[before] = rest if reverse else first
        for n in stacks:
            if n.args[0] is loop and n.attrs["index"] >= carries and body.outputs[n.attrs["index"]] is body.outputs[i] is not params[i]:
                found[n] = first if reverse else rest
    return found


class Pair(NamedTuple):
    """The two programs. Positions are of the list of all arguments of the forward program, then all its results."""

    forward: Program
    backward: Program | None
    out_tree: tree.TreeDef
    results: int  # of the function
    varying: tuple[int, ...]  # the results that have cotangents
    connected: tuple[bool, ...]  # for each wanted leaf, whether it has a gradient
    reads: tuple[int, ...]  # the positions of the residuals
    read_outs: tuple[int, ...]  # the results of the function among them


class Sized:
    """A pair for arguments of given shapes. Its results are memory of the caller's own."""

    def __init__(self, pair: Pair, sizes: dict[Symbol, int], structure: Structure):
        self.pair, self.forward = pair, Specialization(pair.forward, sizes, structure)
        self.backward = None if pair.backward is None else Specialization(pair.backward, sizes, structure)
        self.memory, self.kept = self.forward.allocator(pair.results), Layout(self.forward.types[pair.results :])
        self.gradient_memory = None if self.backward is None else self.backward.allocator()

    def results(self, arguments: Sequence[np.ndarray]) -> tuple[Sequence[np.ndarray], np.ndarray]:
        """The results of the function, and a block with the residuals that are neither arguments nor results."""
        outs, block = self.memory(), self.kept.empty()
        self.forward.fill(arguments, [*outs, *self.kept.arrays(block)])
        return outs, block

    def gradients(self, given: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """The gradients of the connected leaves, from the residuals and the cotangents."""
        if self.backward is None or self.gradient_memory is None:  # none is connected
            return []
        found = self.gradient_memory()
        self.backward.fill(given, found)
        return found


class Pairs:
    """The pairs of a function, by the structure and types of its arguments, and by what is differentiated."""

    def __init__(self, f: Callable[..., Any]):
        self.function, self.name = f, getattr(f, "__name__", type(f).__name__)
        self.known: dict[Any, list[Pair]] = {}
        self.sized: dict[Any, Sized] = {}

    def at(
        self, leaves: list[Any], literal: Sequence[bool], in_tree: tree.TreeDef, wanted: tuple[bool, ...]
    ) -> tuple[Sized, list[np.ndarray]]:
        """The pair for these leaves of (args, kwargs), and all arguments of its forward program. The axes of leaves that are literal, as
        parameters are, are run-time sizes only once they change."""
        arrays = list(map(as_array, leaves))
        structure = structure_of(self.name, in_tree, leaves)
        key = (structure, wanted, *[(a.dtype, a.shape) for a in arrays])
        found = self.sized.get(key)
        outside = None if found is None else found.pair.forward.outside(self.function)
        if found is None or outside is None:
            if len(self.sized) >= KEPT_SPECIALIZATIONS:
                self.sized.clear()
            found, outside = self._find(leaves, literal, arrays, structure, wanted)
            self.sized[key] = found
        return found, [*arrays, *map(as_array, outside)]

    def _find(
        self, leaves: list[Any], literal: Sequence[bool], arrays: list[np.ndarray], structure: Structure, wanted: tuple[bool, ...]
    ) -> tuple[Sized, list[Tensor]]:
        """A known pair that fits, else a new one; and what it takes from outside."""
        known = self.known.setdefault((structure, wanted, tuple((a.dtype, a.ndim) for a in arrays)), [])
        for pair in known:
            fitting = self._fitting(pair, arrays, structure)
            if fitting is not None:
                return fitting
        programs = [pair.forward for pair in known]
        params = [
            symbolic(i, None if fixed else leaf, a, programs)
            for i, (leaf, fixed, a) in enumerate(zip(leaves, literal, arrays, strict=True))
        ]
        changed = {n for p in programs if p.captured is not None for n in p.captured.changed(self.function)}
        treedef = structure.treedef
        known.insert(0, self._made(params, tree.unflatten(treedef, leaves), treedef, wanted, changed))
        found = self._fitting(known[0], arrays, structure)
        assert found is not None
        return found

    def _fitting(self, pair: Pair, arrays: list[np.ndarray], structure: Structure) -> tuple[Sized, list[Tensor]] | None:
        outside = pair.forward.outside(self.function)
        sizes = None if outside is None else pair.forward.sizes([*arrays, *map(as_array, outside)])
        return None if outside is None or sizes is None else (Sized(pair, sizes, structure), outside)

    def _made(self, params: list[Tensor], given: Any, in_tree: tree.TreeDef, wanted: tuple[bool, ...], changed: set[Node]) -> Pair:
        split: Split

        def both(*args: Any, **kwargs: Any) -> list[Tensor]:
            nonlocal split
            split = Split.of(pulled(self.function, args, kwargs, wanted), self.name)
            return split.results

        both.__name__ = self.name
        graph, guards, outside = traced(both, params, in_tree, argument_names(self.function, *given), changed)
        learned = next((n for n in outside.inputs if n.tracked), None)
        if learned is not None:
            problem = f"it takes {learned!r} from outside, which has a gradient that the caller would not see"
            fix = "Pass it as an argument, or make the model that holds it a module; take .detach() of what is a constant"
            raise GraphError(message(self.name, problem, fix))
        forward = compile_graph(graph, guards, find(self.function, self.name, [*outside.inputs], outside.constants))
        backward = None if split.backward is None else compile_graph(split.backward, guards)
        place = {n: i for i, n in reversed([*enumerate((*graph.params, *graph.outputs))])}
        found, out_tree, varying, _, grads = split.pulled
        connected = tuple(g is not None for g in grads)
        reads = tuple(place[n] for n in split.kept)
        read_outs = tuple(i for i in range(len(found)) if len(graph.params) + i in reads)
        return Pair(forward, backward, out_tree, len(found), varying, connected, reads, read_outs)

    def gradient(self, wanted: tuple[bool, ...]) -> Callable[..., Any]:
        """A function of (args, kwargs) and of the cotangents of the results that have some. It returns the gradients that are not None."""

        def gradient(given: Any, cts: Any) -> Any:
            args, kwargs = given
            return [g for g in pulled(self.function, args, kwargs, wanted, cts).grads if g is not None]

        return gradient
