"""Composite functions, made of primitives. They are numerically stable where the textbook formula is not."""

from __future__ import annotations

from .activations import log_softmax, logsumexp, softmax
from .contraction import einsum
from .convolution import circular_convolution, conv2d
from .layers import dropout, layer_norm
from .losses import binary_cross_entropy, cross_entropy, huber, mse
from .statistics import cosine_similarity, norm, std, var

__all__ = [
    "binary_cross_entropy", "circular_convolution", "conv2d", "cosine_similarity", "cross_entropy", "dropout", "einsum", "huber",
    "layer_norm", "log_softmax", "logsumexp", "mse", "norm", "softmax", "std", "var",
]  # fmt: skip
