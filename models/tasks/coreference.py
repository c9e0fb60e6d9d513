"""Coreference: a text names a man or a woman; at the end a question asks to whom a pronoun refers.

    peter opened the new letter . the train passed the bridge . emma found a key . then he closed the door . who is he ?

Between the first and the last two sentences there are `distance` others: on things and animals, one in four on people of the other sex, so
that the pronoun has one referent. The target, at the last word, is the name, one of 16; 8 agree with the pronoun.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from .classes import given, loss, measures
from .draw import Draw, Range, between
from .texts import asked_at_the_end, flush_left, one_hot, text

__all__ = ["WORDS", "baselines", "batch", "given", "harder", "loss", "measures", "read", "sizes"]

DOMAIN = 28
MEN = ["peter", "paul", "john", "adam", "max", "leo", "oscar", "felix"]
WOMEN = ["anna", "emma", "clara", "lucy", "mary", "nora", "rosa", "ida"]
NAMES = [*MEN, *WOMEN]
PRONOUNS = "he", "she"
THINGS = ["dog", "cat", "train", "wind", "rain", "river", "bird", "clock", "horse", "boat"]
DEEDS = ["opened", "closed", "found", "lost", "kept", "painted", "carried", "watched"]  # of people
EVENTS = ["passed", "crossed", "reached", "left", "touched", "followed", "woke", "shook"]  # of things
ADJECTIVES = ["new", "small", "grey", "broken", "quiet", "heavy"]
OBJECTS = ["door", "letter", "key", "window", "garden", "bridge", "house", "road", "lamp", "table"]
REST = ["a", "the", "then", "who", "is", ".", "?"]
WORDS = [*NAMES, *PRONOUNS, *THINGS, *DEEDS, *EVENTS, *ADJECTIVES, *OBJECTS, *REST]
LONGEST = 7  # the most words in a sentence, with its full stop
SEX = len(MEN)


def sizes(**_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task."""
    return len(WORDS), len(NAMES)


def batch(
    seed: Any, step: int, batch: int, distance: Annotated[Range, "sentences between the name and the question"] = (0, 10)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, words), targets (T, batch), mask (T, batch)) with one distance for the batch; only its last word is scored."""
    draw = Draw(seed, step, DOMAIN)
    others = int(draw.integers(*between(distance, 0)))
    person = draw.integers(0, len(NAMES) - 1, (batch,))
    pronoun = len(NAMES) + person // SEX
    shape = batch, others
    of_other_sex = (person // SEX * SEX + SEX)[:, None] % len(NAMES) + draw.integers(0, SEX - 1, shape)
    by_people = draw.uniform(shape) < 0.25
    sentences = np.concatenate([
        _sentences(draw, person[:, None], _pick(draw, DEEDS, (batch, 1))),
        np.where(
            by_people[..., None],
            _sentences(draw, of_other_sex, _pick(draw, DEEDS, shape)),
            _sentences(draw, _pick(draw, THINGS, shape), _pick(draw, EVENTS, shape), _word("the")),
        ),
        _sentences(draw, pronoun[:, None], _pick(draw, DEEDS, (batch, 1)), _word("then")),
    ], axis=1)  # fmt: skip
    question = np.stack([np.broadcast_to(_word(w), batch) if w else pronoun for w in ("who", "is", "", "?")], 1)
    tokens = flush_left(np.concatenate([sentences.reshape(batch, -1), question], 1))
    return one_hot(tokens, len(WORDS)), *asked_at_the_end(person, tokens)


def _word(word: str) -> int:
    """The number of a word."""
    return WORDS.index(word)


def _pick(draw: Draw, among: list[str], shape: tuple[int, ...]) -> np.ndarray:
    """Random words of a list, as numbers. The list is a contiguous part of WORDS."""
    return _word(among[0]) + draw.integers(0, len(among) - 1, shape)


def _sentences(draw: Draw, subject: np.ndarray, verb: np.ndarray, first: int = -1) -> np.ndarray:
    """Sentences "[first] subject verb a|the [adjective] object ." as numbers, −1 for a word left out: (…, LONGEST)."""
    shape = subject.shape
    adjective = np.where(draw.bits(shape, bool), _pick(draw, ADJECTIVES, shape), -1)
    article = np.where(draw.bits(shape, bool), _word("a"), _word("the"))
    parts = (
        np.broadcast_to(first, shape),
        subject,
        verb,
        article,
        adjective,
        _pick(draw, OBJECTS, shape),
        np.broadcast_to(_word("."), shape),
    )
    return np.stack(parts, -1)


def read(inputs: np.ndarray) -> list[str]:
    """The text of each sequence of inputs (T, batch, words)."""
    return text(inputs, WORDS)


def baselines(**_: Any) -> dict[str, float]:
    """The accuracy of guessing among the names that agree with the pronoun, and of correct answers."""
    return {"chance": 1 / SEX, "optimum": 1}


def harder(distance: Range = (0, 10)) -> dict[str, Any]:
    """Twice the greatest distance."""
    return {"distance": max(1, 2 * between(distance, 0)[1])}
