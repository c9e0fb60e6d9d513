"""Attention: the scores of Bahdanau and Luong, scaled dot-product and multi-head attention, an LSTM with self-attention, and a decoder.

Sequences are time-major, (T, batch, width). A mask is True where attention is allowed, or of floats that are added to the scores, where −∞
allows nothing; a row without an allowed position gives zeros. What no query may attend to, and a query that may attend to nothing, are
taken as 0: even NaN there reaches neither a value nor a gradient.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

import minigrad as mg
from minigrad import Module, Tensor
from minigrad.errors import SettingError

from .cell import Cell, Linear, blocks, choose, keys, over
from .lstm import LSTM, LSTMState
from .settings import Hidden, require_at_least

Scoring = Literal["general", "dot", "concat", "bahdanau"]


def causal(n: Any) -> Tensor:
    """The causal mask (n, n): query i attends to key j where j ≤ i."""
    return mg.less_equal(mg.arange(n)[None, :], mg.arange(n)[:, None])


def permitted(mask: Any) -> Tensor:
    """Where a mask, of bools or of floats, allows attention."""
    mask = mg.tensor(mask)
    return mask > -math.inf if mask.dtype.kind == "f" else mask


def masked_softmax(scores: Tensor, mask: Any = None) -> Tensor:
    """Attention weights: the softmax of scores over the last axis, 0 where the mask is False; a mask of floats is added to the scores."""
    if mask is not None:
        mask = mg.tensor(mask)
        scores = scores + mg.astype(mask, scores.dtype) if mask.dtype.kind == "f" else mg.where(mask, scores, -math.inf)
    return mg.softmax(scores).named("weights")


def scaled_dot_product(q: Tensor, k: Tensor, v: Tensor, mask: Any = None, dropout: float = 0.0, key: Any = None) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention (Vaswani et al. 2017, eq. 1): (context, weights) with weights = softmax(q kᵀ / √d), context = weights v.

    q (…, T, d), k (…, S, d), v (…, S, values), mask (…, T, S) of bools or floats; context (…, T, values), weights (…, T, S). With a
    random key, `dropout` of the weights are 0 in the context, and the others larger by 1/(1 − dropout).
    """
    if mask is not None:
        asking, asked = (mg.expand_dims(mg.any(permitted(mask), axis), -1) for axis in (-1, -2))
        q, k, v = mg.where(asking, q, 0), mg.where(asked, k, 0), mg.where(asked, v, 0)
    return attend(q, k, v, mask, dropout, key)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Any = None, dropout: float = 0.0, key: Any = None) -> tuple[Tensor, Tensor]:
    """scaled_dot_product of operands that are finite."""
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).named("scores")
    weights = masked_softmax(scores, mask)
    return (mg.dropout(weights, dropout, key) @ v).named("context"), weights


def rotated(x: Tensor, positions: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021, eq. 34) of x (…, T, d), d even, for positions (T,) or (…, T).

    Channels 2i and 2i + 1 are rotated by the angle position / 10000^(2i / d), so that q_t · k_s depends on t − s.
    """
    pairs = x.shape[-1] // 2
    rates = mg.tensor(10000.0 ** (-np.arange(pairs) / pairs), "float64")
    angle = mg.astype(positions, "float64")[..., None] * rates
    cos, sin = mg.astype(mg.cos(angle), x.dtype), mg.astype(mg.sin(angle), x.dtype)
    a, b = x[..., ::2], x[..., 1::2]
    return mg.reshape(mg.stack([a * cos - b * sin, a * sin + b * cos], -1), x.shape)


class Score(Module):
    """Scores (batch, T, S) of queries s (T, batch, query) against keys h (S, batch, key).

    bahdanau   vᵀ tanh(s W + h U)        (Bahdanau et al. 2015, §A.1.2)
    dot        s·h                       (Luong et al. 2015, eq. 8)
    general    s W h                     (the same)
    concat     vᵀ tanh([s; h] W)         (the same); computed as bahdanau, which has the same form
    """

    def __init__(self, kind: Scoring, query: int, keys_: int, hidden: int | None = None, key: Any = 0, dtype: Any = "float32"):
        require_at_least("Score", 1, query=query, keys_=keys_, hidden=1 if hidden is None else hidden)
        self.kind, k = choose("score", kind, get_args(Scoring)), keys(key, 3)
        if kind == "dot" and query != keys_:
            raise SettingError(f"dot scores need queries and keys of one width, got {query} and {keys_}")
        width = hidden or keys_
        additive = kind in ("bahdanau", "concat")
        self.W = None if kind == "dot" else blocks(k[0], (query, width if additive else keys_), 1, "glorot", dtype)
        self.U = blocks(k[1], (keys_, width), 1, "glorot", dtype) if additive else None
        self.v = mg.parameter(mg.init.uniform(k[2], (width,), width**-0.5, dtype)) if additive else None

    def __call__(self, s: Tensor, h: Tensor) -> Tensor:
        if self.U is not None and self.W is not None and self.v is not None:
            left, right = mg.moveaxis(s @ self.W, 0, 1), mg.moveaxis(h @ self.U, 0, 1)
            return (mg.tanh(left[:, :, None] + right[:, None]) @ self.v).named("scores")
        s = s if self.W is None else s @ self.W
        return (mg.permute_dims(s, (1, 0, 2)) @ mg.permute_dims(h, (1, 2, 0))).named("scores")


def along(keep: Tensor, x: Tensor) -> Tensor:
    """x (T, batch, width), 0 where keep (T,) or (batch, T) is False."""
    return mg.where(over(keep if keep.ndim == 1 else keep.T, 3), x, 0)


class Attention(Module):
    """Attention with a learned score: context_t = Σ_j softmax_j(score(s_t, h_j)) h_j (Bahdanau et al. 2015, eqs. 5 and 6)."""

    def __init__(self, score: Scoring, query: int, keys_: int, hidden: int | None = None, key: Any = 0, dtype: Any = "float32"):
        self.score = Score(score, query, keys_, hidden, key, dtype)

    def __call__(self, s: Tensor, h: Tensor, mask: Any = None) -> tuple[Tensor, Tensor]:
        """(context (T, batch, key), weights (batch, T, S)) for queries s and keys h; mask (T, S) or (batch, T, S)."""
        if mask is not None:
            s, h = along(mg.any(permitted(mask), -1), s), along(mg.any(permitted(mask), -2), h)
        weights = masked_softmax(self.score(s, h), mask)
        return mg.moveaxis(weights @ mg.moveaxis(h, 0, 1), 0, 1).named("context"), weights


class AttentiveLSTM(Module):
    """An LSTM with attention to its own states: xs (T, batch, inputs) -> ys (T, batch, outputs).

    h̃_t = tanh([c_t; h_t] W_c) (Luong et al. 2015, eq. 5), y_t = h̃_t W + b, with c_t the context of the states h_1 … h_t

    The query is h_t for Luong's scores and h_{t−1} for Bahdanau's. h̃ is not fed back to the LSTM: attention is one product over all
    positions, and the model has no `step`. Time and memory grow with T².
    """

    label = "attention"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int,
        score: Annotated[Scoring, "how a query is compared with the past"] = "general",
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("AttentiveLSTM", 1, inputs=inputs, hidden=hidden, outputs=outputs)
        k = keys(key, 4)
        self.inputs, self.hidden, self.outputs = inputs, hidden, outputs
        self.lstm = LSTM(inputs, hidden, key=k[0], dtype=dtype)
        self.attention = Attention(score, hidden, hidden, key=k[1], dtype=dtype)
        self.combine = Linear(2 * hidden, hidden, k[2], dtype)
        self.readout = Linear(hidden, outputs, k[3], dtype)

    def __call__(self, xs: Any, mask: Any = None) -> Tensor:
        hs = self.lstm(xs, mask=mask)
        query = hs
        if self.attention.score.kind == "bahdanau":
            query = mg.concat([mg.zeros_like(hs[:1]), hs])[:-1]
        context, _ = self.attention(query, hs, allowed(hs.shape[0], mask))
        return self.readout(mg.tanh(self.combine(mg.concat([context, hs], -1))).named("h")).named("y")


class DecoderState(NamedTuple):
    """The state of the LSTM and the attentional state h̃ (batch, hidden)."""

    lstm: LSTMState
    h: Tensor


class Decoder(Module):
    """An LSTM decoder with attention to the states of an encoder and input feeding (Luong et al. 2015, §3.3).

    h_t = LSTM([x_t; h̃_{t−1}]);  h̃_t = tanh([c_t; h_t] W_c), eq. 5, with c_t the context of the query h_t;  y_t = h̃_t W + b

    decoder.over(states, mask) is a Cell: decoder.over(encoder(xs))(ys) -> (T, batch, outputs).
    """

    def __init__(
        self, inputs: int, states: int, hidden: int, outputs: int, score: Scoring = "general", key: Any = 0, dtype: Any = "float32"
    ):
        require_at_least("Decoder", 1, inputs=inputs, states=states, hidden=hidden, outputs=outputs)
        k = keys(key, 4)
        self.inputs, self.hidden, self.outputs = inputs, hidden, outputs
        self.lstm = LSTM(inputs + hidden, hidden, key=k[0], dtype=dtype)
        self.attention = Attention(score, hidden, states, key=k[1], dtype=dtype)
        self.combine = Linear(states + hidden, hidden, k[2], dtype)
        self.readout = Linear(hidden, outputs, k[3], dtype)

    def over(self, states: Any, mask: Any = None) -> Decoding:
        """The decoder with attention to states (S, batch, width). mask (S, batch) is False where a shorter sequence has ended."""
        return Decoding(self, states, mask)


class Decoding(Cell):
    """A Decoder together with the states that it attends to. A step takes x (batch, inputs) and gives y (batch, outputs)."""

    label = "decoder"

    def __init__(self, decoder: Decoder, states: Any, mask: Any = None):
        self.decoder, self.states, self.inputs = decoder, mg.tensor(states), decoder.inputs
        self.mask = None if mask is None else allowed(self.states.shape[0], mask, before=False)

    def initial_state(self, batch: Any) -> DecoderState:
        return DecoderState(self.decoder.lstm.initial_state(batch), mg.zeros((batch, self.decoder.hidden), self.dtype))

    def step(self, state: DecoderState, x: Tensor) -> tuple[DecoderState, Tensor]:
        d = self.decoder
        inner, h = d.lstm.step(state.lstm, mg.concat([x, state.h], -1))
        context, _ = d.attention(h[None], self.states, self.mask)
        h = mg.tanh(d.combine(mg.concat([context[0], h], -1))).named("h~")
        return DecoderState(inner, h), d.readout(h).named("y")


def allowed(n: Any, mask: Any = None, before: bool = True) -> Any:
    """The attention mask (n, n) or (batch, n, n), or None: causal with `before`, and False at keys where mask (n, batch) is False."""
    past = causal(n) if before else None
    if mask is None:
        return past
    real = mg.expand_dims(mg.astype(mg.tensor(mask), "bool").T, 1)
    return real if past is None else mg.logical_and(real, past)


class Cache(NamedTuple):
    """The keys and values of the steps so far, (batch, kv_heads, longest, width of a head), and the number of these steps, (batch,)."""

    k: Tensor
    v: Tensor
    n: Tensor


class MultiHead(Module):
    """Multi-head attention (Vaswani et al. 2017, §3.2.2). One matrix W holds the projections to q, k and v, as in PyTorch.

    kv_heads   heads of keys and values, each for heads / kv_heads heads of queries (Ainslie et al. 2023); 0: as many as heads
    bias       add biases to q, k, v and to the output
    rotary     turn q and k by their positions: see `rotated`
    dropout    the part of the weights that is 0 where a random key is given
    """

    def __init__(
        self,
        width: int,
        heads: int,
        key: Any = 0,
        dtype: Any = "float32",
        kv_heads: int = 0,
        bias: bool = True,
        rotary: bool = False,
        dropout: float = 0.0,
    ):
        require_at_least("MultiHead", 1, width=width, heads=heads)
        require_at_least("MultiHead", 0, kv_heads=kv_heads)
        if width % heads:
            raise SettingError(f"width={width} is no multiple of heads={heads}")
        if heads % (kv_heads or heads):
            raise SettingError(f"heads={heads} is no multiple of kv_heads={kv_heads}")
        if rotary and (width // heads) % 2:
            raise SettingError(f"rotary positions turn pairs of channels, but a head has {width // heads}")
        k = keys(key, 2)
        self.width, self.heads, self.kv_heads = width, heads, kv_heads or heads
        self.rotary, self.dropout = bool(rotary), float(dropout)
        n = self.kv_heads * (width // heads)
        self.parts = (width, n, n)
        starts = [mg.init.glorot(key, (width, part), dtype) for key, part in zip(mg.random.split(k[0], 3), self.parts, strict=True)]
        self.W = mg.parameter(mg.concat(starts, axis=1))
        self.b = mg.parameter(mg.zeros(width + 2 * n, dtype)) if bias else None
        self.out = Linear(width, width, k[1], dtype, bias)

    def __call__(self, x: Tensor, context: Tensor | None = None, mask: Any = None, values: Tensor | None = None, key: Any = None) -> Tensor:
        """Attention of x (T, batch, width) to keys and values of x, or of context (S, batch, width): (T, batch, width).

        mask     (T, S) or (batch, T, S), of bools or of floats that are added to the scores
        values   (S, batch, width), by default context
        key      a random key, for dropout
        """
        if context is None and values is None:
            q, k, v = mg.split(self._projected(x, 0, 3), self.parts)
        else:
            context = x if context is None else context
            asked = None if mask is None else mg.any(permitted(mask), -2)
            context, values = (v if v is None or asked is None else along(asked, v) for v in (context, values))
            q = self._projected(x, 0, 1)
            if values is None:
                k, v = mg.split(self._projected(context, 1, 3), 2)
            else:
                k, v = self._projected(context, 1, 2), self._projected(values, 2, 3)
        q, k, v = (self._split(p) for p in (q, k, v))
        if self.rotary:
            q, k = (rotated(p, mg.arange(p.shape[-2])) for p in (q, k))
        mask = mg.expand_dims(mask, 1) if mask is not None and mg.tensor(mask).ndim == 3 else mask
        found, _ = attend(q, self._shared(k), self._shared(v), mask, self.dropout, key)
        return self.out(mg.reshape(mg.permute_dims(found, (2, 0, 1, 3)), x.shape))

    def initial_state(self, batch: Any, longest: int) -> Cache:
        """An empty cache for up to `longest` steps."""
        zero = mg.zeros((batch, self.kv_heads, longest, self.width // self.heads), self.W.dtype)
        return Cache(zero, zero, mg.zeros(batch, "int64"))

    def step(self, state: Cache, x: Tensor) -> tuple[Cache, Tensor]:
        """Causal attention of one more step, x (batch, width), to itself and the steps in the cache. Raises IndexError if that is full."""
        q, k, v = (self._split(p) for p in mg.split(self._projected(x[None], 0, 3), self.parts))
        slots = mg.arange(state.k.shape[2])
        at = mg.take(slots, state.n)[:, None]  # which is out of bounds where the cache is full
        if self.rotary:
            q, k = (rotated(p, at[:, None]) for p in (q, k))
        here = (slots == at)[:, None, :, None]
        state = Cache(mg.where(here, k, state.k), mg.where(here, v, state.v), state.n + 1)
        found, _ = attend(q, self._shared(state.k), self._shared(state.v), (slots <= at)[:, None, None])
        return state, self.out(mg.reshape(found, x.shape))

    def _projected(self, x: Tensor, first: int, end: int) -> Tensor:
        """x times the part of W for q (0), k (1) and v (2), from `first` to before `end`, with their biases."""
        columns = slice(sum(self.parts[:first]), sum(self.parts[:end]))
        y = x @ self.W[:, columns]
        return y if self.b is None else y + self.b[columns]

    def _split(self, x: Tensor) -> Tensor:
        """x (T, batch, heads · width / heads) as (batch, heads, T, width / heads)."""
        size = self.width // self.heads
        return mg.permute_dims(mg.reshape(x, (*x.shape[:2], x.shape[2] // size, size)), (1, 2, 0, 3))

    def _shared(self, x: Tensor) -> Tensor:
        """Keys or values (batch, kv_heads, S, …), each repeated for the heads that share it."""
        return x if self.kv_heads == self.heads else mg.repeat(x, self.heads // self.kv_heads, axis=1)
