"""The fifteen languages of the Chomsky hierarchy: every answer is that of a plain reader of the string."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models import LSTM
from minigrad.models.tasks import chomsky
from minigrad.models.tasks.expressions import SIGNS
from minigrad.models.tasks.languages import LANGUAGES

quick = settings(max_examples=15, deadline=None)
EXPRESSION = "01234+-*=()"


def stack(x):
    held = []
    for symbol in x:
        if symbol != 2:
            held.append(symbol % 3)
        elif held:
            held.pop()
    return [*reversed(held), 2]


def reckoned(operation):
    def answer(x):
        a, b = ("".join(map(str, part[::-1])) for part in (x[: x.index(2)], x[x.index(2) + 1 :]))
        return [*map(int, f"{operation(int(a, 2), int(b, 2)):b}"[::-1]), 2]

    return answer


def value(x):
    return [eval("".join(EXPRESSION[s] for s in x)) % 5]


def solution(x):
    text = "".join(EXPRESSION[s] for s in x).replace("*", "x")
    left, right = text.split("=")
    assert text.count("x") == 1
    return [n for n in range(5) if eval(left.replace("x", str(n))) % 5 == int(right)]


def left_out(x):
    at, half = x.index(2), len(x) // 2
    return [x[(at + half) % len(x)]]


def root(x):
    return [int(b) for b in f"{math.isqrt(int(''.join(map(str, x)), 2)):b}".zfill(-(-len(x) // 2))]


READERS = {
    "even-pairs": lambda x: [sum(a != b for a, b in pairwise(x)) % 2],
    "modular-arithmetic": value,
    "parity-check": lambda x: [x.count(1) % 2],
    "cycle-navigation": lambda x: [(x.count(2) - x.count(0)) % 5],
    "stack-manipulation": stack,
    "reverse-string": lambda x: list(reversed(x)),
    "modular-arithmetic-brackets": value,
    "solve-equation": solution,
    "duplicate-string": lambda x: x + x,
    "missing-duplicate-string": left_out,
    "odds-first": lambda x: [s for i, s in enumerate(x) if i % 2] + [s for i, s in enumerate(x) if not i % 2],
    "binary-addition": reckoned(lambda a, b: a + b),
    "binary-multiplication": reckoned(lambda a, b: a * b),
    "compute-sqrt": root,
    "bucket-sort": sorted,
}


@pytest.mark.parametrize("language", LANGUAGES)
@quick
@given(seed=st.integers(0, 2**32), length=st.integers(1, 70))
def test_every_answer_follows_from_its_string(language, seed, length):
    inputs, targets, mask = chomsky.batch(seed, 0, 4, language=language, lengths=length)
    tokens, known = inputs.argmax(-1), LANGUAGES[language]
    blanks = tokens == known.symbols
    read = int((~blanks).sum(0)[0])
    assert read == max(known.least, length - (length - known.least) % known.unit)
    assert not blanks[:read].any()
    assert blanks[read:].all()
    assert not mask[:read].any()
    for x, y, scored in zip(tokens[:read].T.tolist(), targets[read:].T, mask[read:].T, strict=True):
        assert y[scored].tolist() == READERS[language](x)
        assert scored[: scored.sum()].all()


def test_the_readers_agree_with_examples_reckoned_by_hand():
    """A stack, a sum and a product with the lowest bits first, a root with the highest first."""
    assert stack([0, 1, 1, 0, 0, 2, 3, 2]) == [0, 1, 1, 0, 2]
    assert READERS["binary-addition"]([0, 1, 0, 0, 1, 2, 1, 0, 1]) == [1, 1, 1, 0, 1, 2]  # 18 + 5 = 23
    assert READERS["binary-multiplication"]([0, 1, 0, 0, 1, 2, 1, 0, 1]) == [0, 1, 0, 1, 1, 0, 1, 2]  # 18 · 5 = 90
    assert root([1, 0, 0, 0, 1, 0]) == [1, 0, 1]  # √34 = 5.8…


def test_every_language_has_a_name_and_a_reader_of_its_own():
    assert get_args(chomsky.Name) == tuple(LANGUAGES) == tuple(READERS)
    levels = [known.level for known in LANGUAGES.values()]
    assert {level: levels.count(level) for level in levels} == {"regular": 4, "context-free": 4, "context-sensitive": 7}


def test_every_symbol_occurs():
    for language, known in LANGUAGES.items():
        inputs, targets, mask = chomsky.batch(0, 0, 200, language=language, lengths=12)
        unused = np.flatnonzero(~inputs.any((0, 1))).tolist()
        assert unused == ([5 + SIGNS.index("=")] if language == "modular-arithmetic-brackets" else [])
        assert sorted(set(targets[mask].tolist())) == list(range(known.answers))
        assert len(chomsky.classes(language)) == chomsky.sizes(language)[1] == known.answers


@pytest.mark.parametrize("language", LANGUAGES)
def test_guesses_are_right_as_often_as_chance(language):
    """Where an answer has an end, it is not guessed."""
    _, targets, mask = chomsky.batch(1, 0, 3000, language=language, lengths=8)
    known = LANGUAGES[language]
    guesses = np.random.default_rng(0).integers(0, known.guess, targets.shape)
    asked = mask & (targets < known.guess)
    right = (guesses == targets)[asked]
    assert right.mean() == pytest.approx(chomsky.baselines(language)["chance"], abs=4 * float(right.std()) / right.size**0.5)
    assert known.guess == known.answers - ("end" in chomsky.classes(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_measure_depends_on_the_batch(language):
    inputs, targets, mask = chomsky.batch(2, 0, 3, language=language, lengths=9)
    model = LSTM(inputs.shape[-1], 3, outputs=chomsky.sizes(language)[1])
    together = chomsky.measures(model(inputs), targets, mask)
    for i in range(3):
        alone = [a[:, i : i + 1] for a in (inputs, targets, mask)]
        for name, found in chomsky.measures(model(alone[0]), *alone[1:]).items():
            np.testing.assert_allclose(found.numpy()[0], together[name].numpy()[i], rtol=1e-4, err_msg=name)


def test_the_harder_strings_are_all_longer_than_the_trained():
    assert chomsky.harder() == {"lengths": (21, 100)}
    assert chomsky.harder(lengths=(1, 40), language="bucket-sort") == {"lengths": (41, 200)}


def test_in_a_pause_nothing_is_shown_and_nothing_scored():
    """With it the strings and answers are the same."""
    for plain, paused in zip(chomsky.batch(3, 0, 4, lengths=6), chomsky.batch(3, 0, 4, lengths=6, pause=2), strict=True):
        np.testing.assert_array_equal(np.delete(paused, np.s_[6:18], 0), plain)
        assert not paused[6:18].any()
