"""Captions: the value, the gradient and the shape of each node, written under its label."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.errors import SettingError

from . import gradients, text
from .errors import DrawingError
from .leaves import is_element
from .timeline import Item, Timeline

SHOWN = ("value", "grad", "shape")
FEW = 40  # a graph of numbers of at most so many nodes shows them without being asked


def checked(show: Any, level: str) -> tuple[str, ...]:
    """What is to be shown. Raises SettingError for an unknown word, and for a level without room for captions."""
    words = (show,) if isinstance(show, str) else tuple(show)
    for word in words:
        if word not in SHOWN:
            raise SettingError(f"show={show!r} is unknown: take some of 'value', 'grad' and 'shape'")
    if words and level not in ("op", "gate"):
        raise SettingError(f"show={show!r} needs level='op' or 'gate': at level={level!r} one box stands for many values")
    return words


def default(timeline: Timeline, loss: Tensor) -> tuple[str, ...]:
    """What is shown without being asked: of a small graph of numbers the values, and after `backward()` the gradients."""
    items = [i for i in timeline.items if i.leaf not in ("pruned", "number")]
    numbers = all(isinstance(i.node.value, np.ndarray) and i.node.value.size == 1 for i in items)
    if not numbers or timeline.columns or len(items) > FEW or not any(not i.leaf for i in items):
        return ()
    differentiated = any(i.leaf == "parameter" and Tensor(i.node).grad is not None for i in items)
    return ("value", "grad") if differentiated and loss.type.is_float else ("value",)


def write(timeline: Timeline, loss: Tensor, show: Collection[str]) -> None:
    """Give each item its caption. Raises DrawingError where a graph has no values to show."""
    if not loss.is_concrete and ("value" in show or "grad" in show):
        raise DrawingError("drawing: show='value' and show='grad' need values: draw a function and its arguments, or a computed tensor")
    totals = gradients.totals(timeline, loss) if "grad" in show else {}
    timeline.key = key(show)
    for item in timeline.items:
        if item.leaf not in ("pruned", "number"):
            words = [shape_of(item)] if "shape" in show else []
            if "value" in show and isinstance(item.node.value, np.ndarray):
                words.append(_minus(text.value(item.node.value)))
            if "grad" in show and item.index in totals:
                words.append("∂ " + _minus(_gradient(totals[item.index])))
            item.caption = tuple(words)


def key(show: Collection[str]) -> str:
    """What a legend says of captions."""
    return " · ".join(w for w in ("shape", "value", "∂ gradient") if w.split()[-1][:4] in {s[:4] for s in show})


def _minus(number: str) -> str:
    return number.replace("-", "−")


def shape_of(item: Item) -> str:
    """The shape of a value as text; of an element of a sequence without the axis of time."""
    shape = getattr(item.node.type, "shape", ())
    return text.shape(shape[1:] if item.whole is not None and is_element(item.node) else shape) or "scalar"


def _gradient(total: np.ndarray) -> str:
    return text.constant(total.reshape(-1)[0]) if total.size == 1 else f"‖{np.linalg.norm(total.astype(np.float64)):.3g}‖"
