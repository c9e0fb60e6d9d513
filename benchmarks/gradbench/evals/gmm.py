"""gmm: the log posterior of a Gaussian mixture, with a Wishart prior on the precisions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import multigammaln

import minigrad as mg

from ..task import Input, Task, array


def lower_triangles(d: int) -> np.ndarray:
    """Where each entry of a d×d lower triangle stands in d diagonal entries, those below by columns, and one zero."""
    where = np.full((d, d), d + d * (d - 1) // 2)
    where[np.arange(d), np.arange(d)] = np.arange(d)
    columns, rows = np.triu_indices(d, 1)
    where[rows, columns] = d + np.arange(len(rows))
    return where


def log_posterior(d: int, k: int, n: int, m: int, gamma: float) -> Callable[..., Any]:
    """The function of the independent variables and the points."""
    freedom, places = d + m + 1, lower_triangles(d)
    constant = -n * d * 0.5 * math.log(2 * math.pi)
    wishart = k * (freedom * d * math.log(gamma / math.sqrt(2)) - float(multigammaln(freedom / 2, d)))

    def function(independent: dict[str, Any], x: Any) -> Any:
        alpha, mu, q, lower = (independent[name] for name in ("alpha", "mu", "q", "l"))
        entries = mg.concat([mg.exp(q), lower, mg.zeros((k, 1), dtype="float64")], 1)
        Q = mg.take(entries, places, 1)  # (k, d, d)
        trace = mg.sum(q, 1)
        across = mg.reshape(mg.reshape(Q, (k * d, d)) @ mg.transpose(x), (k, d, n))
        distances = mg.sum(mg.square(across - Q @ mg.expand_dims(mu, 2)), 1)
        beta = mg.expand_dims(alpha + trace, 1) - 0.5 * distances
        likelihood = constant + mg.sum(mg.logsumexp(beta, 0)) - n * mg.logsumexp(alpha)
        return likelihood + wishart - 0.5 * gamma**2 * mg.sum(mg.square(entries)) + m * mg.sum(trace)

    return function


def prepared(input: Input) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    function = log_posterior(*(input[name] for name in ("d", "k", "n", "m", "gamma")))
    shapes = {"alpha": (-1,), "mu": (-1, input["d"]), "q": (-1, input["d"]), "l": (input["k"], -1)}
    return function, ({name: array(np.reshape(input[name], shape)) for name, shape in shapes.items()}, array(input["x"]))


def objective(input: Input) -> Task:
    return Task(*prepared(input))


def jacobian(input: Input) -> Task:
    function, arguments = prepared(input)
    return Task(mg.grad(function), arguments)
