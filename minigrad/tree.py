"""Trees: nested dicts, lists, tuples, named tuples, dataclasses and Modules. They are flattened to leaves and rebuilt from leaves."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from .errors import GraphError, message


class TreeDef(NamedTuple):
    """A structure without its leaves. kind None is a leaf; `meta` is what the container needs besides children.

    `ties` are pairs of positions among the leaves of the children: the first leaf is the second one again, and stands only once in the
    leaves of the container. Containers with a method `__tree_ties__(leaves)` have them; one that is made gets its own as `__ties__`.
    """

    kind: Any
    keys: tuple[Any, ...] = ()
    children: tuple[TreeDef, ...] = ()
    meta: Any = None
    ties: tuple[tuple[int, int], ...] = ()

    @property
    def leaves(self) -> int:
        return 1 if self.kind is None else sum(c.leaves for c in self.children) - len(self.ties)

    def untied(self, items: Sequence[Any]) -> Sequence[Any]:
        """One item for each leaf, from those for the leaves of the children."""
        if not self.ties:
            return items
        again = {i for i, _ in self.ties}
        return [item for i, item in enumerate(items) if i not in again]

    def tied(self, leaves: Iterator[Any]) -> Iterator[Any]:
        """The leaves of the children, from those of the container."""
        source = dict(self.ties)
        found: list[Any] = []
        for i in range(sum(c.leaves for c in self.children)):
            found.append(found[source[i]] if i in source else next(leaves))
        return iter(found)


LEAF = TreeDef(None)


_SCALAR = frozenset((str, bytes, bool, int, type(None)))  # types whose values are exact
PLAIN = _SCALAR | {float, complex, type}  # types whose values hold nothing else


def exact(value: Any) -> Hashable:
    """A key that equals another one only if the values and their types are equal: 2, 2.0 and True differ, and so do 0.0 and -0.0."""
    kind = type(value)
    if kind in _SCALAR:
        return kind, value
    if isinstance(value, (list, tuple)):
        return (kind, *(exact(v) for v in value))
    if isinstance(value, dict):
        return (kind, *((exact(k), exact(v)) for k, v in value.items()))
    if isinstance(value, (set, frozenset)):
        items = [exact(v) for v in value]
        return kind, frozenset(items) if all(_is_hashable(i) for i in items) else items
    if isinstance(value, float):
        return kind, float.hex(value)
    if isinstance(value, complex):
        return kind, value.real.hex(), value.imag.hex()
    if isinstance(value, np.generic):
        return kind, value.dtype, value.tobytes()
    if dataclasses.is_dataclass(kind) and kind.__hash__ is not None:
        return (kind, *(exact(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare))
    if hasattr(kind, "__array__"):
        return kind, [value]  # arrays are no settings: a list is not hashable
    return kind, value


class Frozen(tuple[Any, ...]):
    """A value that is part of a structure, compared by its `exact` key. Lists, dicts and sets in it are copied, so it never changes."""

    value: Any
    mutable: bool

    def __new__(cls, value: Any, *more: Hashable) -> Self:
        made = super().__new__(cls, (exact(value), *more))
        made.value = _copied(value)
        made.mutable = made.value is not value
        return made

    def thaw(self) -> Any:
        """The value, with lists, dicts and sets of its own."""
        return _copied(self.value) if self.mutable else self.value

    def __reduce__(self) -> Any:
        return type(self), (self.value,)

    def __repr__(self) -> str:
        return repr(self.value)


def _copied(value: Any) -> Any:
    """The value with its lists, dicts and sets copied; the value itself if there are none."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, list):
        items = copy.copy(value)
        items[:] = [_copied(v) for v in value]
        return items
    if isinstance(value, dict):
        entries = copy.copy(value)
        entries.update((k, _copied(v)) for k, v in value.items())
        return entries
    if isinstance(value, set):
        return copy.copy(value)
    if isinstance(value, tuple):
        items = [_copied(v) for v in value]
        if any(a is not b for a, b in zip(items, value, strict=True)):
            return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


class Own(Frozen):
    """The meta of a container that knows nothing of Frozen."""


class Keys(Frozen):
    """The meta of a dict. Its order is kept, and makes no other structure; keys that are no strings are compared with their types."""

    order: tuple[Any, ...]

    def __new__(cls, keys: tuple[Any, ...], order: tuple[Any, ...]) -> Self:
        made = super().__new__(cls, None if all(type(k) is str for k in keys) else keys)  # a string is equal only to strings
        made.order = order
        return made

    def __reduce__(self) -> Any:
        return type(self), (_ordered(self.order), self.order)


class Static:
    """A value as a tree without leaves: part of the structure. Unflattening gives the value itself."""

    def __init__(self, value: Any):
        self.value = value

    def __tree_flatten__(self) -> tuple[tuple[()], tuple[()], Any]:
        return (), (), Frozen(self.value)

    @classmethod
    def __tree_unflatten__(cls, keys: Any, children: Any, meta: Frozen) -> Any:
        return meta.thaw()


Parts = tuple[tuple[Any, ...], Sequence[Any], Any]  # keys, children, meta


class _Container(NamedTuple):
    """The functions that flatten and unflatten a container type."""

    split: Callable[[Any], Parts]
    join: Callable[[TreeDef, list[Any]], Any]
    ties: Callable[[Any, list[Any]], tuple[tuple[int, int], ...]] | None = None


class _Containers(dict[type, _Container | None]):
    """The container of each type; None for a type of leaves."""

    def __missing__(self, kind: type) -> _Container | None:
        found = self[kind] = _find_container(kind)
        return found


containers = _Containers()


def _find_container(kind: type) -> _Container | None:
    if kind is type(None):
        return _Container(lambda tree: ((), (), None), lambda treedef, children: None)
    if kind in (list, tuple):
        return _Container(lambda tree: (tuple(range(len(tree))), tree, None), lambda treedef, children: kind(children))
    if kind is dict:
        return _Container(_split_dict, _join_dict)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names = kind._fields
        return _Container(lambda tree: (names, tree, None), lambda treedef, children: kind(*children))
    if hasattr(kind, "__tree_flatten__"):
        unflatten = kind.__tree_unflatten__  # type: ignore[attr-defined]
        ties = getattr(kind, "__tree_ties__", None)
        return _Container(kind.__tree_flatten__, lambda treedef, children: unflatten(treedef.keys, children, _given(treedef.meta)), ties)
    if issubclass(kind, type):
        return _Container(lambda tree: ((), (), tree), lambda treedef, children: _given(treedef.meta))
    if dataclasses.is_dataclass(kind):
        fields = tuple(f.name for f in dataclasses.fields(kind))
        return _Container(lambda tree: (fields, [getattr(tree, n) for n in fields], None), _join_dataclass)
    return None


def _given(meta: Any) -> Any:
    """The meta as its container gave it."""
    return meta.thaw() if type(meta) is Own else meta


def _split_dict(tree: dict[Any, Any]) -> Parts:
    keys = _ordered(tree)
    return keys, [tree[k] for k in keys], Keys(keys, tuple(tree))


def _join_dict(treedef: TreeDef, children: list[Any]) -> dict[Any, Any]:
    found = dict(zip(treedef.keys, children, strict=True))
    return {k: found[k] for k in treedef.meta.order}


def _join_dataclass(treedef: TreeDef, children: list[Any]) -> Any:
    made = object.__new__(treedef.kind)
    for key, child in zip(treedef.keys, children, strict=True):
        object.__setattr__(made, key, child)
    return made


def is_dataclass(container: _Container) -> bool:
    return container.join is _join_dataclass


def _ordered(keys: Any) -> tuple[Any, ...]:
    """Keys in the order of their leaves: sorted, so that dicts with the same keys have the same structure; as they come if they cannot."""
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
    container = containers[kind]
    if container is None:
        leaves.append(tree)
        return LEAF
    keys, children, meta = container.split(tree)
    if meta is not None and not isinstance(meta, Frozen):
        meta = Own(meta)
    start = len(leaves)
    found = TreeDef(kind, keys, tuple([_flatten(child, leaves) for child in children]), meta)
    if container.ties is not None and (ties := container.ties(tree, leaves[start:])):
        found = found._replace(ties=ties)
        leaves[start:] = found.untied(leaves[start:])
    return found


def unflatten(treedef: TreeDef, leaves: Any) -> Any:
    """The inverse of flatten."""
    return _unflatten(treedef, iter(leaves))


def _unflatten(treedef: TreeDef, leaves: Iterator[Any]) -> Any:
    if treedef.kind is None:
        return next(leaves)
    container = containers[treedef.kind]
    assert container is not None
    if treedef.ties:
        leaves = treedef.tied(leaves)
    made = container.join(treedef, [next(leaves) if c.kind is None else _unflatten(c, leaves) for c in treedef.children])
    if treedef.ties:
        object.__setattr__(made, "__ties__", treedef.ties)
    return made


def paths(treedef: TreeDef, prefix: str = "") -> Iterator[str]:
    """A readable path for each leaf: "['W']", "[0].bias", "" for a lone leaf."""
    if treedef.kind is None:
        yield prefix
        return
    yield from treedef.untied(_all_paths(treedef, prefix))


def _all_paths(treedef: TreeDef, prefix: str = "") -> list[str]:
    plain = treedef.kind in (dict, list, tuple)
    pairs = zip(treedef.keys, treedef.children, strict=True)
    return [path for key, child in pairs for path in paths(child, prefix + (f"[{key!r}]" if plain else f".{key}"))]


def trained(treedef: TreeDef, roles: Mapping[tuple[Any, ...], bool] | None = None, path: tuple[Any, ...] = ()) -> list[bool]:
    """Whether each leaf is trained: all are, but in a Module only those with the role. Its meta has `roles` by the paths of its leaves."""
    if treedef.kind is None:
        return [roles is None or roles.get(path, False)]
    if hasattr(treedef.meta, "roles"):
        roles, path = treedef.meta.roles, ()
    pairs = zip(treedef.keys, treedef.children, strict=True)
    return list(treedef.untied([t for key, child in pairs for t in trained(child, roles, (*path, key))]))


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


def spread(what: str, prefix: Any, treedef: TreeDef) -> list[Any]:
    """A value for each leaf, from a tree that may stop above the leaves: what it has there, or None, is the value of all leaves below.

    Raises GraphError where the trees differ."""
    container = containers[type(prefix)]
    if container is None or prefix is None:
        return [prefix] * treedef.leaves
    keys, children, _ = container.split(prefix)
    if type(prefix) is not treedef.kind or tuple(keys) != tuple(treedef.keys):
        has = f"{_name(treedef)} with {list(treedef.keys)}" if treedef.keys else _name(treedef)
        raise GraphError(message(what, f"{prefix!r} does not fit {has}", "Give an int or None, or a tree of them like the argument"))
    return list(treedef.untied([v for p, child in zip(children, treedef.children, strict=True) for v in spread(what, p, child)]))


def alike(a: TreeDef, b: TreeDef) -> bool:
    """Whether two structures are equal, and their dicts in one order. A program is for one order: a function may go through the values."""
    return a is b or (a == b and orders(a) == orders(b))


def orders(treedef: TreeDef) -> tuple[tuple[Any, ...], ...]:
    """The order of the keys of each dict, which equal structures give in the same order."""
    found, todo = [], [treedef]
    while todo:
        one = todo.pop()
        if one.kind is dict:
            found.append(one.meta.order)
        todo += [child for child in one.children if child.children]
    return tuple(found)


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
    if a.ties != b.ties:
        return f"{_name(a)} with {_tied_paths(a)} tied against {_tied_paths(b)}"
    return "" if a.meta == b.meta else f"{_name(a)} with other settings: {a.meta} against {b.meta}"


def _tied_paths(treedef: TreeDef) -> str:
    found = _all_paths(treedef)
    return ", ".join(f"{found[i].lstrip('.')} = {found[j].lstrip('.')}" for i, j in treedef.ties) or "nothing"


def require_same(a: TreeDef, b: TreeDef, what: str) -> None:
    found = difference(a, b)
    if found:
        raise GraphError(message(what, f"the trees differ in structure: {found}"))


def _name(treedef: TreeDef) -> str:
    return "a leaf" if treedef.kind is None else treedef.kind.__name__


def unhashable(treedef: TreeDef) -> str:
    """A description of the first setting that is not hashable, or ''."""
    for child in treedef.children:
        if found := unhashable(child):
            return found
    if treedef.meta is None or _is_hashable(treedef.meta):
        return ""
    value = treedef.meta.value
    if treedef.kind is Static:
        return f"the static argument {value!r} is a {type(value).__name__}"
    named = [pair for pair in value if not _is_hashable(exact(pair))] if isinstance(value, tuple) else []
    return (
        f"the setting {named[0][0]!r} of {_name(treedef)} is a {type(named[0][1]).__name__}" if named else f"{_name(treedef)} has {value!r}"
    )


def _is_hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True
