"""Minigrad's trees as JAX's: models and dataclasses that jax.jit, jax.grad and jax.export take apart."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from ... import tree
from ...errors import GraphError, message
from ...tensor import Tensor

_known: set[Any] = set()


def arrays(tree_: Any) -> Any:
    """The tree with JAX arrays for its tensors, in their dtypes. Its models and dataclasses are known to JAX from now on.

    Raises GraphError for a model with tied parameters: JAX would take them for two, and give each its own gradient.
    """
    register(tree.flatten(tree_)[1])
    return tree.map(as_array, tree_)


def as_array(leaf: Any) -> Any:
    """A tensor, an array or a number as a JAX array of the same dtype, also where the session of JAX is one of 32 bits."""
    with jax.enable_x64(True):
        return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf.numpy() if isinstance(leaf, Tensor) else leaf)


def register(treedef: tree.TreeDef) -> None:
    """Make the classes of a structure known to JAX."""
    kind = treedef.kind
    if treedef.ties:
        fix = "Give JAX the leaves: leaves, treedef = mg.tree.flatten(model), and mg.tree.unflatten(treedef, leaves) in the function"
        raise GraphError(message("export.jax", f"{kind.__name__} has tied parameters, which JAX would take for two", fix))
    for child in treedef.children:
        register(child)
    plain = kind in (None, dict, list, tuple, type(None)) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    if plain or kind in _known:
        return
    _known.add(kind)
    if hasattr(kind, "__tree_flatten__"):
        jax.tree_util.register_pytree_with_keys(
            kind, _split, lambda kept, children: kind.__tree_unflatten__(kept[0], list(children), kept[1])
        )
    else:
        jax.tree_util.register_dataclass(kind, [f.name for f in dataclasses.fields(kind)], [])


def _split(value: Any) -> tuple[Any, Any]:
    keys, children, meta = value.__tree_flatten__()
    return tuple((jax.tree_util.GetAttrKey(str(key)), child) for key, child in zip(keys, children, strict=True)), (tuple(keys), meta)
