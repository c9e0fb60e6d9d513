"""What models answer from memory: after a lag, among many pairs, and at the k-th drawing of a class. Medians over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import numpy as np

from ...models.tasks import glyphs
from .figure import Curve, Figure, Panel
from .trained import KEY, Models, Trained, forward, medians

RIGHT = "right answers (%)"
HELD = 90.0  # per cent right, down to which something counts as remembered


def lag_curve(models: Models, lags: Sequence[int] = (1, 2, 5, 10, 20, 50, 100, 200, 350, 500, 700, 1000), count: int = 50) -> Figure:
    """Accuracy of recalling a symbol against how many others went by since, to twenty times as many as in training."""
    panel = _against(models, "lag", lags, count, "lag: symbols since the one to recall")
    return Figure("lag", "Delayed recall: how far back a symbol is remembered", (panel,))


def mqar(models: Models, pairs: Sequence[int] = (2, 4, 6, 8, 12, 16, 24, 32), count: int = 100) -> Figure:
    """Accuracy against the number of pairs of a key and a value that are held at once."""
    panel = _against(models, "pairs", pairs, count, "pairs of a key and a value", {"any value that was shown": {n: 100 / n for n in pairs}})
    return Figure("mqar", "Multi-query associative recall: how many pairs are held", (panel,))


def _against(
    models: Models, setting: str, values: Sequence[int], count: int, words: str, more: Mapping[str, Curve] = MappingProxyType({})
) -> Panel:
    experiment = next(iter(models.values()))[0].experiment
    first, last = experiment.config.task_settings[setting]

    def measured(t: Trained) -> Curve:
        return {n: _right(t, count, **{setting: n}) for n in values}

    beside = {k: 100 * v for k, v in experiment.baselines().items()}
    baselines: dict[str, float | Curve] = {"guessing": beside["chance"], "optimum": beside["optimum"], "span@90": HELD, **more}
    return Panel(words, RIGHT, medians(models, measured), baselines, trained=(first, last), log="x", bounds=(-3, 103))


def _right(t: Trained, count: int, **changes: Any) -> float:
    inputs, targets, mask = t.experiment.batch(KEY, 0, count, **changes)
    given = forward(t.model, inputs).numpy().argmax(-1)
    return 100 * float((given == targets)[mask].mean())


def presentations(models: Models, count: int = 100) -> Figure:
    """Accuracy at the k-th drawing of a class in an episode, alphabets that were never trained on (Santoro et al. 2016, table 1)."""
    experiment = next(iter(models.values()))[0].experiment
    ways = experiment.config.task_settings["ways"]
    inputs, targets, _ = experiment.batch(KEY, 0, count, **(experiment.harder or {}))
    wanted, nth = targets.argmax(-1), glyphs.presentation(targets).numpy()

    def by_presentation(given: np.ndarray) -> dict[float, float]:
        return {k: 100 * float((given == wanted)[nth == k].mean()) for k in range(1, int(nth.max()) + 1)}

    found = medians(models, lambda t: by_presentation(forward(t.model, inputs).numpy().argmax(-1)))
    beside: dict[str, float | Curve] = {
        "guessing": 100 / ways,
        "ideal guesser": {k: 100.0 if k > 1 else 100 * glyphs.first_guess(ways) for k in next(iter(found.values()))},
        "nearest neighbour": by_presentation(glyphs.nearest(inputs, targets).argmax(-1)),
    }
    panel = Panel("k, drawings of the class so far", RIGHT, found, beside, bounds=(-3, 103))
    return Figure("presentations", f"One-shot learning: {ways} characters never seen before", (panel,))


def span(curve: Curve, least: float = HELD) -> float:
    """span@90: the farthest x up to which no value is lower; 0 where the first one is."""
    return max((x for x, _ in takewhile(lambda point: point[1] >= least, sorted(curve.items()))), default=0)
