"""DeltaNet: a matrix as memory, which is corrected at each step by the error of what it holds. Gated DeltaNet and DeltaProduct."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor

from .block import Output, Projections, head_width, lookup, outer, step_bias, unit
from .cell import Cell, Linear, blocks, choose, keys, masked, over, read, readout
from .chunked import connected, cut, prepared
from .settings import Chunk, Convolution, Heads, Hidden, Negative, Norm, OutputGate, require_at_least

StateStart = Literal["zeros", "learned"]


class DeltaNetState(NamedTuple):
    """The matrices S, a row for each number of a key, and the last inputs of the convolution, if there is one."""

    S: Tensor  # (batch, heads, width, width)
    past: Tensor | None  # (batch, 3, numbers of all q, k, v)


class Inputs(NamedTuple):
    """What a step writes and asks for: n keys, values and strengths, one after the other, and a query; log α is None without a gate."""

    q: Tensor  # (batch, heads, width)
    k: tuple[Tensor, ...]  # (batch, heads, width)
    v: tuple[Tensor, ...]  # (batch, heads, width)
    beta: tuple[Tensor, ...]  # (batch, heads)
    log_alpha: Tensor | None  # (batch, heads)


class DeltaNet(Cell):
    """DeltaNet (Schlag et al. 2021; Yang et al. 2024) and what came of it: x (batch, inputs) -> y (batch, outputs), or (batch, hidden).

    k, q, v   of every head: k = unit(SiLU(k̃)), q likewise, v = SiLU(ṽ), each of k̃, q̃, ṽ a linear map of x_t, or its short convolution
    β         σ(x_t W_β + b_β), with `negative_eigenvalues` 2 σ(·)
    state     S_t = S_{t−1} + β k (v − S_{t−1}ᵀ k)ᵀ = (I − β k kᵀ) S_{t−1} + β k vᵀ
    output    r_t = S_tᵀ q;  y_t = [norm(r_t) ⊙ SiLU(x_t W_g + b_g)] W + b with `outputs`, else […]; [ ] joins the heads

    gated                  Gated DeltaNet (Yang et al. 2025): S_t = (I − β k kᵀ) α S_{t−1} + β k vᵀ, α = exp(−A softplus(x_t W_α + b_α))
    product                DeltaProduct (Siems et al. 2025): so many k, v and β a step, each correcting S after the one before; α once
    negative_eigenvalues   I − β k kᵀ has the eigenvalue 1 − β in [−1, 1], not [0, 1]: a reflection at β = 2. It takes that to tell odd
                           from even, and an S_0 that is learned or a first symbol that only begins (Grazzi et al. 2025, App. A.4.1)
    convolution            without it a key depends on one step only, which helps to track a state: parity is exact at 256 bits after
                           1,000 updates (with `--embedding 32`), with the convolution not after 8,000 (examples/results/story-table)
    chunk                  `run` takes so many steps (with `product`, so many corrections) at once, by matrix products (Yang et al. 2024,
                           §3.2); 0: one after the other. Where
                           `truncate` or `checkpoint` is given, one after the other as well

    Keys and values of a head have hidden / heads numbers. A key of length 1 and β = 1: S holds v at k, whatever it held there before.
    """

    label = "deltanet"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden = 64,
        outputs: int | None = None,
        heads: Heads = 2,
        gated: Annotated[bool, "the state decays, by a gate"] = False,
        product: Annotated[int, "corrections of the state a step (DeltaProduct)"] = 1,
        negative_eigenvalues: Negative = False,
        S_0: Annotated[StateStart, "the state a sequence begins with"] = "zeros",
        convolution: Convolution = True,
        norm: Norm = True,
        output_gate: OutputGate = False,
        chunk: Chunk = 0,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("DeltaNet", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        require_at_least("DeltaNet", 1, heads=heads, product=product)
        require_at_least("DeltaNet", 0, chunk=chunk)
        width = head_width("DeltaNet", hidden, heads)
        k = keys(key, 6)
        self.inputs, self.hidden, self.outputs, self.product, self.chunk = inputs, hidden, outputs, product, chunk
        self.greatest = 2 if negative_eigenvalues else 1
        self.projections = Projections(inputs, hidden, heads, 1 + 2 * product, convolution, k[0], dtype)
        self.beta = Linear(inputs, product * heads, k[1], dtype)
        self.decay = Decay(inputs, heads, k[2], dtype) if gated else None
        shape = heads, width, width
        learned = choose("S_0", S_0, get_args(StateStart)) == "learned"
        self.S_0 = mg.parameter(mg.init.normal(k[3], shape, width**-0.5, dtype)) if learned else None
        self.output = Output(inputs, hidden, heads, norm, output_gate, k[4], dtype)
        self.readout = readout(hidden, outputs, k[5], dtype)

    def initial_state(self, batch: Any) -> DeltaNetState:
        heads = self.projections.heads
        shape = heads, self.hidden // heads, self.hidden // heads
        S = mg.zeros(shape, self.dtype) if self.S_0 is None else self.S_0
        return DeltaNetState(mg.broadcast_to(S, (batch, *shape)), self.projections.initial_state(batch))

    def step(self, state: DeltaNetState, x: Tensor) -> tuple[DeltaNetState, Tensor]:
        past, given = self._inputs(state.past, x)
        S = state.S
        if given.log_alpha is not None:
            alpha = mg.exp(given.log_alpha).named("alpha")
            S = alpha[:, :, None, None] * S
        for k, v, beta in zip(given.k, given.v, given.beta, strict=True):
            S = delta_rule(S, k, v, beta)
        S = S.named("S")
        return DeltaNetState(S, past), self._outputs(x, lookup(S, given.q))

    def _inputs(self, past: Tensor | None, x: Tensor) -> tuple[Tensor | None, Inputs]:
        n = self.product
        past, (q, *others) = self.projections(past, x)
        q, *k = (unit(mg.silu(p)).named(name) for p, name in zip((q, *others[:n]), ("q", *"k" * n), strict=True))
        v = (mg.silu(p).named("v") for p in others[n:])
        beta = mg.split((self.greatest * mg.sigmoid(self.beta(x))).named("beta"), n)
        return past, Inputs(q, tuple(k), tuple(v), tuple(beta), None if self.decay is None else self.decay(x))

    def _outputs(self, x: Tensor, r: Tensor) -> Tensor:
        return read(self.readout, self.output(x, r.named("r")).named("h"))

    def run(self, xs: Any, state: Any = None, mask: Any = None, reverse: bool = False, **loop: Any) -> tuple[Tensor, Any]:
        if not self.chunk or loop:
            return super().run(xs, state, mask, reverse=reverse, **loop)
        state, xs, keep = prepared(self, xs, state, mask, reverse)

        def step(past: Tensor | None, row: Any) -> tuple[Tensor | None, Inputs]:
            return masked(self._inputs, past, *row)

        step.__name__ = self.label
        past, given = mg.scan(step, state.past, (xs, keep))
        beta, log_alpha = mg.tree.map(lambda v: mg.where(over(keep, 3), v, 0), (given.beta, given.log_alpha))
        S, r = in_chunks(state.S, given._replace(beta=beta, log_alpha=log_alpha), self.chunk)
        ys = self._outputs(xs, r)
        return mg.flip(ys, 0) if reverse else ys, DeltaNetState(S, past)


class Decay(Module):
    """log α = −A softplus(x W + b) of each head, as in Mamba-2 (Dao and Gu 2024): A starts in (0, 16], softplus(b) in [0.001, 0.1]."""

    def __init__(self, inputs: int, heads: int, key: Any = 0, dtype: Any = "float32"):
        k = keys(key, 3)
        self.W = blocks(k[0], (inputs, heads), 1, "glorot", dtype)
        self.b = step_bias(k[1], (heads,), dtype)
        self.log_A = mg.parameter(mg.log(-mg.random.uniform(k[2], (heads,), -16, 0, dtype)))

    def __call__(self, x: Tensor) -> Tensor:
        return -mg.exp(self.log_A) * mg.softplus(x @ self.W + self.b)


def delta_rule(S: Tensor, k: Tensor, v: Tensor, beta: Tensor) -> Tensor:
    """S + β k (v − Sᵀ k)ᵀ for S (…, d_k, d_v), k (…, d_k), v (…, d_v), β (…): what S holds at k is moved to v by the fraction β |k|²."""
    return S + outer(mg.expand_dims(beta, -1) * k, v - lookup(S, k))


# ---- many steps at once


def in_chunks(S: Tensor, given: Inputs, size: int) -> tuple[Tensor, Tensor]:
    """(last S, r (T, batch, heads, width)) as from a decay and delta rules step by step, for Inputs of T steps, `size` corrections at once.

    What is added to fill the last chunk has β = 0 and α = 1, which leaves S as it is.
    """
    n = len(given.k)
    q, k, v, beta = (_in_line(part) for part in ((given.q,) * n, given.k, given.v, given.beta))
    rows = [q, k, v, beta]
    if given.log_alpha is not None:
        rows.append(_in_line([given.log_alpha] + [mg.zeros_like(given.log_alpha)] * (n - 1)))
    T = q.shape[0]
    S, found = mg.scan(_chunk, S, tuple(mg.moveaxis(cut(x, size), 1, 3) for x in rows))
    r = connected(mg.moveaxis(found, 3, 1), T)
    return S, r[n - 1 :: n]


def _in_line(parts: Sequence[Tensor]) -> Tensor:
    """n tensors (T, …), each of one correction a step, as one (T · n, …)."""
    x = mg.stack(parts, 1)
    return mg.reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))


def _chunk(S: Tensor, rows: Any) -> tuple[Tensor, Tensor]:
    """One chunk: K, V, Q and β of its steps as rows, γ_i the product of α up to step i, Γ_ij = γ_i / γ_j for i ≥ j.

    (I + tril(β K Kᵀ ⊙ Γ, −1)) U = β (V − γ K S);  R = γ Q S + tril(Q Kᵀ ⊙ Γ) U;  S ← γ_n S + (γ_n / γ ⊙ K)ᵀ U
    """
    q, k, v, beta, *decay = rows
    beta = mg.expand_dims(beta, -1)
    overlap, asked = beta * (k @ k.mT), q @ k.mT
    if decay:
        log_gamma = mg.cumsum(decay[0], -1)
        ratio = mg.exp(mg.tril(mg.expand_dims(log_gamma, -1) - mg.expand_dims(log_gamma, -2)))
        overlap, asked = overlap * ratio, asked * ratio
        gamma = mg.expand_dims(mg.exp(log_gamma), -1)
        left = mg.expand_dims(ratio[..., -1, :], -1)
    else:
        gamma = left = mg.ones((1, 1, 1, 1), S.dtype)
    U = inverse(mg.tril(overlap, -1)) @ (beta * (v - gamma * (k @ S)))
    r = gamma * (q @ S) + mg.tril(asked) @ U
    return gamma[..., -1:, :] * S + (left * k).mT @ U, r


def inverse(L: Tensor) -> Tensor:
    """(I + L)⁻¹ for L (…, n, n) with zeros on and above the diagonal, by halves: the inverse of [[A, 0], [C, B]] has −B⁻¹ C A⁻¹ below."""
    n = L.shape[-1]
    i, size, found = np.arange(n), 1, mg.broadcast_to(mg.eye(n, dtype=L.dtype), L.shape)
    while size < n:
        part = i // size
        below = (part[:, None] == part + 1) & (part % 2 == 0)
        found = found - found @ mg.where(below, L, 0) @ found
        size *= 2
    return found
