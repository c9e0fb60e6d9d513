"""Tasks for networks with memory: seeded data generators with losses, measures and baselines. Each is a module with these names.

batch(seed, step, batch, **settings)      (inputs, targets, mask), time-major, a pure function of (seed, step); its keyword parameters,
                                          annotated with a help text, are the task's settings
sizes(**settings)                         (inputs, outputs) of a model for the task
loss(outputs, targets, mask)              the training loss, a scalar
measures(outputs, targets, mask)          {name: one number a sequence}; the first decides whether the task is learned
given(outputs)                            probabilities or numbers from the model's outputs
baselines(**settings)                     {"chance": …, "optimum": …} of the first measure
harder(**settings)                        the changed settings of the generalisation test; not every task has one
optimal(inputs, targets, mask, **settings)
                                          (batch,) the first measure of the optimal predictor, where sequences differ in it: evaluations
                                          compare with it on the same sequences
classes(**settings)                       the names of the classes; not every task has them
"""

from __future__ import annotations

from types import ModuleType

from . import (
    adding,
    arithmetic,
    associative_retrieval,
    babi,
    chomsky,
    copy,
    copy_memory,
    coreference,
    delayed_recall,
    digits,
    glyphs,
    group_words,
    induction,
    key_reassignment,
    mqar,
    ngrams,
    parity,
    recall,
    repeat_copy,
    selective_copy,
    sort,
)

TASKS: dict[str, ModuleType] = {
    "copy": copy, "repeat-copy": repeat_copy, "recall": recall, "ngrams": ngrams, "sort": sort, "adding": adding,
    "copy-memory": copy_memory, "delayed-recall": delayed_recall, "mqar": mqar, "digits": digits, "babi": babi,
    "coreference": coreference, "glyphs": glyphs, "parity": parity, "arithmetic": arithmetic, "group-words": group_words,
    "chomsky": chomsky,
    "key-reassignment": key_reassignment, "associative-retrieval": associative_retrieval, "selective-copy": selective_copy,
    "induction": induction,
}  # fmt: skip
RENAMED = {"he": "coreference"}  # {a task's name in an earlier version: its name}: commands and run folders may have it

__all__ = [
    "RENAMED", "TASKS", "adding", "arithmetic", "associative_retrieval", "babi", "chomsky", "copy", "copy_memory", "coreference",
    "delayed_recall", "digits", "glyphs", "group_words", "induction", "key_reassignment", "mqar", "ngrams", "parity", "recall",
    "repeat_copy", "selective_copy", "sort",
]  # fmt: skip
