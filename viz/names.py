"""Names of values: the variables of the user's lines, short, and no two of one step alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minigrad.graph.ir import Node

from . import text
from .leaves import assigned, shortened
from .scopes import inner
from .timeline import Item, Timeline


def shorten(leaves: Sequence[Item]) -> None:
    """Shorten names: model.readout.b -> readout.b where all names begin alike; W_h -> Wₕ."""
    for item, name in zip(leaves, shortened([i.name or "" for i in leaves]), strict=True):
        if item.leaf != "start":
            old = item.name or ""
            item.label = text.pretty(name) + (item.label[len(old) :] if item.label.startswith(old) else "")
        item.name = text.pretty(name)


def name_values(timeline: Timeline) -> None:
    """Name each value that is the last one of its source line by the variable that the line assigns, the last one of that variable.

    Values of a step that share a name get their scopes before it, write.k and read.k, or primes after it, h′ and h.
    """
    for group in _groups(timeline):
        _name_variables(group)
        _distinguish([item for item in group if item.name])
        for item in group:
            if item.folded and item.called:
                item.label = item.called if not item.several else f"{item.prefix}{item.several}{item.suffix}"
    starts = [i for i in timeline.items if i.leaf == "start" and i.name]
    for column in dict.fromkeys(i.column for i in starts):
        _distinguish([i for i in starts if i.column == column])
    _distinguish_leaves([i for i in timeline.items if i.leaf in ("argument", "input", "parameter", "constant")])


def _groups(timeline: Timeline) -> Iterator[list[Item]]:
    for group in (*(c.items for c in timeline.columns), timeline.after, timeline.before):
        yield [timeline.items[i] for i in group]


def _name_variables(group: Sequence[Item]) -> None:
    last = {(o.code, o.line, o.scopes): i for i in group if (o := i.node.origin).code is not None and o.vjp_of is None}
    variables = {(assigned(code.co_filename, line), scopes): i for (code, line, scopes), i in last.items() if code and not i.name}
    taken = {(i.name, i.node.origin.scopes) for i in group}
    for (name, scopes), item in variables.items():
        if name and (name, scopes) not in taken:
            item.name = name


def _distinguish(items: Sequence[Item]) -> None:
    """Tell values apart that have one name."""
    alike: dict[str, list[Item]] = {}
    for item in items:
        alike.setdefault(item.several or item.name or "", []).append(item)
    for group in alike.values():
        if len(group) > 1:
            scopes = _differing([inner(item) for item in group])
            for n, (item, scope) in enumerate(zip(group, scopes, strict=True), 1):
                if len(set(scopes)) == len(scopes):
                    last = n == len(group) and scope.endswith("]")  # the last step of an inner loop
                    item.prefix = f"{scope}." if scope and not last else ""
                else:
                    item.suffix = _primes(len(group) - n)


def _differing(paths: Sequence[Sequence[str]]) -> list[str]:
    """What tells these paths of scopes apart: block0 and block1 of block0.attention and block1.attention."""
    alike = len({len(p) for p in paths}) == 1 and len(set(map(tuple, paths))) > 1
    kept = [k for k in range(len(paths[0])) if len({p[k] for p in paths}) > 1] if alike else []
    return [".".join([p[k] for k in kept] if kept else p) for p in paths]


def _distinguish_leaves(leaves: Sequence[Item]) -> None:
    """Add primes to the labels of leaves that come from another array than an earlier leaf of their column with that label."""
    found: dict[tuple[int | None, str], dict[Node, int]] = {}
    for item in leaves:
        root = item.node
        while root.args:
            root = root.args[0]
        roots = found.setdefault((item.column, item.label), {})
        item.suffix = _primes(roots.setdefault(root, len(roots)))
        item.label += item.suffix


def _primes(n: int) -> str:
    return "′" * n if n < 4 else f"({n + 1})"
