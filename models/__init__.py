"""Networks with memory, one family a file: from RNN, LSTM and GRU to attention, NTM, MANN, DNC, fast weights and DeltaNet."""

from __future__ import annotations

from .attention import Attention, AttentiveLSTM, Decoder, DecoderState, MultiHead, causal, scaled_dot_product
from .block import RMSNorm, ShortConvolution
from .cell import Cell, Linear
from .deltanet import DeltaNet, DeltaNetState
from .dnc import DNC, DNCState
from .encoder import Encoded, ImageEncoder
from .fast_weights import FastWeights, FastWeightsState, LinearAttention, LinearAttentionState
from .feedforward import FeedForwardNetwork
from .gru import GRU, GRUState
from .layers import Bidirectional, Stack
from .lstm import LSTM, LSTMState
from .mann import MANN, MANNState
from .ntm import NTM, NTMState
from .rnn import RNN, RNNState
from .torch_layout import from_torch, to_torch
from .transformer import Block, LayerNorm, Transformer, sinusoids

__all__ = [
    "DNC", "GRU", "LSTM", "MANN", "NTM", "RNN", "Attention", "AttentiveLSTM", "Bidirectional", "Block", "Cell", "DNCState",
    "Decoder", "DecoderState", "DeltaNet", "DeltaNetState", "Encoded", "FastWeights", "FastWeightsState", "FeedForwardNetwork",
    "GRUState", "ImageEncoder", "LSTMState", "LayerNorm", "Linear", "LinearAttention", "LinearAttentionState", "MANNState",
    "MultiHead", "NTMState", "RMSNorm", "RNNState", "ShortConvolution", "Stack", "Transformer", "causal", "from_torch",
    "scaled_dot_product", "sinusoids", "to_torch",
]  # fmt: skip
