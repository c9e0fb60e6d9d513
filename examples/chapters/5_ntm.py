"""Chapter 5. The Neural Turing Machine learns to copy.

Give the network a memory beside its state: rows of numbers, and heads that write and read at weightings w, soft addresses (Graves et al.
2014). It sees random vectors, then has to give them back. It finds the program that a person would write: put each vector in the next slot,
go back to the first, read one slot after the other. Because that is a program and no impression, it works at lengths never trained.
"""

from __future__ import annotations

import sys
from pathlib import Path

import minigrad as mg
from minigrad import viz
from minigrad.experiments import Config

from .learning import learned

LENGTHS = 5, 10, 20, 30, 40


def main(folder: str = "pictures", steps: int = 3000) -> list[float]:
    config = Config.of(
        "copy", "ntm", bits=4, lengths="1-10", hidden=64, memory="48x12", start="location", lr=5e-3, clip_norm=10, batch=4, steps=steps,
        schedule="cosine", evaluate_every=max(1, steps // 6),
    )  # fmt: skip
    experiment, model = learned(Path(folder) / "5_ntm", config)
    wrong = [experiment.measure(model, 100, lengths=n).means["wrong"] for n in LENGTHS]
    for n, bits in zip(LENGTHS, wrong, strict=True):
        print(f"  length {n}{' (never trained)' if n > 10 else ''}: {bits:.2f} of {4 * n} bits wrong")
    xs = experiment.batch(experiment.keys.pictures, 0, 1, lengths=15)[0]
    names = ["add", "w_write", "w_read", "r", "M", "y"]
    path = Path(folder) / "5_ntm.svg"
    trace = {"x": xs[:, 0], **viz.record(lambda m, x: mg.sum(m(x)), model, xs, names=names)}
    viz.memory(trace, title="an NTM copies 15 vectors").save(path)
    print(f"Look at {path}: w_write and w_read are two parallel lines, one slot a step.\nTurn its pages: minigrad inspect {folder}/5_ntm")
    return wrong


if __name__ == "__main__":
    main(*sys.argv[1:])
