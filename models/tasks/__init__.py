"""Tasks that ask for memory: seeded generators, losses and measures, each a module with the same functions.

sizes(**settings) -> (inputs, outputs)        of a model for it
batch(seed, step, batch, **settings)          (inputs, targets, mask), time first, a pure function of (seed, step)
loss(logits, targets, mask)                   the training loss, a scalar: nats a sequence, the batch's mean
bits_per_sequence, wrong_bits                 (logits, targets, mask) -> one number a sequence
chance(...)                                   bits a sequence that guessing costs
"""

from __future__ import annotations

from types import ModuleType

from . import copy, ngrams, recall, repeat_copy, sort

TASKS: dict[str, ModuleType] = {"copy": copy, "repeat-copy": repeat_copy, "recall": recall, "ngrams": ngrams, "sort": sort}

__all__ = ["TASKS", "copy", "ngrams", "recall", "repeat_copy", "sort"]
