"""What a step of training costs a dense memory and a sparse one, against the number of slots: measured time and bytes of working memory."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg

from ...models import NTM, SAM
from ...models.tasks.bits import loss

SLOTS = tuple(2**n for n in range(8, 17))
QUICK_SLOTS = 8, 16
WIDTH, HIDDEN, STEPS, INPUTS, OUTPUTS = 32, 100, 100, 8, 8  # of the models, and of the sequence of one
REPEATS = 3


class Cost(NamedTuple):
    """Milliseconds of processor time a step, forward and backward, and the bytes that a compiled gradient works in."""

    milliseconds: float
    bytes: int


def models(slots: int) -> dict[str, Any]:
    """The dense and the sparse memory network, of equal sizes."""
    sizes = {"inputs": INPUTS, "outputs": OUTPUTS, "hidden": HIDDEN, "memory": (slots, WIDTH), "key": 0}
    return {"NTM": NTM(**sizes), "SAM": SAM(**sizes)}


def cost(model: Any, steps: int = STEPS, repeats: int = REPEATS) -> Cost:
    """Of the gradient of one sequence: the least time of a few calls, after one that compiles."""
    bits = np.random.default_rng(0).integers(0, 2, (steps, 1, INPUTS)).astype(np.float32)
    batch = bits, bits, np.ones((steps, 1), bool)
    fast = mg.jit(mg.grad(lambda model, xs, ys, mask: loss(model(xs), ys, mask)))
    fast(model, *batch)
    held = re.findall(r"working memory ([\d,]+) bytes", fast.explain())
    return Cost(1000 * min(_timed(fast, model, *batch) for _ in range(repeats)) / steps, sum(int(n.replace(",", "")) for n in held))


def _timed(f: Any, *args: Any) -> float:
    start = time.process_time()
    f(*args)
    return time.process_time() - start


def costs(kept: Path, slots: Sequence[int] = SLOTS, steps: int = STEPS) -> dict[int, dict[str, Cost]]:
    """{slots: {model: its cost}}; what a file of an earlier call has is not measured again."""
    found = json.loads(kept.read_text()) if kept.exists() else {}
    kept.parent.mkdir(parents=True, exist_ok=True)
    for n in slots:
        if str(n) not in found:
            found[str(n)] = {name: cost(model, steps) for name, model in models(n).items()}
            kept.write_text(json.dumps(found) + "\n")
    return {n: {name: Cost(*each) for name, each in found[str(n)].items()} for n in slots}
