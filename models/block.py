"""The optional parts of the blocks in which cells with a linear state are published: short convolution, RMS norm, output gate."""

from __future__ import annotations

import math
from typing import Any

import minigrad as mg
from minigrad import Module, Tensor
from minigrad.errors import setting_error

from .cell import Linear, blocks, keys
from .settings import require_at_least

EPSILON = 1e-6  # under the root of a key's length, so that a key of zeros has a finite gradient
Past = Tensor | None  # the state of a short convolution, or of none


class ShortConvolution(Module):
    """Causal convolution of width 4 over time, each channel by itself: y_t = Σ_a W_a ⊙ x_{t−3+a}, a = 0 … 3, zeros before the first step.

    x (batch, channels) -> y (batch, channels). Its state, past (batch, 3, channels), is the last three inputs.
    """

    def __init__(self, channels: int, key: Any = 0, dtype: Any = "float32"):
        require_at_least("ShortConvolution", 1, channels=channels)
        self.W = mg.parameter(mg.init.uniform(mg.random.as_key(key), (4, channels), 0.5, dtype))

    def initial_state(self, batch: Any) -> Tensor:
        return mg.zeros((batch, 3, self.W.shape[1]), self.W.dtype)

    def __call__(self, past: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        window = mg.concat([past, mg.expand_dims(x, 1)], 1)
        return window[:, 1:].named("past"), mg.sum(self.W * window, 1)


class SiluConvolution(ShortConvolution):
    """SiLU of a short convolution with biases, as in the blocks of xLSTM and Mamba."""

    def __init__(self, channels: int, key: Any = 0, dtype: Any = "float32"):
        k = keys(key, 2)
        super().__init__(channels, k[0], dtype)
        self.b = mg.parameter(mg.init.uniform(k[1], (channels,), 0.5, dtype))

    def __call__(self, past: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        past, y = super().__call__(past, x)
        return past, mg.silu(y + self.b)


class RMSNorm(Module):
    """RMS norm x / √(mean x² + ε) ⊙ scale over the last axis (Zhang and Sennrich 2019), in the shape of x."""

    def __init__(self, width: int, dtype: Any = "float32"):
        require_at_least("RMSNorm", 1, width=width)
        self.scale = mg.parameter(mg.ones(width, dtype))

    def __call__(self, x: Tensor) -> Tensor:
        return mg.rms_norm(x, self.scale)


class Projections(Module):
    """n vectors for every head from x (batch, inputs): x W + b, with `convolution` after a short convolution of each of their numbers.

    Each is (batch, heads, hidden / heads). The published blocks have no b; without it an input of zeros asks for nothing.
    """

    def __init__(self, inputs: int, hidden: int, heads: int, n: int, convolution: bool = False, key: Any = 0, dtype: Any = "float32"):
        head_width("Projections", hidden, heads)
        k = keys(key, 3)
        self.heads, self.n = heads, n
        self.W = blocks(k[0], (inputs, hidden), n, "glorot", dtype)
        self.b = mg.parameter(mg.init.normal(k[1], (n * hidden,), 0.02, dtype))
        self.convolution = ShortConvolution(n * hidden, k[2], dtype) if convolution else None

    def initial_state(self, batch: Any) -> Tensor | None:
        return None if self.convolution is None else self.convolution.initial_state(batch)

    def __call__(self, past: Tensor | None, x: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        y = x @ self.W + self.b
        if self.convolution is not None and past is not None:
            past, y = self.convolution(past, y)
        return past, [by_head(v, self.heads) for v in mg.split(y, self.n)]


class Output(Module):
    """What a cell gives of what its heads read, (…, heads, width) -> (…, heads · width), by the parts that are wanted, in this order.

    norm   RMS norm of each head, with one scale for all heads
    gate   ⊙ SiLU(x W + b), x (…, inputs) the input of the cell
    """

    def __init__(self, inputs: int, hidden: int, heads: int, norm: bool = False, gate: bool = False, key: Any = 0, dtype: Any = "float32"):
        self.norm = RMSNorm(hidden // heads, dtype) if norm else None
        self.gate = Linear(inputs, hidden, key, dtype) if gate else None

    def __call__(self, x: Tensor, r: Tensor) -> Tensor:
        y = joined(r if self.norm is None else self.norm(r))
        return y if self.gate is None else y * mg.silu(self.gate(x)).named("gate")


def step_bias(key: Any, shape: tuple[int, ...], dtype: Any = "float32") -> Tensor:
    """Biases b with softplus(b) log-uniform in [0.001, 0.1], as the sizes of time steps start (Gu and Dao 2023, §3.6)."""
    size = mg.exp(mg.random.uniform(key, shape, math.log(0.001), math.log(0.1), dtype))
    return mg.parameter(mg.log(mg.expm1(size)))


def unit(x: Tensor) -> Tensor:
    """x / √(Σ x² + ε) over the last axis."""
    return x / mg.sqrt(mg.sum(x * x, -1, keepdims=True) + EPSILON)


def lookup(S: Tensor, k: Tensor) -> Tensor:
    """Sᵀ k (…, d_v), what a matrix S (…, d_k, d_v) holds at a key k (…, d_k)."""
    return mg.sum(mg.expand_dims(k, -1) * S, -2)


def outer(k: Tensor, v: Tensor) -> Tensor:
    """k vᵀ (…, d_k, d_v) for k (…, d_k) and v (…, d_v)."""
    return mg.expand_dims(k, -1) * mg.expand_dims(v, -2)


def head_width(model: str, hidden: int, heads: int) -> int:
    """The units of a head. Raises SettingError if the heads do not divide them."""
    if hidden % heads:
        raise setting_error(model, f"hidden={hidden} is no multiple of heads={heads}")
    return hidden // heads


def by_head(x: Tensor, heads: int) -> Tensor:
    """x (…, heads · width) as (…, heads, width)."""
    return mg.reshape(x, (*x.shape[:-1], heads, x.shape[-1] // heads))


def joined(x: Tensor) -> Tensor:
    """x (…, heads, width) as (…, heads · width)."""
    return mg.reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))
