"""Assertions that different ways to run a program agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..compiled import jit
from ..control.unroll import unroll
from ..graph.ir import Graph, check
from ..ops.numbers import argument
from ..passes.specialize import evaluate_graph
from ..tensor import tensor
from ..transforms.tracing import trace


def assert_same_graph_value(f: Callable[..., Any], *args: Any, rtol: float = 1e-12) -> Graph:
    """f computes eagerly what the interpreter computes from its graph, and the graph type-checks. Returns the graph."""
    graph = trace(f, *args)
    check(graph)
    arrays = [argument(x).numpy() for x in tree.leaves(args)]
    _close(evaluate_graph(graph, arrays), [tensor(y).numpy() for y in tree.leaves(f(*args))], rtol, "the interpreter and eager execution")
    return graph


def assert_scan_equals_unrolled(f: Callable[..., Any], *args: Any, rtol: float = 1e-12) -> None:
    """The graph of f with its loops, and with every step written out, have the same value."""
    graph = trace(f, *args)
    flat = unroll(graph)
    check(flat)
    arrays = [argument(x).numpy() for x in tree.leaves(args)]
    _close(evaluate_graph(flat, arrays), evaluate_graph(graph, arrays), rtol, "the unrolled graph and the loop")


def assert_jit_equals_interpreter(f: Callable[..., Any], *args: Any, rtol: float = 1e-10) -> None:
    """mg.jit(f) gives what the interpreter gives."""
    arrays = [argument(x).numpy() for x in tree.leaves(args)]
    compiled = [tensor(y).numpy() for y in tree.leaves(jit(f)(*args))]
    _close(compiled, evaluate_graph(trace(f, *args), arrays), rtol, "the compiled function and the interpreter")


def _close(found: Sequence[np.ndarray], expected: Sequence[np.ndarray], rtol: float, who: str) -> None:
    assert len(found) == len(expected), f"{who} give {len(found)} and {len(expected)} results"
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.shape == b.shape, f"{who} differ in result {i}: shapes {a.shape} and {b.shape}"
        assert a.dtype == b.dtype, f"{who} differ in result {i}: dtypes {a.dtype} and {b.dtype}"
        scale = float(np.max(np.abs(b), initial=0)) if b.dtype.kind == "f" else 0.0
        atol = rtol * (scale if np.isfinite(scale) else 1.0)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=f"{who} differ in result {i}")
