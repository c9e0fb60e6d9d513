"""What runs on dynamic n-grams cost above the optimum: python examples/results/excess.py OUT RUN… --sequences 2000

The best possible predictor (KT estimator) sees the same fresh sequences, so that the difference varies less than either.
Written to OUT/excess.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from minigrad.models.tasks import ngrams

from minigrad import jit
from minigrad.experiments import Run

START, BATCH = 2**41, 100  # of the fresh sequences, after those of all evaluations; sequences measured at once


def excess(run: Run, sequences: int) -> np.ndarray:
    """(sequences,) bits above the optimum, of the newest checkpoint."""
    e, (model, _) = run.experiment, run.restore()
    forward = jit(lambda model, xs: model(xs))
    found = []
    for step in range(START, START + -(-sequences // BATCH)):
        inputs, targets, mask = e.batch(e.keys.evaluation, step, BATCH)
        cost = ngrams.measures(forward(model, inputs), targets, mask)["bits"].numpy()
        found.append(cost - ngrams.optimal(inputs, targets, mask, **e.config.task_settings))
    return np.concatenate(found)


def line(folder: Path, sequences: int) -> str:
    run = Run.open(folder)
    bits, seen = excess(run, sequences), run.restore()[1] * run.config.batch
    error = bits.std() / len(bits) ** 0.5
    found = f"{bits.mean():6.2f} ± {error:.2f} bits above the optimum over {len(bits):,} fresh sequences"
    return f"{found}, {seen:>7,} trained, seed {run.config.seed}: {run.config.title}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--sequences", type=int, default=2000)
    given = parser.parse_args()
    text = "".join(line(folder, given.sequences) + "\n" for folder in given.runs)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "excess.txt").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
