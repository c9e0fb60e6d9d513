"""Passes that move matrix products out of loops: T small products become one large product, which is faster on a CPU.

hoist   x_t @ W for all t becomes one product before the loop
defer   an output y_t = h_t @ W that no later step needs becomes one product after the loop
sink    Σ_t a_tᵀ b_t, the gradient of a weight, becomes one product after the loop
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ..control.scan import SCAN, Parts, split
from ..control.while_loop import WHILE
from ..graph.ir import Graph, Node, substitute
from ..graph.nodes import is_number, item, make
from ..graph.types import WIDE, TensorType
from ..ops import astype
from ..primitives import elementwise, index, linalg, movement, reduce
from ..primitives.rows import add_at, plus
from ..tensor import Tensor, abstract, apply
from ..transforms.batching import batch_graph
from .rewrite import in_bodies, replace_loops
from .rules import filled_with

LINEAR_MOVES = (movement.reshape, movement.permute, movement.pad, movement.slice, movement.flip, movement.roll)


def _below(body: Graph, sources: Sequence[Node]) -> set[Node]:
    """The nodes that depend on any of the sources."""
    found = set(sources)
    for node in body.nodes:
        if any(a in found for a in node.args):
            found.add(node)
    return found


def hoist(graph: Graph) -> Graph:
    """Matrix products of a loop that need no carry are done for all steps at once, and what needs constants alone is done once."""
    return replace_loops(in_bodies(graph, hoist), _hoisted)


def _hoisted(node: Node) -> dict[int, Tensor] | None:
    body, attrs = node.attrs["body"], node.attrs
    params = split(body.params, attrs["constants"], attrs["carries"])
    moving = _below(body, params.sequences)
    looping = _below(body, [*params.carries, *(n for n in body.nodes if n.op is WHILE and n in moving)])
    still = [n for n in body.nodes if n.op is linalg.matmul and n in moving and n not in looping]
    fixed = _worth_hoisting([n for n in body.nodes if n not in looping and n not in moving and not n.is_constant], body)
    if not still and not fixed:
        return None
    given = split([Tensor(a) for a in node.args], attrs["constants"], attrs["carries"])
    inputs, arguments = (*params.constants, *params.sequences), (*given.constants, *given.sequences)
    batched = [False] * len(given.constants) + [True] * len(given.sequences)
    once = batch_graph(Graph(inputs, tuple(fixed)), 1, arguments, [False] * len(inputs)) if fixed else []
    once = [movement.reshape(t, shape=t.shape[1:]) for t in once]
    ahead = batch_graph(Graph(inputs, tuple(still)), attrs["length"], arguments, batched) if still else []
    stand_in = {n: abstract(n.type, n.name).node for n in (*fixed, *still)}
    order = (
        *params.constants,
        *(stand_in[n] for n in fixed),
        *params.carries,
        *params.sequences,
        *(stand_in[n] for n in still),
    )
    new = substitute(body, stand_in, order)
    results = SCAN(
        *given.constants,
        *once,
        *given.carries,
        *given.sequences,
        *ahead,
        **{**attrs, "body": new, "constants": attrs["constants"] + len(fixed)},
    )
    return dict(enumerate(results))


def _worth_hoisting(nodes: Sequence[Node], body: Graph) -> list[Node]:
    """The loop-invariant nodes that the loop uses. Movements and constants are left out: computing them costs little."""
    several = {n for n in nodes if not isinstance(n.type, TensorType)}  # loops, branches, calls: their items are the results
    real = {n for n in nodes if n not in several and n.args and (n.op is item or n.op.kind not in ("move", "leaf", "index"))}
    users = {a for n in body.nodes if n not in real and n not in several for a in n.args} | set(body.outputs)
    return [n for n in nodes if n in real and n in users]


def defer(graph: Graph) -> Graph:
    """Outputs that no later step needs are computed after the loop, for all steps at once, if that takes a matrix product."""
    return replace_loops(in_bodies(graph, defer), _deferred)


def _deferred(node: Node) -> dict[int, Tensor] | None:
    body, attrs = node.attrs["body"], node.attrs
    n = attrs["carries"]
    params = split(body.params, attrs["constants"], n)
    early = {*body.params, *Graph(body.params, body.outputs[:n]).nodes}
    early |= {m for m in body.nodes if m.op is item and m.args[0] in early}
    late = {m for m in body.nodes if m not in early and not is_number(m)}
    if not any(m.op is linalg.matmul for m in late) or any(m.op in (SCAN, WHILE) for m in late):
        return None
    stacks = _Stacks(body, n, params.sequences)
    stacks.outputs = [y for y in stacks.outputs if y not in late]
    fixed = set(params.constants)
    frontier = sorted({a for m in late for a in m.args if a in early and a not in fixed}, key=lambda m: m.id)
    for m in frontier:
        stacks.add(m)
    small = Graph(body.params, (*body.outputs[:n], *stacks.outputs), body.name)
    given = split([Tensor(a) for a in node.args], attrs["constants"], n)
    results = SCAN(*given.constants, *given.carries, *given.sequences, **{**attrs, "body": small})
    after = Graph((*params.constants, *frontier), tuple(y for y in body.outputs[n:] if y in late))
    values = [*given.constants, *(stacks.value(m, params, given, results[n:]) for m in frontier)]
    found = iter(batch_graph(after, attrs["length"], values, [False] * len(fixed) + [True] * len(frontier)))
    ys = [next(found) if y in late else stacks.value(y, params, given, results[n:]) for y in body.outputs[n:]]
    return dict(enumerate([*results[:n], *ys]))


def sink(graph: Graph) -> Graph:
    """Sums over time of matrix products leave innermost loops: their factors are stacked and multiplied once."""
    return replace_loops(in_bodies(graph, sink), _sunk)


class _Stacks:
    """Values of the body that the loop stacks for use after it."""

    def __init__(self, body: Graph, carries: int, sequences: Sequence[Node]):
        self.outputs = list(body.outputs[carries:])
        self.sequences = set(sequences)

    def has(self, node: Node) -> bool:
        return node in self.sequences or node in self.outputs

    def add(self, node: Node) -> None:
        if not self.has(node):
            self.outputs.append(node)

    def value(self, node: Node, params: Parts, given: Parts, stacked: Sequence[Tensor]) -> Tensor:
        """The stack of a node: a sequence the loop reads, or an output it writes."""
        if node in self.outputs:
            return stacked[self.outputs.index(node)]
        return given.sequences[params.sequences.index(node)]


# A function that builds the sum of a term over all steps. Its argument maps a node of the body to its stacked values.
Summed = Callable[[Callable[[Node], Tensor]], Tensor]


def _sunk(node: Node) -> dict[int, Tensor] | None:
    body, attrs = node.attrs["body"], node.attrs
    n = attrs["carries"]
    params = split(body.params, attrs["constants"], n)
    if any(g.op is SCAN for g in body.nodes):
        return None
    stacks = _Stacks(body, n, params.sequences)
    fixed = set(params.constants)
    plans: dict[int, tuple[list[Summed], list[Node]]] = {}
    for wave in (_product, _total):
        for i, p in enumerate(params.carries):
            done, left = plans.get(i, ([], _terms(body.outputs[i], p, body)))
            made = [(g, wave(g, stacks, fixed)) for g in left]
            found = [s for _, s in made if s is not None]
            if found:
                plans[i] = (done + found, [g for g, s in made if s is None])
    if not plans:
        return None
    return _without(node, params, stacks, plans)


def _terms(out: Node, param: Node, body: Graph) -> list[Node]:
    """The terms g₁ … gₙ if the next carry is param + g₁ + … + gₙ and the carry has no other use; else none. Terms that are added in
    float64 are given as they are before that."""
    uses = Counter(a for m in body.nodes for a in m.args)
    if uses[param] != 1 or uses[out] or param in body.outputs or body.outputs.count(out) > 1:
        return []
    terms, stack, found = [], [out], False
    while stack:
        g = stack.pop()
        if g is param:
            found = True
        elif g.op is elementwise.add and (g is out or uses[g] == 1):
            stack.extend(reversed(g.args))
        elif g.op is add_at and (g is out or uses[g] == 1):
            updates, picks, x = g.args
            stack.append(x)
            terms.append(make(index.scatter, (updates, picks), {"axis": g.attrs["axis"], "n": g.type.shape[g.attrs["axis"]]}))
        elif _widens(g) and uses[g] == 1:
            stack.append(g.args[0])
        else:
            terms.append(g)
    depends = _below(body, [param])
    return terms if found and not any(g in depends for g in terms) else []


def _widens(g: Node) -> bool:
    return g.op is elementwise.cast and g.type.dtype == WIDE and g.args[0].type.is_float


def _product(g: Node, stacks: _Stacks, fixed: set[Node]) -> Summed | None:
    """Σ_t a_t @ b_t as one product. Movements of the product are linear and are applied to the sum."""
    if g.op in LINEAR_MOVES:
        inner = _product(g.args[0], stacks, fixed)
        return None if inner is None else lambda stack: apply(g.op, inner(stack), **g.attrs)
    if g.op is not linalg.matmul or len(g.type.shape) != 2:
        return None
    a, b = g.args
    flipped = a.op is movement.permute
    left = a.args[0] if flipped else a
    if left in fixed or b in fixed or left.is_constant or b.is_constant:
        return None
    stacks.add(left)
    stacks.add(b)

    def summed(stack: Callable[[Node], Tensor]) -> Tensor:
        x, y = stack(left), stack(b)
        rows = movement.reshape(y, shape=(y.shape[0] * y.shape[1], y.shape[2]))
        if flipped:
            columns = movement.reshape(x, shape=(x.shape[0] * x.shape[1], x.shape[2]))
            return linalg.matmul(linalg.swap(columns), rows)
        across = movement.permute(x, axes=(1, 0, 2))
        return linalg.matmul(movement.reshape(across, shape=(x.shape[1], x.shape[0] * x.shape[2])), rows)

    return summed


def _total(g: Node, stacks: _Stacks, fixed: set[Node]) -> Summed | None:
    """Σ_t of a value that is already stacked, or of its sum over axes."""
    if g.op in LINEAR_MOVES and not stacks.has(g):
        inner = _total(g.args[0], stacks, fixed)
        return None if inner is None else lambda stack: apply(g.op, inner(stack), **g.attrs)
    if stacks.has(g):
        return lambda stack: reduce.sum(stack(g), axes=(0,))
    if g.op is not reduce.sum or not stacks.has(g.args[0]):
        return None
    return lambda stack: reduce.sum(stack(g.args[0]), axes=(0, *(a + 1 for a in g.attrs["axes"])))


def _without(node: Node, params: Parts, stacks: _Stacks, plans: dict[int, tuple[list[Summed], list[Node]]]) -> dict[int, Tensor]:
    """Builds the loop without the sunk terms. Returns every result of the old loop."""
    body, attrs = node.attrs["body"], node.attrs
    n, given = attrs["carries"], split([Tensor(a) for a in node.args], attrs["constants"], attrs["carries"])
    gone = [i for i, (_, left) in plans.items() if not left]
    kept = [i for i in range(n) if i not in gone]
    after = [_partial(params.carries[i], plans[i][1]) if i in plans else body.outputs[i] for i in kept]
    small = Graph((*params.constants, *(params.carries[i] for i in kept), *params.sequences), (*after, *stacks.outputs), body.name)
    results = SCAN(*given.constants, *(given.carries[i] for i in kept), *given.sequences, **{**attrs, "body": small, "carries": len(kept)})
    last, stacked = results[: len(kept)], results[len(kept) :]

    def stack(of: Node) -> Tensor:
        return stacks.value(of, params, given, stacked)

    found = {n + j: t for j, t in enumerate(stacked[: len(body.outputs) - n])}
    for i in range(n):
        start = last[kept.index(i)] if i in kept else given.carries[i]
        for summed in plans.get(i, ([], []))[0]:
            term = astype(summed(stack), start.dtype)
            start = term if filled_with(start, 0) else start + term
        found[i] = start
    return found


def _partial(param: Node, terms: Sequence[Node]) -> Node:
    total = Tensor(param)
    for g in terms:
        total = plus(total, Tensor(g))
    return total.node
