"""The exact facts of parity, modular arithmetic and group words, by evaluators of their own."""

from __future__ import annotations

import re
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models.tasks import arithmetic, group_words, parity
from minigrad.models.tasks.expressions import bracketed_values, flat_values
from minigrad.models.tasks.group_words import elements, letters
from scipy.stats import chisquare

from minigrad.errors import SettingError

quick = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32)


@quick
@given(seed=seeds, length=st.integers(2, 40))
def test_parity(seed, length):
    inputs, targets, mask = parity.batch(seed, 0, 5, lengths=length)
    assert inputs.shape == (length - 1, 5, 2)
    assert (inputs.sum(-1) == 1).all()
    assert np.flatnonzero(mask.any(1)).tolist() == [length - 2]
    for string, answer in zip(inputs.argmax(-1).T.tolist(), targets[-1], strict=True):
        assert answer == string.count(1) % 2


EXPRESSIONS = {"flat": r"\d([-+*]\d)*", "brackets": r"[-+*()\d]+"}


@pytest.mark.parametrize("form", EXPRESSIONS)
@pytest.mark.parametrize("operations", ["plus-minus-times", "plus-minus"])
@quick
@given(seed=seeds, length=st.integers(3, 40), modulus=st.integers(2, 7))
def test_arithmetic(form, operations, seed, length, modulus):
    chosen = {"expressions": form, "operations": operations, "modulus": modulus}
    inputs, targets, mask = arithmetic.batch(seed, 0, 5, lengths=length, **chosen)
    cut = form == "flat" and length % 2 == 0
    assert inputs.shape == (length - 1 - cut, 5, arithmetic.sizes(**chosen)[0])
    assert np.flatnonzero(mask.any(1)).tolist() == [len(inputs) - 1]
    for string, answer in zip(arithmetic.read(inputs, **chosen), targets[-1], strict=True):
        expression, equals = string[:-1], string[-1]
        assert equals == "="
        assert re.fullmatch(EXPRESSIONS[form], expression)
        assert operations == "plus-minus-times" or "*" not in expression
        assert answer == eval(expression) % modulus


def test_expressions_have_as_many_symbols_as_in_the_papers():
    """10 without and 12 with brackets, of which one is for padding, which there is none of here."""
    assert arithmetic.sizes() == (9, 5)
    assert arithmetic.sizes(expressions="brackets") == (11, 5)
    assert parity.sizes() == (2, 2)


def test_brackets_nest_on_both_sides():
    inputs, _, _ = arithmetic.batch(0, 0, 50, lengths=30, expressions="brackets")
    strings = arithmetic.read(inputs)
    assert any("((" in s for s in strings)
    assert any("))" in s for s in strings)
    assert all(s.count("(") == s.count(")") for s in strings)


def test_a_modulus_of_one_is_refused():
    with pytest.raises(SettingError, match="take 2 or more"):
        arithmetic.batch(0, 0, 1, modulus=1)


@pytest.mark.parametrize(("task", "chosen"), [(parity, {}), (arithmetic, {}), (arithmetic, {"modulus": 3}), (group_words, {"group": "S3"})])
def test_guesses_are_right_once_in_as_many_as_there_are_answers_which_is_a_scaled_accuracy_of_0(task, chosen):
    _, targets, mask = task.batch(3, 0, 8000, lengths=5, **chosen)
    answers = task.sizes(**chosen)[1]
    guesses = np.random.default_rng(0).integers(0, answers, targets.shape)
    found = task.measures(np.eye(answers)[guesses], targets, mask)
    right = found["accuracy"].numpy()
    assert right.mean() == pytest.approx(1 / answers, abs=4 * float(right.std()) / 8000**0.5)
    if "scaled" in found:
        assert found["scaled"].numpy().mean() == pytest.approx(0, abs=4 * float(found["scaled"].numpy().std()) / 8000**0.5)


@pytest.mark.parametrize("form", EXPRESSIONS)
@pytest.mark.parametrize("operations", ["plus-minus-times", "plus-minus"])
@quick
@given(seed=seeds, length=st.integers(3, 16), modulus=st.integers(2, 7))
def test_values_are_as_frequent_as_they_are_computed_to_be_and_the_most_frequent_one_is_chance(form, operations, seed, length, modulus):
    chosen = {"expressions": form, "operations": operations, "modulus": modulus}
    _, targets, _ = arithmetic.batch(seed, 0, 500, lengths=length, **chosen)
    values = {"flat": flat_values, "brackets": bracketed_values}[form](length - 2, modulus, operations == "plus-minus-times")[-1]
    assert chisquare(np.bincount(targets[-1], minlength=modulus), 500 * values).pvalue > 1e-6
    assert arithmetic.baselines(lengths=length, **chosen)["chance"] == pytest.approx(values.max())


def test_right_answers_are_the_optimum_and_a_scaled_accuracy_of_1():
    _, targets, mask = arithmetic.batch(0, 0, 4)
    found = arithmetic.measures(np.eye(5)[targets], targets, mask)
    assert found["accuracy"].tolist() == found["scaled"].tolist() == [arithmetic.baselines()["optimum"]] * 4
    found = arithmetic.measures(np.eye(5)[(targets + 1) % 5], targets, mask)
    assert found["scaled"].numpy() == pytest.approx([-1 / 4] * 4)


def test_the_harder_strings_go_from_40_to_256():
    assert parity.harder() == arithmetic.harder() == {"lengths": (40, 256)}
    assert group_words.harder() == {"lengths": 100}


@pytest.mark.parametrize("name", ["S3", "A5", "S5"])
@quick
@given(seed=seeds, length=st.integers(1, 12))
def test_group_words(name, seed, length):
    inputs, targets, mask = group_words.batch(seed, 0, 3, lengths=length, group=name, words="3-cycles" if name == "A5" else "all")
    assert inputs.shape == (length, 3, len(elements(name)))
    assert mask.all()
    every = [dict(enumerate(p)) for p in elements(name).tolist()]
    for word, answers in zip(inputs.argmax(-1).T, targets.T, strict=True):
        product = dict(enumerate(range(len(every[0]))))
        for letter, answer in zip(word, answers, strict=True):
            product = {i: every[letter][at] for i, at in product.items()}
            assert every[answer] == product


def test_the_groups_are_groups():
    assert {name: len(elements(name)) for name in ("S3", "A5", "S5")} == {"S3": 6, "A5": 60, "S5": 120}
    assert sorted(map(tuple, elements("S3").tolist())) == sorted(permutations(range(3)))
    every = {tuple(p) for p in elements("A5").tolist()}
    assert {tuple(p[i] for i in q) for p in every for q in every} == every


def test_swaps_and_cycles_of_three_are_all_that_move_so_few():
    """The identity is among them: else a swap at every step would give half the answer away."""
    assert {(g, w): len(letters(g, w)) for g in ("S3", "S5") for w in ("swaps", "3-cycles", "all")} == {
        ("S3", "swaps"): 4, ("S3", "3-cycles"): 6, ("S3", "all"): 6, ("S5", "swaps"): 11, ("S5", "3-cycles"): 31, ("S5", "all"): 120,
    }  # fmt: skip
    assert len(letters("A5", "3-cycles")) == 21
    with pytest.raises(SettingError, match="a swap is odd"):
        group_words.batch(0, 0, 1, group="A5", words="swaps")
