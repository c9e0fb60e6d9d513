"""Work outside any compiled program: small operations and an LSTM in a Python loop, the graph recorded; models whose loop is a scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

Work = Callable[[], Any]
SHAPES = {"x": (8, 8), "y": (8, 8), "bias": (8,)}
OPS: dict[str, Callable[[Any, Any], Any]] = {
    "tanh(x)": lambda m, v: m.tanh(v.x),
    "x + y": lambda m, v: v.x + v.y,
    "x * 2": lambda m, v: v.x * 2,
    "x + bias": lambda m, v: v.x + v.bias,
    "x @ y": lambda m, v: v.x @ v.y,
    "x[:, 2:5]": lambda m, v: v.x[:, 2:5],
    "sum(x)": lambda m, v: m.sum(v.x),
}
HIDDEN, INPUTS = 32, 16


def minigrad() -> tuple[Any, Callable[[np.ndarray], Any]]:
    import minigrad as mg

    return mg, mg.parameter


def torch() -> tuple[Any, Callable[[np.ndarray], Any]]:
    import torch

    return torch, lambda a: torch.tensor(a, requires_grad=True)


def mygrad() -> tuple[Any, Callable[[np.ndarray], Any]]:
    import mygrad

    return mygrad, mygrad.tensor


def numpy() -> tuple[Any, Callable[[np.ndarray], Any]]:
    return np, lambda a: a


ENGINES = {"minigrad": minigrad, "torch": torch, "mygrad": mygrad, "numpy, no graph": numpy}


def lstm(engine: str, steps: int) -> dict[str, Work]:
    """Cells of an LSTM in a Python loop: the loss, and its gradient."""
    m, parameter = ENGINES[engine]()
    rng = np.random.default_rng(0)
    sizes = ((INPUTS, 4 * HIDDEN), (HIDDEN, 4 * HIDDEN), (4 * HIDDEN,))
    wx, wh, b = (parameter(0.2 * rng.standard_normal(s, dtype=np.float32)) for s in sizes)
    xs = m.tensor(rng.standard_normal((steps, 1, INPUTS), dtype=np.float32))

    def forward() -> Any:
        h = c = m.zeros((1, HIDDEN))
        loss = 0.0
        for t in range(steps):
            z = xs[t] @ wx + h @ wh + b
            i, f, g, o = z[:, :HIDDEN], z[:, HIDDEN : 2 * HIDDEN], z[:, 2 * HIDDEN : 3 * HIDDEN], z[:, 3 * HIDDEN :]
            c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
            h = m.sigmoid(o) * m.tanh(c)
            loss = loss + m.sum(h * h)
        return loss

    def both() -> None:
        forward().backward()

    return {"forward": forward, "forward and backward()": both}


def run(quick: bool) -> dict[str, dict[str, float]]:
    """Seconds of CPU time, of each work by each engine."""
    works: dict[str, dict[str, Work]] = {}
    steps = 5 if quick else 100
    for engine, make in ENGINES.items():
        try:
            m, parameter = make()
        except ImportError:
            continue
        values = SimpleNamespace(**{k: parameter(np.random.default_rng(1).standard_normal(s, dtype=np.float32)) for k, s in SHAPES.items()})
        for name, op in OPS.items():
            works.setdefault(name, {})[engine] = lambda op=op, m=m, v=values: op(m, v)
        if engine in ("minigrad", "torch"):
            for name, work in lstm(engine, steps).items():
                works.setdefault(f"LSTM of {steps} steps, {name}", {})[engine] = work
    return {name: _times(some, *((200, 20) if name in OPS else (1, 20)), quick) for name, some in works.items()}


def loops(quick: bool) -> dict[str, dict[str, float]]:
    """Seconds of CPU time of a model's loss and gradient: eagerly, with native loops, and compiled."""
    from minigrad.models import LSTM, NTM

    import minigrad as mg

    found = {}
    memory = (8, 4) if quick else (128, 20)
    for name, model, steps in (
        ("LSTM (32), T = 200", LSTM(INPUTS, HIDDEN, key=0), 200),
        ("NTM (LSTM 100, 128 × 20), T = 42", NTM(10, 8, "lstm", 100, memory, key=0), 42),
    ):
        xs = np.random.default_rng(0).standard_normal((3 if quick else steps, 1, model.inputs), dtype=np.float32)

        def both(model: Any = model, xs: np.ndarray = xs) -> Any:
            return mg.value_and_grad(lambda model: mg.mean(model(xs) ** 2))(model)

        def native(both: Work = both) -> Any:
            with mg.native_loops():
                return both()

        fast = mg.jit(both)
        works = {"eager": both, "in mg.native_loops": native, "compiled by mg.jit": lambda fast=fast, model=model, xs=xs: fast(model, xs)}
        for work in works.values():
            work()
        found[name] = _times(works, 1, 10, quick)
    return found


def _times(works: Mapping[str, Work], calls: int, turns: int, quick: bool) -> dict[str, float]:
    """The median over turns, which the works have one after the other."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(2 if quick else turns):
        for name, work in works.items():
            start = time.process_time()
            for _ in range(calls):
                work()
            found[name].append((time.process_time() - start) / calls)
    return {name: float(np.median(t)) for name, t in found.items()}
