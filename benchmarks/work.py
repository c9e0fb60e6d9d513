"""What is measured: the shapes of each work, its data, and what a contestant must be able to do. Imports NumPy only."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

Arrays = dict[str, np.ndarray]  # parameters or gradients, under the names of minigrad's tree: "controller.W_x"
LEARNING_RATE = 1e-5  # small: the weights stay near where agreement was checked, so that all rounds do the same work
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

ENGINES = {  # name on the command line -> module, class; imported only when asked for
    "minigrad": ("with_minigrad", "Minigrad"),
    "jax": ("with_jax", "Jax"),
    "torch": ("with_torch", "Torch"),
    "torch.nn": ("with_torch", "TorchNN"),
    "torch.compile": ("with_torch", "TorchCompile"),
    "pytensor": ("with_pytensor", "PyTensor"),
    "autograd": ("with_autograd", "Autograd"),
}
# minigrad inside another library's program: no peers of its own steps.
BRIDGES = {"minigrad in torch": ("with_torch", "InTorch")}

WRITTEN_OUT = {  # the same steps in a Python loop
    "minigrad, Python loop": ("with_minigrad", "MinigradLoop"),
    "jax, Python loop": ("with_jax", "JaxLoop"),
}


class Skip(Exception):
    """A contestant that cannot do this work here, and why."""


class Contestant(Protocol):
    """One engine at one work, from the given weights on."""

    def value_and_grad(self) -> tuple[float, Arrays]:
        """The loss and the gradient of every parameter at the first weights."""

    def step(self) -> float:
        """One training step: value, gradient, Adam update. Returns the loss as a Python float, so all of it is done."""

    def step_on(self, xs: np.ndarray, ys: np.ndarray) -> float:
        """The same on other data."""

    @property
    def compilations(self) -> int:
        """How many programs were compiled for the steps so far."""

    def working_memory(self, xs: np.ndarray, ys: np.ndarray) -> int:
        """Bytes that the compiled step needs besides its arguments and results, what is kept for the gradient included; 0 if unknown."""


@dataclass(frozen=True)
class Work:
    """A model, its data's shape, and the bar: how many times faster than the best peer minigrad is to be."""

    kind: str
    batch: int
    length: int
    inputs: int
    hidden: int
    outputs: int
    loss: str
    bar: float
    slots: int = 0
    width: int = 0
    heads: int = 1
    layers: int = 1

    @property
    def name(self) -> str:
        size = f"LSTM-{self.hidden} {self.slots}×{self.width}" if self.slots else f"{self.hidden}"
        return f"{self.kind.upper()} {f'{self.layers} × ' if self.layers > 1 else ''}{size} T={self.length} B={self.batch}"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """(xs, ys), time first, the same in every process."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        shape = (self.length, self.batch)
        xs: np.ndarray
        ys: np.ndarray
        if self.loss == "bce":
            xs, ys = (rng.integers(0, 2, (*shape, n)) for n in (self.inputs, self.outputs))
        elif self.loss == "cross-entropy":
            xs, ys = rng.random((*shape, self.inputs)), np.eye(self.outputs)[rng.integers(0, self.outputs, shape)]
        else:
            xs, ys = (rng.standard_normal((*shape, n)) for n in (self.inputs, self.outputs))
        return xs.astype(np.float32), ys.astype(np.float32)


def ntm(batch: int, length: int = 41, slots: int = 128) -> Work:
    return Work("ntm", batch, length, 9, 100, 8, "bce", 3.0, slots, 20, 1)


def mann(batch: int) -> Work:
    """One-shot classification of 20×20 drawings in 5 classes: the image and the last label come in."""
    return Work("mann", batch, 50, 405, 200, 5, "cross-entropy", 3.0, 128, 40, 4)


def layer(kind: str, batch: int, hidden: int = 128, inputs: int = 32) -> Work:
    bar = 2.0 if kind == "rnn" else 1.5 if batch == 1 else 1.0
    return Work(kind, batch, 100, inputs, hidden, hidden, "mse", bar)


def decoder(batch: int) -> Work:
    """Bahdanau's, over a source of as many positions, 128 wide."""
    return Work("bahdanau", batch, 30, 128 + 32, 128, 32, "mse", 1.0, width=128)


def block(batch: int) -> Work:
    return Work("transformer", batch, 64, 64, 64, 64, "mse", 1.0, heads=4)


def stacked(kind: str, layers: int) -> Work:
    """So many layers, each with parameters of its own, as wide as the data."""
    return Work(kind, 1, 32, 64, 64, 64, "mse", 1.0, heads=4, layers=layers)


WORKS: dict[str, list[Work]] = {
    "ntm": [ntm(1), ntm(16), ntm(64)],
    "mann": [mann(1), mann(16)],
    "lstm": [layer("lstm", 1), layer("lstm", 16), layer("lstm", 64, 256, 64)],
    "gru": [layer("gru", 1), layer("gru", 16), layer("gru", 64, 256, 64)],
    "attention": [decoder(1), decoder(16), block(1), block(16)],
    "rnn": [layer("rnn", 1), layer("rnn", 16)],
}


def small(kind: str, length: int) -> Work:
    """A network small enough for JAX to compile it step by step."""
    return Work("ntm", 4, length, 9, 100, 8, "bce", 1.5, 32, 10) if kind == "ntm" else replace(layer(kind, 16, 32), length=length, bar=1.5)


def smaller(work: Work) -> Work:
    """The same in seconds, to see that everything runs: its numbers mean nothing."""
    small = replace(work, length=6, batch=min(work.batch, 3))
    if work.kind == "transformer" or work.layers > 1:
        return small
    return replace(small, hidden=16, outputs=16 if work.loss == "mse" else work.outputs)
