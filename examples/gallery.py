"""Draw every model: rolled, unrolled, with its gradients, and the memory of an NTM. Run it: python examples/gallery.py [folder]"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from minigrad.models import GRU, LSTM, MANN, NTM, RNN

import minigrad as mg
from minigrad import viz

MODELS = {
    "rnn": RNN(3, 8),
    "lstm": LSTM(3, 8),
    "gru": GRU(3, 8),
    "ntm": NTM(3, 2, hidden=8, memory=(6, 4)),
    "mann": MANN(3, 2, hidden=8, memory=(6, 4)),
}


def loss(model: Any, xs: Any) -> Any:
    """What the last output costs: gradients have to come all the way back from it."""
    return mg.mean(model(xs)[-1] ** 2)


def main(folder: str = "examples/gallery") -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    xs = np.random.default_rng(0).standard_normal((6, 2, 3), dtype="float32")
    for name, model in MODELS.items():
        level = "cell" if name in ("rnn", "lstm", "gru") else "gate"
        viz.rolled(loss, model, xs, steps=4).save(out / f"{name}_rolled.svg")
        viz.unrolled(loss, model, xs[:4], level=level).save(out / f"{name}_unrolled.svg")
        viz.unrolled(loss, model, xs, level=level, color="grad").save(out / f"{name}_gradients.svg")
    viz.unrolled(loss, MODELS["lstm"], xs[:4]).save(out / "lstm_operations.svg")
    heads = ["x", "add", "w_write", "w_read", "r", "g", "beta", "gamma", "s", "M", "y"]
    ntm = NTM(3, 2, hidden=8, memory=(12, 6))
    viz.memory(viz.record(loss, ntm, np.repeat(xs, 3, 0), names=heads), title="an NTM before training").save(out / "ntm_memory.svg")
    long = np.random.default_rng(1).standard_normal((40, 2, 3), dtype="float32")
    viz.gradient_flow({n: evaluated(MODELS[n], long) for n in ("rnn", "lstm", "gru")}).save(out / "gradient_flow.svg")


def evaluated(model: Any, xs: Any) -> mg.Tensor:
    """The loss computed step by step, as a tensor that remembers how."""
    state = model.initial_state(xs.shape[1])
    for t, x in enumerate(xs):
        with mg.scope(model.label, step=t):
            state, y = model.step(state, mg.tensor(x))
    return mg.mean(y**2)


if __name__ == "__main__":
    main(*sys.argv[1:])
