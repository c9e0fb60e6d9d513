"""The modern Hopfield network: continuous states that move to stored patterns, as a layer and as a sequence model."""

from __future__ import annotations

import math
from typing import Annotated, Any

import minigrad as mg
from minigrad import Module, Tensor
from minigrad.errors import setting_error

from .attention import allowed, along, masked_softmax
from .cell import Linear, blocks, keys, sequences
from .cnn import CausalConvolution
from .settings import Hidden, Kernel, require_at_least
from .transformer import LayerNorm

Updates = Annotated[int, "updates of a state pattern; 1 is attention"]
Beta = Annotated[float, "inverse temperature β: large, one pattern is retrieved; small, the mean of many; 0: 1/√hidden"]


def update(xi: Tensor, X: Tensor, beta: float, mask: Any = None) -> Tensor:
    """ξ ← Xᵀ softmax(β X ξ), eq. 3: state patterns ξ (…, T, d) and stored patterns X (…, S, d), which are rows; mask (…, T, S)."""
    return masked_softmax(beta * (xi @ X.mT), mask) @ X


def energy(xi: Tensor, X: Tensor, beta: float) -> Tensor:
    """E = −lse(β, X ξ) + ½ ξᵀξ, eq. 2 without its constants, with lse(β, z) = β⁻¹ log Σ exp(β z): (…, T). `update` never raises it."""
    return 0.5 * mg.sum(xi * xi, -1) - mg.logsumexp(beta * (xi @ X.mT), -1) / beta


class Hopfield(Module):
    """Hopfield layer (Ramsauer et al. 2021, eq. 10): state (T, batch, width) and stored patterns (S, batch, width) -> (T, batch, width).

    ξ = LN(state) W_q, X = LN(stored) W_k;  `updates` times ξ ← Xᵀ softmax(β X ξ);  what is retrieved: ξ W_v

    One update with β = 1/√width is attention with keys X and values X W_v.
    """

    def __init__(self, width: int, updates: Updates = 1, beta: Beta = 0.0, key: Any = 0, dtype: Any = "float32"):
        require_at_least("Hopfield", 1, width=width, updates=updates)
        if not beta >= 0:
            raise setting_error("Hopfield", f"beta={beta!r} must be above 0, or 0 for 1/√width")
        self.updates, self.beta = updates, float(beta) or 1 / math.sqrt(width)
        self.W_q, self.W_k, self.W_v = (blocks(k, (width, width), 1, "glorot", dtype) for k in keys(key, 3))
        self.norm_state, self.norm_stored = LayerNorm(width, dtype), LayerNorm(width, dtype)

    def __call__(self, state: Tensor, stored: Tensor, mask: Any = None) -> Tensor:
        """mask (T, S) or (batch, T, S) is True where a stored pattern may be retrieved; without one for a state, the result there is 0."""
        stored = stored if mask is None else along(mg.any(mask, -2), stored)
        xi, X = (mg.moveaxis(norm(x) @ W, 0, 1) for norm, x, W in self._projections(state, stored))
        for i in range(self.updates):
            with mg.scope(f"update{i}"):
                xi = update(xi, X, self.beta, mask).named("xi")
        return mg.moveaxis(xi @ self.W_v, 0, 1).named("r")

    def _projections(self, state: Tensor, stored: Tensor) -> tuple[tuple[LayerNorm, Tensor, Tensor], ...]:
        return (self.norm_state, state, self.W_q), (self.norm_stored, stored, self.W_k)


class HopfieldNetwork(Module):
    """A Hopfield layer over the past: xs (T, batch, inputs) -> ys (T, batch, outputs).

    h_t = Σ_a x_{t−kernel+1+a} W_a + b, a = 0 … kernel − 1;  r_t = Hopfield(h_t; h_1 … h_t);  y_t = (h_t + r_t) W + b

    A pattern holds the last `kernel` inputs, so that part of it retrieves the rest, as a key its value. All past patterns stay stored: time
    and memory grow with T², and the model has no `step`.
    """

    label = "hopfield"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int,
        updates: Updates = 1,
        beta: Beta = 0.0,
        kernel: Kernel = 4,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("HopfieldNetwork", 1, inputs=inputs, hidden=hidden, outputs=outputs, kernel=kernel)
        k = keys(key, 3)
        self.inputs, self.hidden, self.outputs = inputs, hidden, outputs
        self.patterns = CausalConvolution(inputs, hidden, kernel, k[0], dtype)
        self.hopfield = Hopfield(hidden, updates, beta, k[1], dtype)
        self.readout = Linear(hidden, outputs, k[2], dtype)

    def __call__(self, xs: Any, mask: Any = None) -> Tensor:
        """ys (T, batch, outputs); mask (T, batch) is False where a shorter sequence has ended. Raises ShapeError for other shapes."""
        xs = sequences(self, xs, self.readout.b.dtype, mask)
        _, h = self.patterns(self.patterns.initial_state(xs.shape[1]), mg.moveaxis(xs, 0, 1))
        h = mg.moveaxis(h, 1, 0).named("h")
        return self.readout(h + self.hopfield(h, h, allowed(h.shape[0], mask))).named("y")
