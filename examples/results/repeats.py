"""Where repeat copy goes wrong beyond what was trained: python examples/results/repeats.py OUT RUN… --of 20x10,10x20 --slots 128,256

For every run, number of slots and task LENGTHxREPEATS: wrong bits in each copy, and after how many copies the end marker comes first.
No weight depends on the number of slots. Written to OUT/repeats.txt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from minigrad.experiments import Run
from minigrad.experiments.compare.trained import forward, with_slots

START, SEQUENCES = 2**41, 50  # which fresh sequences, after those of all evaluations; how many


def line(run: Run, slots: int, length: int, repeats: int) -> str:
    e, (model, _) = run.experiment, run.restore()
    inputs, targets, _ = e.batch(e.keys.evaluation, START, SEQUENCES, lengths=length, repeats=repeats)
    given = forward(with_slots(model, slots), inputs).numpy()[length + 1 :] > 0
    bits = e.config.task_settings["bits"]
    wrong = (given != (targets[length + 1 :] > 0.5))[:-1, :, :bits].reshape(repeats, -1).sum(1) / SEQUENCES
    marks = given[..., bits]
    after = np.where(marks.any(0), marks.argmax(0), -1) / length
    counted = ", ".join(f"{'never' if n < 0 else f'{n:.4g}'} {share:.0%}" for n, share in _shares(after))
    copies = " ".join(f"{w:.3g}" for w in wrong)
    return f"seed {run.config.seed}, {slots} slots, {length} x {repeats}: wrong bits in each copy {copies}; the end after {counted}"


def _shares(values: np.ndarray) -> list[tuple[float, float]]:
    """Each of the commonest values and its share."""
    found, counts = np.unique(values, return_counts=True)
    return [(float(found[i]), counts[i] / len(values)) for i in np.argsort(-counts, kind="stable")[:3]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--of", default="20x10,10x20")
    parser.add_argument("--slots", default="128,256")
    given = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in given.of.split(",")]
    runs, slots = [Run.open(folder) for folder in given.runs], [int(n) for n in given.slots.split(",")]
    text = "".join(line(run, n, *size) + "\n" for size in sizes for n in slots for run in runs)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "repeats.txt").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
