"""What a run on each task is set to where that is not the default, and what it must reach to have learned.

PRESETS        {task: settings of the run, of the task, and of the models that have them; the usual "model"}; a setting of a model whose
               value is the name of a setting of the task is equal to that one
UNTIL_HARDER   {task: {measure: what it must reach in the harder test too before the task is learned}}
"""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "repeat-copy": {
        "until": 0.1, "start": "location", "batch": 4, "lr": 5e-3, "schedule": "cosine", "steps": 12_000, "clip_norm": 10.0,
        "evaluate_every": 500,
    },
    "recall": {
        "until": 0.1, "start": "location", "lr": 3e-3, "schedule": "cosine", "steps": 10_000, "clip_norm": 10.0, "evaluate_every": 500,
    },
    "ngrams": {
        "until": 131.4,  # 3 bits above the optimum
        "start": "location", "memory": (200, 16), "hidden": 64, "batch": 16, "lr": 3e-3, "schedule": "cosine", "steps": 1000,
        "clip_norm": 10.0, "evaluate_every": 250,
    },
    "sort": {
        "until": 15.0, "start": "weak-location", "heads": 4, "lr": 3e-3, "schedule": "cosine", "steps": 6000, "clip_norm": 10.0,
        "evaluate_every": 500,
    },
    "adding": {"until": 0.01, "model": "lstm", "batch": 32},
    "copy-memory": {"until": 0.002, "model": "lstm", "batch": 32},
    "delayed-recall": {"until": 0.99, "model": "lstm", "batch": 32},
    "mqar": {"until": 0.99, "model": "attention", "batch": 32},
    "digits": {"until": 0.99, "model": "lstm", "batch": 32},
    "babi": {"until": 0.98, "model": "lstm", "batch": 32, "separator": 0},  # the full stop
    "coreference": {"until": 0.99, "model": "lstm", "batch": 32, "separator": 65},  # the full stop
    "glyphs": {
        "until": 0.0, "model": "mann", "memory": (64, 40), "heads": 1, "hidden": 128, "content": "add", "strength": True, "image": "size",
        "batch": 16, "lr": 3e-3, "schedule": "cosine", "warmup": 200, "encoder_after": 2000, "clip_norm": 10.0, "steps": 20_000,
        "evaluate_every": 1000, "easy": 3000,
    },
    "parity": {
        "until": 0.99, "model": "lstm", "batch": 64, "hidden": 64, "lr": 3e-3, "steps": 8000, "clip_norm": 0.1, "evaluate_every": 500,
    },
    "arithmetic": {"until": 0.99, "model": "lstm", "batch": 64},
    "group-words": {"until": 0.99, "model": "lstm", "batch": 64},
    "chomsky": {"until": 0.99, "model": "lstm", "batch": 64, "hidden": 64},
    "key-reassignment": {"until": 0.001, "model": "lstm", "batch": 32},
    "associative-retrieval": {"until": 0.99, "model": "fast-weights", "batch": 64},
    "selective-copy": {"until": 0.99, "model": "gru", "batch": 64, "hidden": 64},
    "induction": {"until": 0.99, "model": "gru", "batch": 64, "hidden": 64},
}  # fmt: skip

UNTIL_HARDER: dict[str, dict[str, float]] = {
    "copy": {"wrong": 0},
    "recall": {"wrong": 0},
    "digits": {"accuracy": 0.9},
    "babi": {"accuracy": 0.95},  # Weston et al. call a task passed at 95 %
    "parity": {"scaled": 0.95},
    "arithmetic": {"scaled": 0.95},
    "group-words": {"accuracy": 0.95},
    "chomsky": {"accuracy": 0.99},
    "glyphs": {"accuracy@2": 0.8, "accuracy@5": 0.9, "accuracy@10": 0.95},
}
