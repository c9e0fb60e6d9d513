"""Extended long short-term memory (Beck et al. 2024): sLSTM, with exponential gates, and mLSTM, with a matrix as memory."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .attention import causal
from .block import SiluConvolution, by_head, head_width, joined
from .cell import Cell, choose, keys, masked, over, read, readout
from .chunked import Chunked
from .settings import Chunk, Convolution, Heads, Hidden, Norm, require_at_least

ForgetGate = Literal["sigmoid", "exp"]
Forget = Annotated[ForgetGate, "function of the forget gates"]


class SLSTMState(NamedTuple):
    """h (batch, hidden); by head (batch, heads, hidden / heads) the cell c, the normaliser n and the stabiliser m."""

    h: Tensor
    c: Tensor
    n: Tensor
    m: Tensor
    past: Tensor | None  # (batch, 3, inputs)


class SLSTM(Cell):
    """sLSTM (Beck et al. 2024, §2.2): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    gates        i = exp(ĩ), f = σ(f̃) or exp(f̃), z = tanh(z̃), o = σ(õ), with ĩ, f̃, z̃, õ blocks of x_t W_x + h_{t−1} R + b
    stabiliser   m_t = max(log f + m_{t−1}, ĩ), m_0 = −∞;  i' = exp(ĩ − m_t), f' = exp(log f + m_{t−1} − m_t)
    cell         c_t = f' ⊙ c_{t−1} + i' ⊙ z
    normaliser   n_t = f' ⊙ n_{t−1} + i'
    state        h_t = o ⊙ c_t / n_t, from which m cancels;  y_t = norm(h_t) W + b with `outputs`, else norm(h_t)

    R (heads, hidden / heads, 4 · hidden / heads) is block-diagonal: the gates of a head see h of that head alone.

    convolution   ĩ and f̃ see SiLU of a short convolution of x
    norm          layer normalisation of each head; else norm(h) is h
    start         R at first: "zeros", as published, or "uniform", U(±1/√hidden)
    b_f           the biases of f̃ at first, in each head alike: "falling" from 5 to −7, as published for a first layer, or "high", 3 to 6
    """

    label = "slstm"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        heads: Heads = 4,
        forget: Forget = "sigmoid",
        convolution: Convolution = False,
        norm: Norm = True,
        start: Annotated[Literal["zeros", "uniform"], "start of the weights from state to state"] = "zeros",
        b_f: Annotated[Literal["falling", "high"], "start of the forget gates' biases over a head's units: 5 to −7, or 3 to 6"] = "falling",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("SLSTM", 1, inputs=inputs, hidden=hidden, heads=heads, outputs=1 if outputs is None else outputs)
        k, width = keys(key, 4), head_width("SLSTM", hidden, heads)
        units = np.linspace(0, 1, width)
        f = choose("b_f", b_f, {"falling": 5 - 12 * units**0.3, "high": 3 + 3 * units})
        bound = choose("start", start, {"zeros": 0.0, "uniform": hidden**-0.5})
        self.inputs, self.hidden, self.outputs, self.heads = inputs, hidden, outputs, heads
        self.forget = choose("forget", forget, get_args(ForgetGate))
        self.convolution = SiluConvolution(inputs, k[3], dtype) if convolution else None
        self.W_x = small(k[0], inputs, 4 * hidden, dtype)
        self.R = mg.parameter(mg.init.uniform(k[1], (heads, width, 4 * width), bound, dtype))
        self.b = mg.parameter(np.concatenate([np.zeros(hidden), np.tile(f, heads), np.zeros(2 * hidden)]).astype(dtype))
        self.scale = mg.parameter(mg.ones((heads, width), dtype)) if norm else None
        self.readout = readout(hidden, outputs, k[2], dtype)

    def initial_state(self, batch: Any) -> SLSTMState:
        shape = (batch, self.heads, self.hidden // self.heads)
        zero, m = mg.zeros(shape, self.dtype), mg.full(shape, -math.inf, self.dtype)
        past = None if self.convolution is None else self.convolution.initial_state(batch)
        return SLSTMState(mg.zeros((batch, self.hidden), self.dtype), zero, zero, m, past)

    def step(self, state: SLSTMState, x: Tensor) -> tuple[SLSTMState, Tensor]:
        past, seen = (state.past, x) if self.convolution is None else self.convolution(state.past, x)
        from_x = product(seen, x, self.W_x, 2 * self.hidden) + self.b
        from_h = mg.split(mg.einsum("bhi,hij->bhj", by_head(state.h, self.heads), self.R), 4)
        i, f, z, o = (by_head(a, self.heads) + r for a, r in zip(mg.split(from_x, 4), from_h, strict=True))
        log_f = log_forget(self.forget, f)
        m = mg.maximum(log_f + state.m, i).named("m")
        i, f = mg.exp(i - m).named("i'"), mg.exp(log_f + state.m - m).named("f'")
        z, o = mg.tanh(z).named("z"), mg.sigmoid(o).named("o")
        c = (f * state.c + i * z).named("c")
        n = (f * state.n + i).named("n")
        h = o * c / n
        y = joined(h if self.scale is None else mg.layer_norm(h, self.scale).named("normed"))
        return SLSTMState(joined(h).named("h"), c, n, m, past), read(self.readout, y)


class MLSTMState(NamedTuple):
    """The memory C (batch, heads, width of keys, width of values), the normaliser n (batch, heads, width of keys), m (batch, heads)."""

    C: Tensor
    n: Tensor
    m: Tensor
    past: Tensor | None  # (batch, 3, inputs)


class MLSTM(Chunked):
    """mLSTM (Beck et al. 2024, §2.3): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    query, key, value   [q; k; v] = x_t W + b, of hidden / heads numbers in each head; k is then divided by the root of that number
    gates               i = exp(ĩ), f = σ(f̃) or exp(f̃), a number for each head, with [ĩ; f̃] = [q; k; v] W_g + b_g
    memory              C_t = f C_{t−1} + i k ⊗ v
    normaliser          n_t = f n_{t−1} + i k
    read                h̃_t = C_tᵀ q / max(|n_t · q|, 1)
    output              h_t = o ⊙ norm(h̃_t), with o = σ(x_t W_o + b_o);  y_t = h_t W + b with `outputs`, else h_t

    The state is e^{−m} C and e^{−m} n, with m_t = max(log f + m_{t−1}, ĩ, 0), so that no exponential overflows; m cancels.

    convolution   q and k see SiLU of a short convolution of x
    norm          layer normalisation of each head; else norm(h̃) is h̃
    output_gate   what is o: σ(·), as in the paper's equations, x σ(x) ("silu"), as in its blocks, or 1 ("none")
    chunk         `run` takes so many steps at once, by matrix products (`mlstm_steps`); 0: one after the other
    """

    label = "mlstm"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        heads: Heads = 4,
        forget: Forget = "sigmoid",
        convolution: Convolution = False,
        norm: Norm = True,
        output_gate: Annotated[Literal["sigmoid", "silu", "none"], "gate what is read by the input"] = "sigmoid",
        chunk: Chunk = 0,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("MLSTM", 1, inputs=inputs, hidden=hidden, heads=heads, outputs=1 if outputs is None else outputs)
        require_at_least("MLSTM", 0, chunk=chunk)
        k, width = keys(key, 5), head_width("MLSTM", hidden, heads)
        self.inputs, self.hidden, self.outputs, self.heads, self.chunk = inputs, hidden, outputs, heads, chunk
        self.forget = choose("forget", forget, get_args(ForgetGate))
        self.output_gate = choose("output_gate", output_gate, ["sigmoid", "silu", "none"])
        self.convolution = SiluConvolution(inputs, k[4], dtype) if convolution else None
        self.W, self.b = small(k[0], inputs, 3 * hidden, dtype), mg.parameter(mg.zeros(3 * hidden, dtype))
        self.W_g = mg.parameter(mg.zeros((3 * hidden, 2 * heads), dtype))
        b_f = mg.tensor(np.linspace(3, 6, heads), dtype)
        self.b_g = mg.parameter(mg.concat([mg.init.normal(k[1], (heads,), 0.1, dtype), b_f]))
        self.W_o = None if output_gate == "none" else small(k[2], inputs, hidden, dtype)
        self.b_o = None if output_gate == "none" else mg.parameter(mg.zeros(hidden, dtype))
        self.scale = mg.parameter(mg.ones((heads, width), dtype)) if norm else None
        self.readout = readout(hidden, outputs, k[3], dtype)

    def initial_state(self, batch: Any) -> MLSTMState:
        width = self.hidden // self.heads
        shapes = (batch, self.heads, width, width), (batch, self.heads, width), (batch, self.heads)
        past = None if self.convolution is None else self.convolution.initial_state(batch)
        return MLSTMState(*(mg.zeros(shape, self.dtype) for shape in shapes), past)

    def step(self, state: MLSTMState, x: Tensor) -> tuple[MLSTMState, Tensor]:
        past, seen = (state.past, x) if self.convolution is None else self.convolution(state.past, x)
        state, h = mlstm_cell(state._replace(past=past), *self._parts(x, seen))
        return state, self._output(x, h)

    def steps(self, state: MLSTMState, xs: Tensor, keep: Tensor) -> tuple[MLSTMState, Tensor]:
        past, seen = state.past, xs
        if self.convolution is not None:
            past, seen = mg.scan(lambda past, row: masked(self.convolution, past, *row), past, (xs, keep))
        q, k, v, i, log_f = self._parts(xs, seen)
        i, log_f = mg.where(over(keep, 3), i, -math.inf), mg.where(over(keep, 3), log_f, 0)
        state, h = mlstm_steps(state._replace(past=past), q, k, v, i, log_f)
        return state, self._output(xs, h)

    def _parts(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """q, k, v (…, heads, width), ĩ and log f (…, heads) for x (…, inputs), and what q and k see."""
        found = product(seen, x, self.W, 2 * self.hidden) + self.b
        i, f = mg.split(found @ self.W_g + self.b_g, 2)
        q, k, v = (by_head(part, self.heads).named(name) for part, name in zip(mg.split(found, 3), "qkv", strict=True))
        return q, k / math.sqrt(q.shape[-1]), v, i, log_forget(self.forget, f)

    def _output(self, x: Tensor, h: Tensor) -> Tensor:
        """y (…, outputs) from x (…, inputs) and h̃ (…, heads, width)."""
        h = joined(h if self.scale is None else mg.layer_norm(h, self.scale))
        if self.W_o is not None:
            gate = mg.sigmoid if self.output_gate == "sigmoid" else mg.silu
            h = gate(x @ self.W_o + self.b_o).named("o") * h
        return read(self.readout, h.named("h"))


def mlstm_cell(state: MLSTMState, q: Tensor, k: Tensor, v: Tensor, i: Tensor, log_f: Tensor) -> tuple[MLSTMState, Tensor]:
    """One step: (state, h̃ (batch, heads, width)) of q, k, v (batch, heads, width), ĩ and log f (batch, heads)."""
    m = mg.maximum(mg.maximum(log_f + state.m, i), 0).named("m")
    i, f = mg.exp(i - m).named("i'"), mg.exp(log_f + state.m - m).named("f'")
    n = (f[..., None] * state.n + i[..., None] * k).named("n")
    C = (f[..., None, None] * state.C + (i[..., None] * k)[..., None] * v[..., None, :]).named("C")
    scale = mg.maximum(mg.abs(mg.sum(n * q, -1)), mg.exp(-m))
    return state._replace(C=C, n=n, m=m), mg.einsum("bhi,bhij->bhj", q, C) / scale[..., None]


def mlstm_steps(state: MLSTMState, q: Tensor, k: Tensor, v: Tensor, i: Tensor, log_f: Tensor) -> tuple[MLSTMState, Tensor]:
    """T steps at once: what `mlstm_cell` gives step by step, with time as the first axis of q, k, v, ĩ, log f and h̃.

    C_tᵀ q_t = Σ_{s ≤ t} exp(D_ts − m_t) (q_t · k_s) v_s + exp(F_t + m_0 − m_t) C_0ᵀ q_t, with D_ts = F_t − F_s + ĩ_s and
    F_t = Σ_{s ≤ t} log f_s; n_t · q_t is this with 1 in place of v_s and n_0 in place of C_0; and m_t is that of the steps.
    """
    q, k, v, i, log_f = (mg.moveaxis(a, 0, 2) for a in (q, k, v, i, log_f))  # (batch, heads, T, …)
    F = mg.cumsum(log_f, -1)
    kept = mg.where(causal(F.shape[-1]), F[..., :, None] - F[..., None, :], -math.inf)
    m = mg.maximum(F + state.m[..., None], mg.max(kept + mg.relu(i)[..., None, :], -1))
    D, first = mg.exp(kept + i[..., None, :] - m[..., None]), mg.exp(F + state.m[..., None] - m)
    weights = D * (q @ k.mT)
    total = weights @ v + first[..., None] * (q @ state.C)
    scale = mg.maximum(mg.abs(mg.sum(weights, -1) + first * mg.sum(q * state.n[..., None, :], -1)), mg.exp(-m))
    written, left = D[..., -1, :, None] * k, first[..., -1, None]
    C, n = written.mT @ v + left[..., None] * state.C, mg.sum(written, -2) + left * state.n
    return state._replace(C=C, n=n, m=m[..., -1]), mg.moveaxis(total / scale[..., None], 2, 0)


def product(seen: Tensor, x: Tensor, W: Tensor, n: int) -> Tensor:
    """x W, with `seen` in place of x for the first n columns."""
    return x @ W if seen is x else mg.concat([seen @ W[:, :n], x @ W[:, n:]], -1)


def log_forget(kind: str, f: Tensor) -> Tensor:
    """log f of the forget gate before its function, f̃."""
    return -mg.softplus(-f) if kind == "sigmoid" else f


def small(key: Any, inputs: int, outputs: int, dtype: Any) -> Tensor:
    """Initial weights (inputs, outputs) from N(0, 2 / (5 · inputs)) (Nguyen and Salazar 2019), as in the published blocks."""
    return mg.parameter(mg.init.normal(key, (inputs, outputs), math.sqrt(0.4 / inputs), dtype))
