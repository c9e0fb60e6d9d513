"""The level "gate": all operations of one source line become one item."""

from __future__ import annotations

import linecache
import re
from collections.abc import Sequence

from .leaves import assigned
from .timeline import Item, step_key

_CALL = re.compile(r"(?<!def )\b([A-Za-z_]\w*)\(")
_RANK = ("control", "reduce", "pointwise", "move")
_PLAIN = ("named", "return", "expand_dims", "reshape", "range", "tuple", "float", "astype", "detach")  # calls that say nothing of a line
_ANY_STEP = ("step", "<lambda>", "<module>", "__call__")  # functions whose names say nothing


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
        apart = item.partial or item.at == ""  # a result that is a gradient, or the part of one that some steps give
        if item.leaf or origin.code is None or key != open_key or apart:
            copy = Item(len(new), item.node, item.kind, item.label, leaf=item.leaf, name=item.name, at=item.at)
            copy.named, copy.partial, copy.time, copy.given, copy.cut = item.named, item.partial, item.time, item.given, item.cut
            copy.whole = where[item.whole] if item.whole is not None else None
            new.append(copy)
            members.append([])
            where.append(copy.index)
            if not item.leaf:
                open_key, last = (key if origin.code is not None and not apart else None), copy.index
        else:
            where.append(last)
        members[where[-1]].append(item)
    for group, target in zip(members, new, strict=True):
        _merge(target, group, where, items)
    return new, where


def _merge(target: Item, group: list[Item], where: list[int], items: Sequence[Item]) -> None:
    """Give the target the arguments that come from outside its group, each once, with all edges by which they arrive."""
    found: dict[int, list[tuple[object, int]]] = {}
    for item in group:
        for a, edges in zip(item.args, item.edges, strict=True):
            if where[a] != target.index:
                found.setdefault(where[a], []).extend(edges)
    target.args, target.edges = list(found), list(found.values())  # type: ignore[arg-type]
    if len(group) > 1:
        final = group[-1]
        target.node, target.at, target.time, target.given = final.node, final.at, final.time, final.given
        target.name, target.named = final.name, final.named
        learned = any(i.kind == "affine" and any(items[a].leaf in ("parameter", "argument") for a in i.args) for i in group)
        kinds = {i.kind for i in group}
        others = kinds - {"affine"} or kinds
        target.kind = "layer" if learned else min(others, key=lambda k: (_RANK.index(k) if k in _RANK else len(_RANK), k))
        names = dict.fromkeys(i.name for i in group if i.named and i.name)
        target.several = ", ".join(names) if len(names) > 1 else ""
        target.label = target.several or _label(final)
        target.folded = True


def _label(item: Item) -> str:
    """The word for an unnamed line: what it calls, or the function that it is the result of. Of a gradient, ∂ and its line's variable."""
    origin = item.node.origin
    if origin.code is None:
        return item.label
    line = linecache.getline(origin.code.co_filename, origin.line)
    calls = [c for c in _CALL.findall(line) if c not in _PLAIN]
    word = calls[0] if calls else item.label
    if line.strip().startswith("return ") and origin.code.co_name not in _ANY_STEP:
        word = origin.code.co_name
    return word if origin.vjp_of is None else f"∂ {assigned(origin.code.co_filename, origin.line) or word}"
