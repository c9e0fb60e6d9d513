"""Chapter 4. Attention: look everything up, at a price.

"Peter opened the letter. The train passed … Who is he?" The longer the text in between, the fainter the LSTM's impression of Peter.
Attention keeps every state it was in and compares the question with all of them (Bahdanau et al. 2015):

    α = softmax(score(q, h_1 … h_n))        context = Σ α_j h_j

Distance no longer matters. But every step looks at all steps before it: n² comparisons for a text of n words.
"""

from __future__ import annotations

import sys
from pathlib import Path

from minigrad.models.attention import causal

from minigrad import viz
from minigrad.experiments import Config

from .learning import learned

DISTANCES = 0, 2, 4, 8, 12


def main(folder: str = "pictures", steps: int = 1500) -> dict[str, list[float]]:
    found = {}
    for name in ("lstm", "attention"):
        config = Config.of(
            "coreference", name, distance="0-4", hidden=64, lr=5e-3, schedule="cosine", steps=steps, evaluate_every=max(1, steps // 4)
        )
        experiment, model = learned(Path(folder) / f"4_{name}", config)
        found[name] = [experiment.measure(model, 200, distance=d).means["accuracy"] for d in DISTANCES]
        told = ", ".join(f"{d}: {100 * a:.0f} %" for d, a in zip(DISTANCES, found[name], strict=True))
        print(f"  accuracy by sentences in between (0-4 trained): {told}")
    xs = experiment.batch(experiment.keys.pictures, 0, 1, distance=4)[0]
    hs = model.lstm(xs)
    weights = model.attention(hs, hs, causal(len(xs)))[1][0]
    words = [experiment.task.WORDS[int(x.argmax())] if x.any() else "" for x in xs[:, 0]]
    print("  " + " ".join(words))
    path = Path(folder) / "4_attention.svg"
    viz.attention_map(weights, "who is he?", "word t", "word it looks at").save(path)
    print(f"Look at {path}: the last rows, at the question, look back at the name.")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
