"""Models as trees of parameters with a pure __call__."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from types import FunctionType, MethodType
from typing import Any, NamedTuple, Self

import numpy as np

from . import tree
from .captured import reachable
from .errors import GraphError, message
from .graph.nodes import PARAMETER
from .ops import detach
from .tensor import Tensor


class Module:
    """A base for models. Attributes that are tensors, Modules, or containers of them are its parts; all others are settings.

    A Module is a tree (mg.tree): it can be an argument or result of every transformation, its gradient is a Module of the same class,
    and two Modules have the same structure when their settings are equal, in value and in type. Settings are hashable values, and lists,
    dicts and sets of them.

    A parameter at two places is tied: it is one leaf of the tree, has one gradient, the sum, is updated and saved once, and stays at both
    places. A setting that is a method of the model or of a part of it, compiled or not, belongs to each copy anew; any other function that
    keeps tensors of the model is refused.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and value.is_concrete:
            value.named(name)
        self.__dict__.pop("__split__", None)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__.pop("__split__", None)
        object.__delattr__(self, name)

    def __copy__(self) -> Self:
        leaves, treedef = tree.flatten(self)
        return tree.unflatten(treedef, leaves)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "__split__"}

    def __tree_flatten__(self) -> tuple[Sequence[str], list[Any], _Settings]:
        values = self.__dict__
        if "__split__" in values:  # no attribute was set since
            parts, settings = values["__split__"]
        else:
            known = values.get("__parts__", ())
            parts = tuple(k for k, v in values.items() if k not in _OWN and (k in known or _is_part(v)))
            settings = _Settings(tuple((k, _as_setting(self, k, v)) for k, v in values.items() if k not in parts and k not in _OWN))
            if not settings.mutable:
                values["__split__"] = parts, settings
        return parts, [values[k] for k in parts], settings

    @classmethod
    def __tree_unflatten__(cls, parts: Sequence[str], children: Sequence[Any], settings: _Settings) -> Any:
        made = object.__new__(cls)
        values = made.__dict__
        values.update(settings.thaw() if settings.mutable else settings.plain)
        values.update(zip(parts, children, strict=True))
        for name, method in settings.methods:
            values[name] = method.of(made)
        values["__parts__"] = parts
        if not settings.mutable:
            values["__split__"] = parts, settings
        return made

    def __tree_ties__(self, leaves: list[Any]) -> tuple[tuple[int, int], ...]:
        if len(set(map(id, leaves))) == len(leaves):
            return ()
        known = self.__dict__.get("__ties__", ())  # of the model that this one was made from
        first: dict[int, int] = {}
        again = [(i, first.setdefault(id(leaf), i)) for i, leaf in enumerate(leaves)]
        return tuple(pair for pair in again if pair[0] != pair[1] and (pair in known or _is_parameter(leaves[pair[0]])))

    def detached(self) -> Self:
        """The same model of constants: no gradient reaches its tensors, and what it computes keeps no history."""
        return detach(self)

    def __repr__(self) -> str:
        leaves, treedef = tree.flatten(self)
        shapes = [f"  {p.lstrip('.')}: {getattr(v, 'type', v)}" for p, v in zip(tree.paths(treedef), leaves, strict=True)]
        return f"{type(self).__name__}, {count(self):,} parameters\n" + "\n".join(shapes)


# What a model knows of itself: the names of its parts, its ties, and its parts and settings while no attribute is set. No attribute of a
# user has such a name.
_OWN = ("__parts__", "__ties__", "__split__")


def _is_parameter(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and (leaf.node.op is PARAMETER or leaf.node.learned)


class _Method(NamedTuple):
    """A function of a part of the model, as a setting: it is bound to the part at this path of each copy."""

    function: Any
    path: tuple[Any, ...]

    def of(self, model: Module) -> Any:
        owner = reduce(lambda holder, key: (vars(holder) if isinstance(holder, Module) else holder)[key], self.path, model)
        return MethodType(self.function, owner) if isinstance(self.function, FunctionType) else self.function.bound_to(owner)


class _Settings(tree.Frozen):
    """The settings of a model: pairs of a name and a value."""

    plain: dict[str, Any]
    methods: tuple[tuple[str, _Method], ...]

    def __new__(cls, value: tuple[tuple[str, Any], ...]) -> Self:
        made = super().__new__(cls, value)
        made.plain = dict(made.value)
        made.methods = tuple(pair for pair in made.value if type(pair[1]) is _Method)
        return made


def _as_setting(model: Module, name: str, value: Any) -> Any:
    """The value of a setting in the structure of the model. Raises GraphError for a function that keeps tensors of the model."""
    if not callable(value) or isinstance(value, type):
        return value
    compiled = hasattr(value, "bound_to")
    owner = value.owner if compiled else getattr(value, "__self__", None)
    path = next((path for path, part in _parts_of(model) if part is owner), None) if isinstance(owner, Module) else None
    if path is not None and (compiled or isinstance(value.__func__, FunctionType)):
        return _Method(value.unbound if compiled else value.__func__, path)
    own = {id(model), *(id(part) for _, part in _parts_of(model))}
    if any(id(found) in own for _, found in reachable(value, globals=False)):
        problem = "a function that keeps tensors of the model would keep them when the model is copied or updated"
        fix = "Make it a method (with @mg.jit above it), or pass it the model as an argument"
        raise GraphError(message(f"{type(model).__name__}.{name}", problem, fix))
    return value


def _parts_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The Modules and tensors in a model, each with its path; the model itself first."""
    if isinstance(value, (Module, Tensor)):
        yield path, value
    held = vars(value) if isinstance(value, Module) else value
    if isinstance(held, (dict, list, tuple)):
        for key, child in held.items() if isinstance(held, dict) else enumerate(held):
            if isinstance(value, Module) and key in _OWN:
                continue
            yield from _parts_of(child, (*path, key))


def _is_part(value: Any) -> bool:
    if isinstance(value, (Tensor, Module, np.ndarray)):
        return True
    if isinstance(value, dict):
        return any(map(_is_part, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_is_part, value))


def count(model: Any) -> int:
    """The number of elements of all tensors in a tree."""
    return sum(int(leaf.size) for leaf in tree.leaves(model) if isinstance(leaf, Tensor))
