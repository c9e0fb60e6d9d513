"""Draw every model: rolled, unrolled, with its gradients; memories, maps and comparisons.

python -m examples.gallery [folder [name ...]]
Those of the README: python -m examples.gallery docs rolled backward gradients cell deltanet_unrolled
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from minigrad.models import (
    CNN,
    DNC,
    GRU,
    LSTM,
    MANN,
    MLSTM,
    NTM,
    RNN,
    RWKV7,
    S6,
    SAM,
    SLSTM,
    TTT,
    AttentiveLSTM,
    Bidirectional,
    DeltaNet,
    FastWeights,
    HopfieldNetwork,
    LinearAttention,
    MemN2N,
    MinGRU,
    MinLSTM,
    Stack,
    StackRNN,
    TapeRNN,
    Titans,
    Transformer,
)
from minigrad.models.tasks import copy

import minigrad as mg
from minigrad import viz

RNG = np.random.default_rng(0)
XS = RNG.standard_normal((6, 2, 3), dtype="float32")
LONG = RNG.standard_normal((40, 2, 3), dtype="float32")
SMALL: dict[str, Any] = {"hidden": 8, "memory": (6, 4)}
CELLS = {"rnn": RNN(3, 8, outputs=2), "lstm": LSTM(3, 8, outputs=2), "gru": GRU(3, 8, outputs=2)}
MEMORIES = {"ntm": NTM(3, 2, **SMALL), "mann": MANN(3, 2, heads=1, **SMALL), "dnc": DNC(3, 2, **SMALL)}
OTHERS = {
    "linear_attention": LinearAttention(3, 8, 2),
    "deltanet": DeltaNet(3, 8, 2, convolution=False),
    "gated_deltanet": DeltaNet(3, 8, 2, gated=True, output_gate=True),
    "fast_weights": FastWeights(3, 8, 2),
    "rwkv7": RWKV7(3, 8, 2),
    "slstm": SLSTM(3, 8, 2),
    "mlstm": MLSTM(3, 8, 2),
    "mingru": MinGRU(3, 8, 2),
    "minlstm": MinLSTM(3, 8, 2),
    "s6": S6(3, 8, 2, 4),
    "sam": SAM(3, 2, **SMALL),
    "stack_rnn": StackRNN(3, 8, 2, cells=6),
    "tape_rnn": TapeRNN(3, 8, 2, cells=6),
    "cnn": CNN(3, 8, 2, kernel=3, layers=2),
    "ttt": TTT(3, 8, 2, mini_batch=2),
    "titans": Titans(3, 8, 2),
    "memn2n": MemN2N(3, 8, 2, hops=2, sentences=4),
    "hopfield": HopfieldNetwork(3, 8, 2, kernel=2),
}
PANELS = {
    "ntm": ["add", "w_write", "w_read", "r", "g", "beta", "gamma", "s", "M", "y"],
    "mann": ["k", "w_least", "w_write", "w_read", "usage", "g", "r", "M", "y"],
    "dnc": ["add", "allocation", "w_write", "w_read", "usage", "forward", "backward", "links", "M", "y"],
}


def loss(model: Any, xs: Any) -> Any:
    """What the last output costs: gradients have to come all the way back from it."""
    return mg.mean(model(xs)[-1] ** 2)


def losses(model: Any) -> Callable[[Any], Any]:
    """What each step's output costs."""
    return lambda xs: mg.sum(model(xs) ** 2, (1, 2))


def pictures() -> Iterator[tuple[str, Any]]:
    """(name, drawing) of every picture; most drawings are made when saved."""
    yield "rolled", viz.rolled(loss, LSTM(3, 8), XS, steps=5)
    yield "backward", viz.unrolled(loss, RNN(3, 8), XS[:3], backward=True)
    yield "gradients", viz.compare({"RNN": (loss, RNN(3, 8)), "LSTM": (loss, LSTM(3, 8))}, XS[:3], level="cell", color="grad")
    for name, color in (("cell", None), ("cell_gradients", "grad")):
        yield name, copied(color)
    for name, model in (CELLS | MEMORIES).items():
        yield f"{name}_rolled", viz.rolled(loss, model, XS, level="cell", steps=4)
        yield f"{name}_unrolled", viz.unrolled(loss, model, XS[:4], level="cell")
        yield f"{name}_gradients", viz.unrolled(loss, model, XS, level="cell", color="grad")
    for name, model in MEMORIES.items():
        yield f"{name}_lines", viz.unrolled(loss, model, XS[:4], level="gate")
    for name, model in OTHERS.items():
        yield f"{name}_unrolled", viz.unrolled(loss, model, XS[:4], level="cell")
        yield f"{name}_gradients", viz.unrolled(loss, model, XS[:4], level="cell", color="grad")
    yield "lstm_operations", viz.unrolled(loss, CELLS["lstm"], XS[:4])
    yield "lstm_backward", viz.unrolled(loss, LSTM(3, 8), XS[:3], backward=True)
    yield "lstm_long", viz.unrolled(loss, CELLS["lstm"], LONG, level="cell")
    yield "bidirectional", viz.unrolled(loss, Bidirectional(LSTM(3, 8), GRU(3, 8)), XS[:4], level="cell")
    yield "attention", viz.unrolled(loss, AttentiveLSTM(3, 8, 2), XS[:4], level="cell")
    yield "transformer", viz.unrolled(loss, Transformer(3, 2, 8, 2, 2), XS, level="cell")
    yield "stack", viz.unrolled(loss, Stack([LSTM(3, 8), LSTM(8, 8), LSTM(8, 4)]), XS[:4], level="cell", color="grad")
    yield "gradient_flow", viz.gradient_flow({n: evaluated(m, LONG) for n, m in CELLS.items()})
    yield "spectral_norms", viz.spectral_norms({n.upper(): m for n, m in CELLS.items()}, LONG)
    yield "connectivity", viz.connectivity(losses(CELLS["lstm"]), LONG[:20], "an LSTM before training")
    for name, model in MEMORIES.items():
        xs = np.repeat(XS, 3, 0)
        trace = {"x": xs[:, 0], **viz.record(loss, model, xs, names=PANELS[name])}
        yield f"{name}_memory", viz.memory(trace, title=f"{name.upper()} before training")


def copied(color: str | None = None) -> viz.Drawing:
    """An NTM that copies two vectors, at level cell. It learns this in some seconds."""
    model = NTM(7, 6, hidden=40, memory=(20, 12), start="location", key=1)
    optimizer = mg.optim.Adam(3e-3, clip_norm=10)

    def cost(model: Any, xs: Any, ys: Any) -> Any:
        return mg.binary_cross_entropy(model(xs)[ys.shape[0] // 2 + 1 :], ys[ys.shape[0] // 2 + 1 :])

    @mg.jit
    def update(model: Any, state: Any, xs: Any, ys: Any) -> Any:
        return optimizer.update(model, mg.grad(cost)(model, xs, ys), state)

    state = optimizer.init(model)
    for step in range(1200):
        length = (2, 4, 6)[step % 3]
        xs, ys, _ = copy.batch(0, step, 32, (length, length), bits=6)
        model, state = update(model, state, xs, ys)
    xs, ys, _ = copy.batch(1, 0, 1, (2, 2), bits=6)
    return viz.unrolled(cost, model, xs, ys, level="cell", color=color)


def evaluated(model: Any, xs: Any) -> mg.Tensor:
    """The loss computed step by step, as a tensor that remembers how."""
    state = model.initial_state(xs.shape[1])
    for t, x in enumerate(xs):
        with mg.scope(model.label, step=t):
            state, y = model.step(state, mg.tensor(x))
    return mg.mean(y**2)


def main(folder: str = "examples/gallery", *names: str) -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    for name, drawing in pictures():
        if name in names or not names:
            drawing.save(out / f"{name}.svg")


if __name__ == "__main__":
    main(*sys.argv[1:])
