"""Fast weights: linear attention, whose memory is a matrix that grows by outer products, and the recurrent network of Ba et al. 2016."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .block import Output, Projections, head_width, lookup, outer
from .cell import Cell, Linear, blocks, choose, keys, read, readout
from .deltanet import delta_rule
from .settings import Convolution, Heads, Hidden, Norm, OutputGate, require_at_least
from .transformer import LayerNorm

EPSILON = 1e-6  # beside a sum of features, which may all be 0
Feature = Literal["elu", "dpfp"]
Rule = Literal["sum", "delta"]


class LinearAttentionState(NamedTuple):
    """The matrices S and the sums z of the features of keys, a row or a number for each feature, and the last inputs of the convolution.

    z is None where nothing divides by it.
    """

    S: Tensor  # (batch, heads, features, width)
    z: Tensor | None  # (batch, heads, features)
    past: Tensor | None  # (batch, 3, numbers of all q, k, v)


class LinearAttention(Cell):
    """Linear attention (Katharopoulos et al. 2020), which is a fast weight programmer (Schmidhuber 1992; Schlag et al. 2021).

    x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`

    k, q, v   of every head: linear maps of x_t, or their short convolutions
    state     S_t = S_{t−1} + φ(k) vᵀ,  z_t = z_{t−1} + φ(k)
    output    r_t = S_tᵀ φ(q) / z_t·φ(q);  y_t = [r_t] W + b with `outputs`, else [r_t]; […] are the norm and the gate, where wanted

    feature     φ: "elu", elu(x) + 1, or "dpfp", with ⊕ for joined: ⊕_j u ⊙ roll(u, j), u = relu(x) ⊕ relu(−x), j = 1 … ν (Schlag, §5.3)
    normalised  False: r_t = S_tᵀ φ(q), and z is left out
    rule        "sum", or "delta" (Schlag, §4.2): S_t = S_{t−1} + β φ(k) (v − S_{t−1}ᵀ φ(k))ᵀ, β = σ(x_t W_β + b_β); what is normalised is
                then φ(x) / Σ φ(x), and z is left out
    """

    label = "linear-attention"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden = 64,
        outputs: int | None = None,
        heads: Heads = 2,
        feature: Annotated[Feature, "map of queries and keys"] = "elu",
        nu: Annotated[int, "rolls of dpfp; it has 2ν features a number"] = 1,
        normalised: Annotated[bool, "weights of attention that sum to 1; with the delta rule features that do"] = True,
        rule: Annotated[Rule, "what is added to the state: the value, or its difference from what the key finds"] = "sum",
        convolution: Convolution = False,
        norm: Norm = False,
        output_gate: OutputGate = False,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("LinearAttention", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        require_at_least("LinearAttention", 1, heads=heads, nu=nu)
        head_width("LinearAttention", hidden, heads)
        k = keys(key, 4)
        self.inputs, self.hidden, self.outputs, self.nu, self.normalised = inputs, hidden, outputs, nu, bool(normalised)
        self.feature, self.rule = choose("feature", feature, get_args(Feature)), choose("rule", rule, get_args(Rule))
        self.projections = Projections(inputs, hidden, heads, 3, convolution, k[0], dtype)
        self.beta = Linear(inputs, heads, k[1], dtype) if rule == "delta" else None
        self.output = Output(inputs, hidden, heads, norm, output_gate, k[2], dtype)
        self.readout = readout(hidden, outputs, k[3], dtype)

    def initial_state(self, batch: Any) -> LinearAttentionState:
        heads = self.projections.heads
        width = self.hidden // heads
        features = width if self.feature == "elu" else 2 * self.nu * width
        z = mg.zeros((batch, heads, features), self.dtype) if self.normalised and self.beta is None else None
        return LinearAttentionState(mg.zeros((batch, heads, features, width), self.dtype), z, self.projections.initial_state(batch))

    def step(self, state: LinearAttentionState, x: Tensor) -> tuple[LinearAttentionState, Tensor]:
        past, (q, k, v) = self.projections(state.past, x)
        q, k, v, z = self.features(q).named("q"), self.features(k).named("k"), v.named("v"), state.z
        if self.beta is not None:
            S = delta_rule(state.S, k, v, mg.sigmoid(self.beta(x)).named("beta")).named("S")
        else:
            S = (state.S + outer(k, v)).named("S")
        r = lookup(S, q)
        if z is not None:
            z = (z + k).named("z")
            r = r / (mg.sum(z * q, -1, keepdims=True) + EPSILON)
        return LinearAttentionState(S, z, past), read(self.readout, self.output(x, r.named("r")).named("h"))

    def features(self, x: Tensor) -> Tensor:
        """φ(x), and φ(x) / Σ φ(x) where the delta rule's are normalised."""
        y = mg.elu(x) + 1 if self.feature == "elu" else dpfp(x, self.nu)
        return y / (mg.sum(y, -1, keepdims=True) + EPSILON) if self.normalised and self.beta is not None else y


def dpfp(x: Tensor, nu: int) -> Tensor:
    """The deterministic parameter-free projection (Schlag et al. 2021, §5.3): (…, d) -> (…, 2ν d)."""
    u = mg.concat([mg.relu(x), mg.relu(-x)], -1)
    return mg.concat([u * mg.roll(u, j, -1) for j in range(1, nu + 1)], -1)


def parallel(q: Tensor, k: Tensor, v: Tensor, normalised: bool = True) -> Tensor:
    """What linear attention reads at all steps, from S = 0: tril(Q Kᵀ) V, if normalised divided by the sums of the rows of tril(Q Kᵀ).

    q and k (T, batch, heads, features) are features, v (T, batch, heads, width); the result (T, batch, heads, width).
    """
    q, k, v = (mg.moveaxis(x, 0, 2) for x in (q, k, v))
    weights = mg.tril(q @ k.mT)
    r = weights @ v
    return mg.moveaxis(r / (mg.sum(weights, -1, keepdims=True) + EPSILON) if normalised else r, 2, 0)


class FastWeightsState(NamedTuple):
    """h (batch, hidden) and the fast weights A (batch, hidden, hidden)."""

    h: Tensor
    A: Tensor


class FastWeights(Cell):
    """Recurrent network with fast weights (Ba et al. 2016): x (batch, inputs) -> y (batch, outputs), or h (batch, hidden).

    slow weights   z_t = h_{t−1} W + x_t C + b;  h⁰ = f(LN(z_t))
    fast weights   h^{s+1} = f(LN(z_t + A_{t−1} hˢ)), s = 0 … inner − 1;  h_t = h^inner
    their change   A_t = λ A_{t−1} + η h_t h_tᵀ, so that A_t h = η Σ_τ λ^{t−τ} h_τ (h_τ·h): attention to the past, which fades
    output         y_t = h_t W + b with `outputs`, else h_t

    f is relu, LN layer normalisation, λ `A_decay`, η `A_rate`. W starts at 0.05 I.
    """

    label = "fast-weights"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        inner: Annotated[int, "steps in which h settles under the fast weights"] = 1,
        A_decay: Annotated[float, "of the fast weights in a step, λ"] = 0.95,
        A_rate: Annotated[float, "of what a step adds to the fast weights, η"] = 0.5,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("FastWeights", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs, inner=inner)
        k = keys(key, 2)
        self.inputs, self.hidden, self.outputs = inputs, hidden, outputs
        self.inner, self.A_decay, self.A_rate = inner, float(A_decay), float(A_rate)
        self.C = blocks(k[0], (inputs, hidden), 1, "glorot", dtype)
        self.W = mg.parameter(mg.tensor(0.05 * np.eye(hidden), dtype))
        self.b = mg.parameter(mg.zeros(hidden, dtype))
        self.norm = LayerNorm(hidden, dtype)
        self.readout = readout(hidden, outputs, k[1], dtype)

    def initial_state(self, batch: Any) -> FastWeightsState:
        return FastWeightsState(mg.zeros((batch, self.hidden), self.dtype), mg.zeros((batch, self.hidden, self.hidden), self.dtype))

    def step(self, state: FastWeightsState, x: Tensor) -> tuple[FastWeightsState, Tensor]:
        z = x @ self.C + self.b + state.h @ self.W
        h = mg.relu(self.norm(z))
        for _ in range(self.inner):
            h = mg.relu(self.norm(z + lookup(state.A, h)))
        h = h.named("h")
        A = (self.A_decay * state.A + self.A_rate * outer(h, h)).named("A")
        return FastWeightsState(h, A), read(self.readout, h)
