"""Question answering (bAbI, Weston et al. 2015): a story and a question, one word a step; the target, at the last word, is the answer.

Stories come from files of the published format (qa1_single-supporting-fact_train.txt, …), or from a generator of the same format.
Earlier questions of a story are left out. An answer of several words is one class.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from minigrad.errors import SettingError

from .classes import given, loss, measures
from .draw import Draw
from .stories import FormatError, Question, parse, write
from .texts import asked_at_the_end, flush_left, one_hot, text

__all__ = ["baselines", "batch", "given", "harder", "loss", "measures", "read", "sizes"]

DOMAIN = 27
WRITTEN = {"train": 1000, "test": 200}  # generated stories
Split = Literal["train", "test"]


class Corpus(NamedTuple):
    """n questions as numbers: words (n, T), padded at the end by −1, answers (n,), and the words and classes that the numbers mean."""

    words: np.ndarray
    answers: np.ndarray
    vocabulary: list[str]
    classes: list[str]


def sizes(data: str = "", facts: int = 1, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    corpus = _corpus(data, facts, "train")
    return len(corpus.vocabulary), len(corpus.classes)


def batch(
    seed: Any,
    step: int,
    batch: int,
    data: Annotated[str, "a file of the format, or a folder of them, …_train.txt and …_test.txt; without it stories are made up"] = "",
    facts: Annotated[int, "of stories that are made up: lines that tell an answer, 1 or 2"] = 1,
    split: Annotated[Split, "which of the stories"] = "train",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, words), targets (T, batch), mask (T, batch)); only a text's last word is scored."""
    corpus = _corpus(data, facts, split)
    chosen = Draw(seed, step, DOMAIN).integers(0, len(corpus.answers) - 1, (batch,))
    tokens = flush_left(corpus.words[chosen])
    return one_hot(tokens, len(corpus.vocabulary)), *asked_at_the_end(corpus.answers[chosen], tokens)


@cache
def _questions(data: str, facts: int, split: str) -> list[Question]:
    """The questions of a split, from files or generated."""
    if not data:
        if facts not in (1, 2):
            raise SettingError(f"facts={facts}: stories are made up with 1 or 2")
        return parse(write(list(WRITTEN).index(split), WRITTEN[split], facts))
    path = Path(data)
    if path.is_file() and "_train." not in path.name:
        raise SettingError(f"data={data!r}: the file is called …_train.txt, so that the one to test on, …_test.txt, can be found beside it")
    files = sorted(path.glob(f"*_{split}.txt")) if path.is_dir() else [path.with_name(path.name.replace("_train.", f"_{split}."))]
    if not files:
        raise SettingError(f"data={data!r}: there is no file *_{split}.txt in this folder")
    found = []
    for file in files:
        try:
            found += parse(file.read_text())
        except FormatError as error:
            raise SettingError(f"{file}: {error}") from None
    return found


@cache
def _corpus(data: str, facts: int, split: str) -> Corpus:
    """The questions of a split, numbered by the vocabulary of both splits."""
    both = {s: _questions(data, facts, s) for s in ("train", "test")}
    every = [q for questions in both.values() for q in questions]
    vocabulary = [".", *sorted({w for q in every for w in q.words} - {"."})]  # the full stop is the first, whatever the words are
    classes = sorted({q.answer for q in every})
    number, questions = {w: i for i, w in enumerate(vocabulary)}, both[split]
    words = np.full((len(questions), max(len(q.words) for q in questions)), -1)
    for row, q in zip(words, questions, strict=True):
        row[: len(q.words)] = [number[w] for w in q.words]
    return Corpus(words, np.array([classes.index(q.answer) for q in questions]), vocabulary, classes)


def read(inputs: np.ndarray, data: str = "", facts: int = 1) -> list[str]:
    """The text of each sequence of inputs (T, batch, words)."""
    return text(inputs, _corpus(data, facts, "train").vocabulary)


def classes(data: str = "", facts: int = 1, **_: Any) -> list[str]:
    """The answers that the classes stand for."""
    return _corpus(data, facts, "train").classes


def baselines(data: str = "", facts: int = 1, split: str = "train") -> dict[str, float]:
    """The accuracy of always giving the most frequent answer, and of correct answers."""
    answers = _corpus(data, facts, split).answers
    return {"chance": float(np.bincount(answers).max() / len(answers)), "optimum": 1}


def harder(**_: Any) -> dict[str, Any]:
    """The stories of the test split."""
    return {"split": "test"}
