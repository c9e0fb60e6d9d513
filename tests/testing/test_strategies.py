"""What the strategies draw is what they promise, and shrinks to something readable."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from minigrad.models import GRU, LSTM, NTM, RNN

import minigrad as mg
from minigrad.errors import SettingError
from minigrad.testing import broadcastable, cells, check_grads, einsums, sequences, tensors, trees


def smallest(strategy: Any, condition: Any) -> Any:
    return find(strategy, condition, settings=settings(database=None, max_examples=200), random=Random(0))


def some(strategy: Any, condition: Any) -> Any:
    """One that fits, not made smaller."""
    unshrunk = settings(database=None, max_examples=200, phases=[Phase.generate])
    return find(strategy, condition, settings=unshrunk, random=Random(0))


@given(x=tensors(domain=(1 / 64, 4), kinks=[1.0, 2.0]))
def test_domains_and_kinks_are_kept(x: mg.Tensor) -> None:
    values = x.numpy()
    assert ((values > 0) & (values <= 4) & (np.abs(values - 1) >= 1 / 16) & (np.abs(values - 2) >= 1 / 16)).all()


@pytest.mark.parametrize("domain", [(0, 0.01), (0.001, 0.01), (-1e-9, 1e-9), (0.5, 0.5), (-3, 1e5), (100.001, 100.002)])
def test_every_domain_has_different_numbers(domain: tuple[float, float]) -> None:
    low, high = domain

    @given(x=tensors(domain=domain, shape=(3,)))
    def inside(x: mg.Tensor) -> None:
        assert ((x.numpy() >= low) & (x.numpy() <= high)).all()

    inside()
    if low < high:
        assert some(tensors(domain=domain, shape=(4,)), lambda x: len(np.unique(x.numpy())) == 4) is not None
        assert some(tensors(domain=domain, shape=()), lambda x: float(x) > (low + high) / 2) is not None


@pytest.mark.parametrize(
    ("dtype", "domain"),
    [("float64", (1, 0)), ("float64", (0, np.nan)), ("float64", (0, np.inf)), ("int64", (0.001, 0.01)), ("uint8", (-3, -1))],
)
def test_a_domain_without_numbers_is_refused(dtype: str, domain: tuple[float, float]) -> None:
    with pytest.raises(SettingError, match="domain"):
        tensors(dtype, domain=domain)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_occur(dtype: str) -> None:
    one = tensors(dtype, shape=(1,), special=True)
    for wanted in (np.isnan, np.isposinf, np.isneginf, lambda v: (v == 0) & np.signbit(v), lambda v: (v > 0) & (v < np.finfo(dtype).tiny)):
        assert wanted(some(one, lambda x, wanted=wanted: bool(wanted(x.numpy())[0])).numpy())[0]


def test_masks_are_of_bools_of_either_kind() -> None:
    for wanted in (np.all, lambda m: not m.any()):
        assert some(tensors("bool", shape=(2,)), lambda m, wanted=wanted: bool(wanted(m.numpy()))).dtype == bool


def test_names_that_there_are_not_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tensor'"):
        mg.testing.tensor  # noqa: B018


@given(xs=broadcastable(3, dtype="float32"))
def test_tensors_broadcast_together(xs: tuple[mg.Tensor, ...]) -> None:
    a, b, c = xs
    assert (a + b * c).shape == np.broadcast_shapes(a.shape, b.shape, c.shape)


@given(drawn=einsums(3))
def test_einsum_specs_are_numpys(drawn: Any) -> None:
    spec, *operands = drawn
    np.testing.assert_allclose(mg.einsum(spec, *operands).numpy(), np.einsum(spec, *(t.numpy() for t in operands)), atol=1e-12)


@given(tree=trees())
def test_trees_come_apart_and_together(tree: Any) -> None:
    leaves, treedef = mg.tree.flatten(tree)
    assert leaves
    assert all(isinstance(leaf, mg.Tensor) for leaf in leaves)
    assert mg.tree.flatten(mg.tree.unflatten(treedef, leaves))[1] == treedef
    check_grads(lambda t: mg.tree.map(lambda x: x * x, t), tree, order=1)


@settings(max_examples=10)
@given(cell=cells(), drawn=sequences())
def test_what_comes_after_a_sequences_end_changes_nothing(cell: Any, drawn: Any) -> None:
    xs, mask = drawn
    other = mg.where(mask[:, :, None], xs, 7.0)
    (ys, last), (other_ys, other_last) = cell.run(xs, mask=mask), cell.run(other, mask=mask)
    for a, b in zip(mg.tree.leaves(last), mg.tree.leaves(other_last), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    np.testing.assert_array_equal(ys.numpy()[mask.numpy()], other_ys.numpy()[mask.numpy()])


@settings(max_examples=4)
@given(cell=cells(), drawn=sequences(max_length=2, max_batch=2))
def test_cells_have_right_gradients(cell: Any, drawn: Any) -> None:
    check_grads(lambda cell, xs: cell(xs, mask=drawn[1]), cell, drawn[0], order=1)


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM, NTM])
def test_every_kind_of_cell_occurs(kind: type) -> None:
    assert some(cells(), lambda c: isinstance(c, kind)).dtype == np.float64


@given(drawn=sequences(features=1, max_length=3))
def test_masks_are_true_up_to_each_length(drawn: Any) -> None:
    xs, mask = drawn
    lengths = mask.numpy().sum(0)
    assert xs.shape == (lengths.max(), len(lengths), 1)
    assert (np.diff(mask.numpy().astype(int), axis=0) <= 0).all()


def test_failures_shrink_to_something_readable() -> None:
    assert smallest(tensors(), lambda x: x.ndim == 2 and x.numpy().sum() > 1).tolist() == [[1.015625]]
    spec, a, b = smallest(einsums(), lambda d: len(d[0].split("->")[1]) == 2)
    assert (len(spec), a.size, b.size) in ((7, 1, 1), (6, 1, 1), (5, 1, 1))
    assert len(mg.tree.leaves(smallest(trees(), lambda t: isinstance(t, dict)))) == 1
    xs, mask = smallest(sequences(), lambda d: not d[1].numpy().all())
    assert xs.shape == (2, 2, 2)
    assert mask.tolist() in ([[True, True], [False, True]], [[True, True], [True, False]])
    assert not xs.numpy().any()
    assert smallest(st.tuples(broadcastable()), lambda t: t[0][0].shape != t[0][1].shape)[0][0].size <= 2
