"""Trees of leaves: dicts, lists, tuples, named tuples, dataclasses and Modules, taken apart and put together again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .errors import GraphError, message


class TreeDef(NamedTuple):
    """A structure without its leaves. kind None is a leaf; `meta` is what the container needs besides children."""

    kind: Any
    keys: tuple[Any, ...] = ()
    children: tuple[TreeDef, ...] = ()
    meta: Any = None

    @property
    def leaves(self) -> int:
        return 1 if self.kind is None else sum(c.leaves for c in self.children)


LEAF = TreeDef(None)


_leaves: set[type] = set()  # types seen to be no containers


def _split(tree: Any) -> tuple[Any, tuple[Any, ...], list[Any], Any] | None:
    """(kind, keys, children, meta) of a container, None for a leaf."""
    kind = type(tree)
    if kind in _leaves:
        return None
    if tree is None:
        return kind, (), [], None
    if kind in (list, tuple):
        return kind, tuple(range(len(tree))), list(tree), None
    if kind is dict:
        keys = _ordered(tree)
        return kind, keys, [tree[k] for k in keys], None
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind, tree._fields, list(tree), None
    if hasattr(tree, "__tree_flatten__"):
        keys, children, meta = tree.__tree_flatten__()
        return kind, tuple(keys), list(children), meta
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        keys = tuple(f.name for f in dataclasses.fields(tree))
        return kind, keys, [getattr(tree, k) for k in keys], None
    _leaves.add(kind)
    return None


def _ordered(keys: Any) -> tuple[Any, ...]:
    """Keys in sorted order, so that two dicts with the same keys have the same structure; as they come where they have no order."""
    try:
        return tuple(sorted(keys))
    except TypeError:
        return tuple(keys)


def _join(treedef: TreeDef, children: list[Any]) -> Any:
    kind, keys = treedef.kind, treedef.keys
    if kind is type(None):
        return None
    if kind in (list, tuple):
        return kind(children)
    if kind is dict:
        return dict(zip(keys, children, strict=True))
    if hasattr(kind, "_fields"):
        return kind(*children)
    if hasattr(kind, "__tree_unflatten__"):
        return kind.__tree_unflatten__(keys, children, treedef.meta)
    made = object.__new__(kind)
    for key, child in zip(keys, children, strict=True):
        object.__setattr__(made, key, child)
    return made


def flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """The leaves from left to right and the structure that holds them."""
    parts = _split(tree)
    if parts is None:
        return [tree], LEAF
    kind, keys, children, meta = parts
    leaves: list[Any] = []
    defs = []
    for child in children:
        found, treedef = flatten(child)
        leaves += found
        defs.append(treedef)
    return leaves, TreeDef(kind, keys, tuple(defs), meta)


def unflatten(treedef: TreeDef, leaves: Any) -> Any:
    """The inverse of flatten."""
    source = iter(leaves)

    def build(node: TreeDef) -> Any:
        return next(source) if node.kind is None else _join(node, [build(c) for c in node.children])

    return build(treedef)


def paths(treedef: TreeDef, prefix: str = "") -> Iterator[str]:
    """A readable path for each leaf: "['W']", "[0].bias", "" for a lone leaf."""
    if treedef.kind is None:
        yield prefix
    for key, child in zip(treedef.keys, treedef.children, strict=True):
        plain = treedef.kind in (dict, list, tuple)
        yield from paths(child, prefix + (f"[{key!r}]" if plain else f".{key}"))


def leaves(tree: Any) -> list[Any]:
    """The leaves from left to right."""
    return flatten(tree)[0]


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply f to each leaf, with the leaves of further trees of the same structure beside it. Raises GraphError where they differ."""
    first, treedef = flatten(tree)
    others = []
    for other in rest:
        found, structure = flatten(other)
        require_same(treedef, structure, "tree.map")
        others.append(found)
    return unflatten(treedef, [f(*group) for group in zip(first, *others, strict=True)])


def difference(a: TreeDef, b: TreeDef) -> str:
    """What tells two structures apart, or ''."""
    if a.kind is not b.kind:
        return f"{_name(a)} against {_name(b)}"
    if a.keys != b.keys:
        return f"{_name(a)} with {list(a.keys)} against {list(b.keys)}"
    for key, x, y in zip(a.keys, a.children, b.children, strict=True):
        found = difference(x, y)
        if found:
            return f"at {key!r}: {found}" if not found.startswith("at ") else f"at {key!r} {found[3:]}"
    return "" if _same_meta(a.meta, b.meta) else f"{_name(a)} with other settings: {a.meta} against {b.meta}"


def require_same(a: TreeDef, b: TreeDef, what: str) -> None:
    found = difference(a, b)
    if found:
        raise GraphError(message(what, f"the trees differ in structure: {found}"))


def _name(treedef: TreeDef) -> str:
    return "a leaf" if treedef.kind is None else treedef.kind.__name__


def _same_meta(a: Any, b: Any) -> bool:
    return a is b or bool(np.all(a == b))
