"""The level "gate": all operations of one source line become one item."""

from __future__ import annotations

import linecache
import re
from collections.abc import Sequence

from . import text
from .leaves import assigned
from .timeline import Item, step_key

_CALL = re.compile(r"(?<!def )\b([A-Za-z_]\w*)\(")
_RANK = ("affine", "control", "reduce", "pointwise", "move")


def fold(items: Sequence[Item]) -> tuple[list[Item], list[int]]:
    """(the merged items, the new index of each old item).

    Only operations that follow each other directly are merged. So the result has no cycle, even where a line runs twice in a step.
    """
    new: list[Item] = []
    where: list[int] = []
    members: list[list[Item]] = []
    open_key = None
    last = -1
    for item in items:
        origin = item.node.origin
        key = (origin.code, origin.line, origin.scopes, origin.vjp_of is None, step_key(item.node))
        if item.leaf or origin.code is None or key != open_key:
            copy = Item(len(new), item.node, item.kind, item.label, leaf=item.leaf, name=item.name)
            copy.named = item.named
            copy.whole = where[item.whole] if item.whole is not None else None
            new.append(copy)
            members.append([])
            where.append(copy.index)
            if not item.leaf:
                open_key, last = (key if origin.code is not None else None), copy.index
        else:
            where.append(last)
        members[where[-1]].append(item)
    for group, target in zip(members, new, strict=True):
        _merge(target, group, where)
    return new, where


def _merge(target: Item, group: list[Item], where: list[int]) -> None:
    """Give the target the arguments that come from outside its group, each once, with all edges by which they arrive."""
    found: dict[int, list[tuple[object, int]]] = {}
    for item in group:
        for a, edges in zip(item.args, item.edges, strict=True):
            if where[a] != target.index:
                found.setdefault(where[a], []).extend(edges)
    target.args, target.edges = list(found), list(found.values())  # type: ignore[arg-type]
    if len(group) > 1:
        final = group[-1]
        target.node = final.node
        target.name, target.named = final.name, final.named
        target.kind = min((i.kind for i in group), key=lambda k: _RANK.index(k) if k in _RANK else len(_RANK))
        target.kind = "layer" if target.kind == "affine" else target.kind
        names = dict.fromkeys(i.name for i in group if i.named and i.name)
        target.label = ", ".join(names) if len(names) > 1 else _label(final)
        target.folded = True


def _label(item: Item) -> str:
    """The name of the variable that the line assigns, or of the function that it calls."""
    origin = item.node.origin
    line = linecache.getline(origin.code.co_filename, origin.line) if origin.code else ""
    name = item.name or (assigned(origin.code.co_filename, origin.line) if origin.code else None)
    calls = [
        c
        for c in _CALL.findall(line)
        if c not in ("named", "return", "expand_dims", "reshape", "range", "tuple", "float", "astype", "detach")
    ]
    if name:
        return text.pretty(name)
    return calls[0] if calls else item.label
