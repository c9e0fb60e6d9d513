"""Chapter 6. MANN: learn from one example.

A network with memory can learn in two ways: slowly, by gradients, how to use its memory; and at once, by writing, what it has just
seen (Santoro et al. 2016). In each episode three characters that it never saw get labels by chance. The first time it must guess. The
second time it should know. It writes to the slot used least, and finds what it wrote by likeness.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from minigrad.experiments import Config

from .learning import learned

WAYS, SHOTS = 3, 5


def main(folder: str = "pictures", steps: int = 2500) -> dict[str, list[float]]:
    found = {}
    for name, more in (("lstm", {}), ("mann", {"heads": 1, "memory": "16x24", "strength": "yes"})):
        config = Config.of(
            "glyphs", name, ways=WAYS, shots=SHOTS, size=10, warp=0, hidden=100, batch=32, lr=5e-3, clip_norm=10, warmup=100,
            schedule="cosine", steps=steps, easy=3 * steps // 5, evaluate_every=max(1, steps // 4), **more,
        )  # fmt: skip
        experiment, model = learned(Path(folder) / f"6_{name}", config)
        seen = experiment.measure(model, 200, split="test")
        found[name] = [seen[f"accuracy@{k}"] for k in (1, 2, SHOTS)]
        told = ", ".join(f"{k}: {100 * a:.0f} %" for k, a in zip((1, 2, SHOTS), found[name], strict=True))
        print(f"  accuracy on characters never seen, by presentation: {told}")
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    for name, accuracy in found.items():
        axis.plot((1, 2, SHOTS), [100 * a for a in accuracy], "o-", label=name)
    axis.axhline(100 / WAYS, color="k", ls=":", lw=1, label="chance")
    axis.set(xlabel="presentation of a class in an episode", ylabel="accuracy (%)", ylim=(0, 100), title="characters never seen before")
    axis.legend()
    path = Path(folder) / "6_one_shot.svg"
    figure.savefig(path, metadata={"Date": None})
    print(f"Look at {path}.")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
