"""Unusual input that is taken: arrays of any order, other libraries' tensors, huge repeated numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg

GOOD = [
    ("np.matrix", lambda: np.ones((2, 2)).view(np.matrix)),
    ("transposed", lambda: np.arange(6.0).reshape(2, 3).T),
    ("reversed", lambda: np.arange(6.0)[::-2]),
    ("Fortran order", lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3))),
    ("byte-swapped", lambda: np.arange(3.0).astype(">f8")),
    ("read-only", lambda: np.frombuffer(np.arange(3.0).tobytes())),
    ("broadcast", lambda: np.broadcast_to(np.arange(3.0), (2, 3))),
    ("no elements", lambda: np.zeros((0, 3))),
    ("NaN and infinity", lambda: np.array([np.nan, np.inf, -np.inf, -0.0])),
    ("memory map", lambda: np.arange(4.0).view(np.memmap)),
]


@pytest.mark.parametrize("make", [g[1] for g in GOOD], ids=[g[0] for g in GOOD])
def test_unusual_arrays_are_taken_as_they_are(make: Any) -> None:
    """Copied, contiguous, in this machine's byte order; eager, compiled and differentiated alike."""
    a = make()
    for t in (mg.tensor(a), mg.jit(lambda x: x * 1)(a)):
        assert type(t.numpy()) is np.ndarray
        assert t.dtype == np.float64
        assert not t.numpy().flags.writeable
        np.testing.assert_array_equal(t.numpy(), np.asarray(a))
    found = mg.grad(lambda x: mg.sum(mg.where(mg.isfinite(x), 2 * x, 0)))(a)
    np.testing.assert_array_equal(found.numpy(), np.where(np.isfinite(a), 2, 0))


def with_integers(kind: Any, x: mg.Tensor) -> list[Any]:
    """Functions with these integers among their settings."""
    one, two, three = kind(1), kind(2), kind(3)
    return [
        mg.pad(x, two),
        mg.pad(x, ((one, two), (kind(200), kind(100)))),
        mg.one_hot(np.array([2, 0]), three),
        mg.scan(lambda c, _: (c + 1, c), mg.sum(x), length=three),
        mg.scan(lambda c, row: (c + row, c), x[0], x, length=kind(4), checkpoint=two),
        mg.conv2d(mg.reshape(x, (kind(4), three, one)), np.ones((1, 1, 1, 1)), two, one),
        (mg.tile(x, (two, one)), mg.repeat(x, two, one), mg.split(x, three, one), mg.roll(x, two, one), x[one:, ::two]),
    ]


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.array, mg.tensor])
def test_settings_may_be_integers_of_any_kind(kind: Any) -> None:
    x = np.arange(12.0).reshape(4, 3)
    want = mg.tree.leaves(with_integers(int, mg.tensor(x)))
    for found in with_integers(kind, mg.tensor(x)), mg.jit(lambda x: with_integers(kind, x))(x):
        for a, b in zip(mg.tree.leaves(found), want, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_another_librarys_tensor_keeps_its_dtype() -> None:
    class Foreign:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.arange(3.0)

    assert mg.tensor(Foreign()).dtype == np.float64
    assert (mg.zeros((3, 3)) + Foreign()).dtype == np.float64


def test_what_was_given_can_change_afterwards() -> None:
    a = np.arange(3.0)
    t = mg.tensor(a)
    a[0] = 9
    assert t.tolist() == [0, 1, 2]
    for change in (lambda: t.numpy().__setitem__(0, 1), lambda: np.add(a, 1, out=t.numpy())):
        with pytest.raises(ValueError, match="read-only"):
            change()


def test_a_huge_number_repeated_takes_no_memory() -> None:
    t = mg.zeros((10**6, 10**6, 10**3))
    assert t.shape == (10**6, 10**6, 10**3)
    assert float(t[5, 7, 9]) == 0
