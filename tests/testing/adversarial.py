"""Arguments at which a derivative is hard to check: ties, kinks, huge and tiny numbers, large offsets. And functions of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

SHAPE = (3, 4)


def arguments() -> dict[str, np.ndarray]:
    """Arrays of one shape by name."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(SHAPE)
    u = rng.random(SHAPE) + 0.5
    return {
        "zeros": np.zeros(SHAPE),
        "ones": np.ones(SHAPE),
        "equal": np.full(SHAPE, 1.7),
        "ties": np.array([[1.0, 0.0, 0.0, 0.0], [2.0, 2.0, 1.0, 1.0], [-1.0, -1.0, -1.0, 3.0]]),
        "whole": rng.integers(-2, 3, SHAPE).astype(float),
        "normal": z,
        "tiny": 1e-8 * z,
        "smallest": 1e-160 * z,
        "small": 1e-4 * u,
        "large": 1e4 * z,
        "huge": 1e6 * u,
        "astronomic": 1e12 * z,
        "offset": 1e4 + z,
        "far offset": 1e8 + z,
        "near ties": 1 + 1e-9 * z,
        "mixed": z * 10.0 ** rng.integers(-6, 7, SHAPE),
        "one huge": np.where(np.arange(12).reshape(SHAPE) == 5, 1e9, z),
    }


def cells() -> Callable[..., Any]:
    """A small recurrent loop over the rows of x."""

    def loop(x: Any) -> Any:
        return mg.scan(lambda h, row: (mg.tanh(h * 0.5 + row), h), mg.zeros(SHAPE[1], "float64"), x)

    return loop


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sort": mg.sort,
    "sort rows": lambda x: mg.sort(x, 0),
    "falling": lambda x: mg.sort(x, descending=True),
    "top 2": lambda x: mg.top_k(x, 2)[0],
    "max": lambda x: mg.max(x, 1),
    "min": mg.min,
    "sum": lambda x: mg.sum(x, 0),
    "mean": mg.mean,
    "prod": lambda x: mg.prod(x, 1),
    "cumsum": lambda x: mg.cumsum(x, 1),
    "var": lambda x: mg.var(x, 1),
    "std": lambda x: mg.std(x, 1),
    "norm": lambda x: mg.norm(x, 1),
    "softmax": mg.softmax,
    "log softmax": mg.log_softmax,
    "logsumexp": lambda x: mg.logsumexp(x, 1),
    "entropy": lambda x: -mg.sum(mg.softmax(x) * mg.log_softmax(x)),
    "cosine": lambda x: mg.cosine_similarity(x[0], x[1], epsilon=1e-8),
    "relu": mg.relu,
    "abs": mg.abs,
    "sign": lambda x: mg.sign(x) * x,
    "floor": lambda x: mg.floor(x) * x,
    "clip": lambda x: mg.clip(x, -1.0, 1.0),
    "maximum": lambda x: mg.maximum(x[0], x[1]) * x[2],
    "nested maximum": lambda x: mg.maximum(mg.maximum(x[0], x[1]), x[2]),
    "where": lambda x: mg.where(x > 1, x * x, x),
    "tanh": mg.tanh,
    "sigmoid": mg.sigmoid,
    "softplus": mg.softplus,
    "exp": lambda x: mg.exp(-mg.abs(x)),
    "sin": lambda x: mg.sin(x * x),
    "cubic": lambda x: x * x * x - x,
    "quotient": lambda x: x / (1 + x * x),
    "root": lambda x: mg.sqrt(1 + x * x),
    "log": lambda x: mg.log(1 + x * x),
    "cancel": lambda x: (x + 1e6) - 1e6,
    "product": lambda x: x @ x.T,
    "attention": lambda x: mg.softmax(x @ x.T / 2) @ x,
    "attention to an offset": lambda x: mg.softmax(x @ x.T) @ (x + 1e4),
    "loop": cells(),
    "huber": lambda x: mg.huber(x[0], x[1]),
    "cross entropy": lambda x: mg.cross_entropy(x, np.array([0, 1, 3])),
    "gather": lambda x: x[np.array([0, 0, 2])] * x,
    "detached": lambda x: x * mg.detach(mg.tanh(x)),
}


def gradient(f: Callable[..., Any], x: Any) -> mg.Tensor:
    """The gradient of f at x for a random cotangent."""
    outs, pull = mg.vjp(f, x)
    rng = np.random.default_rng(2)
    return pull(mg.tree.map(lambda y: rng.standard_normal(y.shape), outs))[0]


def finite(f: Callable[..., Any], x: np.ndarray) -> bool:
    """Whether value, gradient and the gradient's gradient of f are finite at x, so that there is something to check."""
    found = [*mg.tree.leaves(f(mg.tensor(x))), gradient(f, x), gradient(lambda x: gradient(f, x), x)]
    return all(np.isfinite(v.numpy()).all() for v in found)


SMOOTH = ["sum", "prod", "cumsum", "var", "softmax", "log softmax", "entropy", "tanh", "sin", "cubic", "quotient", "root", "log", "product",
          "attention", "loop"]  # fmt: skip

FAULTS: dict[str, Callable[..., Any]] = {
    "factor": lambda g: g * (1 + 1e-5),
    "sign": lambda g: -g,
    "element": lambda g: g * (1 + 1e-3 * (np.arange(12).reshape(SHAPE) == 7)),
    "rows exchanged": lambda g: g[np.array([1, 0, 2])],
    "row lost": lambda g: g * np.array([[1.0], [0.0], [1.0]]),
    "term lost": lambda g: g - mg.mean(g, 1, keepdims=True),
    "shifted": lambda g: mg.roll(g, 1, 1),
}


def faulty(f: Callable[..., Any], fault: Callable[..., Any]) -> Callable[..., Any]:
    """f with a gradient that has a fault."""
    wrong = mg.custom_vjp(f)
    wrong.defvjp(lambda ct, out, x, *options: fault(mg.vjp(lambda x: f(x, *options), x)[1](ct)[0]))
    return wrong
