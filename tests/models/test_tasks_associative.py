"""The exact facts of key reassignment, associative retrieval, selective copying and induction: each answer follows from its input."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models.tasks import associative_retrieval, induction, key_reassignment, selective_copy

from minigrad.errors import SettingError

quick = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32)


@quick
@given(seed=seeds, keys=st.integers(1, 12))
def test_key_reassignment(seed, keys):
    inputs, targets, mask = key_reassignment.batch(seed, 0, 5, keys=keys)
    assert inputs.shape == (2 * keys + 1, 5, 2 * keys + 1)
    assert np.flatnonzero(mask.any(1)).tolist() == [2 * keys]
    shown, asked = inputs[:-1, :, : 2 * keys].reshape(2 * keys, 5, 2, keys), inputs[-1]
    assert (shown.sum(-1) == 1).all()
    assert not inputs[:-1, :, -1].any()
    assert (asked[:, keys:] == np.eye(keys + 1)[-1]).all()
    for b in range(5):
        book = dict(shown[:, b].argmax(-1).tolist())
        assert targets[-1, b] == book[int(asked[b, :keys].argmax())]


def test_keys_come_again_in_key_reassignment():
    inputs, _, _ = key_reassignment.batch(0, 0, 200)
    different = inputs[:-1, :, :20].any(0).sum(-1).mean()
    assert different == pytest.approx(20 * (1 - (19 / 20) ** 40), abs=0.3)


def test_the_mean_of_all_values_costs_chance_and_any_value_alone_is_right_as_often_as_it_is_drawn():
    _, targets, mask = key_reassignment.batch(0, 0, 4000)
    nothing = key_reassignment.measures(np.zeros((*targets.shape, 20)), targets, mask)
    assert nothing["half-error"].tolist() == [1 / 2] * 4000
    middle = key_reassignment.measures(np.full((*targets.shape, 20), 1 / 20), targets, mask)
    assert middle["half-error"].numpy() == pytest.approx([key_reassignment.baselines()["chance"]] * 4000)
    one = key_reassignment.measures(np.eye(20)[np.zeros_like(targets)], targets, mask)
    assert one["accuracy"].numpy().mean() == pytest.approx(1 / 20, abs=4 * (0.05 * 0.95 / 4000) ** 0.5)
    np.testing.assert_array_equal(one["half-error"].numpy(), 1 - one["accuracy"].numpy())
    right = key_reassignment.measures(np.eye(20)[targets], targets, mask)
    assert (right["half-error"].numpy().max(), right["accuracy"].numpy().min()) == (key_reassignment.baselines()["optimum"], 1)


def retrieved(string):
    pairs, letter = string[:-3], string[-1]
    assert re.fullmatch(r"([a-z]\d)+", pairs)
    assert string[-3:-1] == "??"
    book = dict(zip(pairs[::2], pairs[1::2], strict=True))
    assert len(book) == len(pairs) // 2
    return int(book[letter])


def test_the_published_example_of_associative_retrieval():
    assert retrieved("c9k8j3f1??c") == 9


@quick
@given(seed=seeds, pairs=st.integers(1, 26))
def test_associative_retrieval(seed, pairs):
    inputs, targets, mask = associative_retrieval.batch(seed, 0, 5, pairs=pairs)
    assert inputs.shape == (2 * pairs + 3, 5, 37)
    assert (inputs.sum(-1) == 1).all()
    assert np.flatnonzero(mask.any(1)).tolist() == [2 * pairs + 2]
    assert [retrieved(s) for s in associative_retrieval.read(inputs)] == targets[-1].tolist()


@quick
@given(seed=seeds, length=st.integers(4, 40), symbols=st.integers(1, 4))
def test_selective_copy(seed, length, symbols):
    inputs, targets, mask = selective_copy.batch(seed, 0, 5, length=length, symbols=symbols)
    tokens = inputs.argmax(-1)
    assert inputs.shape == (length + symbols, 5, 16)
    assert (tokens[length:] == 15).all()
    assert mask.sum(0).tolist() == [symbols] * 5
    assert mask[length:].all()
    for column, answer in zip(tokens[:length].T.tolist(), targets[length:].T.tolist(), strict=True):
        assert [s for s in column if s != 14] == answer


def test_the_symbols_of_selective_copy_stand_at_every_place():
    inputs, _, _ = selective_copy.batch(0, 0, 2000, length=10, symbols=3)
    found = (inputs[:10].argmax(-1) != 14).mean(1)
    assert found == pytest.approx([0.3] * 10, abs=4 * (0.3 * 0.7 / 2000) ** 0.5)


@quick
@given(seed=seeds, length=st.integers(3, 40))
def test_induction(seed, length):
    inputs, targets, mask = induction.batch(seed, 0, 5, length=length)
    assert inputs.shape == (length, 5, 17)
    assert np.flatnonzero(mask.any(1)).tolist() == [length - 1]
    for column, answer in zip(inputs.argmax(-1).T.tolist(), targets[-1], strict=True):
        assert column.count(16) == 2
        assert column[-1] == 16
        assert answer == column[column.index(16) + 1] < 16


@pytest.mark.parametrize("task", [associative_retrieval, selective_copy, induction])
def test_guessing_one_answer_is_right_as_often_as_chance(task):
    _, targets, mask = task.batch(3, 0, 4000)
    right = task.measures(np.eye(task.sizes()[1])[np.zeros_like(targets)], targets, mask)["accuracy"].numpy()
    assert right.mean() == pytest.approx(task.baselines()["chance"], abs=4 * float(right.std()) / 4000**0.5)
    best = task.measures(np.eye(task.sizes()[1])[targets], targets, mask)["accuracy"].numpy()
    assert best.min() == task.baselines()["optimum"]


def test_the_harder_tests():
    assert associative_retrieval.harder() == {"pairs": 8}
    assert associative_retrieval.harder(pairs=(4, 20)) == {"pairs": 26}
    assert selective_copy.harder() == induction.harder() == {"length": 256}


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(SettingError, match="26 letters"):
        associative_retrieval.batch(0, 0, 1, pairs=27)
    with pytest.raises(SettingError, match="take fewer symbols"):
        selective_copy.batch(0, 0, 1, length=4, symbols=5)
    with pytest.raises(SettingError, match="3 ≤ smallest"):
        induction.batch(0, 0, 1, length=2)
