"""Networks with memory, one family a file: RNN, LSTM, GRU, attention, transformer, NTM, MANN, DNC, SAM, Stack-RNN, Tape-RNN."""

from __future__ import annotations

from .attention import Attention, AttentiveLSTM, Decoder, DecoderState, MultiHead, causal, scaled_dot_product
from .cell import Cell, Linear
from .dnc import DNC, DNCState
from .encoder import Encoded, ImageEncoder
from .feedforward import FeedForwardNetwork
from .gru import GRU, GRUState
from .layers import Bidirectional, Stack
from .lstm import LSTM, LSTMState
from .mann import MANN, MANNState
from .ntm import NTM, NTMState
from .rnn import RNN, RNNState
from .sparse_memory import SAM, SAMState
from .stack_rnn import StackRNN, StackRNNState
from .tape_rnn import TapeRNN, TapeRNNState
from .torch_layout import from_torch, to_torch
from .transformer import Block, LayerNorm, Transformer, sinusoids

__all__ = [
    "DNC", "GRU", "LSTM", "MANN", "NTM", "RNN", "SAM", "Attention", "AttentiveLSTM", "Bidirectional", "Block", "Cell", "DNCState",
    "Decoder", "DecoderState", "Encoded", "FeedForwardNetwork", "GRUState", "ImageEncoder", "LSTMState", "LayerNorm", "Linear",
    "MANNState", "MultiHead", "NTMState", "RNNState", "SAMState", "Stack", "StackRNN", "StackRNNState", "TapeRNN", "TapeRNNState",
    "Transformer", "causal", "from_torch", "scaled_dot_product", "sinusoids", "to_torch",
]  # fmt: skip
