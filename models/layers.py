"""Combinations of recurrent models: stacked layers, and both directions of time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import minigrad as mg
from minigrad import Module, Tensor
from minigrad.errors import SettingError

from .cell import Cell


class Stack(Cell):
    """Stacked layers, each of which takes the outputs of the layer below: xs (T, batch, inputs) -> ys (T, batch, outputs of the last).

    `run` runs one layer after the other, so that each is a loop of its own.
    """

    label = "stack"

    def __init__(self, layers: Sequence[Any]):
        if not layers:
            raise SettingError("Stack: needs at least one layer")
        for below, above in pairwise(layers):
            if width(below) != above.inputs:
                raise SettingError(f"a layer gives {width(below)} outputs, the one above takes {above.inputs} inputs")
        self.layers = tuple(layers)
        self.inputs = layers[0].inputs

    def initial_state(self, batch: Any) -> tuple[Any, ...]:
        return tuple(layer.initial_state(batch) for layer in self.layers)

    def step(self, state: Any, x: Tensor) -> tuple[Any, Tensor]:
        after = []
        for i, (layer, s) in enumerate(zip(self.layers, state, strict=True)):
            with mg.scope(f"{layer.label}{i}"):
                s, x = layer.step(s, x)
            after.append(s)
        return tuple(after), x

    def run(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> tuple[Tensor, Any]:
        after = []
        for layer, s in zip(self.layers, [None] * len(self.layers) if state is None else state, strict=True):
            xs, s = layer.run(xs, s, mask, **loop)
            after.append(s)
        return xs, tuple(after)


class Bidirectional(Module):
    """Two models over one sequence, forward and backward in time, with joined outputs (Schuster and Paliwal 1997).

    xs (T, batch, inputs) -> ys (T, batch, outputs of both). It needs the whole sequence, so it has no `step`.
    """

    label = "bidirectional"

    def __init__(self, forward: Cell, backward: Cell):
        if forward.inputs != backward.inputs:
            raise SettingError(f"forward takes {forward.inputs} inputs, backward {backward.inputs}")
        self.forward, self.backward, self.inputs = forward, backward, forward.inputs

    def initial_state(self, batch: Any) -> tuple[Any, Any]:
        return self.forward.initial_state(batch), self.backward.initial_state(batch)

    def __call__(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> Tensor:
        return self.run(xs, state, mask, **loop)[0]

    def run(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> tuple[Tensor, Any]:
        """(ys, (state of `forward` after the last step, state of `backward` after the first)). y_t joins the two outputs at x_t."""
        first, second = (None, None) if state is None else state
        ahead, after = self.forward.run(xs, first, mask, **loop)
        back, before = self.backward.run(xs, second, mask, **{**loop, "reverse": True})
        return mg.concat([ahead, back], -1), (after, before)


def width(layer: Any) -> int:
    """The number of outputs of a layer."""
    if isinstance(layer, Bidirectional):
        return width(layer.forward) + width(layer.backward)
    if isinstance(layer, Stack):
        return width(layer.layers[-1])
    return layer.outputs or getattr(layer, "projected", None) or layer.hidden
