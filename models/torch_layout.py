"""Conversion of weights to and from PyTorch: state dicts of nn.RNN, nn.LSTM and nn.GRU as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Tensor

from .gru import GRU
from .layers import Bidirectional, Stack
from .lstm import LSTM
from .rnn import RNN

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

    Raises KeyError for a missing weight, ValueError for one too many or of another shape.
    """
    given = {name: np.asarray(value) for name, value in weights.items()}
    used: set[str] = {"readout.weight", "readout.bias"}
    made = mg.tree.map(lambda leaf: leaf, model)
    _each_layer(made, lambda cell, suffix: used.update(_import(cell, suffix, given)))
    last = made.layers[-1] if isinstance(made, Stack) else made
    if "readout.weight" in given:
        last.readout.W = _checked("readout.weight", given["readout.weight"].T, last.readout.W)
        last.readout.b = _checked("readout.bias", given["readout.bias"], last.readout.b)
    left = sorted(set(given) - used)
    if left:
        raise ValueError(f"from_torch: {type(model).__name__} has no place for {', '.join(left)}")
    return made


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
