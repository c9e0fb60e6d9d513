"""Networks that remember: RNN → LSTM → NTM → MANN, one file a family, each a `Cell`."""

from __future__ import annotations

from .cell import Cell, Linear
from .gru import GRU, GRUState
from .layers import Bidirectional, Stack
from .lstm import LSTM, LSTMState
from .mann import MANN, MANNState
from .ntm import NTM, NTMState
from .rnn import RNN, RNNState
from .torch_layout import from_torch, to_torch

__all__ = [
    "GRU", "LSTM", "MANN", "NTM", "RNN", "Bidirectional", "Cell", "GRUState", "LSTMState", "Linear", "MANNState", "NTMState",
    "RNNState", "Stack", "from_torch", "to_torch",
]  # fmt: skip
