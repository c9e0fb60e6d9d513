"""Tracing: a Python function is called once with abstract tensors, and the recorded operations are its graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .. import tree
from ..errors import GraphError, dtype_error, message, require_callable, setting_error
from ..graph.ir import Graph, Node, ancestors, substitute
from ..graph.nodes import INPUT, Outside, interning, is_number, table_of_trace
from ..ops.numbers import argument, renewed, stand_in
from ..primitives import elementwise
from ..tensor import Tensor, abstract, tensor
from ..unchanged import Unchanged

# The pass that finds loops in what is being traced. passes.reroll, which imports this file, sets it.
loop_finder: dict[str, Callable[..., list[Node]]] = {}


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """The graph of f for arguments of these types. Arguments are trees of tensors, arrays or numbers; their values are not used.

    `graph.in_tree` and `graph.out_tree` are the structures of arguments and result. Values that f takes from outside are constants.
    """
    require_callable("trace", f)
    leaves, in_tree = tree.flatten((args, kwargs))
    params = [stand_in(argument(leaf)) for leaf in leaves]
    return trace_on(f, params, in_tree, argument_names(f, args, kwargs), getattr(f, "__name__", "function"))


def argument_names(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
    """A name for each leaf of (args, kwargs), in whose tree names are sorted: the name of the parameter and the path to the leaf."""
    given = [*zip(parameter_names(f, len(args)), args, strict=False), *sorted(kwargs.items())]
    return [path for name, arg in given for path in tree.paths(tree.flatten(arg)[1], name)]


def parameter_names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the positional parameters, at least `count`."""
    try:
        signature = inspect.signature(f)
        names = [p.name for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    return names + [f"arg{i}" for i in range(len(names), count)]


def static_places(f: Callable[..., Any], argnums: int | Iterable[int], argnames: str | Iterable[str]) -> frozenset[int | str]:
    """The positions and names of the static arguments. Raises SettingError for those that f does not have."""
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    names = [argnames] if isinstance(argnames, str) else list(argnames)
    if not numbers and not names:
        return frozenset()
    parameters = inspect.signature(f).parameters.values()
    ordered = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    kinds = {p.kind for p in parameters}
    known = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    has = f"{getattr(f, '__name__', 'the function')} has {', '.join(p.name for p in parameters) or 'no parameters'}"
    found: set[int | str] = set()
    for n in numbers:
        if n >= len(ordered) and inspect.Parameter.VAR_POSITIONAL in kinds:
            found.add(n)
        elif -len(ordered) <= n < len(ordered):
            names.append(ordered[n])
        else:
            raise setting_error("jit", f"static_argnums has {n}, but {has}")
    for name in names:
        if name not in known and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise setting_error("jit", f"static_argnames has {name!r}, but {has}")
        found |= {name, ordered.index(name)} if name in ordered else {name}
    return frozenset(found)


def with_static(static: frozenset[int | str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with the static ones as parts of the structure."""
    positional = tuple(tree.Static(a) if i in static else a for i, a in enumerate(args))
    return positional, {k: tree.Static(a) if k in static else a for k, a in kwargs.items()}


def trace_on(
    f: Callable[..., Any],
    params: Sequence[Tensor],
    in_tree: tree.TreeDef,
    names: Sequence[str | None],
    name: str,
    outside: Outside | None = None,
    loops: bool = False,
) -> Graph:
    """The graph of f(*args, **kwargs) for these abstract arguments, which get these names, and this structure.

    The inputs in `outside` are its last params. With `loops`, steps that a Python loop wrote out are loops again.
    """
    with interning(outside), Unchanged(name, f):
        params = [stand_in(p, n) for p, n in zip(params, names, strict=True)]
        args, kwargs = tree.unflatten(in_tree, params)
        outs, out_tree = tree.flatten(f(*args, **kwargs))
        results = [_result(name, o) for o in outs]
        outputs = tuple(t.node for t in (with_loops(results, params, last=True) if loops else results))
    captured: Iterable[Node] = ()
    if outside is not None:
        outputs = tuple(map(outside.taken, outputs))
        captured = outside.inputs.values()
    graph = Graph((*(p.node for p in params), *captured), outputs, name, in_tree, out_tree)
    _require_closed(graph)
    return graph


def with_loops(results: Any, leaves: Sequence[Tensor], last: bool = False) -> Any:
    """The results of a function that is being traced on these leaves, with steps that a Python loop wrote out as loops.

    At the last search of a trace, what gradients differentiate was searched before."""
    outs, out_tree = tree.flatten(results)
    tensors = [o for o in outs if isinstance(o, Tensor)]
    table = table_of_trace()
    if table is None or not leaves:
        return results
    again, table.searched = last and table.searched, True
    nodes = {t.node for t in leaves}
    found = loop_finder["reroll"]([t.node for t in tensors], nodes, min(n.id for n in nodes), again)
    new = {t.node: n for t, n in zip(tensors, found, strict=True)}
    return tree.unflatten(out_tree, [_renewed(o, new[o.node]) if isinstance(o, Tensor) else o for o in outs])


def _renewed(t: Tensor, node: Node) -> Tensor:
    """The tensor as another node computes it."""
    if node is t.node:
        return t
    if t.node.learned is not None:
        node = elementwise.alias(Tensor(node)).node
        node.learned = t.node.learned
    return renewed(t, node).named(t.name) if t.name else renewed(t, node)


def _result(name: str, value: Any) -> Tensor:
    if isinstance(value, str) or callable(value):
        raise dtype_error(name, f"must return tensors or trees of them, got {value!r}")
    return tensor(value)


def _require_closed(graph: Graph) -> None:
    free = next((n for n in graph.nodes if n.op is INPUT), None)
    if free is not None:
        problem = f"uses {free!r}, an input of another trace"
        raise GraphError(message(graph.name, problem, "Pass the tensor as an argument, or trace the outer function"))


def closed(params: Sequence[Tensor], outputs: Sequence[Tensor], name: str) -> tuple[Graph, list[Tensor]]:
    """The graph of a body, and the tensors that the body takes from outside (captures). These become the first params of the graph.

    All that does not depend on the params is outside: loop-invariant operations are not part of the body. Numbers stay in it.
    """
    own = {p.node for p in params}
    first = min((n.id for n in own), default=None)
    inside: set[Node] = set(own)
    for node in ancestors((o.node for o in outputs), lambda n: n in own or first is None or n.id < first):
        if any(a in inside for a in node.args):
            inside.add(node)
    roots = {a for n in inside for a in n.args} | {o.node for o in outputs}
    free = sorted((n for n in roots - inside if not is_number(n)), key=lambda n: n.id)
    stand_in = {n: abstract(n.type, n.name) for n in free}
    order = (*(stand_in[n].node for n in free), *(p.node for p in params))
    graph = Graph((), tuple(o.node for o in outputs), name)
    return substitute(graph, {n: t.node for n, t in stand_in.items()} | {p: p for p in own}, order), [Tensor(n) for n in free]
