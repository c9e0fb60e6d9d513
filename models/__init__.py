"""Networks with memory, one family a file: RNN, LSTM, GRU, attention, transformer, NTM, MANN, DNC."""

from __future__ import annotations

from .attention import Attention, AttentiveLSTM, Decoder, DecoderState, MultiHead, causal, scaled_dot_product
from .block import RMSNorm, ShortConvolution
from .cell import Cell, Linear
from .cnn import CNN, CNNState
from .dnc import DNC, DNCState
from .encoder import Encoded, ImageEncoder
from .feedforward import FeedForwardNetwork
from .gru import GRU, GRUState
from .hopfield import Hopfield, HopfieldNetwork
from .layers import Bidirectional, Stack
from .lstm import LSTM, LSTMState
from .mann import MANN, MANNState
from .ntm import NTM, NTMState
from .rnn import RNN, RNNState
from .test_time import TTT, TTTState
from .titans import Titans, TitansState
from .torch_layout import from_torch, to_torch
from .transformer import Block, LayerNorm, Transformer, sinusoids

__all__ = [
    "CNN", "DNC", "GRU", "LSTM", "MANN", "NTM", "RNN", "TTT", "Attention", "AttentiveLSTM", "Bidirectional", "Block", "CNNState", "Cell",
    "DNCState", "Decoder", "DecoderState", "Encoded", "FeedForwardNetwork", "GRUState", "Hopfield", "HopfieldNetwork", "ImageEncoder",
    "LSTMState", "LayerNorm", "Linear", "MANNState", "MultiHead", "NTMState", "RMSNorm", "RNNState", "ShortConvolution", "Stack",
    "TTTState", "Titans", "TitansState", "Transformer", "causal", "from_torch", "scaled_dot_product", "sinusoids", "to_torch",
]  # fmt: skip
