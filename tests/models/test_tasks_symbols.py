"""The exact facts of adding, copy memory, delayed recall, MQAR and sequential digits: each target follows from its input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models.tasks import adding, copy_memory, delayed_recall, mqar

quick = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 2**32)


@quick
@given(seed=seeds, length=st.integers(2, 40))
def test_adding(seed, length):
    inputs, targets, mask = adding.batch(seed, 0, 6, length=length)
    values, marks = inputs[..., 0], inputs[..., 1]
    assert inputs.shape == (length, 6, 2)
    assert ((values >= 0) & (values < 1)).all()
    assert (marks[: length // 2].sum(0) == 1).all()
    assert (marks[length // 2 :].sum(0) == 1).all()
    np.testing.assert_allclose(targets[-1, :, 0], (values * marks).sum(0), rtol=1e-6)
    assert np.flatnonzero(mask.any(1)).tolist() == [length - 1]


def test_always_one_costs_a_sixth_in_adding():
    _, targets, mask = adding.batch(0, 0, 20_000, length=2)
    error = adding.measures(np.ones_like(targets), targets, mask)["error"].numpy()
    assert error.mean() == pytest.approx(adding.baselines()["chance"], abs=4 * float(error.std()) / math.sqrt(20_000))
    assert adding.measures(targets, targets, mask)["error"].numpy().max() == 0
    assert float(adding.loss(np.ones_like(targets), targets, mask)) == pytest.approx(error.mean(), rel=1e-5)
    with pytest.raises(ValueError, match="at least 2"):
        adding.batch(0, 0, 1, length=1)


@quick
@given(seed=seeds, delay=st.integers(1, 30))
def test_copy_memory(seed, delay):
    inputs, targets, mask = copy_memory.batch(seed, 0, 4, delay=delay)
    tokens = inputs.argmax(-1)
    assert inputs.shape == (delay + 20, 4, 10)
    assert (inputs.sum(-1) == 1).all()
    assert mask.all()
    np.testing.assert_array_equal(targets[-10:], tokens[:10])
    assert (tokens[:10] < 8).all()
    assert (targets[:-10] == 8).all()
    rest = np.delete(tokens[10:], delay - 1, 0)
    assert (rest == 8).all()
    assert (tokens[10 + delay - 1] == 9).all()


def test_without_memory_copy_memory_costs_its_chance():
    """The best guesser without memory knows when to answer, and gives every symbol 1/8."""
    _, targets, mask = copy_memory.batch(0, 0, 3, delay=100)
    logits = np.full((*targets.shape, 9), -60.0)
    logits[:-10, :, 8] = 60
    logits[-10:, :, :8] = 0
    found = copy_memory.measures(logits, targets, mask)
    assert found["nats"].numpy() == pytest.approx([copy_memory.baselines(100)["chance"]] * 3)
    assert copy_memory.baselines(100)["chance"] == pytest.approx(10 * math.log(8) / 120)
    right = np.eye(9)[targets] * 60
    found = copy_memory.measures(right, targets, mask)
    assert (found["nats"].numpy().max(), found["accuracy"].tolist()) == (pytest.approx(0, abs=1e-9), [1, 1, 1])
    right[-1] = 0  # of the ten symbols the last one is now answered 0
    assert copy_memory.measures(right, targets, mask)["accuracy"].numpy() == pytest.approx(0.9 + 0.1 * (targets[-1] == 0))


@quick
@given(seed=seeds, lag=st.integers(1, 40))
def test_delayed_recall(seed, lag):
    inputs, targets, mask = delayed_recall.batch(seed, 0, 5, lag=lag)
    assert inputs.shape == (lag + 2, 5, 10)
    np.testing.assert_array_equal(inputs[0, :, :8].argmax(-1), targets[-1])
    np.testing.assert_array_equal(inputs[..., 8].argmax(0), [0] * 5)
    np.testing.assert_array_equal(inputs[..., 9].argmax(0), [lag + 1] * 5)
    assert (inputs[:-1, :, :8].sum(-1) == 1).all()
    assert not inputs[-1, :, :9].any()
    assert np.flatnonzero(mask.any(1)).tolist() == [lag + 1]


@quick
@given(seed=seeds, pairs=st.integers(1, 9), words=st.integers(9, 20))
def test_mqar(seed, pairs, words):
    inputs, targets, mask = mqar.batch(seed, 0, 4, pairs=pairs, words=words)
    tokens = inputs.argmax(-1)
    assert inputs.shape == (3 * pairs, 4, 2 * words)
    assert mask.sum(0).tolist() == [pairs] * 4
    assert not mask[: 2 * pairs].any()
    for b in range(4):
        keys, values = tokens[: 2 * pairs : 2, b], tokens[1 : 2 * pairs : 2, b] - words
        book = dict(zip(keys.tolist(), values.tolist(), strict=True))
        assert len(book) == pairs
        assert [book[k] for k in tokens[2 * pairs :, b]] == targets[2 * pairs :, b].tolist()
        assert sorted(tokens[2 * pairs :, b]) == sorted(keys)


def test_mqar_is_tested_on_no_more_pairs_than_there_are_words_for():
    assert mqar.harder(pairs=(2, 8)) == {"pairs": 16}
    assert mqar.harder(pairs=(2, 3), words=4) == {"pairs": 4}


def test_mqar_refuses_more_pairs_than_words():
    with pytest.raises(ValueError, match="take more words"):
        mqar.batch(0, 0, 1, pairs=9, words=8)


@pytest.mark.parametrize("task", [delayed_recall, mqar])
def test_guessing_one_answer_is_right_as_often_as_chance(task):
    rights = []
    for step in range(40):
        _, targets, mask = task.batch(3, step, 100)
        rights.append(task.measures(np.eye(task.sizes()[1])[np.zeros_like(targets)], targets, mask)["accuracy"].numpy())
    found = np.concatenate(rights)
    assert found.mean() == pytest.approx(task.baselines()["chance"], abs=4 * float(found.std()) / math.sqrt(found.size))


def test_digits():
    sklearn = pytest.importorskip("sklearn.datasets")
    from minigrad.models.tasks import digits

    whole = sklearn.load_digits()
    for split, part in (("train", slice(1297)), ("test", slice(1297, None))):
        known = {p.astype(np.float32).tobytes(): int(n) for p, n in zip(whole.data[part] / 16, whole.target[part], strict=True)}
        inputs, targets, mask = digits.batch(0, 0, 50, split=split)
        assert inputs.shape == (64, 50, 1)
        assert [known[np.ascontiguousarray(p).tobytes()] for p in inputs[..., 0].T] == targets[-1].tolist()
        assert mask.sum(0).tolist() == [1] * 50
        assert 0.1 < digits.baselines(split)["chance"] < 0.11
    assert digits.harder() == {"split": "test"}
