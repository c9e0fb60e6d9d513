"""Encoders: vectors of symbols, codes of images by convolutions; and models whose inputs they encode."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import minigrad as mg
from minigrad import Module, Tensor
from minigrad.errors import SettingError

from .cell import Cell, keys, sequences
from .settings import require_at_least

LEAK = 0.1  # slope of the leaky ReLU below 0


class Embedding(Module):
    """Vectors of symbols x W, W ~ N(0, 1): (…, inputs) -> (…, outputs). Of a one-hot x it is one row, else a weighted sum of rows.

    The numbers that it gives have variance 1, as a layer behind expects. Without it the first layer maps a one-hot input itself, and its
    usual start, which counts on all inputs being on, makes these numbers small: at 128 inputs a tenth.
    """

    def __init__(self, inputs: int, outputs: int, key: Any = 0, dtype: Any = "float32"):
        require_at_least("Embedding", 1, inputs=inputs, outputs=outputs)
        self.inputs, self.outputs = inputs, outputs
        self.W = mg.parameter(mg.init.normal(mg.random.as_key(key), (inputs, outputs), 1, dtype))

    def __call__(self, x: Tensor) -> Tensor:
        return (x @ self.W).named("vector")


class Convolution(Module):
    """Leaky ReLU of a 3 × 3 convolution with stride 2: (…, height, width, inputs) -> (…, ⌈height / 2⌉, ⌈width / 2⌉, outputs)."""

    def __init__(self, inputs: int, outputs: int, key: Any = 0, dtype: Any = "float32"):
        self.W = mg.parameter(mg.init.he(mg.random.as_key(key), (3, 3, inputs, outputs), dtype))
        self.b = mg.parameter(mg.zeros(outputs, dtype))

    def __call__(self, x: Tensor) -> Tensor:
        z = mg.conv2d(x, self.W, stride=2, padding=1) + self.b
        return mg.maximum(z, LEAK * z)


class ImageEncoder(Module):
    """Codes of square grey images, (…, side²) -> (…, outputs): convolutions that halve the sides, a linear map, layer normalisation.

    The codes of an untrained encoder distinguish images nearly as well as pixels do. At first a model does not use the images; trained
    from the start, the encoder then learns to give all images one code within some hundred updates. So train the encoder later
    (`encoder_after` of a run, `rates` of an optimizer).
    """

    def __init__(self, side: int, channels: Sequence[int] = (16, 32, 64), outputs: int = 64, key: Any = 0, dtype: Any = "float32"):
        require_at_least("ImageEncoder", 1, side=side, outputs=outputs, **{f"channels[{i}]": n for i, n in enumerate(channels)})
        *k, last = keys(key, len(channels) + 1)
        self.side, self.inputs, self.outputs = side, side**2, outputs
        self.layers = tuple(Convolution(n, m, key, dtype) for (n, m), key in zip(pairwise([1, *channels]), k, strict=True))
        for _ in channels:
            side = -(-side // 2)
        self.W = mg.parameter(mg.init.glorot(last, (side * side * channels[-1], outputs), dtype))

    def __call__(self, x: Tensor) -> Tensor:
        lead = x.shape[:-1]
        x = mg.reshape(x, (*lead, self.side, self.side, 1))
        for i, layer in enumerate(self.layers):
            with mg.scope(f"convolution{i}"):
                x = layer(x).named("features")
        return mg.layer_norm(mg.reshape(x, (*lead, -1)) @ self.W).named("code")


class Encoded(Cell):
    """A model with encoded inputs: (image or symbols, rest) become (encoder(…), rest), xs (T, batch, inputs of the encoder + rest).

    State, step and outputs are those of the model inside. The inputs of all steps are encoded at once, before the loop.
    """

    def __init__(self, encoder: Embedding | ImageEncoder, model: Any):
        if model.inputs < encoder.outputs:
            raise SettingError(f"a code has {encoder.outputs} numbers, the model takes {model.inputs} inputs")
        self.encoder, self.model, self.label = encoder, model, model.label
        self.inputs = encoder.inputs + model.inputs - encoder.outputs

    def encoded(self, x: Tensor) -> Tensor:
        """x (…, inputs) with the code in place of what is encoded, (…, inputs of the model inside)."""
        with mg.scope("encoder"):
            return mg.concat([self.encoder(x[..., : self.encoder.inputs]), x[..., self.encoder.inputs :]], -1)

    def __call__(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> Tensor:
        given = {} if state is None else {"state": state}  # a model without steps takes none
        return self.model(self.encoded(sequences(self, xs, self.dtype, mask)), mask=mask, **given, **loop)

    def initial_state(self, batch: Any) -> Any:
        return self.model.initial_state(batch)

    def step(self, state: Any, x: Tensor) -> tuple[Any, Tensor]:
        return self.model.step(state, self.encoded(x))

    def run(self, xs: Any, state: Any = None, mask: Any = None, **loop: Any) -> tuple[Tensor, Any]:
        return self.model.run(self.encoded(sequences(self, xs, self.dtype, mask)), state, mask, **loop)
