"""What a function takes from outside: the tensors and models that its closure, its `self`, its defaults and its globals hold.

A place is a sequence of getters that lead from the function to a value. A compiled function looks there anew at each call.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import islice
from operator import attrgetter, itemgetter
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from . import tree
from .errors import GraphError, message
from .graph.ir import Graph, Node, Operation
from .graph.types import TensorType
from .origin import is_engine
from .tensor import Tensor
from .tree_code import flattener

Place = tuple[Callable[[Any], Any], ...]
_Lists = dict[int, tuple[Any, list[Any]]]  # sets, by identity, and their items: a call lists each set once

LIMIT = 20_000  # values that a search visits

_HOLDERS = (dict, list, tuple, set, frozenset, deque)


@dataclass(frozen=True, eq=False)
class Root:
    """A tensor or a model at a place. `arguments` are (position of the leaf, number of the argument), `constants` (position, node), and
    `contents` (position, value) of leaves that are no tensors: arrays may be changed in place."""

    place: Place
    structure: tree.TreeDef
    arguments: tuple[tuple[int, int], ...]
    constants: tuple[tuple[int, Node], ...]
    contents: tuple[tuple[int, Any], ...]

    @cached_property
    def flatten(self) -> Callable[[Any], list[Any] | None]:
        return flattener(self.structure)


class Captured(NamedTuple):
    """What a program takes from outside, and where it is found at the next call."""

    roots: tuple[Root, ...]
    types: tuple[TensorType, ...]
    holders: tuple[tuple[Place, Any], ...]  # lists, dicts and sets on the way to what f took, with their keys: f may go through them

    def read(self, f: Callable[..., Any]) -> list[Tensor] | None:
        """The tensors that are arguments, as f has them now. None if the program does not fit: a constant, a structure or
        the keys of a list or dict are others."""
        try:
            if any(_keys(_at(f, place, {})) != keys for place, keys in self.holders):
                return None
        except ValueError:  # keys that are tensors of several elements, and others than before
            return None
        found: list[Any] = [None] * len(self.types)
        lists: _Lists = {}
        for root in self.roots:
            leaves = _leaves(f, root, lists)
            if leaves is None:
                return None
            if root.constants and any(getattr(leaves[i], "node", leaves[i]) is not kept for i, kept in root.constants):
                return None
            if root.contents and any(_content(leaves[i]) != content for i, content in root.contents):
                return None
            for i, number in root.arguments:
                leaf, before = leaves[i], found[number]
                if not isinstance(leaf, Tensor) or (leaf.node.type is not self.types[number] and leaf.node.type != self.types[number]):
                    return None
                if before is not None and before.node is not leaf.node:
                    return None  # one tensor stood at two places, and now there are two
                found[number] = leaf
        return found

    def changed(self, f: Callable[..., Any]) -> set[Node]:
        """The tensors that stand now where the program has other constants."""
        found = set()
        for root in self.roots:
            leaves = _leaves(f, root, {}) or []
            found |= {leaves[i].node for i, kept in root.constants if leaves and getattr(leaves[i], "node", kept) is not kept}
        return found


def _leaves(f: Callable[..., Any], root: Root, lists: _Lists) -> list[Any] | None:
    """The leaves of what stands at the place, or None if it is gone or has another structure, or a dict another order."""
    value = _at(f, root.place, lists)
    if root.structure is tree.LEAF:
        return [value] if isinstance(value, Tensor) else None
    found = root.flatten(value)
    if found is not None:
        return found
    leaves, structure = tree.flatten(value)
    return leaves if tree.alike(structure, root.structure) else None


def _at(f: Callable[..., Any], place: Place, lists: _Lists) -> Any:
    """What stands at the place; None if nothing does."""
    value: Any = f
    try:
        for get in place:
            value = _listed(value, lists) if get is list else get(value)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    return value


def _listed(items: Any, lists: _Lists) -> list[Any]:
    if id(items) not in lists:
        lists[id(items)] = items, list(items)
    return lists[id(items)][1]


def _keys(holder: Any) -> Any:
    """The keys of a dict in their order, or the length of another holder; None of anything else."""
    return tuple(holder) if isinstance(holder, dict) else len(holder) if isinstance(holder, _HOLDERS) else None


def find(f: Callable[..., Any], name: str, arguments: Sequence[Node], constants: Collection[Node]) -> Captured | None:
    """The places of these nodes; None if f takes nothing from outside. Raises GraphError, which names an argument that is nowhere."""
    numbers = {node: i for i, node in enumerate(arguments)}
    roots, missing, holders = [], set(arguments), {}
    for place, value in reachable(f, also=_HOLDERS):
        if isinstance(value, _HOLDERS) and not is_model(value):
            holders[place] = _keys(value)
            continue
        leaves, structure = tree.flatten(value)
        nodes = [leaf.node if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        found = tuple((i, numbers[n]) for i, n in enumerate(nodes) if isinstance(n, Node) and n in numbers)
        kept = tuple((i, n) for i, n in enumerate(nodes) if isinstance(n, Node) and n in constants)
        if found or kept or is_model(value):  # of a model, f may have read arrays and settings
            contents = tuple((i, _content(n)) for i, n in enumerate(nodes) if not isinstance(n, Node))
            roots.append(Root(place, structure, found, kept, contents))
            missing -= {nodes[i] for i, _ in found}
    if missing:
        problem = f"takes {next(iter(missing))!r} from a place where it can't look at the next call"
        raise GraphError(message(name, problem, "Pass the tensor, or the model that holds it, as an argument"))
    ways = {root.place[:i] for root in roots if root.arguments or root.constants for i in range(len(root.place))}
    held = tuple((place, keys) for place, keys in holders.items() if place in ways)
    return Captured(tuple(roots), tuple(n.type for n in arguments), held) if roots else None


def _content(leaf: Any) -> Any:
    """What equals that of another leaf only if the leaves are equal."""
    return (leaf.dtype, leaf.shape, leaf.tobytes()) if isinstance(leaf, np.ndarray) else tree.exact(leaf)


def is_model(value: Any) -> bool:
    return hasattr(type(value), "__tree_flatten__")


# ---- the search


def reachable(f: Any, globals: bool = True, also: tuple[type, ...] = ()) -> Iterator[tuple[Place, Any]]:
    """The tensors, models and values of further types that f can reach, each with its place; at several places if there are several ways.
    Nearest first.

    The functions and objects of the engine, of the standard library and of installed packages are entered for what they wrap alone.
    """
    queue: deque[tuple[Place, Any, frozenset[str], tuple[int, ...]]] = deque([((), f, frozenset(), ())])
    home, left, wanted = home_of(f), LIMIT, (Tensor, *also)
    while queue:
        place, value, names, above = queue.popleft()
        if isinstance(value, wanted) or is_model(value):
            yield place, value
        if isinstance(value, FunctionType):
            names = names_in(value.__code__)
        above = (*above, id(value))
        for way, child in islice(_children(value, names, home, globals), left):
            left -= 1
            if id(child) not in above and not isinstance(child, CLOSED):
                queue.append(((*place, *way), child, names, above))


# Types whose values hold no tensors to look for.
CLOSED = (
    *(str, bytes, int, float, complex, type(None), BuiltinFunctionType),
    *(np.ndarray, np.generic, np.ufunc, np.dtype, Graph, Node, Operation),
)


def home_of(f: Any) -> str:
    """The package of a function."""
    return str(getattr(f, "__module__", "")).split(".")[0]


def names_in(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in a function and in the functions inside it."""
    inner = (names_in(c) for c in code.co_consts if isinstance(c, CodeType))
    return frozenset(code.co_names).union(*inner)


@cache
def is_entered(module: str, home: str) -> bool:
    """Whether the search looks at what stands in a module: one of the user."""
    root = module.split(".")[0]
    if root == home and home != "minigrad":
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return root not in sys.stdlib_module_names and "-packages" not in file and not is_engine(file)


def _children(value: Any, names: frozenset[str], home: str, globals: bool) -> Iterator[tuple[Place, Any]]:
    """What a value holds, and the getters that lead to it."""
    if isinstance(value, FunctionType):
        yield from _of_function(value, names if globals and is_entered(str(value.__globals__.get("__name__")), home) else frozenset())
    elif isinstance(value, ModuleType):
        if is_entered(value.__name__, home):
            yield from (((attrgetter(n),), vars(value)[n]) for n in names if n in vars(value))
    elif isinstance(value, type):
        if globals and is_entered(value.__module__, home):
            yield from _of_class(value)
    elif isinstance(value, (MethodType, staticmethod, classmethod)):
        yield from (((attrgetter(n),), getattr(value, n)) for n in ("__self__", "__func__") if hasattr(value, n))
    elif isinstance(value, partial):
        yield from (((attrgetter(n),), getattr(value, n)) for n in ("func", "args", "keywords"))
    elif isinstance(value, dict):
        yield from (((itemgetter(k),), v) for k, v in list(islice(value.items(), LIMIT)))
    elif isinstance(value, (list, tuple, deque)):
        yield from (((itemgetter(i),), v) for i, v in enumerate(list(islice(value, LIMIT))))
    elif isinstance(value, (set, frozenset)):
        yield from (((list, itemgetter(i)), v) for i, v in enumerate(list(islice(value, LIMIT))))
    elif isinstance(value, SimpleNamespace) or (
        hasattr(value, "__dict__") and (callable(value) or is_entered(type(value).__module__, home))
    ):
        yield from _of_object(value)
        yield (attrgetter("__class__"),), type(value)


def _of_function(f: FunctionType, globals: Collection[str]) -> Iterator[tuple[Place, Any]]:
    for i, cell in enumerate(f.__closure__ or ()):
        with suppress(ValueError):  # a variable without a value yet
            yield (attrgetter("__closure__"), itemgetter(i), attrgetter("cell_contents")), cell.cell_contents
    for attribute in ("__defaults__", "__kwdefaults__"):
        if getattr(f, attribute):
            yield (attrgetter(attribute),), getattr(f, attribute)
    yield from (((attrgetter("__dict__"), itemgetter(k)), v) for k, v in f.__dict__.items() if k != "__wrapped__")
    yield from (((attrgetter("__globals__"), itemgetter(n)), f.__globals__[n]) for n in globals if n in f.__globals__)


def _of_class(kind: type) -> Iterator[tuple[Place, Any]]:
    """Its methods and other attributes, and its bases."""
    for name, value in list(vars(kind).items()):
        if isinstance(value, FunctionType) or not name.startswith("__"):
            yield (attrgetter("__dict__"), itemgetter(name)), value
    yield (attrgetter("__bases__"),), kind.__bases__


def _of_object(value: Any) -> Iterator[tuple[Place, Any]]:
    """Its attributes. The parts of a model are its leaves, and of what wraps a function only functions count."""
    held = dict(vars(value))
    if is_model(value) or "__wrapped__" in held:
        wrapped = held.pop("__wrapped__", None)
        held = {k: v for k, v in held.items() if callable(v) and not is_model(v)}
        if wrapped is not None and not any(v is wrapped for v in held.values()):
            held["__wrapped__"] = wrapped
    yield from (((attrgetter("__dict__"), itemgetter(k)), v) for k, v in held.items())
