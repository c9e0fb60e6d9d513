"""Minigrad functions in JAX programs, on GPUs, TPUs and many machines; and JAX functions in minigrad."""

from __future__ import annotations

from .. import missing

try:
    import jax as _jax  # noqa: F401
except ModuleNotFoundError as error:
    raise missing("jax", error) from None

from .callbacks import callback
from .drawn import graph, leaves, notes
from .files import save
from .jaxprs import from_jax
from .lowering import to_jax
from .trees import arrays

__all__ = ["arrays", "callback", "from_jax", "graph", "leaves", "notes", "save", "to_jax"]
