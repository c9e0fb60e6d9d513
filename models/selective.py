"""The selective state-space model S6, the layer of Mamba (Gu and Dao 2023)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .block import SiluConvolution, step_bias
from .cell import Cell, blocks, choose, keys, read, readout
from .settings import Convolution, Hidden, Negative, OutputGate, require_at_least

Discretisation = Literal["code", "exact"]
StateStart = Literal["zeros", "learned"]


class S6State(NamedTuple):
    """h (batch, channels, states), and the last three inputs of the convolution."""

    h: Tensor
    past: Tensor | None  # (batch, 3, channels)


class S6(Cell):
    """Selective state-space model S6 in the block of Mamba (Gu and Dao 2023): x (batch, inputs) -> y (batch, outputs or hidden).

    channels         u = x_t W_u, of expand · hidden numbers;  with `convolution`, SiLU of a short convolution of it
    selection        Δ = softplus(u W_1 W_2 + b), a number for each channel;  B, C = u W_B, u W_C, of `states` numbers   Algorithm 2
    discretisation   Ā = exp(Δ A);  B̄ = Δ B, as in the published code, or (Δ A)⁻¹ (exp(Δ A) − 1) Δ B                 eq. 4
    state            h_t = Ā ⊙ h_{t−1} + B̄ u, a row of `states` numbers for each channel                              eq. 2a
    output           (C h_t + D ⊙ u) ⊙ SiLU(x_t W_z) W_y, of hidden numbers;  y_t is that times W plus b with `outputs`   eq. 2b

    A = −exp(A_log) is −1 … −states in each channel at first.

    discretisation         of B: "code", or "exact"
    negative_eigenvalues   Ā = 2 exp(Δ A) − 1 in [−1, 1], not [0, 1], so that a state can change its sign. It takes that to tell odd from
                           even; where h_0 is 0, the first symbol of a sequence must be one that only begins (Grazzi et al. 2025)
    output_gate            multiply by SiLU(x_t W_z)
    skip                   add D ⊙ u
    """

    label = "s6"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        states: Annotated[int, "numbers in the state of a channel"] = 16,
        expand: Annotated[int, "channels for each unit"] = 2,
        discretisation: Annotated[Discretisation, "of B: Δ B, as in Mamba's code, or the exact one of its paper's equation"] = "code",
        negative_eigenvalues: Negative = False,
        h_0: Annotated[StateStart, "the state a sequence begins with"] = "zeros",
        convolution: Convolution = False,
        output_gate: OutputGate = True,
        skip: Annotated[bool, "add the input to the output"] = True,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        sizes = {"inputs": inputs, "hidden": hidden, "states": states, "expand": expand}
        require_at_least("S6", 1, **sizes, outputs=1 if outputs is None else outputs)
        k, channels, rank = keys(key, 10), expand * hidden, -(-hidden // 16)
        self.inputs, self.hidden, self.outputs, self.negative = inputs, hidden, outputs, bool(negative_eigenvalues)
        self.discretisation = choose("discretisation", discretisation, get_args(Discretisation))
        self.W_u = blocks(k[0], (inputs, channels), 1, "glorot", dtype)
        self.convolution = SiluConvolution(channels, k[8], dtype) if convolution else None
        self.W_z = blocks(k[1], (inputs, channels), 1, "glorot", dtype) if output_gate else None
        self.W_1 = blocks(k[2], (channels, rank), 1, "glorot", dtype)
        self.W_2 = mg.parameter(mg.init.uniform(k[3], (rank, channels), rank**-0.5, dtype))
        self.b = step_bias(k[4], (channels,), dtype)
        self.W_BC = blocks(k[5], (channels, states), 2, "glorot", dtype)
        self.A_log = mg.parameter(np.tile(np.log(np.arange(1, states + 1)), (channels, 1)).astype(dtype))
        learned = choose("h_0", h_0, get_args(StateStart)) == "learned"
        self.h_0 = mg.parameter(mg.init.normal(k[9], (channels, states), states**-0.5, dtype)) if learned else None
        self.D = mg.parameter(mg.ones(channels, dtype)) if skip else None
        self.W_y = blocks(k[6], (channels, hidden), 1, "glorot", dtype)
        self.readout = readout(hidden, outputs, k[7], dtype)

    def initial_state(self, batch: Any) -> S6State:
        past = None if self.convolution is None else self.convolution.initial_state(batch)
        h = mg.zeros(self.A_log.shape, self.dtype) if self.h_0 is None else self.h_0
        return S6State(mg.broadcast_to(h, (batch, *h.shape)), past)

    def step(self, state: S6State, x: Tensor) -> tuple[S6State, Tensor]:
        past, u = state.past, x @ self.W_u
        if self.convolution is not None:
            past, u = self.convolution(past, u)
        u = u.named("u")
        delta = mg.softplus(u @ self.W_1 @ self.W_2 + self.b).named("delta")
        B, C = mg.split(u @ self.W_BC, 2)
        A, B = discretised(delta, -mg.exp(self.A_log), B, self.discretisation, self.negative)
        h = (A * state.h + B * u[..., None]).named("h")
        y = mg.einsum("bcn,bn->bc", h, C)
        if self.D is not None:
            y = y + self.D * u
        if self.W_z is not None:
            y = y * mg.silu(x @ self.W_z).named("gate")
        return S6State(h, past), read(self.readout, y @ self.W_y)


def discretised(delta: Tensor, A: Tensor, B: Tensor, kind: Discretisation, negative: bool = False) -> tuple[Tensor, Tensor]:
    """Ā and B̄ (batch, channels, states) of Δ (batch, channels), a diagonal A (channels, states) and B (batch, states)."""
    delta, B = delta[..., None], B[..., None, :]
    a = delta * A
    B = delta * B if kind == "code" else mg.expm1(a) / A * B
    return (2 * mg.exp(a) - 1 if negative else mg.exp(a)).named("A"), B.named("B")
