"""Tasks that ask for memory: seeded generators with losses, measures and baselines, each a module with the same names.

batch(seed, step, batch, **settings)      (inputs, targets, mask), time first, a pure function of (seed, step); its keyword parameters,
                                          annotated with a help text, are the task's settings
sizes(**settings)                         (inputs, outputs) of a model for it
loss(outputs, targets, mask)              the training loss, a scalar
measures(outputs, targets, mask)          {name: one number a sequence}; the task is judged by the first
given(outputs)                            probabilities or numbers, from what the model gives
baselines(**settings)                     {"chance": …, "optimum": …} of the first measure
DEFAULTS                                  settings of a run where they are others for the task: when it has learned (`until`), the model, …
harder(**settings)                        the settings that make the generalisation test; not every task has one
UNTIL_HARDER                              {measure: what it must reach there too before the task is learned}
"""

from __future__ import annotations

from types import ModuleType

from . import adding, babi, copy, copy_memory, coreference, delayed_recall, digits, glyphs, mqar, ngrams, recall, repeat_copy, sort

TASKS: dict[str, ModuleType] = {
    "copy": copy, "repeat-copy": repeat_copy, "recall": recall, "ngrams": ngrams, "sort": sort, "adding": adding,
    "copy-memory": copy_memory, "delayed-recall": delayed_recall, "mqar": mqar, "digits": digits, "babi": babi,
    "coreference": coreference, "glyphs": glyphs,
}  # fmt: skip
RENAMED = {"he": "coreference"}  # {a task's name in an earlier version: its name}: commands and run folders may have it

__all__ = [
    "RENAMED", "TASKS", "adding", "babi", "copy", "copy_memory", "coreference", "delayed_recall", "digits", "glyphs", "mqar", "ngrams",
    "recall", "repeat_copy", "sort",
]  # fmt: skip
