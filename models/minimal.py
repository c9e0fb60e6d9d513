"""Minimal recurrent networks (Feng et al. 2024): GRU and LSTM whose gates do not see the state: many steps can be computed at once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import minigrad as mg
from minigrad import Tensor

from .cell import blocks, keys, over, read, readout
from .chunked import Chunked
from .settings import Chunk, Hidden, Longest, require_at_least


class MinimalState(NamedTuple):
    """h (batch, hidden)."""

    h: Tensor


class Minimal(Chunked):
    """What minGRU and minLSTM share: h_t = a ⊙ h_{t−1} + b ⊙ g(h̃), where h̃, a and b > 0 depend on x_t alone.

    A subclass defines `step`, and `_logs` for many steps at once: x (…, inputs) -> log a, log b, h̃ (…, hidden).
    """

    signs: tuple[int, ...]  # of the gates, in the order of their blocks: 1 for one that keeps the state, −1 for one that writes

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        longest: Longest = 0,
        chunk: Chunk = 0,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least(type(self).__name__, 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs)
        require_at_least(type(self).__name__, 0, longest=longest, chunk=chunk)
        k = keys(key, 3)
        self.inputs, self.hidden, self.outputs, self.chunk = inputs, hidden, outputs, chunk
        self.W = blocks(k[0], (inputs, hidden), len(self.signs) + 1, "glorot", dtype)
        keep = mg.init.chrono(k[2], hidden, longest, dtype) if longest else mg.ones(hidden, dtype)
        self.b = mg.parameter(mg.concat([*(sign * keep for sign in self.signs), mg.zeros(hidden, dtype)]))
        self.readout = readout(hidden, outputs, k[1], dtype)

    def initial_state(self, batch: Any) -> MinimalState:
        return MinimalState(mg.zeros((batch, self.hidden), self.dtype))

    def _logs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raise NotImplementedError(f"{type(self).__name__}._logs")

    def steps(self, state: MinimalState, xs: Tensor, keep: Tensor) -> tuple[MinimalState, Tensor]:
        """h_t = exp(a*_t) (h_0 + Σ_{s ≤ t} exp(log (b ⊙ g)_s − a*_s)) with a*_t = Σ_{s ≤ t} log a_s (Feng et al. 2024, App. B).

        The sum is kept as a logarithm, so that nothing overflows. a* grows with the number of steps, and the result has its digits. On a
        CPU single steps are faster: this form is for processors with more parallel units than there are sequences and numbers in h.
        """
        log_a, log_b, h = self._logs(xs)
        keep = over(keep, 3)
        total = mg.cumsum(mg.where(keep, log_a, 0), 0)
        written = mg.logcumsumexp(mg.where(keep, log_b + log_g(h), -math.inf) - total, 0)
        h = (mg.exp(total) * state.h + mg.exp(total + written)).named("h")
        return MinimalState(h[-1]), read(self.readout, h)


class MinGRU(Minimal):
    """minGRU (Feng et al. 2024, §3.1): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    update gate, candidate   z = σ(z̃), [z̃; h̃] = x_t W + b
    state                    h_t = (1 − z) ⊙ h_{t−1} + z ⊙ g(h̃), with g(x) = x + ½ for x ≥ 0, else σ(x);  y_t = h_t W + b with `outputs`

    longest   the longest dependency in steps: 1 − z is drawn for it at first (Tallec and Ollivier 2018); 0: it is σ(1)
    chunk     `run` takes so many steps at once, in logarithms; 0: one after the other
    """

    label = "mingru"
    signs = (-1,)

    def step(self, state: MinimalState, x: Tensor) -> tuple[MinimalState, Tensor]:
        z, h = mg.split(x @ self.W + self.b, 2)
        z = mg.sigmoid(z).named("z")
        h = ((1 - z) * state.h + z * g(h)).named("h")
        return MinimalState(h), read(self.readout, h)

    def _logs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, h = mg.split(x @ self.W + self.b, 2)
        return -mg.softplus(z), -mg.softplus(-z), h


class MinLSTM(Minimal):
    """minLSTM (Feng et al. 2024, §3.2): x (batch, inputs) -> y (batch, outputs), or (batch, hidden) without `outputs`.

    gates, candidate   f, i = σ(f̃), σ(ĩ), [f̃; ĩ; h̃] = x_t W + b;  f' = f / (f + i), i' = i / (f + i)
    state              h_t = f' ⊙ h_{t−1} + i' ⊙ g(h̃), with g(x) = x + ½ for x ≥ 0, else σ(x);  y_t = h_t W + b with `outputs`

    f' is computed as σ(log f − log i), which is no quotient of zeros where both gates are shut.

    longest   the longest dependency in steps: f' is drawn for it at first (Tallec and Ollivier 2018); 0: it is σ(1)
    chunk     `run` takes so many steps at once, in logarithms; 0: one after the other
    """

    label = "minlstm"
    signs = (1, -1)

    def step(self, state: MinimalState, x: Tensor) -> tuple[MinimalState, Tensor]:
        f, i, h = mg.split(x @ self.W + self.b, 3)
        f = mg.sigmoid(mg.softplus(-i) - mg.softplus(-f)).named("f'")
        h = (f * state.h + (1 - f) * g(h)).named("h")
        return MinimalState(h), read(self.readout, h)

    def _logs(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        f, i, h = mg.split(x @ self.W + self.b, 3)
        ratio = mg.softplus(-i) - mg.softplus(-f)
        return -mg.softplus(-ratio), -mg.softplus(ratio), h


def g(x: Tensor) -> Tensor:
    """x + ½ for x ≥ 0, else σ(x): a candidate that is positive, as its logarithm needs."""
    return mg.where(x >= 0, x + 0.5, mg.sigmoid(x))


def log_g(x: Tensor) -> Tensor:
    """log g(x), without overflow."""
    return mg.where(x >= 0, mg.log(mg.where(x >= 0, x, 0) + 0.5), -mg.softplus(-x))
