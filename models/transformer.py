"""The transformer, of blocks with the norm before or after each part; all positions at once, or step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor

from .attention import Cache, MultiHead, allowed
from .cell import Cell, Linear, choose, keys, sequences
from .settings import Heads, Hidden, Layers, require_at_least

Positions = Literal["sinusoids", "learned", "rotary", "none"]
Norms = Literal["pre", "post"]


def sinusoids(n: Any, width: int, dtype: Any = "float32") -> Tensor:
    """Position encoding (n, width) of n positions from 0, or of a tensor of positions (n,).

    sin and cos of position / 10000^(2i / width) on channels 2i and 2i + 1 (Vaswani et al. 2017, §3.5).
    """
    positions = n if isinstance(n, Tensor) else mg.arange(n)
    rates = mg.tensor(10000.0 ** (-np.arange(0, width, 2) / width), "float64")
    angles = mg.astype(positions, "float64")[:, None] * rates[None, :]
    pairs = mg.stack([mg.sin(angles), mg.cos(angles)], axis=2)
    return mg.astype(mg.reshape(pairs, (positions.shape[0], 2 * rates.shape[0]))[:, :width], dtype)


class LayerNorm(Module):
    """Layer normalisation (x − mean) / √(var + ε) · scale + shift over the last axis (Ba et al. 2016), in the shape of x."""

    def __init__(self, width: int, dtype: Any = "float32", bias: bool = True):
        self.scale = mg.parameter(mg.ones(width, dtype))
        self.shift = mg.parameter(mg.zeros(width, dtype)) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return mg.layer_norm(x, self.scale, self.shift)


class Block(Module):
    """Block of attention and f, a network with one hidden layer, on x (T, batch, width).

    norms       "pre": x + attention(LN x), then x + f(LN x) (Xiong et al. 2020)
                "post": LN(x + attention(x)), then LN(x + f(x)) (Vaswani et al. 2017)
    bias        of the linear maps and norms
    attention   options of MultiHead: kv_heads, rotary, dropout
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int | None = None,
        activation: str = "gelu",
        key: Any = 0,
        dtype: Any = "float32",
        norms: Norms = "pre",
        bias: bool = True,
        **attention: Any,
    ):
        require_at_least("Block", 1, width=width, heads=heads, hidden=1 if hidden is None else hidden)
        k = keys(key, 3)
        self.activation, self.norms = choose("activation", activation, ["gelu", "relu"]), choose("norms", norms, get_args(Norms))
        self.attention = MultiHead(width, heads, k[0], dtype, bias=bias, **attention)
        self.norm1, self.norm2 = LayerNorm(width, dtype, bias), LayerNorm(width, dtype, bias)
        self.linear1 = Linear(width, hidden or 4 * width, k[1], dtype, bias)
        self.linear2 = Linear(hidden or 4 * width, width, k[2], dtype, bias)

    def __call__(self, x: Tensor, mask: Any = None, key: Any = None) -> Tensor:
        """x (T, batch, width) in the same shape. Attention has this mask; with a random key it has its dropout."""
        return self._around(x, lambda x: self.attention(x, mask=mask, key=key))

    def step(self, state: Cache, x: Tensor) -> tuple[Cache, Tensor]:
        """One more step x (batch, width) after those in the cache."""
        after: list[Cache] = []

        def attention(x: Tensor) -> Tensor:
            cache, y = self.attention.step(state, x)
            after.append(cache)
            return y

        y = self._around(x, attention)
        return after[0], y

    def _around(self, x: Tensor, attention: Callable[[Tensor], Tensor]) -> Tensor:
        act = mg.gelu if self.activation == "gelu" else mg.relu
        for name, norm, part in (
            ("attention", self.norm1, attention),
            ("feedforward", self.norm2, lambda x: self.linear2(act(self.linear1(x)))),
        ):
            with mg.scope(name):
                x = x + part(norm(x)) if self.norms == "pre" else norm(x + part(x))
        return x


class Transformer(Cell):
    """Transformer (Vaswani et al. 2017) of a linear map, blocks, layer normalisation and a readout.

    xs (T, batch, inputs) -> ys (T, batch, outputs), all positions at once. `step` and `run` take one position after the other, and keep
    the keys and values of up to `longest` positions.

    The linear map starts for inputs that are all on. What a one-hot input becomes has numbers of size √(2 / (inputs + width)), a tenth at
    128 symbols, where sinusoids have 0.7; Vaswani et al. (§3.4) make it √width times as large. For symbols put an `Embedding` before it
    (in a run `--embedding 64`), whose vectors start at size 1.

    positions   position encoding: "sinusoids", "learned" for up to `longest` positions, "rotary", or "none"
    norms       "pre": before each part of a block, and before the readout; "post": after each part
    kv_heads    heads of keys and values that the heads share; 0: each has its own
    bias        of the linear maps and norms in the blocks
    dropout     the part of the attention's weights that is 0 in a call with a random key
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
        norms: Annotated[Norms, "layer norms before each part of a block, or after it"] = "pre",
        kv_heads: Annotated[int, "heads of keys and values that the heads share; 0: each has its own"] = 0,
        bias: bool = True,
        dropout: float = 0.0,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("Transformer", 1, inputs=inputs, outputs=outputs, width=width, heads=heads, layers=layers, longest=longest)
        k = keys(key, layers + 3)
        self.inputs, self.outputs, self.width, self.causal = inputs, outputs, width, bool(causal)
        self.positions = choose("positions", positions, get_args(Positions))
        self.table = mg.parameter(mg.init.normal(k[2], (longest, width), 0.02, dtype)) if positions == "learned" else None
        self.embed = Linear(inputs, width, k[0], dtype)
        options: Any = {"norms": norms, "bias": bias, "kv_heads": kv_heads, "rotary": positions == "rotary", "dropout": dropout}
        self.longest = longest
        self.blocks = tuple(Block(width, heads, key=k[3 + i], dtype=dtype, **options) for i in range(layers))
        self.norm, self.readout = LayerNorm(width, dtype) if norms == "pre" else None, Linear(width, outputs, k[1], dtype)

    def __call__(self, xs: Any, mask: Any = None, key: Any = None) -> Tensor:
        """ys (T, batch, outputs); mask (T, batch) is False where a shorter sequence has ended; a random key is for dropout.

        Raises ShapeError for other shapes, and for more positions than are learned.
        """
        xs = sequences(self, xs, self.dtype, mask)
        n = xs.shape[0]
        if self.table is not None and n > self.longest:
            raise mg.errors.shape_error("Transformer", f"{n} positions, learned are {self.longest}", "Give longest=")
        x, attend = self._embedded(xs, mg.arange(n), 1), allowed(n, mask, self.causal)
        for i, block in enumerate(self.blocks):
            with mg.scope(f"block{i}"):
                x = block(x, attend, None if key is None else mg.random.fold_in(key, i))
        return self._read(x)

    def initial_state(self, batch: Any) -> tuple[Cache, ...]:
        """Empty caches, one for each block."""
        return tuple(block.attention.initial_state(batch, self.longest) for block in self.blocks)

    def step(self, state: tuple[Cache, ...], x: Tensor) -> tuple[tuple[Cache, ...], Tensor]:
        """(state, y (batch, outputs)) of one more position x (batch, inputs). Raises IndexError after `longest` of them."""
        if not self.causal:
            raise mg.errors.setting_error("Transformer", "has steps only with causal=True: without it a position depends on later ones")
        x, after = self._embedded(x, state[0].n, 0), []
        for i, (block, cache) in enumerate(zip(self.blocks, state, strict=True)):
            with mg.scope(f"block{i}"):
                cache, x = block.step(cache, x)
            after.append(cache)
        return tuple(after), self._read(x)

    def _embedded(self, x: Tensor, positions: Tensor, axis: int) -> Tensor:
        """x (…, inputs) at the positions, along its first axis, as vectors (…, width). `axis` is where the batch stands beside time."""
        x = self.embed(x)
        if self.table is None and self.positions != "sinusoids":
            return x
        at = mg.take(self.table, positions) if self.table is not None else sinusoids(positions, self.width, x.dtype)
        return x + (at[:, None] if axis else at)

    def _read(self, x: Tensor) -> Tensor:
        return self.readout(x if self.norm is None else self.norm(x)).named("y")
