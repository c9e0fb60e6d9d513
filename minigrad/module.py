"""Models as trees of parameters with a pure __call__."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from types import FunctionType, MethodType
from typing import Any, NamedTuple, Self

import numpy as np

from . import tree
from .captured import reachable
from .errors import GraphError, message
from .graph.nodes import INPUT, PARAMETER, is_tracing
from .ops import detach
from .tensor import Tensor, notebook


class Module:
    """A base for models. Attributes that are tensors, Modules, or containers of them (lists, tuples, dicts, dataclasses) are
    its parts; all others are settings, which may hold no parameters.

    A Module is a tree (mg.tree): it can be an argument or result of every transformation, its gradient is a Module of the same class,
    and two Modules have the same structure when their settings are equal, in value and in type. Settings are hashable values, and lists,
    dicts and sets of them.

    Only what `mg.parameter` made is trained. All other arrays and tensors are buffers, such as constants and running statistics: they are
    saved, loaded and passed through every transformation, but mg.grad does not differentiate with respect to them (its result has zeros
    there, so that mg.tree.map goes through), and optimisers leave them as they are. An attribute that is set again keeps its role, unless
    the new value is a parameter, or comes from mg.buffer at once: then it has that role, in a transformation as outside. An item that is
    set again in a list or dict keeps its role.

    A parameter at two places is tied: it is one leaf of the tree, has one gradient, the sum, is updated and saved once, and stays at both
    places. A setting that is a method of the model or of a part of it, compiled or not, belongs to each copy anew; any other function that
    keeps tensors of the model is refused.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and value.is_concrete:
            value.named(name)
        if name in self.__dict__:
            _keep_roles(self, name, value)
        for _, leaf in _leaves(value, (name,)):
            if isinstance(leaf, Tensor) and leaf.node.learned is False:
                leaf.node.learned = None  # it has its role; the next place is not told
        self.__dict__.pop("__split__", None)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__["__roles__"] = {path: role for path, role in self.__dict__.get("__roles__", {}).items() if path[0] != name}
        self.__dict__.pop("__split__", None)
        object.__delattr__(self, name)

    def __copy__(self) -> Self:
        leaves, treedef = tree.flatten(self)
        return tree.unflatten(treedef, leaves)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "__split__"}

    def __tree_flatten__(self) -> tuple[Sequence[str], list[Any], _Settings]:
        values = self.__dict__
        split = values.get("__split__")  # known if no attribute was set since
        if split is not None:
            parts, settings = split
            children = [values[k] for k in parts]
            for child in children:
                if _is_container(child):  # its items may be others
                    is_known = _has_leaves(values, parts, settings.roles)
                    break
            else:
                is_known = True
            if is_known:
                return parts, children, settings
        known = values.get("__parts__", ())
        parts = tuple(k for k, v in values.items() if k not in _OWN and (k in known or _is_part(v)))
        plain = tuple((k, _as_setting(self, k, v)) for k, v in values.items() if k not in parts and k not in _OWN)
        settings = _Settings(plain, tuple(role for k in parts for role in _roles(self, k)))
        values["__roles__"] = settings.roles
        if not settings.mutable:
            values["__split__"] = parts, settings
        return parts, [values[k] for k in parts], settings

    @classmethod
    def __tree_unflatten__(cls, parts: Sequence[str], children: Sequence[Any], settings: _Settings) -> Any:
        made = object.__new__(cls)
        values = made.__dict__
        values.update(settings.thaw() if settings.mutable else settings.plain)
        values.update(zip(parts, children, strict=True))
        if is_tracing():
            _mark_parameters(children, parts, settings.roles)
        for name, method in settings.methods:
            values[name] = method.of(made)
        values["__parts__"], values["__roles__"] = parts, settings.roles
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
        parts = zip(tree.paths(treedef), leaves, tree.trained(treedef), strict=True)
        shapes = [f"  {p.lstrip('.')}: {getattr(v, 'type', v)}{'' if is_trained else ', not trained'}" for p, v, is_trained in parts]
        return f"{type(self).__name__}, {count(self):,} parameters\n" + "\n".join(shapes)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the text, and once minigrad.viz is imported a tree that opens and closes."""
        draw = notebook.get("model")
        return {"text/plain": repr(self), **(draw(self) if draw is not None else {})}


_PLAIN = (str, bytes, int, float, complex, type(None), type)  # settings that hold nothing else

# What a model knows of itself: the names of its parts, its ties, whether each leaf is trained, and its parts and settings while no
# attribute is set. No attribute of a user has such a name.
_OWN = ("__parts__", "__ties__", "__roles__", "__split__")


def _is_parameter(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and (leaf.node.op is PARAMETER or bool(leaf.node.learned))


def _mark_parameters(children: Sequence[Any], parts: Sequence[str], roles: dict[tuple[Any, ...], bool]) -> None:
    """What stands for a parameter in a trace is one: another place that is set to it becomes a parameter, as outside."""
    for name, child in zip(parts, children, strict=True):
        for path, leaf in _leaves(child, (name,), roles):
            if isinstance(leaf, Tensor) and leaf.node.op is INPUT and roles.get(path):
                leaf.node.learned = True


Role = tuple[tuple[Any, ...], bool]  # the path of a leaf, and whether it is trained


def _roles(model: Module, name: str) -> list[Role]:
    """The role of each leaf of an attribute that is in no Module below: the one it has, or for a new leaf that of its value."""
    known = model.__dict__.get("__roles__", {})
    return [(path, known[path] if path in known else _is_parameter(leaf)) for path, leaf in _leaves(model.__dict__[name], (name,), known)]


def _leaves(value: Any, path: tuple[Any, ...], known: Collection[tuple[Any, ...]] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The leaves with their paths. What is no list, tuple or dict at a known path is one: JAX puts dataclasses of its own there."""
    container = tree.containers[type(value)]
    if container is None or (path in known and not isinstance(value, (list, tuple, dict, Module))):
        yield path, value
    elif not isinstance(value, Module):
        keys, children, _ = container.split(value)
        for key, child in zip(keys, children, strict=True):
            yield from _leaves(child, (*path, key), known)


def _has_leaves(values: dict[str, Any], parts: Sequence[str], roles: dict[tuple[Any, ...], bool]) -> bool:
    """Whether the containers among the parts have just the leaves with a role: no item was added or removed in place."""
    found = [path for k in parts if _is_container(values[k]) for path, _ in _leaves(values[k], (k,), roles)]
    return len(found) == sum(len(path) > 1 for path in roles) and all(path in roles for path in found)


def _keep_roles(model: Module, name: str, value: Any) -> None:
    """Before the attribute is set: its leaves keep their roles, or get new ones where mg.parameter or mg.buffer says which."""
    leaves = ((path, leaf) for path, leaf in _leaves(value, (name,)) if isinstance(leaf, Tensor))
    said = {path for path, leaf in leaves if leaf.node.learned is False or _is_parameter(leaf)}
    others = {path: role for path, role in model.__dict__.get("__roles__", {}).items() if path[0] != name}
    model.__dict__["__roles__"] = {**others, **{path: role for path, role in _roles(model, name) if path not in said}}


class _Method(NamedTuple):
    """A function of a part of the model, as a setting: it is bound to the part at this path of each copy."""

    function: Any
    path: tuple[Any, ...]

    def of(self, model: Module) -> Any:
        owner = reduce(lambda holder, key: (vars(holder) if isinstance(holder, Module) else holder)[key], self.path, model)
        return MethodType(self.function, owner) if isinstance(self.function, FunctionType) else self.function.bound_to(owner)


class _Settings(tree.Frozen):
    """The settings of a model: pairs of a name and a value; and the roles of its leaves, but for those of Modules in it."""

    plain: dict[str, Any]
    roles: dict[tuple[Any, ...], bool]
    methods: tuple[tuple[str, _Method], ...]

    def __new__(cls, value: tuple[tuple[str, Any], ...], roles: tuple[Role, ...]) -> Self:
        made = super().__new__(cls, value, roles)
        made.plain, made.roles = dict(made.value), dict(roles)
        made.methods = tuple(pair for pair in made.value if type(pair[1]) is _Method)
        return made

    def __reduce__(self) -> Any:
        return type(self), (self.value, tuple(self.roles.items()))

    def __repr__(self) -> str:
        buffers = ", ".join(".".join(map(str, path)) for path, is_trained in self.roles.items() if not is_trained)
        return super().__repr__() + (f" and buffers {buffers}" if buffers else "")


def _as_setting(model: Module, name: str, value: Any) -> Any:
    """The value of a setting in the structure of the model. Raises GraphError for one that keeps parameters, or tensors of the model."""
    if isinstance(value, _PLAIN):
        return value
    compiled = hasattr(value, "bound_to")
    owner = value.owner if compiled else getattr(value, "__self__", None)
    path = next((path for path, part in _parts_of(model) if part is owner), None) if isinstance(owner, Module) else None
    if path is not None and (compiled or isinstance(value.__func__, FunctionType)):
        return _Method(value.unbound if compiled else value.__func__, path)
    own = {id(model), *(id(part) for _, part in _parts_of(model))}
    kept = [found for _, found in reachable(value, globals=False)]
    what = f"{type(model).__name__}.{name}"
    if any(id(found) in own for found in kept):
        problem = "a function that keeps tensors of the model would keep them when the model is copied or updated"
        fix = "Make it a method (with @mg.jit above it), or pass it the model as an argument"
        raise GraphError(message(what, problem, fix))
    for hidden in (part for found in kept for _, part in _parts_of(found) if _is_parameter(part)):
        problem = f"this {type(value).__name__} holds the parameter {hidden.type} where it would be neither trained nor saved"
        fix = "Keep it in an attribute, list, tuple, dict, dataclass or Module; what is not to be trained, as mg.detach(...) of it"
        raise GraphError(message(what, problem, fix))
    return value


def _parts_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The Modules and tensors in a model, each with its path; the model itself first."""
    if isinstance(value, (Module, Tensor)):
        yield path, value
    held = vars(value) if isinstance(value, Module) else value
    if isinstance(held, (dict, list, tuple)) and tree.containers[type(held)] is not None:
        for key, child in held.items() if isinstance(held, dict) else enumerate(held):
            if isinstance(value, Module) and key in _OWN:
                continue
            yield from _parts_of(child, (*path, key))


def _is_part(value: Any) -> bool:
    if isinstance(value, (Tensor, Module, np.ndarray)):
        return True
    container = tree.containers[type(value)]
    return container is not None and any(map(_is_part, container.split(value)[1]))


def _is_container(value: Any) -> bool:
    return not isinstance(value, Module) and tree.containers[type(value)] is not None


def count(model: Any) -> int:
    """The number of elements of all tensors in a tree, without the buffers of Modules."""
    leaves, treedef = tree.flatten(model)
    pairs = zip(leaves, tree.trained(treedef), strict=True)
    return sum(int(leaf.size) for leaf, is_trained in pairs if is_trained and isinstance(leaf, Tensor))
