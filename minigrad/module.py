"""Models as trees of parameters with a pure __call__."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, reduce
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
    """A base for models. Attributes that are tensors, Modules, or lists, tuples and dicts of them are its parts; all others are settings.

    Settings may hold no parameters: a dataclass with parameters in a model is to be a Module. Lists, tuples, dicts, sets and dataclasses
    are looked at each time, other objects once after an attribute is set: what they get later is not seen.

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
        for _, leaf in _own_leaves(value, (name,)):
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
        parts, settings = values.get("__split__", ((), None))  # known if no attribute was set since
        if settings is not None and settings.is_lasting:
            children = [values[k] for k in parts]
            for child in children:
                if _is_tree(child):  # its items may be others
                    is_known = _has_leaves(values, parts, settings.roles)
                    break
            else:
                is_known = True
            if is_known:
                return parts, children, settings
        known = values.get("__parts__", ())
        parts = tuple(k for k, v in values.items() if k not in _OWN and (k in known or _is_part(v)))
        leaves = [pair for k in parts for pair in _own_leaves(values[k], (k,))]
        for path, leaf in leaves:
            if tree.containers[type(leaf)] is not None:  # a dataclass
                _require_no_parameters(self, path[0], leaf, tree.leaves(leaf))
        plain = [(k, v) for k, v in values.items() if k not in parts and k not in _OWN]
        settings = _as_settings(self, plain, _roles(self, leaves), settings.empty if settings is not None else {})
        values["__roles__"], values["__split__"] = settings.roles, (parts, settings)
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
        values["__parts__"], values["__roles__"], values["__split__"] = parts, settings.roles, (parts, settings)
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


# What a model knows of itself: the names of its parts, its ties, whether each leaf is trained, and its parts and settings while no
# attribute is set. No attribute of a user has such a name.
_OWN = ("__parts__", "__ties__", "__roles__", "__split__")


def _is_parameter(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and (leaf.node.op is PARAMETER or bool(leaf.node.learned))


def _mark_parameters(children: Sequence[Any], parts: Sequence[str], roles: dict[tuple[Any, ...], bool]) -> None:
    """What stands for a parameter in a trace is one: another place that is set to it becomes a parameter, as outside."""
    for name, child in zip(parts, children, strict=True):
        for path, leaf in _own_leaves(child, (name,)):
            if isinstance(leaf, Tensor) and leaf.node.op is INPUT and roles.get(path):
                leaf.node.learned = True


Role = tuple[tuple[Any, ...], bool]  # the path of a leaf, and whether it is trained
Leaf = tuple[tuple[Any, ...], Any]  # its path, and its value


def _roles(model: Module, leaves: Iterable[Leaf]) -> list[Role]:
    """The roles of leaves that are in no Module below: the one that each has, or for a new leaf that of its value."""
    known = model.__dict__.get("__roles__", {})
    return [(path, known[path] if path in known else _is_parameter(leaf)) for path, leaf in leaves]


def _own_leaves(value: Any, path: tuple[Any, ...]) -> Iterator[Leaf]:
    """The leaves that are in no Module, with their paths. A dataclass is one: JAX puts some of its own in the place of leaves."""
    container = tree.containers[type(value)]
    if container is None or tree.is_dataclass(container):
        yield path, value
    elif not isinstance(value, Module):
        keys, children, _ = container.split(value)
        for key, child in zip(keys, children, strict=True):
            yield from _own_leaves(child, (*path, key))


def _has_leaves(values: dict[str, Any], parts: Sequence[str], roles: dict[tuple[Any, ...], bool]) -> bool:
    """Whether the containers among the parts have just the leaves with a role, and no dataclasses: no item was added or removed."""
    found = [pair for k in parts if _is_tree(values[k]) for pair in _own_leaves(values[k], (k,))]
    known = (path in roles and tree.containers[type(leaf)] is None for path, leaf in found)
    return len(found) == sum(len(path) > 1 for path in roles) and all(known)


def _keep_roles(model: Module, name: str, value: Any) -> None:
    """Before the attribute is set: its leaves keep their roles, or get new ones where mg.parameter or mg.buffer says which."""
    leaves = ((path, leaf) for path, leaf in _own_leaves(value, (name,)) if isinstance(leaf, Tensor))
    said = {path for path, leaf in leaves if leaf.node.learned is False or _is_parameter(leaf)}
    others = {path: role for path, role in model.__dict__.get("__roles__", {}).items() if path[0] != name}
    own = _roles(model, _own_leaves(model.__dict__[name], (name,)))
    model.__dict__["__roles__"] = {**others, **{path: role for path, role in own if path not in said}}


def _at(holder: Any, key: Any) -> Any:
    return holder[key] if type(holder) in (list, tuple, dict) else getattr(holder, key)


class _Method(NamedTuple):
    """A function of a part of the model, as a setting: it is bound to the part at this path of each copy."""

    function: Any
    path: tuple[Any, ...]

    def of(self, model: Module) -> Any:
        owner = reduce(_at, self.path, model)
        return MethodType(self.function, owner) if isinstance(self.function, FunctionType) else self.function.bound_to(owner)


class _Settings(tree.Frozen):
    """The settings of a model: pairs of a name and a value; and the roles of its leaves, but for those of Modules in it."""

    plain: dict[str, Any]
    roles: dict[tuple[Any, ...], bool]
    methods: tuple[tuple[str, _Method], ...]
    empty: dict[int, Any]  # by their ids, the objects in the settings that hold no tensors
    is_lasting: bool  # whether no list, dict, set or dataclass in them can change

    def __new__(cls, value: tuple[tuple[str, Any], ...], roles: tuple[Role, ...]) -> Self:
        made = super().__new__(cls, value, roles)
        made.plain, made.roles = dict(made.value), dict(roles)
        made.empty, made.is_lasting = {}, False
        made.methods = tuple(pair for pair in made.value if type(pair[1]) is _Method)
        return made

    def __reduce__(self) -> Any:
        return type(self), (self.value, tuple(self.roles.items()))

    def __repr__(self) -> str:
        buffers = ", ".join(".".join(map(str, path)) for path, is_trained in self.roles.items() if not is_trained)
        return super().__repr__() + (f" and buffers {buffers}" if buffers else "")


Own = Callable[[], dict[int, tuple[Any, ...]]]  # the paths of the Modules and tensors in a model, by their ids


def _as_settings(model: Module, values: Sequence[tuple[str, Any]], roles: Sequence[Role], empty: dict[int, Any]) -> _Settings:
    """The settings in the structure of the model. Those objects that are known to be empty are not searched again.

    Raises GraphError for a setting that keeps parameters, or tensors of the model."""
    own = cache(lambda: {id(part): path for path, part in reversed([*_parts_of(model)])})
    found, still_empty, is_lasting = [], {}, True
    for name, value in values:
        method = _as_method(value, own)
        found.append((name, method or value))
        for item in _objects(value) if method is None else ():
            if id(item) not in empty:
                may_change, kept = _may_change(item), [one for _, one in reachable(item, globals=False)]
                _require_foreign(model, name, item, kept, own)
                _require_no_parameters(model, name, item, kept)
                is_lasting = is_lasting and not may_change
                if kept or may_change:
                    continue
            still_empty[id(item)] = item
    settings = _Settings(tuple(found), tuple(roles))
    settings.empty, settings.is_lasting = still_empty, is_lasting and not settings.mutable
    return settings


def _as_method(value: Any, own: Own) -> _Method | None:
    """The setting of a method of the model or of a part, compiled or not; None of all else."""
    if hasattr(type(value), "bound_to"):
        function, owner = value.unbound, value.owner
    elif isinstance(value, MethodType) and isinstance(value.__func__, FunctionType):
        function, owner = value.__func__, value.__self__
    else:
        return None
    path = own().get(id(owner)) if isinstance(owner, Module) else None
    return None if path is None else _Method(function, path)


def _objects(value: Any) -> list[Any]:
    """What may hold tensors in a setting: all but plain values. Lists, tuples, dicts and sets are entered."""
    if not isinstance(value, (list, tuple, dict, set, frozenset)):
        return [] if type(value) in tree.PLAIN else [value]
    items = value.values() if isinstance(value, dict) else value
    return [] if tree.PLAIN.issuperset(map(type, items)) else [found for item in items for found in _objects(item)]


def _may_change(value: Any) -> bool:
    """Whether it is a list, dict, set or dataclass that is not frozen, or holds one."""
    if isinstance(value, tuple):
        return any(map(_may_change, value))
    if isinstance(value, type) or not dataclasses.is_dataclass(value):
        return isinstance(value, (list, dict, set))
    is_frozen = value.__dataclass_params__.frozen  # type: ignore[union-attr]
    return not is_frozen or any(_may_change(getattr(value, f.name, None)) for f in dataclasses.fields(value))


def _require_foreign(model: Module, name: str, value: Any, kept: Sequence[Any], own: Own) -> None:
    """Raises GraphError if a setting keeps tensors or Modules of the model."""
    if not any(id(one) in own() for one in kept):
        return
    what, kind = f"{type(model).__name__}.{name}", type(value).__name__
    if callable(value):
        problem = "a function that keeps tensors of the model would keep them when the model is copied or updated"
        raise GraphError(message(what, problem, "Make it a method (with @mg.jit above it), or pass it the model as an argument"))
    problem = f"this {kind} keeps tensors of the model, and would keep them when the model is copied or updated"
    raise GraphError(message(what, problem, f"Make {kind} an mg.Module that holds them, or pass it the model as an argument"))


def _require_no_parameters(model: Module, name: str, value: Any, kept: Sequence[Any]) -> None:
    """Raises GraphError if what the value keeps are parameters, or hold some."""
    todo, seen = [*kept], set()
    for one in todo:
        if _is_parameter(one):
            problem = f"this {type(value).__name__} holds the parameter {one.type} where it would be neither trained nor saved"
            fix = "Keep it in an attribute, list, tuple, dict or mg.Module; what is not to be trained, as mg.detach(...) of it"
            if dataclasses.is_dataclass(value):
                fix = f"Make {type(value).__name__} an mg.Module, or a list, tuple or dict"
            raise GraphError(message(f"{type(model).__name__}.{name}", problem, fix))
        if isinstance(one, Tensor) or id(one) in seen:
            continue
        seen.add(id(one))
        held = [v for k, v in vars(one).items() if k not in _OWN] if isinstance(one, Module) else _children(one)[1]
        todo += [found for v in held for _, found in reachable(v, globals=False)]


def _children(value: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """The keys and children of a container that holds parts: no dataclass, and no Module."""
    container = tree.containers[type(value)]
    if container is None or isinstance(value, Module) or tree.is_dataclass(container):
        return (), ()
    return container.split(value)[:2]


def _parts_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The Modules and tensors in a model, each with its path; the model itself first."""
    if isinstance(value, (Module, Tensor)):
        yield path, value
    pairs = vars(value).items() if isinstance(value, Module) else zip(*_children(value), strict=True)
    for key, child in pairs:
        if not (isinstance(value, Module) and key in _OWN):
            yield from _parts_of(child, (*path, key))


def _is_part(value: Any) -> bool:
    if tree.containers[type(value)] is None:
        return isinstance(value, (Tensor, np.ndarray))
    return isinstance(value, Module) or any(map(_is_part, value.values() if type(value) is dict else _children(value)[1]))


def _is_tree(value: Any) -> bool:
    """Whether mg.tree takes a value apart that is no Module."""
    return tree.containers[type(value)] is not None and value is not None and not isinstance(value, Module)


def count(model: Any) -> int:
    """The number of elements of all tensors in a tree, without the buffers of Modules."""
    leaves, treedef = tree.flatten(model)
    pairs = zip(leaves, tree.trained(treedef), strict=True)
    return sum(int(leaf.size) for leaf, is_trained in pairs if is_trained and isinstance(leaf, Tensor))
