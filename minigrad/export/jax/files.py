"""A minigrad function as a file of jax.export: for CPUs, CUDA and TPUs, for all sizes, and read without minigrad."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jax import export

from ... import io, tree
from ...errors import setting_error
from ...transforms.tracing import argument_names
from .lowering import to_jax
from .trees import arrays

PLATFORMS = "cpu", "cuda", "tpu"


def save(
    path: str | os.PathLike[str],
    f: Callable[..., Any],
    *args: Any,
    axes: Mapping[str, Sequence[str | None]] | None = None,
    constraints: Sequence[str] = (),
) -> Path:
    """Write f for arguments like these; `jax.export.deserialize(path.read_bytes()).call(*args)` needs jax alone.

    axes         {argument: names of its first axes}, whose lengths are free, as in {"xs": ("T", "B")}; equal names are equal lengths
    constraints  what the lengths keep to, as in "T >= 2", for an f that decides by them

    An argument or a result that holds a model or a named tuple is in the file a dict of arrays, by the names of a checkpoint. A file with
    float64, int64 or keys is called where jax_enable_x64 is on.
    """
    leaves, treedef = tree.flatten(arrays(args))
    shapes = _shapes(argument_names(f, args, {}), [leaf.shape for leaf in leaves], dict(axes or {}), constraints)
    specs = [jax.ShapeDtypeStruct(shape, leaf.dtype) for leaf, shape in zip(leaves, shapes, strict=True)]
    function = to_jax(f)

    def program(*held: Any) -> Any:
        return _held(function(*_unheld(held, treedef)))

    with jax.enable_x64(True):
        exported = export.export(jax.jit(program), platforms=PLATFORMS)(*_held(tree.unflatten(treedef, specs)))
    target = Path(path)
    target.write_bytes(exported.serialize())
    return target


def _held(value: Any) -> Any:
    """A tree as it is in the file: JAX's own containers, and for any other a dict of its leaves by name."""
    if isinstance(value, dict):
        return {key: _held(child) for key, child in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_held, value))
    leaves, treedef = tree.flatten(value)
    return value if treedef.kind in (None, type(None)) else dict(zip(io.names(treedef), leaves, strict=True))


def _unheld(held: Any, treedef: tree.TreeDef) -> Any:
    """The inverse of _held."""
    if treedef.kind is dict:
        children = dict(zip(treedef.keys, treedef.children, strict=True))
        return {key: _unheld(held[key], children[key]) for key in treedef.meta.order}
    if treedef.kind in (list, tuple):
        return treedef.kind(map(_unheld, held, treedef.children))
    return held if treedef.kind in (None, type(None)) else tree.unflatten(treedef, [held[name] for name in io.names(treedef)])


def _shapes(
    names: Sequence[str], shapes: Sequence[tuple[int, ...]], axes: dict[str, Sequence[str | None]], constraints: Sequence[str]
) -> list[tuple[Any, ...]]:
    """The shapes with the sizes of jax.export for the axes that have names."""
    scope = export.SymbolicScope(constraints)
    found = []
    for name, shape in zip(names, shapes, strict=True):
        free = axes.pop(name, ())
        if len(free) > len(shape):
            raise setting_error("export.jax.save", f"axes names {len(free)} axes of {name}, which has {len(shape)}")
        text = ", ".join(free[i] or str(n) if i < len(free) else str(n) for i, n in enumerate(shape))
        found.append(tuple(export.symbolic_shape(text, scope=scope)))
    if axes:
        raise setting_error("export.jax.save", f"axes names {', '.join(axes)}; the arguments are {', '.join(names)}")
    return found
