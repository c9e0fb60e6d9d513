"""What a function sets outside of itself while a graph is built of it, once for many steps or calls."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import cache, partial
from itertools import islice
from operator import is_
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from . import tree
from .captured import CLOSED, LIMIT, home_of, is_entered, is_model, names_in
from .errors import GraphError, message
from .graph.ir import count_nodes
from .graph.nodes import table_of_trace
from .tensor import Tensor

NEAR = 1_000  # holders, and values in each, that the search of every eager loop visits


class _Ends(dict[type, bool]):
    """Whether values of a type hold no others."""

    def __missing__(self, kind: type) -> bool:
        found = self[kind] = issubclass(kind, (Tensor, *CLOSED))
        return found


_ends = _Ends()


class Unchanged:
    """`with interning(), Unchanged(what, f):` stands around the one call of f while a graph is built. Raises GraphError where f sets a
    tensor outside to another: what Python would do in each call of f is done once, not at each step or call of the graph.

    It looks at variables, attributes and items that f reaches. It does not see a number that is counted up, an attribute that was None,
    what is added to a list, dict or set, an iterator, nor globals that only a method names.
    """

    def __init__(self, what: str, f: Callable[..., Any]):
        self.what, self.f = what, f

    def __enter__(self) -> None:
        self.home = home_of(self.f)
        self.before = _watched(self.f, self.home)
        self.start, finished = count_nodes(), _finished.get()
        self.token = _finished.set([(0, self.start)]) if finished is None else None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        finished = _finished.get() or []
        finished.append((self.start, count_nodes()))
        if self.token is not None:
            _finished.reset(self.token)
        variable, new = ("", None) if kind is not None else self._first_set(finished)
        if new is not None:
            problem = f"sets {variable} outside to another tensor, but only once, while the graph is built"
            raise GraphError(message(self.what, problem, f"{_FIX}. {_KEEP if new.is_concrete else _LOOK}"))

    def _first_set(self, finished: Sequence[tuple[int, int]]) -> tuple[str, Tensor | None]:
        """A variable that was set to a tensor, and the tensor. What stands in the place of a holder is compared with it."""
        # Tuples and what is in them do not change, and sets have no order.
        todo = [(known, known.holder) for known in self.before.values() if not isinstance(known.holder, (tuple, set, frozenset))]
        met: set[tuple[int, int]] = set()
        for known, holder in todo:
            for key, old, new in _changes(known.held, _held(holder, known.names, self.home)):
                if _is_state(old, new, finished):
                    return key if isinstance(key, str) else known.name, new
                inside, pair = self.before.get(id(old)), (id(old), id(new))
                if new is not old and inside is not None and pair not in met and not isinstance(new, (set, frozenset)):
                    met.add(pair)
                    todo.append((inside, new))
        return "", None


_FIX = "Take what changes as an argument (of a loop: in its carry), and return the next one"
_LOOK = "What is only looked at, return as well"
_KEEP = "What is made anew for another length, keep in a dict, one for each length"

# The ids of the nodes of graphs that are built, as (first, last): of those before the outermost graph that is being built was begun, and of
# those inside it.
_finished: ContextVar[list[tuple[int, int]] | None] = ContextVar("finished", default=None)


def _is_state(old: Any, new: Any, finished: Sequence[tuple[int, int]]) -> bool:
    """Whether the function that is traced replaced a value by a tensor. A tensor without a value that was left there when another graph was
    built is no value, and a tensor with one that was not made in this trace was set by another thread."""
    if not isinstance(new, Tensor) or (isinstance(old, Tensor) and new.node is old.node):
        return False
    if new.is_concrete:
        table = table_of_trace()
        return isinstance(old, Tensor) and table is not None and new.node in table.values() and _has_value(old, finished)
    return isinstance(old, (int, float, complex, np.ndarray, np.generic)) or (isinstance(old, Tensor) and _has_value(old, finished))


def _has_value(t: Tensor, finished: Sequence[tuple[int, int]]) -> bool:
    """Whether the tensor is known, or belongs to a graph that is still being built."""
    return t.is_concrete or not any(first < t.node.id < last for first, last in finished)


# What a holder holds: values by key, or a list of values.
_Held = dict[Any, Any] | list[Any]


class _Known(NamedTuple):
    """What holds values, the names that it is searched for, its own name, and what it holds."""

    holder: Any
    names: frozenset[str]
    name: str
    held: _Held


def _changes(held: _Held, now: _Held) -> list[tuple[Any, Any, Any]]:
    """(key, value before, value now) of keys that have another value; of a list, where an item is gone and a new one stands there."""
    if isinstance(held, dict) and isinstance(now, dict):
        if len(held) == len(now) and all(map(is_, held.values(), now.values())):
            return []
        return [(key, old, now[key]) for key, old in held.items() if key in now and now[key] is not old]
    if isinstance(held, dict) or isinstance(now, dict) or (len(held) == len(now) and all(map(is_, held, now))):
        return []
    had, has = Counter(map(id, held)), Counter(map(id, now))
    return [(None, a, b) for a, b in zip(held, now, strict=False) if has[id(a)] < had[id(a)] and id(b) not in had]


def _watched(f: Any, home: str) -> dict[Any, _Known]:
    """What f reaches and may change, nearest first, as it is now, by identity. Every eager loop asks for it: models are not flattened, a
    holder is met once, and the search ends after NEAR holders."""
    queue: deque[tuple[Any, Any, frozenset[str], str]] = deque([(id(f), f, frozenset(), "a variable")])
    found: dict[Any, _Known] = {}
    seen: set[Any] = {id(f)}
    left = LIMIT
    while queue and left > 0:
        mark, holder, names, name = queue.popleft()
        if isinstance(holder, FunctionType):
            names = names_in(holder.__code__)
        held = _held(holder, names, home)
        left -= len(held)
        if held:
            found[mark] = _Known(holder, names, name, held)
        items = held.items() if isinstance(held, dict) else ((None, v) for v in held)
        for key, child in [(k, v) for k, v in items if not _ends[type(v)]]:
            mark = (id(child), names) if isinstance(child, ModuleType) else id(child)
            if mark in seen or len(seen) == NEAR or (isinstance(key, str) and key.startswith("__")):
                continue
            seen.add(mark)
            queue.append((mark, child, names, key if isinstance(key, str) else name))
    return found


def _held(holder: Any, names: frozenset[str], home: str) -> _Held:
    """What a holder holds, NEAR values at most."""
    if isinstance(holder, dict):
        return holder.copy() if type(holder) is dict and len(holder) <= NEAR else dict(islice(holder.items(), NEAR))
    if isinstance(holder, (list, tuple, deque, set, frozenset)):
        return list(islice(holder, NEAR))
    if isinstance(holder, FunctionType):
        return _variables(holder, names, home)
    if isinstance(holder, ModuleType):
        return {n: vars(holder)[n] for n in names if n in vars(holder)} if is_entered(holder.__name__, home) else {}
    if isinstance(holder, type):
        if not is_entered(holder.__module__, home):
            return {}
        found = {k: v for k, v in vars(holder).items() if not k.startswith("__") and not isinstance(v, FunctionType)}
        return found | {"bases": holder.__bases__}
    if isinstance(holder, (MethodType, staticmethod, classmethod)):
        return {"self": getattr(holder, "__self__", None), "function": holder.__func__}
    if isinstance(holder, partial):
        return {"function": holder.func, "args": holder.args, "keywords": holder.keywords}
    return _attributes(holder) if _is_object(holder, home) else {}


def _variables(f: FunctionType, names: frozenset[str], home: str) -> dict[str, Any]:
    """The variables from outside and the default values of a function."""
    known = f.__globals__ if is_entered(str(f.__globals__.get("__name__")), home) else {}
    found = {n: known[n] for n in names if n in known}
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        with suppress(ValueError):  # a variable without a value yet
            found[name] = cell.cell_contents
    more = ("a default value", f.__defaults__), ("a keyword's default value", f.__kwdefaults__), ("an attribute", f.__dict__)
    return found | {name: values for name, values in more if values}


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes and the class of an object. Of what wraps a function only functions count."""
    held = getattr(value, "__dict__", {})
    if "__wrapped__" in held:
        held = {k.strip("_"): v for k, v in held.items() if callable(v) and not is_model(v)}
    found = {**held, "class": type(value)}
    for name in _slots(type(value)):  # type: ignore[arg-type]  # a class is hashable
        with suppress(AttributeError):  # an attribute without a value yet
            found[name] = object.__getattribute__(value, name)
    return found


def _is_object(value: Any, home: str) -> bool:
    """Whether the search looks at its attributes: those of a part of a model, of what is called, and of the user's own objects."""
    if isinstance(value, SimpleNamespace) or callable(value) or tree.containers[type(value)] is not None:
        return True
    return is_entered(type(value).__module__, home)


@cache
def _slots(kind: type) -> tuple[str, ...]:
    """The names of its attributes that are in no dict."""
    return tuple(name for base in kind.__mro__ for name, value in vars(base).items() if isinstance(value, MemberDescriptorType))
