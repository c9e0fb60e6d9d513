"""Networks that remember: RNN → LSTM → NTM → MANN, one file a family, each a `Cell`."""

from __future__ import annotations

from .cell import Cell, Linear
from .gru import GRU, GRUState
from .lstm import LSTM, LSTMState
from .mann import MANN, MANNState
from .ntm import NTM, NTMState
from .rnn import RNN, RNNState

__all__ = [
    "GRU", "LSTM", "MANN", "NTM", "RNN", "Cell", "GRUState", "LSTMState", "Linear", "MANNState", "NTMState", "RNNState",
]  # fmt: skip
