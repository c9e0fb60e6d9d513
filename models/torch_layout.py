"""Conversion of weights to and from PyTorch: state dicts of recurrent layers, attention heads and transformer blocks as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .attention import MultiHead
from .gru import GRU
from .layers import Bidirectional, Stack
from .lstm import LSTM
from .rnn import RNN
from .transformer import Block

# {parameter: the start of its name in PyTorch}. PyTorch keeps the transpose: ours is x @ W, theirs x @ W.T.
NAMES = {"W_x": "weight_ih_l", "W_h": "weight_hh_l", "projection": "weight_hr_l"}


def to_torch(model: Any) -> dict[str, np.ndarray]:
    """The weights as a PyTorch state dict, for `load_state_dict`. A readout becomes readout.weight and readout.bias, as of an nn.Linear.

    PyTorch adds two biases; the second is 0 here, but for a GRU's c_n.
    """
    found: dict[str, np.ndarray] = {}
    _each_layer(model, lambda cell, suffix: found.update(_exported(cell, suffix)))
    last = model.layers[-1] if isinstance(model, Stack) else model
    if getattr(last, "readout", None) is not None:
        found |= {"readout.weight": last.readout.W.numpy().T.copy(), "readout.bias": last.readout.b.numpy()}
    return found


def from_torch(model: Any, weights: Mapping[str, Any]) -> Any:
    """The model with the weights of a PyTorch state dict (arrays or tensors), in their dtype. Its readout stays unless one is given.

    model    RNN, LSTM, GRU, a Stack or Bidirectional of them: of nn.RNN, nn.LSTM, nn.GRU;
             MultiHead: of nn.MultiheadAttention;  a transformer's Block: of nn.TransformerEncoderLayer(norm_first=True)

    Raises KeyError for a missing weight, ValueError for one too many or of another shape.
    """
    given = {name: np.asarray(value) for name, value in weights.items()}
    used: set[str] = {"readout.weight", "readout.bias"}
    made = mg.tree.map(lambda leaf: leaf, model)
    if isinstance(made, (MultiHead, Block)):
        used = _import_block(made, given) if isinstance(made, Block) else _import_heads(made, given)
        return _all_used(made, given, used)
    _each_layer(made, lambda cell, suffix: used.update(_import(cell, suffix, given)))
    last = made.layers[-1] if isinstance(made, Stack) else made
    if "readout.weight" in given:
        last.readout.W = _checked("readout.weight", given["readout.weight"].T, last.readout.W)
        last.readout.b = _checked("readout.bias", given["readout.bias"], last.readout.b)
    return _all_used(made, given, used)


def _all_used(model: Any, given: Mapping[str, np.ndarray], used: set[str]) -> Any:
    """The model. Raises ValueError where weights are left over."""
    left = sorted(set(given) - used)
    if left:
        raise ValueError(f"from_torch: {type(model).__name__} has no place for {', '.join(left)}")
    return model


def _import_linear(layer: Any, given: Mapping[str, np.ndarray], weight: str, bias: str) -> set[str]:
    layer.W, layer.b = _checked(weight, given[weight].T, layer.W), _checked(bias, given[bias], layer.b)
    return {weight, bias}


def _import_heads(heads: MultiHead, given: Mapping[str, np.ndarray], prefix: str = "") -> set[str]:
    """Set the weights of nn.MultiheadAttention; gives their names."""
    used = _import_linear(heads, given, f"{prefix}in_proj_weight", f"{prefix}in_proj_bias")
    return used | _import_linear(heads.out, given, f"{prefix}out_proj.weight", f"{prefix}out_proj.bias")


def _import_block(block: Block, given: Mapping[str, np.ndarray]) -> set[str]:
    """Set the weights of nn.TransformerEncoderLayer; gives their names."""
    used = _import_heads(block.attention, given, "self_attn.")
    for name in ("linear1", "linear2"):
        used |= _import_linear(getattr(block, name), given, f"{name}.weight", f"{name}.bias")
    for name in ("norm1", "norm2"):
        norm, weight, bias = getattr(block, name), f"{name}.weight", f"{name}.bias"
        norm.scale, norm.shift = _checked(weight, given[weight], norm.scale), _checked(bias, given[bias], norm.shift)
        used |= {weight, bias}
    return used


def _each_layer(model: Any, visit: Callable[[Any, str], None], layer: int = 0, end: str = "") -> None:
    """Call visit(cell, suffix of its names in PyTorch) for every cell; suffixes are 0, 0_reverse, 1, …"""
    if isinstance(model, Stack):
        for i, part in enumerate(model.layers):
            _each_layer(part, visit, i)
    elif isinstance(model, Bidirectional):
        _each_layer(model.forward, visit, layer)
        _each_layer(model.backward, visit, layer, "_reverse")
    elif isinstance(model, (RNN, LSTM, GRU)):
        if any(getattr(model, name, None) for name in ("coupled", "reset_first")) or getattr(model, "peephole", None) is not None:
            raise ValueError("PyTorch has no peephole or coupled LSTM and no reset-first GRU")
        visit(model, f"{layer}{end}")
    else:
        raise TypeError(f"PyTorch has no layout for {type(model).__name__}: take RNN, LSTM, GRU, or Stack and Bidirectional of them")


def _exported(cell: Any, suffix: str) -> dict[str, np.ndarray]:
    """The weights of one cell under their names in PyTorch."""
    found = {
        theirs + suffix: getattr(cell, ours).numpy().T.copy() for ours, theirs in NAMES.items() if getattr(cell, ours, None) is not None
    }
    second = np.zeros_like(cell.b.numpy())
    if isinstance(cell, GRU) and cell.c_n is not None:
        second[-cell.hidden :] = cell.c_n.numpy()
    return found | {f"bias_ih_l{suffix}": cell.b.numpy(), f"bias_hh_l{suffix}": second}


def _import(cell: Any, suffix: str, given: Mapping[str, np.ndarray]) -> set[str]:
    """Set the weights of one cell; the names that were used."""
    used = set()
    for ours, theirs in NAMES.items():
        old = getattr(cell, ours, None)
        if old is not None:
            setattr(cell, ours, _checked(theirs + suffix, given[theirs + suffix].T, old))
            used.add(theirs + suffix)
    first, second = f"bias_ih_l{suffix}", f"bias_hh_l{suffix}"
    b = np.array(given[first]) if first in given else np.zeros(cell.b.shape, cell.W_x.dtype)
    extra = np.array(given[second]) if second in given else np.zeros_like(b)
    if isinstance(cell, GRU) and cell.c_n is not None:
        cell.c_n = _checked(second, extra[-cell.hidden :], cell.c_n)
        extra[-cell.hidden :] = 0
    cell.b = _checked(first, b + extra, cell.b)
    return used | {first, second}


def _checked(name: str, value: np.ndarray, old: Tensor) -> Tensor:
    """The value as a parameter. Raises ValueError if its shape is not that of the old one."""
    if value.shape != old.shape:
        raise ValueError(f"from_torch: {name} has shape {value.shape} here, the model needs {tuple(old.shape)}")
    return mg.parameter(np.ascontiguousarray(value))
