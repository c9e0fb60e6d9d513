"""Chapter 7. The Neural Turing Machine, part by part.

Everything it is, in one file, with the numbers of the paper's equations (Graves, Wayne and Danihelka 2014). `minigrad.models.NTM` is
the same for batches, several heads and other controllers; at the end both are compared.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from minigrad.models import NTM

import minigrad as mg
from minigrad import viz


class State(NamedTuple):
    """What goes from step to step. All else is computed anew."""

    h: mg.Tensor  # the controller's two states, (hidden,)
    c: mg.Tensor
    M: mg.Tensor  # the memory, (slots, width)
    r: mg.Tensor  # what was read last, (width,)
    w_read: mg.Tensor  # where, (slots,)
    w_write: mg.Tensor


def controller(net, x, r, h, c):
    """An LSTM (chapter 3) that sees the input and what was read."""
    i, f, g, o = mg.split(x @ net.W_x + mg.concat([r, h]) @ net.W_h + net.b, 4)
    c = mg.sigmoid(f) * c + mg.sigmoid(i) * mg.tanh(g)
    return mg.sigmoid(o) * mg.tanh(c), c


def address(p, M, w_before):
    """Where a head looks, from the numbers p that the controller gives it: k (width), β, g, s (3), γ."""
    width = M.shape[1]
    k, beta, g, s, gamma = mg.tanh(p[:width]), mg.softplus(p[width]), mg.sigmoid(p[width + 1]), p[width + 2 : width + 5], p[width + 5]
    likeness = M @ k / mg.sqrt(mg.sum(M * M, 1) * mg.sum(k * k) + 1e-8)  # eq. 6, the cosine
    w = mg.softmax(beta * likeness)  # eq. 5: by content,
    w = g * w + (1 - g) * w_before  # eq. 7: or where it was,
    back, stay, on = mg.split(mg.softmax(s), 3)
    w = back * mg.roll(w, -1, -1) + stay * w + on * mg.roll(w, 1, -1)  # eq. 8: moved by a slot,
    return mg.softmax((1 + mg.softplus(gamma)) * mg.log(w + 1e-16))  # eq. 9: and sharpened.


def step(net, state, x):
    """One step: control, write, read, answer."""
    h, c = controller(net.controller, x, state.r, state.h, state.c)
    width = state.M.shape[1]
    p = mg.clip(net.heads(h), -20, 20)
    p_read, p_write, erase, add = p[: width + 6], p[width + 6 : 2 * width + 12], p[2 * width + 12 : -width], p[-width:]
    w_write = address(p_write, state.M, state.w_write)
    column = mg.expand_dims(w_write, 1)
    M = state.M * (1 - column * mg.sigmoid(erase)) + column * mg.tanh(add)  # eqs. 3 and 4
    w_read = address(p_read, M, state.w_read)
    r = w_read @ M  # eq. 2
    return State(h, c, M, r, w_read, w_write), net.readout(mg.concat([h, r]))


def run(net, xs):
    """From a fresh memory: heads on slot 0, rows of 1e-6."""
    slots, width = net.memory
    hidden, first = net.controller.hidden, mg.one_hot(0, slots, "float32")
    start = State(mg.zeros(hidden), mg.zeros(hidden), mg.full((slots, width), 1e-6), mg.tanh(net.r_0)[0], first, first)
    return mg.scan(lambda state, x: step(net, state, x), start, xs)[1]


def main(folder: str = "pictures") -> float:
    net = NTM(inputs=4, outputs=3, hidden=8, memory=(6, 5), key=1)
    xs = np.random.default_rng(0).standard_normal((7, 4), dtype="float32")
    difference = float(mg.max(mg.abs(run(net, xs) - net(xs[:, None])[:, 0])))
    print(f"the parts above and minigrad.models.NTM differ by {difference:.1e}")
    path = Path(folder) / "7_source.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    viz.unrolled(lambda x: mg.mean(net(x)[-1] ** 2), xs[:3, None], level="gate", color="grad").save(path)
    print(f"Look at {path}: three steps, coloured by the gradient of the last answer.")
    return difference


if __name__ == "__main__":
    main(*sys.argv[1:])
