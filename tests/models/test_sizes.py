"""Sizes of models: at least 1, and an error that names the parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import (
    CNN,
    DNC,
    GRU,
    LSTM,
    MANN,
    MLSTM,
    NTM,
    RNN,
    RWKV7,
    S6,
    SAM,
    SLSTM,
    TTT,
    AttentiveLSTM,
    DeltaNet,
    FastWeights,
    FeedForwardNetwork,
    Hopfield,
    HopfieldNetwork,
    LinearAttention,
    MemN2N,
    MinGRU,
    MinLSTM,
    MultiHead,
    Stack,
    StackRNN,
    TapeRNN,
    Titans,
    Transformer,
)
from minigrad.models.transformer import Block

from minigrad.errors import SettingError

SIZES: dict[type, dict[str, int]] = {
    RNN: {"inputs": 3, "hidden": 4, "outputs": 2},
    GRU: {"inputs": 3, "hidden": 4, "outputs": 2},
    LSTM: {"inputs": 3, "hidden": 4, "outputs": 2},
    CNN: {"inputs": 3, "hidden": 4, "outputs": 2, "kernel": 3, "layers": 1},
    Hopfield: {"width": 4, "updates": 2},
    HopfieldNetwork: {"inputs": 3, "hidden": 4, "outputs": 2, "updates": 2, "kernel": 3},
    MemN2N: {"inputs": 3, "hidden": 4, "outputs": 2, "hops": 2, "sentences": 3},
    TTT: {"inputs": 3, "hidden": 4, "outputs": 2, "heads": 2, "mini_batch": 2},
    Titans: {"inputs": 3, "hidden": 4, "outputs": 2, "heads": 2, "depth": 2},
    NTM: {"inputs": 3, "outputs": 2, "hidden": 4, "read_heads": 1, "write_heads": 1, "layers": 1},
    MANN: {"inputs": 3, "outputs": 2, "hidden": 4, "heads": 2},
    DNC: {"inputs": 3, "outputs": 2, "hidden": 4, "read_heads": 1, "layers": 1},
    SAM: {"inputs": 3, "outputs": 2, "hidden": 4, "heads": 1, "nearest": 2},
    StackRNN: {"inputs": 3, "hidden": 4, "outputs": 2, "stacks": 1, "cells": 3, "cell_size": 1, "top": 1},
    TapeRNN: {"inputs": 3, "hidden": 4, "outputs": 2, "cells": 3, "cell_size": 1, "writer": 2},
    AttentiveLSTM: {"inputs": 3, "hidden": 4, "outputs": 2},
    LinearAttention: {"inputs": 3, "hidden": 4, "outputs": 2, "heads": 2, "nu": 1},
    DeltaNet: {"inputs": 3, "hidden": 4, "outputs": 2, "heads": 2, "product": 1},
    FastWeights: {"inputs": 3, "hidden": 4, "outputs": 2, "inner": 1},
    RWKV7: {"inputs": 3, "hidden": 4, "outputs": 2, "heads": 2},
    SLSTM: {"inputs": 3, "hidden": 4, "outputs": 2, "heads": 2},
    MLSTM: {"inputs": 3, "hidden": 4, "outputs": 2, "heads": 2},
    MinGRU: {"inputs": 3, "hidden": 4, "outputs": 2},
    MinLSTM: {"inputs": 3, "hidden": 4, "outputs": 2},
    S6: {"inputs": 3, "hidden": 4, "outputs": 2, "states": 2, "expand": 1},
    FeedForwardNetwork: {"inputs": 3, "hidden": 4, "outputs": 2},
    MultiHead: {"width": 4, "heads": 2},
    Block: {"width": 4, "heads": 2, "hidden": 4},
    Transformer: {"inputs": 3, "outputs": 2, "width": 4, "heads": 2, "layers": 1},
}


@pytest.mark.parametrize(("model", "name"), [(model, name) for model, sizes in SIZES.items() for name in sizes])
@pytest.mark.parametrize("value", [0, -1, 2.5, "x", True])
def test_a_size_that_is_no_positive_integer_is_refused_by_name(model: type, name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"{name}={value!r} must be an integer of at least 1"):
        model(**{**SIZES[model], name: value})


@pytest.mark.parametrize("model", SIZES)
def test_sizes_may_be_numpy_integers(model: type) -> None:
    model(**{name: np.int64(size) for name, size in SIZES[model].items()})


def test_a_stack_needs_a_layer() -> None:
    with pytest.raises(SettingError, match="at least one layer"):
        Stack([])
