"""What a step and a remembered item cost, against the length of the sequence: measured time and counted bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...models.attention import AttentiveLSTM
from ...models.transformer import Transformer
from .figure import Curve, Figure, Panel
from .trained import Models, forward, state_floats


def cost(models: Models, lengths: Sequence[int] = (16, 64, 256, 1024, 4096), repeats: int = 5) -> Figure:
    """Microseconds a step and bytes a remembered item. A network that looks back on all it saw takes O(n²) for a sequence of n.

    One sequence at a time, forward, of each model's first seed.
    """
    first_seeds = {name: seeds[0].model for name, seeds in models.items()}
    steps: dict[str, Curve] = {name: {n: 1e6 * _seconds(model, n, repeats) / n for n in lengths} for name, model in first_seeds.items()}
    held: dict[str, Curve] = {name: {n: _bytes(model, n) / n for n in lengths} for name, model in first_seeds.items()}
    return Figure(
        "cost",
        "What a step costs and what is held, forward, for one sequence of n items",
        (
            Panel("n, items in the sequence", "microseconds a step", steps, _rising(steps, lengths), log="xy"),
            Panel("n, items in the sequence", "bytes held a remembered item", held, _rising(held, lengths), log="xy"),
        ),
    )


def _rising(curves: Mapping[str, Curve], lengths: Sequence[int]) -> dict[str, Curve]:
    """The slope of what grows with the square of the length, a little above all curves at their ends."""
    last = lengths[-1]
    top = 1.5 * max(curve[last] for curve in curves.values())
    return {"∝ n, so n² a sequence": {n: top * n / last for n in lengths[-2:]}}


def _seconds(model: Any, length: int, repeats: int) -> float:
    """The best of a few calls, after one that compiles."""
    xs = np.zeros((length, 1, model.inputs), np.float32)
    forward(model, xs)
    return min(_timed(lambda: forward(model, xs)) for _ in range(repeats))


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _bytes(model: Any, length: int) -> int:
    """Of the state, and of every step's weights over all steps, which attention computes at once, a transformer block by block."""
    heads = model.blocks[0].attention.heads if isinstance(model, Transformer) else int(isinstance(model, AttentiveLSTM))
    return 4 * (state_floats(model, length) + heads * length**2)
