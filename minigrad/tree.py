"""Trees: nested dicts, lists, tuples, named tuples, dataclasses and Modules. They are flattened to leaves and rebuilt from leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
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


Parts = tuple[tuple[Any, ...], Sequence[Any], Any]  # keys, children, meta


class _Container(NamedTuple):
    """The functions that flatten and unflatten a container type."""

    split: Callable[[Any], Parts]
    join: Callable[[TreeDef, list[Any]], Any]


class _Containers(dict[type, _Container | None]):
    """The container of each type; None for a type of leaves."""

    def __missing__(self, kind: type) -> _Container | None:
        found = self[kind] = _find_container(kind)
        return found


_containers = _Containers()


def _find_container(kind: type) -> _Container | None:
    if kind is type(None):
        return _Container(lambda tree: ((), (), None), lambda treedef, children: None)
    if kind in (list, tuple):
        return _Container(lambda tree: (tuple(range(len(tree))), tree, None), lambda treedef, children: kind(children))
    if kind is dict:
        return _Container(_split_dict, lambda treedef, children: dict(zip(treedef.keys, children, strict=True)))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names = kind._fields
        return _Container(lambda tree: (names, tree, None), lambda treedef, children: kind(*children))
    if hasattr(kind, "__tree_flatten__"):
        unflatten = kind.__tree_unflatten__  # type: ignore[attr-defined]
        return _Container(kind.__tree_flatten__, lambda treedef, children: unflatten(treedef.keys, children, treedef.meta))
    if dataclasses.is_dataclass(kind):
        fields = tuple(f.name for f in dataclasses.fields(kind))
        return _Container(lambda tree: (fields, [getattr(tree, n) for n in fields], None), _join_dataclass)
    return None


def _split_dict(tree: dict[Any, Any]) -> Parts:
    keys = _ordered(tree)
    return keys, [tree[k] for k in keys], None


def _join_dataclass(treedef: TreeDef, children: list[Any]) -> Any:
    made = object.__new__(treedef.kind)
    for key, child in zip(treedef.keys, children, strict=True):
        object.__setattr__(made, key, child)
    return made


def _ordered(keys: Any) -> tuple[Any, ...]:
    """Keys in sorted order, so that dicts with the same keys have the same structure; in their own order if they cannot be compared."""
    try:
        return tuple(sorted(keys))
    except TypeError:
        return tuple(keys)


def flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """The leaves from left to right and the structure that holds them."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> TreeDef:
    kind = type(tree)
    container = _containers[kind]
    if container is None:
        leaves.append(tree)
        return LEAF
    keys, children, meta = container.split(tree)
    return TreeDef(kind, keys, tuple([_flatten(child, leaves) for child in children]), meta)


def unflatten(treedef: TreeDef, leaves: Any) -> Any:
    """The inverse of flatten."""
    return _unflatten(treedef, iter(leaves))


def _unflatten(treedef: TreeDef, leaves: Iterator[Any]) -> Any:
    if treedef.kind is None:
        return next(leaves)
    container = _containers[treedef.kind]
    assert container is not None
    return container.join(treedef, [next(leaves) if c.kind is None else _unflatten(c, leaves) for c in treedef.children])


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
    """A description of how two structures differ, or ''."""
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
