"""Panels: values over time, each with the time steps as first axis, and the scale of its colours.

`over_time` draws them one below the other on one time axis, and the page shows them as strips.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from . import heat, text
from .errors import DrawingError
from .parts import MEMORY, is_weighting

GATES = ("g", "gate", "β", "beta", "γ", "gamma", "f", "i", "o", "erase_gate", "alpha", "α")
CLASSES = ("class", "classes", "label", "labels")
TONES = (("write", re.compile("write|add|erase|least")), ("read", re.compile(r"read|^r\b")))  # of the labels of what is written or read


class Panel(NamedTuple):
    """One value over time.

    kind     "weights" or "values": a heat map of (T, rows);  "memory": (T, slots, width), a heat map for each of some steps;
             "curves": (T, curves);  "classes": (T,), the colour of each class, where negative means none
    tone     the scale of its colours where no number is negative, a key of heat.SCALES
    low      the number at the lower end of the scale: 0, or −high;  high    the number at the upper end
    """

    label: str
    kind: str
    values: np.ndarray
    tone: str
    low: float
    high: float

    @property
    def scale(self) -> str:
        return "signed" if self.low < 0 else self.tone

    @property
    def rows(self) -> np.ndarray:
        """The values as (T, all numbers of a step)."""
        return self.values.reshape(len(self.values), -1)

    def on_scale_of(self, values: np.ndarray) -> Panel:
        """The panel on the scale that suits these values."""
        low, high = ends(self.kind, values)
        return self._replace(low=low, high=high)


def ends(kind: str, values: np.ndarray) -> tuple[float, float]:
    """The ends of the scale that suits values. Where some are negative, 0 is in its middle."""
    high = heat.greatest([values])
    negative = kind != "weights" and bool((values[np.isfinite(values)] < 0).any())
    return (-high if negative else 0.0), high


def panels_of(trace: Mapping[str, Any], steps: slice | None = None) -> list[Panel]:
    """The panels of named arrays; each head has a panel of its own. `memory` says how names decide what is shown.

    Raises DrawingError for an empty trace, and for arrays of unequal length.
    """
    found: list[Panel] = []
    length = None
    for name, value in trace.items():
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 0 or (length is not None and len(array) != length):
            raise DrawingError(f"memory: {text.clean(name)} has shape {array.shape}, expected {length or 'T'} steps as first axis")
        length = len(array)
        shown = array[steps] if steps else array
        if len(shown):
            counts = np.asarray(value).dtype.kind in "iu" and shown.max(initial=0) > 1
            found += _panels(str(name), shown, counts)
    if not found:
        raise DrawingError("memory: the trace is empty: record arrays with time as first axis, {'w_read': (T, slots), ...}")
    return found


def _panels(name: str, array: np.ndarray, counts: bool) -> list[Panel]:
    kind, label = _kind(name, array, counts), _label(name)
    if kind in ("weights", "values") and array.ndim == 3 and array.shape[1] <= 8:
        several = array.shape[1] > 1
        return [_panel(f"{label} {h + 1}" if several else label, kind, array[:, h]) for h in range(array.shape[1])]
    return [_panel(label, kind, array if kind in ("memory", "classes") else array.reshape(len(array), -1))]


def _panel(label: str, kind: str, array: np.ndarray) -> Panel:
    tone = next((scale for scale, words in TONES if words.search(label)), "amount")
    return Panel(label, kind, array, tone, *ends(kind, array))


def _kind(name: str, array: np.ndarray, counts: bool) -> str:
    stem = name.rpartition(".")[2]
    if stem in MEMORY and array.ndim == 3:
        return "memory"
    if stem in CLASSES and array.ndim == 1:
        return "classes"
    gate = any(stem == g or stem.startswith(g + "_") for g in GATES)
    if array.ndim == 1 or (gate and array[0].size <= 4):
        return "curves"
    return "weights" if is_weighting(stem) and not counts else "values"  # whole numbers, such as those of slots, are no weights


def _label(name: str) -> str:
    words = [text.SIGNS.get(w, w) for w in text.clean(name, 24).replace(".", "_").split("_")]
    return " ".join(words)
