"""Testing gradients and programs: `check_grads`, hypothesis strategies (`pip install minigrad[testing]`), random programs, assertions.

from hypothesis import given
from minigrad.testing import check_grads, tensors

@given(x=tensors(max_dims=3))
def test_swish(x): check_grads(lambda x: x * mg.sigmoid(x), x)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .assertions import assert_jit_equals_interpreter, assert_same_graph_value, assert_scan_equals_unrolled
from .gradients import GradientError, KinkWarning, NondeterminismError, check_grads
from .programs import RandomProgram, Step, random_program
from .report import Report

if TYPE_CHECKING:
    from .strategies import (
        axes,
        broadcastable,
        broadcastable_shapes,
        cells,
        dtypes,
        einsums,
        graphs,
        indices,
        sequences,
        shapes,
        tensors,
        trees,
    )

__all__ = [
    "GradientError", "KinkWarning", "NondeterminismError", "RandomProgram", "Report", "Step", "assert_jit_equals_interpreter",
    "assert_same_graph_value", "assert_scan_equals_unrolled", "axes", "broadcastable", "broadcastable_shapes", "cells", "check_grads",
    "dtypes", "einsums", "graphs", "indices", "random_program", "sequences", "shapes", "tensors", "trees",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The strategies are loaded when first used: they alone need hypothesis."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(".strategies", __name__), name)
