"""Models as trees of parameters with a pure __call__."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import tree
from .tensor import Tensor


class Module:
    """A base for models. Attributes that are tensors, Modules, or containers of them are its parts; all others are settings.

    A Module is a tree (mg.tree): it can be an argument or result of every transformation, its gradient is a Module of the same class,
    and two Modules have the same structure when their settings are equal, in value and in type. Settings are hashable values, and lists,
    dicts and sets of them.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and value.is_concrete:
            value.named(name)
        self.__dict__.pop("_settings", None)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__.pop("_settings", None)
        object.__delattr__(self, name)

    def __tree_flatten__(self) -> tuple[Sequence[str], list[Any], tree.Frozen]:
        values = self.__dict__
        if "_settings" in values:  # it has these parts and settings since it was last flattened or unflattened
            return values["_parts"], [values[k] for k in values["_parts"]], values["_settings"]
        known = values.get("_parts", ())
        parts = tuple(k for k, v in values.items() if k != "_parts" and (k in known or _is_part(v)))
        settings = tree.Frozen(tuple((k, v) for k, v in values.items() if k not in parts and k != "_parts"))
        if not settings.mutable:
            values["_parts"], values["_settings"] = parts, settings
        return parts, [values[k] for k in parts], settings

    @classmethod
    def __tree_unflatten__(cls, parts: Sequence[str], children: Sequence[Any], settings: tree.Frozen) -> Any:
        made = object.__new__(cls)
        values = made.__dict__
        values.update(settings.thaw())
        values.update(zip(parts, children, strict=True))
        values["_parts"] = parts
        if not settings.mutable:
            values["_settings"] = settings
        return made

    def __repr__(self) -> str:
        leaves, treedef = tree.flatten(self)
        shapes = [f"  {p.lstrip('.')}: {getattr(v, 'type', v)}" for p, v in zip(tree.paths(treedef), leaves, strict=True)]
        return f"{type(self).__name__}, {count(self):,} parameters\n" + "\n".join(shapes)


def _is_part(value: Any) -> bool:
    if isinstance(value, (Tensor, Module, np.ndarray)):
        return True
    if isinstance(value, dict):
        return any(map(_is_part, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_is_part, value))


def count(model: Any) -> int:
    """The number of elements of all tensors in a tree."""
    return sum(int(leaf.size) for leaf in tree.leaves(model) if isinstance(leaf, Tensor))
