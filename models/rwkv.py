"""RWKV-7: a matrix as memory whose rows decay, each at its own rate, and from which each step removes a part of what its key finds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor

from .block import by_head, head_width, joined, lookup, outer, unit
from .cell import Cell, Linear, blocks, keys, read, readout
from .settings import Heads, Hidden, require_at_least
from .transformer import LayerNorm

RANK = 32  # of the maps to w, a and g
NORM_EPSILON = 64e-5


class RWKV7State(NamedTuple):
    """The matrices S, a row for each number of a key, and the last embedding."""

    S: Tensor  # (batch, heads, width, width)
    e: Tensor  # (batch, hidden)


class RWKV7(Cell):
    """The time mixing of RWKV-7 (Peng et al. 2025): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    shift      e_t = LN(x_t W_e + b_e);  e^□ = e_t + (e_{t−1} − e_t) ⊙ μ_□, for □ each of r, w, k, v, a, g
    vectors    r = e^r W_r, k = e^k W_k, v = e^v W_v;  a = σ(LoRA(e^a)), g = LoRA_σ(e^g)
    decay      w = exp(−σ(LoRA_tanh(e^w)) exp(−½)), between 0.545 and 1
    keys       κ = unit(k ⊙ k_k) removes, k̃ = k ⊙ (1 + (a − 1) ⊙ k_a) writes
    state      S_t = diag(w) S_{t−1} − (κ ⊙ a) (S_{t−1}ᵀ κ)ᵀ + k̃ vᵀ
    output     y_t = [(norm(S_tᵀ r) + (r · (r_k ⊙ k̃)) v) ⊙ g] W + b with `outputs`, else […]; [ ] joins the heads

    LoRA is a map of rank 32 with a bias, and a squash between its two matrices where one is named. S, w, κ, … are of every head, with
    hidden / heads numbers; LN is layer normalisation, norm that of each head. With w = a = 1 and k̃ = κ it is the delta rule at β = 1.
    """

    label = "rwkv7"

    def __init__(
        self, inputs: int, hidden: Hidden = 64, outputs: int | None = None, heads: Heads = 2, key: Any = 0, dtype: Any = "float32"
    ):
        require_at_least("RWKV7", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs, heads=heads)
        head_width("RWKV7", hidden, heads)
        k = keys(key, 9)
        self.inputs, self.hidden, self.outputs, self.heads = inputs, hidden, outputs, heads
        self.embed = Linear(inputs, hidden, k[7], dtype)
        self.embed.b = mg.parameter(mg.init.normal(k[8], (hidden,), 0.02, dtype))
        self.norm = LayerNorm(hidden, dtype)
        self.mu_r, self.mu_w, self.mu_k, self.mu_v, self.mu_a, self.mu_g = (mg.parameter(mg.full(hidden, 0.5, dtype)) for _ in range(6))
        self.W_r, self.W_k, self.W_v = (blocks(k[i], (hidden, hidden), 1, "glorot", dtype) for i in range(3))
        self.w, self.a, self.g = (LowRank(hidden, hidden, k[i], dtype) for i in range(3, 6))
        self.w.b = mg.parameter(mg.tensor(np.linspace(-6, -1, hidden), dtype))
        self.k_k, self.k_a = mg.parameter(mg.full(hidden, 0.85, dtype)), mg.parameter(mg.ones(hidden, dtype))
        self.r_k = mg.parameter(mg.zeros((heads, hidden // heads), dtype))
        self.scale = mg.parameter(mg.ones((heads, hidden // heads), dtype))
        self.shift = mg.parameter(mg.zeros((heads, hidden // heads), dtype))
        self.readout = readout(hidden, outputs, k[6], dtype)

    def initial_state(self, batch: Any) -> RWKV7State:
        width = self.hidden // self.heads
        return RWKV7State(mg.zeros((batch, self.heads, width, width), self.dtype), mg.zeros((batch, self.hidden), self.dtype))

    def step(self, state: RWKV7State, x: Tensor) -> tuple[RWKV7State, Tensor]:
        e = self.norm(self.embed(x)).named("e")
        e_r, e_w, e_k, e_v, e_a, e_g = (e + (state.e - e) * mu for mu in (self.mu_r, self.mu_w, self.mu_k, self.mu_v, self.mu_a, self.mu_g))
        r, k, v = e_r @ self.W_r, e_k @ self.W_k, e_v @ self.W_v
        w = mg.exp(-math.exp(-0.5) * mg.sigmoid(self.w(e_w, mg.tanh)))
        a, g = mg.sigmoid(self.a(e_a)), self.g(e_g, mg.sigmoid).named("g")
        kappa, k = k * self.k_k, k * (1 + (a - 1) * self.k_a)
        r, w, k, v, a, kappa = (by_head(p, self.heads) for p in (r, w, k, v, a, kappa))
        r, w, k, v, a, kappa = r.named("r"), w.named("w"), k.named("k"), v.named("v"), a.named("a"), unit(kappa).named("kappa")
        S = update(state.S, w, kappa, a, k, v).named("S")
        y = mg.layer_norm(lookup(S, r), self.scale, self.shift, NORM_EPSILON) + mg.sum(r * self.r_k * k, -1, keepdims=True) * v
        h = (joined(y) * g).named("h")
        return RWKV7State(S, e), read(self.readout, h)


class LowRank(Module):
    """f(x A) B + b with few columns of A, f the identity if none is given: x (batch, inputs) -> (batch, outputs). B starts small."""

    def __init__(self, inputs: int, outputs: int, key: Any = 0, dtype: Any = "float32"):
        k = keys(key, 2)
        self.A = blocks(k[0], (inputs, RANK), 1, "glorot", dtype)
        self.B = mg.parameter(mg.init.orthogonal(k[1], (RANK, outputs), 0.1, dtype))
        self.b = mg.parameter(mg.zeros(outputs, dtype))

    def __call__(self, x: Tensor, f: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        y = x @ self.A
        return (y if f is None else f(y)) @ self.B + self.b


def update(S: Tensor, w: Tensor, kappa: Tensor, a: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """diag(w) S − (κ ⊙ a) (Sᵀ κ)ᵀ + k vᵀ for S (…, d_k, d_v), w, κ, a and k (…, d_k), v (…, d_v)."""
    return mg.expand_dims(w, -1) * S - outer(kappa * a, lookup(S, kappa)) + outer(k, v)
