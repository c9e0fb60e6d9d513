"""Chapter 1. A recurrent network is a loop, and the loop unfolds.

An ordinary network forgets each input as soon as it has answered. A recurrent one hands itself a note, the state S:

    S_t = tanh(U x_t + W S_{t−1} + b)

The same U, W and b at every step. Written out in time this is a deep network with one layer a step, and so it can be trained as one:
backpropagation through time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import viz

RNG = np.random.default_rng(0)
XS = RNG.standard_normal((4, 3), dtype="float32")  # four inputs of three numbers
U, W = (mg.parameter(0.5 * RNG.standard_normal((3, 3), dtype="float32"), name=name) for name in "UW")
b = mg.parameter(np.zeros(3, "float32"), name="b")


def S(state, x):
    """One step."""
    return mg.tanh(x @ U + state @ W + b)


def written_out(xs):
    """The loop as Python runs it: four steps, each a piece of the graph."""
    state = mg.zeros(3)
    for t, x in enumerate(xs):
        with mg.scope("rnn", step=t):
            state = S(state, mg.tensor(x))
    return mg.sum(state**2)


def looped(xs):
    """The loop as one node of the graph, whatever its length."""
    last, _ = mg.scan(lambda state, x: (S(state, x), None), mg.zeros(3), xs)
    return mg.sum(last**2)


def main(folder: str = "pictures") -> None:
    graph = mg.trace(looped, XS)
    print(graph)
    loss = written_out(XS)
    loss.backward()
    print(f"written out {loss.item():.6f}, as a loop {looped(XS).item():.6f}")
    print("dLoss/dW, one sum over all four steps:\n", W.grad.numpy().round(3))
    path = Path(folder) / "1_loop.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    viz.rolled(graph, steps=4).save(path)
    print(f"Look at {path}: left the loop with its delay, right the same unfolded.")


if __name__ == "__main__":
    main(*sys.argv[1:])
