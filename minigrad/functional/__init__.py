"""Composite functions, made of primitives. They are numerically stable where the textbook formula is not."""

from __future__ import annotations

from .activations import elu, gelu, glu, leaky_relu, log_softmax, logsumexp, silu, softmax
from .convolution import avg_pool1d, circular_convolution, conv1d, conv2d, max_pool1d
from .layers import dropout, embedding, layer_norm, rms_norm
from .losses import binary_cross_entropy, cross_entropy, huber, kl_div, mse, nll
from .statistics import cosine_similarity, std, var

__all__ = [
    "avg_pool1d", "binary_cross_entropy", "circular_convolution", "conv1d", "conv2d", "cosine_similarity", "cross_entropy", "dropout",
    "elu", "embedding", "gelu", "glu", "huber", "kl_div", "layer_norm", "leaky_relu", "log_softmax", "logsumexp", "max_pool1d",
    "mse", "nll", "rms_norm", "silu", "softmax", "std", "var",
]  # fmt: skip
