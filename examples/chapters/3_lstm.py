"""Chapter 3. LSTM: a short-term memory that lasts long.

The LSTM (Hochreiter and Schmidhuber 1997) carries a second state c that is not multiplied by a matrix, but gated:

    c_t = f ⊙ c_{t−1} + i ⊙ g        h_t = o ⊙ tanh(c_t)

Where f is near 1 the gradient goes back along c as it came. So it learns to keep one symbol while
up to 80 others go by, and a plain RNN does not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import minigrad as mg
from minigrad import viz
from minigrad.experiments import Config

from .learning import learned

LAGS = 10, 20, 40, 80, 160


def last_answer(model: Any, xs: Any) -> mg.Tensor:
    return mg.mean(model(xs)[-1] ** 2)


def main(folder: str = "pictures", steps: int = 1500) -> dict[str, list[float]]:
    found, trained = {}, {}
    for name in ("rnn", "lstm"):
        config = Config.of(
            "delayed-recall", name, lag="1-80", hidden=32, lr=1e-2, schedule="cosine", steps=steps, evaluate_every=max(1, steps // 4)
        )
        experiment, model = learned(Path(folder) / f"3_{name}", config)
        found[name] = [experiment.measure(model, 200, lag=lag).means["accuracy"] for lag in LAGS]
        print("  accuracy by lag: " + ", ".join(f"{lag}: {100 * a:.0f} %" for lag, a in zip(LAGS, found[name], strict=True)))
        xs = experiment.batch(experiment.keys.pictures, 0, 1, lag=20)[0]
        trained[name.upper()] = last_answer, model, xs
    path = Path(folder) / "3_lstm.svg"
    viz.compare(trained, level="cell", color="grad").save(path)
    print(f"Look at {path}: how far back each of them feels its last answer. Guessing gives 12 %.")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
