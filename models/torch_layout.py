"""Conversion of weights to and from PyTorch: state dicts of recurrent layers, attention heads, transformer blocks, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .attention import MultiHead
from .cell import Linear
from .gru import GRU
from .layers import Bidirectional, Stack
from .lstm import LSTM
from .rnn import RNN
from .transformer import Block, LayerNorm

# {parameter: the start of its name in PyTorch}. PyTorch keeps the transpose: ours is x @ W, theirs x @ W.T.
NAMES = {"W_x": "weight_ih_l", "W_h": "weight_hh_l", "projection": "weight_hr_l"}


def to_torch(model: Any) -> dict[str, np.ndarray]:
    """The weights as a PyTorch state dict, for `load_state_dict` or, saved by mg.io.save, for safetensors' `load_model`.

    The models are those of `from_torch`. A readout becomes readout.weight and readout.bias, as of an nn.Linear. PyTorch's recurrent layers
    add two biases; the second is 0 here, but for a GRU's c_n.
    """
    if isinstance(model, _WITH_PLACES):
        return _exported_places(model)
    found: dict[str, np.ndarray] = {}
    _each_layer(model, lambda cell, suffix: found.update(_exported(cell, suffix)))
    last = model.layers[-1] if isinstance(model, Stack) else model
    if getattr(last, "readout", None) is not None:
        found |= _exported_places(last.readout, "readout.")
    return found


def from_torch(model: Any, weights: Mapping[str, Any]) -> Any:
    """The model with the weights of a PyTorch state dict (arrays or tensors), in their dtype. Its readout stays unless one is given.

    model    RNN, LSTM, GRU, a Stack or Bidirectional of them: of nn.RNN, nn.LSTM, nn.GRU;  Linear: of nn.Linear;
             LayerNorm: of nn.LayerNorm;  MultiHead: of nn.MultiheadAttention;
             a transformer's Block: of nn.TransformerEncoderLayer, with norm_first=True where its norms are "pre"

    Raises KeyError for a missing weight, ValueError for one too many or of another shape.
    """
    given = {name: np.asarray(value) for name, value in weights.items()}
    made = mg.tree.map(lambda leaf: leaf, model)
    if isinstance(made, _WITH_PLACES):
        return _all_used(made, given, _set(made, given))
    used: set[str] = set()
    _each_layer(made, lambda cell, suffix: used.update(_import(cell, suffix, given)))
    last = made.layers[-1] if isinstance(made, Stack) else made
    if "readout.weight" in given and getattr(last, "readout", None) is not None:
        used |= _set(last.readout, given, "readout.")
    return _all_used(made, given, used)


def _all_used(model: Any, given: Mapping[str, np.ndarray], used: set[str]) -> Any:
    """The model. Raises ValueError where weights are left over."""
    left = sorted(set(given) - used)
    if left:
        raise ValueError(f"from_torch: {type(model).__name__} has no place for {', '.join(left)}")
    return model


_WITH_PLACES = (Linear, LayerNorm, MultiHead, Block)
# {part of a Block: the start of its names in nn.TransformerEncoderLayer}
PARTS = {"attention": "self_attn", "linear1": "linear1", "linear2": "linear2", "norm1": "norm1", "norm2": "norm2"}


def _places(part: Any, prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """(name in PyTorch, the part that holds the weight, its name there) of every weight. PyTorch keeps the transpose of a matrix."""
    if isinstance(part, Block):
        for ours, theirs in PARTS.items():
            yield from _places(getattr(part, ours), f"{prefix}{theirs}.")
        return
    start, weight, bias = "", "W", "b"
    if isinstance(part, MultiHead):
        if part.kv_heads != part.heads or part.rotary:
            raise ValueError("PyTorch's MultiheadAttention has neither shared heads of keys nor rotary positions")
        yield from _places(part.out, f"{prefix}out_proj.")
        start = "in_proj_"
    elif isinstance(part, LayerNorm):
        weight, bias = "scale", "shift"
    yield f"{prefix}{start}weight", part, weight
    if getattr(part, bias) is not None:
        yield f"{prefix}{start}bias", part, bias


def _exported_places(model: Any, prefix: str = "") -> dict[str, np.ndarray]:
    return {name: np.array(getattr(part, ours).numpy().T, order="C") for name, part, ours in _places(model, prefix)}


def _set(model: Any, given: Mapping[str, np.ndarray], prefix: str = "") -> set[str]:
    """Set the weights of a model with places; gives their names."""
    used = set()
    for name, part, ours in _places(model, prefix):
        setattr(part, ours, _checked(name, given[name].T, getattr(part, ours)))
        used.add(name)
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
        known = "RNN, LSTM, GRU, Stack and Bidirectional of them, MultiHead, Block, Linear or LayerNorm"
        raise TypeError(f"PyTorch has no layout for {type(model).__name__}: take {known}")


def _exported(cell: Any, suffix: str) -> dict[str, np.ndarray]:
    """The weights of one cell under their names in PyTorch."""
    found = {
        theirs + suffix: getattr(cell, ours).numpy().T.copy() for ours, theirs in NAMES.items() if getattr(cell, ours, None) is not None
    }
    second = np.zeros_like(cell.b.numpy())
    if isinstance(cell, GRU) and cell.c_n is not None:
        second[-cell.hidden :] = cell.c_n.numpy()
    return found | {f"bias_ih_l{suffix}": cell.b.numpy().copy(), f"bias_hh_l{suffix}": second}


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
