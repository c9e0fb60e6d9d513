"""The end-to-end memory network (MemN2N): sentences are memories, which a question reads in several hops."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import Tensor
from minigrad.errors import setting_error

from .attention import masked_softmax
from .cell import Cell, Linear, keys, over
from .settings import Hidden, require_at_least


class MemN2NState(NamedTuple):
    """The sentences remembered, in each of the hops + 1 embeddings, the latest first, and the sentence that is being read."""

    M: Tensor  # (batch, hops + 1, sentences, hidden)
    remembered: Tensor  # (batch,), how many of them there are
    bag: Tensor  # (batch, hops + 1, hidden), Σ_j e_j over the words of the sentence so far
    placed: Tensor  # (batch, hops + 1, hidden), Σ_j j e_j
    words: Tensor  # (batch,), how many they are


class MemN2N(Cell):
    """End-to-end memory network (Sukhbaatar et al. 2015) over a text, one word a step: x (batch, inputs) -> y (batch, outputs).

    sentence   m_i = Σ_j l_j ⊙ A x_ij + T_A(i), c_i likewise with C and T_C; l_kj = (1 − j/J) − (k/d)(1 − 2j/J) of word j of J   §4.1
    question   u = Σ_j l_j ⊙ B x_j over the words of the sentence that is being read
    hop        p_i = softmax(uᵀ m_i), eq. 1;  o = Σ_i p_i c_i, eq. 2;  u ← u + o, eq. 4
    output     y = u W + b after the last hop

    The weights are tied as in adjacent layers (§2.2): A of a hop is C of the one before, T_A likewise, and B = A of the first hop. i = 1 is
    the latest sentence; those before the last `sentences` are forgotten.

    separator   the input that ends a sentence, as the full stop's; −1: every step is a sentence of one word, as in the paper's language
                model (§5). The step with the separator is no word
    linear      p_i = uᵀ m_i, without the softmax: how training begins in a linear start (§4.2); then set model.linear = False

    What differs from the paper: the answer at every step is that to the sentence so far, so the model streams; answers have weights W of
    their own, since they need not be words (there W = C of the last hop); there are no random empty memories in training (§4.2).
    """

    label = "memn2n"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int,
        hops: Annotated[int, "readings of the memory"] = 3,
        sentences: Annotated[int, "that are remembered"] = 50,
        separator: Annotated[int, "input that ends a sentence, such as the full stop's; -1: every step is a sentence"] = -1,
        linear: Annotated[bool, "no softmax over the memory: the first part of a linear start"] = False,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("MemN2N", 1, inputs=inputs, hidden=hidden, outputs=outputs, hops=hops, sentences=sentences)
        require_at_least("MemN2N", -1, separator=separator)
        if separator >= inputs:
            raise setting_error("MemN2N", f"separator={separator} is none of the {inputs} inputs, which count from 0")
        k = keys(key, 3)
        self.inputs, self.hidden, self.outputs, self.hops, self.sentences = inputs, hidden, outputs, hops, sentences
        self.separator, self.linear = separator, bool(linear)
        self.E = mg.parameter(mg.init.normal(k[0], (inputs, (hops + 1) * hidden), 0.1, dtype))  # A¹, C¹ = A², …, C of the last hop
        self.T = mg.parameter(mg.init.normal(k[1], (hops + 1, sentences, hidden), 0.1, dtype))
        self.readout = Linear(hidden, outputs, k[2], dtype)

    @property
    def reads_channels(self) -> bool:
        return self.separator >= 0

    def initial_state(self, batch: Any) -> MemN2NState:
        shape = self.hops + 1, self.hidden
        bag, count = mg.zeros((batch, *shape), self.dtype), mg.zeros(batch, self.dtype)
        return MemN2NState(mg.zeros((batch, shape[0], self.sentences, shape[1]), self.dtype), count, bag, bag, count)

    def step(self, state: MemN2NState, x: Tensor) -> tuple[MemN2NState, Tensor]:
        with mg.scope("sentence"):
            end = mg.ones(x.shape[0], "bool") if self.separator < 0 else x[:, self.separator] > 0.5
            word = mg.astype(mg.ones(x.shape[0], "bool") if self.separator < 0 else mg.logical_not(end), self.dtype)
            words = state.words + word
            e = word[:, None, None] * mg.reshape(x @ self.E, (x.shape[0], self.hops + 1, self.hidden))
            bag, placed = state.bag + e, state.placed + words[:, None, None] * e
            sentence = encoded(bag, placed, words).named("sentence")
        u, filled = sentence[:, 0].named("u"), mg.arange(self.sentences) < state.remembered[:, None]
        for n in range(self.hops):
            with mg.scope(f"hop{n}"):
                scores = (state.M[:, n] @ u[:, :, None])[:, :, 0] + u @ mg.take(self.T, n, 0).T
                p = mg.where(filled, scores, 0) if self.linear else masked_softmax(scores, filled)
                o = (p[:, None] @ state.M[:, n + 1])[:, 0] + p @ mg.take(self.T, n + 1, 0)
                u = (u + o).named("h" if n == self.hops - 1 else "u")
        y = self.readout(u).named("y")
        with mg.scope("remember"):
            M = mg.where(over(end, 4), mg.concat([mg.expand_dims(sentence, 2), state.M[:, :, :-1]], 2), state.M).named("M")
            remembered = mg.where(end, mg.minimum(state.remembered + 1, self.sentences), state.remembered).named("remembered")
        bag, placed, words = (mg.where(over(end, v.ndim), 0, v) for v in (bag, placed, words))
        return MemN2NState(M, remembered, bag.named("bag"), placed.named("placed"), words.named("words")), y


def encoded(bag: Tensor, placed: Tensor, words: Tensor) -> Tensor:
    """Σ_j l_j ⊙ e_j (batch, …, d) with the position code l_kj = (1 − j/J) − (k/d)(1 − 2j/J), from Σ_j e_j, Σ_j j e_j and J (batch,)."""
    share = mg.tensor(np.arange(1, bag.shape[-1] + 1) / bag.shape[-1], bag.dtype).named("k/d")
    length = mg.reshape(mg.maximum(words, 1), (-1, *(1,) * (bag.ndim - 1)))
    return (1 - share) * bag + (2 * share - 1) * placed / length
