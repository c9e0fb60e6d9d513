"""Titans' neural memory: a network whose weights are the state, trained at each step by the gradient of its own loss."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import minigrad as mg
from minigrad import Tensor
from minigrad.errors import setting_error

from .block import Output, Past, Projections, head_width, lookup, unit
from .cell import Cell, Linear, keys, read, readout
from .settings import Convolution, Heads, Hidden, Norm, OutputGate, require_at_least

Weights = tuple[Tensor, ...]  # of the memory's layers, (batch, heads, width, width) each
FORGET = -5.0  # the initial bias of α before its sigmoid: a memory then keeps half for a hundred steps


class TitansState(NamedTuple):
    """The memory's weights M, their momentum S, and the last inputs of the convolution, if there is one."""

    M: Weights
    S: Weights
    past: Past


class Rates(NamedTuple):
    """Momentum η, learning rate θ and forgetting α of a step, (batch, heads)."""

    eta: Tensor
    theta: Tensor
    alpha: Tensor


class Titans(Cell):
    """Titans' neural memory (Behrouz et al. 2025, §3.1): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    k, q, v   of every head: k = unit(SiLU(k̃)), q likewise, v = SiLU(ṽ), each of k̃, q̃, ṽ a linear map of x_t, or its short convolution
    rates     η, α = σ(·), θ = bound · σ(·) of x_t W_r + b_r
    loss      ℓ(M) = |M(k_t) − v_t|²                                           eq. 12
    momentum  S_t = η S_{t−1} − θ ∇ℓ(M_{t−1})                                  eq. 10
    memory    M_t = (1 − α) M_{t−1} + S_t                                      eq. 13
    output    r_t = M_t(q_t);  y_t = [norm(r_t) ⊙ SiLU(x_t W_g + b_g)] W + b with `outputs`, else […]

    M(k) is k M¹ for depth 1, SiLU(k M¹) M² for depth 2, and so on; its weights have hidden / heads rows and columns. M_0 is learned, its
    last layer from 0 on. The gradient is taken anew at every step, and training differentiates through it.

    depth   1: with η = α = 0 this is the delta rule with β = 2θ. Along one key (M, S) turns by [[1 − α − β, η], [−β, η]], β = 2θ|k|²:
            for β = 0.5 and η = 0.9 in a spiral, so that the memory overshoots
    bound   of θ. Up to 0.5, β is at most 1 and a linear memory is stable for all gates; beyond, only for β < (2 − α)(1 + η)
    """

    label = "titans"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden = 32,
        outputs: int | None = None,
        heads: Heads = 1,
        depth: Annotated[int, "layers of the memory; 1: linear"] = 2,
        bound: Annotated[float, "of the rate at which the memory learns; a linear memory is stable up to 0.5"] = 0.5,
        convolution: Convolution = True,
        norm: Norm = True,
        output_gate: OutputGate = False,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("Titans", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs, heads=heads, depth=depth)
        width = head_width("Titans", hidden, heads)
        if not bound > 0:
            raise setting_error("Titans", f"bound={bound!r} must be above 0")
        *k, first = keys(key, 5)
        self.inputs, self.hidden, self.outputs, self.bound = inputs, hidden, outputs, float(bound)
        self.projections = Projections(inputs, hidden, heads, 3, convolution, k[0], dtype)
        self.rates = Linear(inputs, 3 * heads, k[1], dtype)
        self.rates.b = mg.parameter(mg.concat([mg.zeros(2 * heads, dtype), mg.full(heads, FORGET, dtype)]))
        hidden_layers = mg.init.normal(first, (depth - 1, heads, width, width), width**-0.5, dtype)
        self.M_0 = mg.parameter(mg.concat([hidden_layers, mg.zeros((1, heads, width, width), dtype)]))
        self.output = Output(inputs, hidden, heads, norm, output_gate, k[2], dtype)
        self.readout = readout(hidden, outputs, k[3], dtype)

    def initial_state(self, batch: Any) -> TitansState:
        M = tuple(mg.broadcast_to(layer, (batch, *layer.shape)) for layer in self.M_0)
        return TitansState(M, tuple(map(mg.zeros_like, M)), self.projections.initial_state(batch))

    def step(self, state: TitansState, x: Tensor) -> tuple[TitansState, Tensor]:
        past, (q, k, v) = self.projections(state.past, x)
        q, k = (unit(mg.silu(p)).named(name) for p, name in ((q, "q"), (k, "k")))
        eta, theta, alpha = mg.split(mg.sigmoid(self.rates(x)), 3)
        rates = Rates(eta.named("eta"), (self.bound * theta).named("theta"), alpha.named("alpha"))
        with mg.scope("learn"):
            M, S = learn(state.M, state.S, k, mg.silu(v).named("v"), rates)
        h = self.output(x, recall(M, q).named("r")).named("h")
        return TitansState(M, S, past), read(self.readout, h)


def recall(M: Weights, k: Tensor) -> Tensor:
    """M(k), what the memory holds at keys k (batch, heads, width)."""
    first, *others = M
    k = lookup(first, k)
    for layer in others:
        k = lookup(layer, mg.silu(k))
    return k


def learn(M: Weights, S: Weights, k: Tensor, v: Tensor, rates: Rates) -> tuple[Weights, Weights]:
    """(M_t, S_t) from M_{t−1}, S_{t−1}, k and v (eqs. 10, 12, 13). The loss is summed over batch and heads, which have weights each."""
    with mg.scope("gradient"):
        gradient = mg.grad(lambda M: mg.sum(mg.square(recall(M, k) - v)))(M)
    eta, theta, alpha = (rate[..., None, None] for rate in rates)
    S = tuple((eta * s - theta * g).named(f"S{i}") for i, (s, g) in enumerate(zip(S, gradient, strict=True), 1))
    M = tuple(((1 - alpha) * m + s).named(f"M{i}") for i, (m, s) in enumerate(zip(M, S, strict=True), 1))
    return M, S
