"""Tasks that ask for memory: seeded generators with losses, measures and baselines, each a module with the same names.

batch(seed, step, batch, **settings)      (inputs, targets, mask), time first, a pure function of (seed, step); its keyword parameters,
                                          annotated with a help text, are the task's settings
sizes(**settings)                         (inputs, outputs) of a model for it
loss(outputs, targets, mask)              the training loss, a scalar
measures(outputs, targets, mask)          {name: one number a sequence}; the task is judged by the first
given(outputs)                            probabilities or numbers, from what the model gives
baselines(**settings)                     {"chance": …, "optimum": …} of the first measure
harder(**settings)                        the settings that make the generalisation test; not every task has one
"""

from __future__ import annotations

from types import ModuleType

from . import adding, babi, copy, copy_memory, delayed_recall, digits, glyphs, he, mqar, ngrams, recall, repeat_copy, sort

TASKS: dict[str, ModuleType] = {
    "copy": copy, "repeat-copy": repeat_copy, "recall": recall, "ngrams": ngrams, "sort": sort, "adding": adding,
    "copy-memory": copy_memory, "delayed-recall": delayed_recall, "mqar": mqar, "digits": digits, "babi": babi, "he": he,
    "glyphs": glyphs,
}  # fmt: skip

__all__ = [
    "TASKS", "adding", "babi", "copy", "copy_memory", "delayed_recall", "digits", "glyphs", "he", "mqar", "ngrams", "recall", "repeat_copy",
    "sort",
]  # fmt: skip
