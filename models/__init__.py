"""Networks with memory, one family a file: recurrent networks, attention, memories that are read and written, and what came after."""

from __future__ import annotations

from .attention import Attention, AttentiveLSTM, Decoder, DecoderState, MultiHead, causal, scaled_dot_product
from .block import RMSNorm, ShortConvolution
from .cell import Cell, Linear
from .cnn import CNN, CNNState
from .deltanet import DeltaNet, DeltaNetState
from .dnc import DNC, DNCState
from .encoder import Embedding, Encoded, ImageEncoder
from .fast_weights import FastWeights, FastWeightsState, LinearAttention, LinearAttentionState
from .feedforward import FeedForwardNetwork
from .gru import GRU, GRUState
from .hopfield import Hopfield, HopfieldNetwork
from .layers import Bidirectional, Stack
from .lstm import LSTM, LSTMState
from .mann import MANN, MANNState
from .memn2n import MemN2N, MemN2NState
from .minimal import MinGRU, MinimalState, MinLSTM
from .ntm import NTM, NTMState
from .rnn import RNN, RNNState
from .rwkv import RWKV7, RWKV7State
from .selective import S6, S6State
from .sparse_memory import SAM, SAMState
from .stack_rnn import StackRNN, StackRNNState
from .tape_rnn import TapeRNN, TapeRNNState
from .test_time import TTT, TTTState
from .titans import Titans, TitansState
from .torch_layout import from_torch, to_torch
from .transformer import Block, LayerNorm, Transformer, sinusoids
from .xlstm import MLSTM, SLSTM, MLSTMState, SLSTMState

__all__ = [
    "CNN", "DNC", "GRU", "LSTM", "MANN", "MLSTM", "NTM", "RNN", "RWKV7", "S6", "SAM", "SLSTM", "TTT", "Attention", "AttentiveLSTM",
    "Bidirectional", "Block", "CNNState", "Cell", "DNCState", "Decoder", "DecoderState", "DeltaNet", "DeltaNetState", "Embedding",
    "Encoded", "FastWeights", "FastWeightsState", "FeedForwardNetwork", "GRUState", "Hopfield", "HopfieldNetwork", "ImageEncoder",
    "LSTMState", "LayerNorm", "Linear", "LinearAttention", "LinearAttentionState", "MANNState", "MLSTMState", "MemN2N", "MemN2NState",
    "MinGRU", "MinLSTM", "MinimalState", "MultiHead", "NTMState", "RMSNorm", "RNNState", "RWKV7State", "S6State", "SAMState", "SLSTMState",
    "ShortConvolution", "Stack", "StackRNN", "StackRNNState", "TTTState", "TapeRNN", "TapeRNNState", "Titans", "TitansState",
    "Transformer", "causal", "from_torch", "scaled_dot_product", "sinusoids", "to_torch",
]  # fmt: skip
