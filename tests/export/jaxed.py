"""JAX's results for tests: compiled fast, and many functions as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}  # to compile, not to run


def together(functions: Sequence[Callable[..., Any]], args: Sequence[Sequence[Any]]) -> list[Any]:
    """The results of each function, compiled as one; for a function that raises, the exception."""

    def attempt(f: Callable[..., Any], given: Any) -> Any:
        try:
            return f(*given)
        except Exception as error:
            errors[f] = error
            return None

    errors: dict[Any, Exception] = {}
    with jax.enable_x64(True):
        whole = jax.jit(lambda args: [attempt(f, given) for f, given in zip(functions, args, strict=True)])
        found = whole.lower(args).compile(compiler_options=FAST)(args)
    return [errors.get(f, r) for f, r in zip(functions, found, strict=True)]


def listed(found: Any, part: int | None = None) -> list[np.ndarray]:
    """The arrays of a result, or of one part of it."""
    if isinstance(found, Exception):
        raise found
    found = found if part is None else found[part]
    return [np.asarray(v) for v in (found if isinstance(found, (tuple, list)) else (found,))]
