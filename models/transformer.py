"""The transformer with pre-norm blocks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor

from .attention import MultiHead, allowed
from .cell import Linear, choose, keys, sequences
from .settings import Heads, Hidden, Layers, require_at_least

Positions = Literal["sinusoids", "learned", "none"]


def sinusoids(n: Any, width: int, dtype: Any = "float32") -> Tensor:
    """Position encoding (n, width): sin and cos of position / 10000^(2i / width) on channels 2i and 2i + 1 (Vaswani et al. 2017, §3.5)."""
    rates = mg.tensor(10000.0 ** (-np.arange(0, width, 2) / width), "float64")
    angles = mg.astype(mg.arange(n), "float64")[:, None] * rates[None, :]
    pairs = mg.stack([mg.sin(angles), mg.cos(angles)], axis=2)
    return mg.astype(mg.reshape(pairs, (n, 2 * rates.shape[0]))[:, :width], dtype)


class LayerNorm(Module):
    """Layer normalisation (x − mean) / √(var + ε) · scale + shift over the last axis (Ba et al. 2016), in the shape of x."""

    def __init__(self, width: int, dtype: Any = "float32"):
        self.scale = mg.parameter(mg.ones(width, dtype))
        self.shift = mg.parameter(mg.zeros(width, dtype))

    def __call__(self, x: Tensor) -> Tensor:
        return mg.layer_norm(x, self.scale, self.shift)


class Block(Module):
    """Pre-norm block (Xiong et al. 2020) on x (T, batch, width): x + attention(LN x), then x + f(LN x), f with one hidden layer."""

    def __init__(self, width: int, heads: int, hidden: int | None = None, activation: str = "gelu", key: Any = 0, dtype: Any = "float32"):
        require_at_least("Block", 1, width=width, heads=heads, hidden=1 if hidden is None else hidden)
        k = keys(key, 3)
        self.activation = choose("activation", activation, ["gelu", "relu"])
        self.attention = MultiHead(width, heads, k[0], dtype)
        self.norm1, self.norm2 = LayerNorm(width, dtype), LayerNorm(width, dtype)
        self.linear1 = Linear(width, hidden or 4 * width, k[1], dtype)
        self.linear2 = Linear(hidden or 4 * width, width, k[2], dtype)

    def __call__(self, x: Tensor, mask: Any = None) -> Tensor:
        with mg.scope("attention"):
            x = x + self.attention(self.norm1(x), mask=mask)
        with mg.scope("feedforward"):
            act = mg.gelu if self.activation == "gelu" else mg.relu
            return x + self.linear2(act(self.linear1(self.norm2(x))))


class Transformer(Module):
    """Transformer (Vaswani et al. 2017) of a linear map, pre-norm blocks, layer normalisation and a readout.

    xs (T, batch, inputs) -> ys (T, batch, outputs). It processes all positions at once, so it has no `step`.

    positions   position encoding: "sinusoids", "learned" for up to `longest` positions, or "none"
    causal      position t attends to 1 … t only
    """

    label = "transformer"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: Hidden = 64,
        heads: Heads = 4,
        layers: Layers = 2,
        positions: Annotated[Positions, "how positions are told; learned: up to {longest}"] = "sinusoids",
        longest: int = 512,
        causal: bool = True,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("Transformer", 1, inputs=inputs, outputs=outputs, width=width, heads=heads, layers=layers, longest=longest)
        k = keys(key, layers + 3)
        self.inputs, self.outputs, self.width, self.causal = inputs, outputs, width, bool(causal)
        self.positions = choose("positions", positions, get_args(Positions))
        self.table = mg.parameter(mg.init.normal(k[2], (longest, width), 0.02, dtype)) if positions == "learned" else None
        self.embed = Linear(inputs, width, k[0], dtype)
        self.blocks = tuple(Block(width, heads, key=k[3 + i], dtype=dtype) for i in range(layers))
        self.norm, self.readout = LayerNorm(width, dtype), Linear(width, outputs, k[1], dtype)

    def __call__(self, xs: Any, mask: Any = None) -> Tensor:
        """ys (T, batch, outputs); mask (T, batch) is False where a shorter sequence has ended.

        Raises ShapeError for other shapes, and for more positions than are learned.
        """
        dtype = self.embed.b.dtype
        xs = sequences(self, xs, dtype, mask)
        n = xs.shape[0]
        x = self.embed(xs)
        if self.table is not None:
            if n > self.table.shape[0]:
                raise mg.errors.shape_error("Transformer", f"{n} positions, learned are {self.table.shape[0]}", "Give longest=")
            x = x + mg.take(self.table, mg.arange(n))[:, None]
        elif self.positions == "sinusoids":
            x = x + sinusoids(n, self.width, dtype)[:, None]
        attend = allowed(n, mask, self.causal)
        for i, block in enumerate(self.blocks):
            with mg.scope(f"block{i}"):
                x = block(x, attend)
        return self.readout(self.norm(x)).named("y")
