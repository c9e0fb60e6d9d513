"""Chapter 6. MANN: learn from one example.

A network with memory can learn in two ways: slowly, by gradients, how to use its memory; and at once, by writing, what it has just
seen (Santoro et al. 2016). In each episode three characters that it never saw get labels by chance. The first time it must guess. The
second time it should know. It writes to the slot used least, and finds what it wrote by likeness.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure
from minigrad.models.tasks.glyphs import first_guess

from minigrad.experiments import Config

from .learning import learned

WAYS, SHOTS = 3, 5
PRESENTATIONS = 1, 2, SHOTS


def by_presentation(seen: dict[str, float]) -> list[float]:
    return [seen[f"accuracy@{k}"] for k in PRESENTATIONS]


def main(folder: str = "pictures", steps: int = 2500) -> dict[str, list[float]]:
    found = {}
    for name, more in (("lstm", {}), ("mann", {"heads": 1, "memory": "16x24", "strength": "yes"})):
        config = Config.of(
            "glyphs", name, ways=WAYS, shots=SHOTS, size=10, image=0, warp=0, hidden=100, batch=32, lr=5e-3, clip_norm=10, warmup=100,
            schedule="cosine", steps=steps, easy=3 * steps // 5, evaluate_every=max(1, steps // 4), **more,
        )  # fmt: skip
        experiment, model = learned(Path(folder) / f"6_{name}", config)
        found[name] = by_presentation(experiment.measure(model, 200, split="test").means)
    found["nearest neighbour"] = by_presentation(experiment.nearest(200, split="test").means)
    print(f"accuracy on characters never seen, at the 1st, 2nd and {SHOTS}th presentation:")
    for name, accuracy in found.items():
        print(f"  {name}: " + ", ".join(f"{100 * a:.0f} %" for a in accuracy))
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    for (name, accuracy), style in zip(found.items(), ("o-", "o-", "k-."), strict=True):
        axis.plot(PRESENTATIONS, [100 * a for a in accuracy], style, label=name)
    axis.plot(PRESENTATIONS, [100 * first_guess(WAYS), 100, 100], "k--", lw=1, label="ideal guesser")
    axis.axhline(100 / WAYS, color="k", ls=":", lw=1, label="chance")
    axis.set(xlabel="presentation of a class in an episode", ylabel="accuracy (%)", ylim=(0, 100), title="characters never seen before")
    figure.legend(loc="outside right center")
    path = Path(folder) / "6_one_shot.svg"
    figure.savefig(path, metadata={"Date": None})
    print(f"Look at {path}.")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
