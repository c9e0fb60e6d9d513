"""The cost of one small operation outside any compiled program: tanh of 8×8 with the graph recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

Op = Callable[[], Any]


def minigrad_op(values: np.ndarray) -> Op:
    import minigrad as mg

    x = mg.parameter(values)
    return lambda: mg.tanh(x)


def torch_op(values: np.ndarray) -> Op:
    import torch

    x = torch.tensor(values, requires_grad=True)
    return lambda: torch.tanh(x)


def mygrad_op(values: np.ndarray) -> Op:
    import mygrad

    x = mygrad.tensor(values)
    return lambda: mygrad.tanh(x)


def numpy_op(values: np.ndarray) -> Op:
    return lambda: np.tanh(values)


def run(quick: bool) -> dict[str, float]:
    """Seconds a call, the median over turns of a thousand."""
    values = np.random.default_rng(0).standard_normal((8, 8), dtype=np.float32)
    ops: dict[str, Op] = {}
    for name, make in (("minigrad", minigrad_op), ("torch", torch_op), ("mygrad", mygrad_op), ("numpy, no graph", numpy_op)):
        try:
            ops[name] = make(values)
        except ImportError:
            continue
    found: dict[str, list[float]] = {name: [] for name in ops}
    for _ in range(5 if quick else 50):
        for name, op in ops.items():
            start = time.perf_counter()
            for _ in range(1000):
                op()
            found[name].append((time.perf_counter() - start) / 1000)
    return {name: float(np.median(t)) for name, t in found.items()}
