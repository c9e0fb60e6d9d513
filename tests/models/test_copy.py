"""The exact facts of the copy task and its measures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from minigrad.models.tasks import copy
from minigrad.models.tasks.draw import Draw

import minigrad as mg


@pytest.mark.parametrize(("length", "bits"), [(1, 8), (5, 8), (20, 8), (3, 6)])
def test_layout(length, bits):
    inputs, targets, mask = copy.batch(0, 3, 4, lengths=length, bits=bits)
    assert inputs.shape == (2 * length + 1, 4, bits + 1)
    assert targets.shape == (2 * length + 1, 4, bits)
    assert (inputs.dtype, targets.dtype, mask.dtype) == (np.float32, np.float32, bool)
    assert copy.sizes(bits) == (bits + 1, bits)
    assert mask.sum(0).tolist() == [length] * 4
    assert not mask[: length + 1].any()
    np.testing.assert_array_equal(inputs[:length, :, :bits], targets[length + 1 :])
    np.testing.assert_array_equal(inputs[..., bits], np.eye(2 * length + 1)[length][:, None].repeat(4, 1))
    assert not inputs[length:, :, :bits].any()
    assert not targets[: length + 1].any()
    assert set(np.unique(inputs)) <= {0, 1}


def test_pure_function_of_seed_and_step():
    a, b = copy.batch(7, 11, 3), copy.batch(7, 11, 3)
    assert all((x == y).all() for x, y in zip(a, b, strict=True))
    others = [copy.batch(7, 12, 3, lengths=9), copy.batch(8, 11, 3, lengths=9)]
    assert all((copy.batch(7, 11, 3, lengths=9)[0] != o[0]).any() for o in others)
    key = copy.batch(mg.random.key(7), 11, 3)
    assert all((x == y).all() for x, y in zip(a, key, strict=True))


def test_the_stream_is_fixed():
    """These numbers must never change: results are quoted by seed."""
    inputs, _, _ = copy.batch(0, 0, 1)
    assert len(inputs) == 15
    assert np.packbits(inputs[:2, 0, :8].astype(bool)).tolist() == [181, 44]


def test_lengths_and_bits_are_uniform():
    lengths = np.array([len(copy.batch(1, step, 1)[0]) // 2 for step in range(4000)])
    counts = np.bincount(lengths, minlength=21)[1:]
    assert counts.sum() == 4000
    assert ((counts - 200) ** 2 / 200).sum() < 43.8  # χ² with 19 degrees of freedom, 0.1 %
    bits = Draw(0, 0, 99).bits((100_000,))
    assert abs(bits.mean() - 0.5) < 4 * 0.5 / math.sqrt(100_000)
    order = Draw(0, 0, 99).order(50, 6)
    assert (np.sort(order, 1) == np.arange(6)).all()
    drawn = Draw(0, 0, 99).integers(2, 4, (3000,))
    assert set(drawn.tolist()) == {2, 3, 4}


def test_empty_ranges_are_refused():
    for lengths in (0, (5, 4), (0, 3)):
        with pytest.raises(ValueError, match="1 ≤ smallest ≤ greatest"):
            copy.batch(0, 0, 1, lengths=lengths)


def test_measures():
    _, targets, mask = copy.batch(0, 0, 3, lengths=6)

    def measured(logits):
        return [v.numpy() for v in copy.measures(logits, targets, mask).values()]

    coin = np.zeros_like(targets)
    assert list(copy.measures(coin, targets, mask)) == ["bits", "wrong"]
    assert measured(coin)[0] == pytest.approx([copy.baselines(6)["chance"]] * 3)
    assert float(copy.loss(coin, targets, mask)) == pytest.approx(48 * math.log(2))
    sure = 60 * (2 * targets - 1)
    sure[:7] = 1e30  # not scored, whatever it is
    assert measured(sure)[0] == pytest.approx([0, 0, 0], abs=1e-6)
    assert measured(sure)[1].tolist() == [0, 0, 0]
    assert measured(-sure)[1].tolist() == [48, 48, 48]
    sure[8, 1, 2] *= -1
    assert measured(sure)[1].tolist() == [0, 1, 0]
    assert measured(sure)[0] == pytest.approx([0, 60 / math.log(2), 0], abs=1e-4)
    loss, gradient = mg.value_and_grad(copy.loss)(mg.tensor(sure), targets, mask)
    assert np.isfinite(float(loss))
    assert not gradient.numpy()[:7].any()
