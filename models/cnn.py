"""The causal one-dimensional convolutional network (CNN), which sees a window of the past."""

from __future__ import annotations

from typing import Any, NamedTuple

import minigrad as mg
from minigrad import Module, Tensor

from .cell import Cell, keys, read, readout, sequences
from .settings import Hidden, Kernel, Layers, require_at_least


class CNNState(NamedTuple):
    """The last kernel − 1 inputs of each layer, the oldest first."""

    past: tuple[Tensor, ...]  # (batch, kernel − 1, inputs of the layer)


class CausalConvolution(Module):
    """y_t = Σ_a x_{t−kernel+1+a} W_a + b, a = 0 … kernel − 1: x (batch, T, inputs) after `past` -> y (batch, T, outputs)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, key: Any = 0, dtype: Any = "float32"):
        require_at_least("CausalConvolution", 1, inputs=inputs, outputs=outputs, kernel=kernel)
        self.W = mg.parameter(mg.init.he(mg.random.as_key(key), (kernel, inputs, outputs), dtype))
        self.b = mg.parameter(mg.zeros(outputs, dtype))

    def initial_state(self, batch: Any) -> Tensor:
        return mg.zeros((batch, self.W.shape[0] - 1, self.W.shape[1]), self.W.dtype)

    def __call__(self, past: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """(the last kernel − 1 inputs, y)."""
        (kernel, inputs, outputs), T = self.W.shape, x.shape[1]
        rows = mg.concat([past, x], 1)
        windows = mg.concat([rows[:, a : a + T] for a in range(kernel)], -1)
        return rows[:, T:], windows @ mg.reshape(self.W, (kernel * inputs, outputs)) + self.b


class CNN(Cell):
    """Causal convolutions over time: x (batch, inputs) -> y (batch, outputs), or h (batch, hidden) without `outputs`.

    h⁰_t = x_t;  hˡ_t = relu(Σ_a hˡ⁻¹_{t−kernel+1+a} W_a + b), a = 0 … kernel − 1, for each layer l;  y_t = hᴸ_t W + b

    y_t depends on the last 1 + layers · (kernel − 1) inputs and on nothing before them: this is `window`. A step keeps the last
    kernel − 1 inputs of each layer. `run` without a mask takes one product a layer for all steps, which gives the same.
    """

    label = "cnn"

    def __init__(
        self,
        inputs: int,
        hidden: Hidden,
        outputs: int | None = None,
        kernel: Kernel = 9,
        layers: Layers = 1,
        key: Any = 0,
        dtype: Any = "float32",
    ):
        require_at_least("CNN", 1, inputs=inputs, hidden=hidden, outputs=1 if outputs is None else outputs, kernel=kernel, layers=layers)
        *k, last = keys(key, layers + 1)
        self.inputs, self.hidden, self.outputs, self.window = inputs, hidden, outputs, 1 + layers * (kernel - 1)
        widths = [inputs] + [hidden] * (layers - 1)
        self.layers = tuple(CausalConvolution(n, hidden, kernel, key, dtype) for n, key in zip(widths, k, strict=True))
        self.readout = readout(hidden, outputs, last, dtype)

    def initial_state(self, batch: Any) -> CNNState:
        return CNNState(tuple(layer.initial_state(batch) for layer in self.layers))

    def step(self, state: CNNState, x: Tensor) -> tuple[CNNState, Tensor]:
        state, y = self._convolved(state, x[:, None])
        return state, y[:, 0]

    def run(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> tuple[Tensor, Any]:
        if mask is not None or loop:
            return super().run(xs, state, mask, **loop)
        xs = sequences(self, xs, self.dtype)
        state = self.initial_state(xs.shape[1]) if state is None else self._checked(state, xs.shape[1])
        state, ys = self._convolved(state, mg.moveaxis(xs, 0, 1))
        return mg.moveaxis(ys, 1, 0), state

    def _convolved(self, state: CNNState, x: Tensor) -> tuple[CNNState, Tensor]:
        """(state, y (batch, T, outputs)) for x (batch, T, inputs)."""
        after = []
        for i, (layer, past) in enumerate(zip(self.layers, state.past, strict=True)):
            with mg.scope(f"layer{i}"):
                past, x = layer(past, x)
                x = mg.relu(x).named("h")
            after.append(past)
        return CNNState(tuple(after)), read(self.readout, x)
