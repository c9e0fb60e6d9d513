"""Losses against PyTorch, value and gradient; what their weights exclude; classes that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import check_grads

GARBAGE = [np.nan, np.inf, -np.inf, 1e30, 1e300]
REDUCTIONS: list[Any] = ["mean", "sum", "none"]
rng = np.random.default_rng(0)
ROWS, CLASSES = 5, 4
Z, P = rng.standard_normal((ROWS, CLASSES)) * 2, rng.dirichlet(np.ones(CLASSES), ROWS)
BINARY = (rng.random((ROWS, CLASSES)) < 0.5).astype(float)
INDEX = np.array([0, 3, 2, 2, 1])
POSITIVE = np.array([0.5, 1.0, 2.0, 7.0])


NAMES = [
    "mse", "huber", "bce", "bce of positives", "cross entropy", "cross entropy of probabilities", "smoothed", "smoothed probabilities",
    "ignored", "ignored by default", "weights of classes", "nll", "images", "kl",
]  # fmt: skip


def torch_cases() -> dict[str, Any]:
    """name -> (ours, theirs, operands): both functions of the operands and of a reduction."""
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    index, skipped = torch.tensor(INDEX), torch.tensor([0, -100, 2, 2, 7])
    return {
        "mse": (mg.mse, F.mse_loss, (Z, P)),
        "huber": (lambda a, b, **r: mg.huber(a, b, 0.7, **r), lambda a, b, **r: F.huber_loss(a, b, delta=0.7, **r), (Z, P)),
        "bce": (mg.binary_cross_entropy, F.binary_cross_entropy_with_logits, (Z, P)),
        "bce of positives": (
            lambda z, t, **r: mg.binary_cross_entropy(z, t, pos_weight=POSITIVE, **r),
            lambda z, t, **r: F.binary_cross_entropy_with_logits(z, t, pos_weight=torch.tensor(POSITIVE), **r),
            (Z, P),
        ),
        "cross entropy": (lambda z, **r: mg.cross_entropy(z, INDEX, **r), lambda z, **r: F.cross_entropy(z, index, **r), (Z,)),
        "cross entropy of probabilities": (mg.cross_entropy, F.cross_entropy, (Z, P)),
        "smoothed": (
            lambda z, **r: mg.cross_entropy(z, INDEX, label_smoothing=0.3, **r),
            lambda z, **r: F.cross_entropy(z, index, label_smoothing=0.3, **r),
            (Z,),
        ),
        "smoothed probabilities": (
            lambda z, p, **r: mg.cross_entropy(z, p, label_smoothing=0.3, **r),
            lambda z, p, **r: F.cross_entropy(z, p, label_smoothing=0.3, **r),
            (Z, P),
        ),
        "ignored": (
            lambda z, **r: mg.cross_entropy(z, skipped.numpy(), ignore_index=7, weights=skipped.numpy() >= 0, **r),
            lambda z, **r: F.cross_entropy(z, torch.where(skipped == 7, -100, skipped), **r),
            (Z,),
        ),
        "ignored by default": (
            lambda z, **r: mg.cross_entropy(z, np.where(skipped.numpy() == 7, -100, skipped.numpy()), label_smoothing=0.2, **r),
            lambda z, **r: F.cross_entropy(z, torch.where(skipped == 7, -100, skipped), label_smoothing=0.2, **r),
            (Z,),
        ),
        "weights of classes": (
            lambda z, **r: mg.cross_entropy(z, INDEX, weights=POSITIVE[INDEX], **r),
            lambda z, **r: F.cross_entropy(z, index, weight=torch.tensor(POSITIVE), **r),
            (Z,),
        ),
        "nll": (lambda z, **r: mg.nll(z, INDEX, **r), lambda z, **r: F.nll_loss(z, index, **r), (Z,)),
        "images": (
            lambda z, **r: mg.cross_entropy(z, INDEX[:4].reshape(2, 2), axis=1, **r),
            lambda z, **r: F.cross_entropy(z, index[:4].reshape(2, 2), **r),
            (Z[:4, :4].reshape(2, 4, 2),),
        ),
        "kl": (mg.kl_div, lambda a, b, reduction: kl(F, a, b, reduction), (np.log(P[::-1]), P)),
    }


def kl(F: Any, log_q: Any, p: Any, reduction: str) -> Any:
    rows = F.kl_div(log_q, p, reduction="none").sum(-1)
    return rows if reduction == "none" else F.kl_div(log_q, p, reduction="batchmean" if reduction == "mean" else "sum")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_losses_and_their_gradients_are_pytorchs(name: str, reduction: Any) -> None:
    torch = pytest.importorskip("torch")
    cases = torch_cases()
    assert list(cases) == NAMES
    ours, theirs, operands = cases[name]
    tensors = [torch.tensor(v, requires_grad=True) for v in operands]
    expected = theirs(*tensors, reduction=reduction)
    ct = rng.standard_normal(expected.shape)
    (expected * torch.tensor(ct)).sum().backward()
    every = tuple(range(len(operands)))
    np.testing.assert_allclose(ours(*operands, reduction=reduction).numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    graded = mg.grad(lambda *v: mg.sum(ours(*v, reduction=reduction) * ct), every)
    for f in (graded, mg.jit(graded)):
        for found, t in zip(f(*operands), tensors, strict=True):
            np.testing.assert_allclose(found.numpy(), t.grad.numpy(), rtol=1e-10, atol=1e-13)


# name -> f(first operand, second operand, weights, reduction), the operands, and the shape of the weights
LOSSES: dict[str, Any] = {
    "mse": (lambda a, b, w, r: mg.mse(a, b, weights=w, reduction=r), (Z, P), (ROWS, CLASSES)),
    "huber": (lambda a, b, w, r: mg.huber(a, b, weights=w, reduction=r), (Z, P), (ROWS, CLASSES)),
    "bce": (lambda a, b, w, r: mg.binary_cross_entropy(a, b, w, reduction=r), (Z, BINARY), (ROWS, CLASSES)),
    "bce of positives": (lambda a, b, w, r: mg.binary_cross_entropy(a, b, w, POSITIVE, r), (Z, BINARY), (ROWS, CLASSES)),
    "probabilities": (lambda a, b, w, r: mg.cross_entropy(a, b, weights=w, reduction=r), (Z, P), (ROWS,)),
    "kl": (lambda a, b, w, r: mg.kl_div(a, b, weights=w, reduction=r), (np.log(P[::-1]), P), (ROWS,)),
    "classes": (lambda a, b, w, r: mg.cross_entropy(a + 0 * b, INDEX, weights=w, reduction=r), (Z, P), (ROWS,)),
    "smoothed": (lambda a, b, w, r: mg.cross_entropy(a, INDEX, weights=w, label_smoothing=0.1, reduction=r), (Z, P), (ROWS,)),
    "nll": (lambda a, b, w, r: mg.nll(a, INDEX, weights=w, reduction=r), (Z, P), (ROWS,)),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_weights_count_as_they_say(name: str, reduction: Any) -> None:
    loss, operands, shape = LOSSES[name]
    w = rng.random(shape)
    values = loss(*operands, None, "none").numpy() * w
    expected = {"none": values, "sum": values.sum(), "mean": values.sum() / w.sum()}[reduction]
    np.testing.assert_allclose(loss(*operands, w, reduction).numpy(), expected, rtol=1e-12)
    check_grads(lambda a, b, w: loss(a, b, w, reduction), *operands, w, order=2 if name == "mse" else 1)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("name", LOSSES)
def test_what_has_weight_0_reaches_neither_the_loss_nor_a_gradient(name: str, compiled: bool) -> None:
    loss, operands, shape = LOSSES[name]
    ct = rng.standard_normal(shape)
    kept = rng.random(shape) < 0.6
    kept.flat[:2] = False, True
    places = kept if kept.ndim == 2 else np.broadcast_to(kept[:, None], Z.shape)
    scale = np.ones(CLASSES)  # a parameter below the loss, whose gradient is a sum over all elements

    def all_reductions(a: Any, b: Any, w: Any) -> Any:
        return loss(a, b, w, "mean") + loss(a, b, w, "sum") + mg.sum(loss(a, b, w, "none") * ct)

    f = mg.value_and_grad(all_reductions, (0, 1))
    f = mg.jit(f) if compiled else f
    for weights in (kept, kept * 2.5):
        expected = f(*operands, weights)
        for garbage in GARBAGE:
            found = f(*(np.where(places, v, garbage) for v in operands), weights)
            for a, b in zip(mg.tree.leaves(found), mg.tree.leaves(expected), strict=True):
                assert np.isfinite(a.numpy()).all()
                np.testing.assert_array_equal(a.numpy(), b.numpy())
            assert not found[1][0].numpy()[~places].any()
    assert np.isfinite(mg.grad(lambda s: loss(Z * s, operands[1], kept, "mean"))(scale).numpy()).all()


@pytest.mark.parametrize("name", LOSSES)
def test_no_weight_at_all_gives_0(name: str) -> None:
    loss, operands, shape = LOSSES[name]
    value, grads = mg.value_and_grad(lambda a, b: loss(a, b, np.zeros(shape), "mean"), (0, 1))(*(v * np.nan for v in operands))
    assert float(value) == 0
    assert not any(g.numpy().any() for g in grads)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_a_weight_of_0_is_the_value_there(name: str) -> None:
    loss, operands, shape = LOSSES[name]
    found = mg.grad(lambda w: loss(*operands, w, "sum"))(np.zeros(shape))
    np.testing.assert_allclose(found.numpy(), loss(*operands, None, "none").numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_nan_in_what_counts_is_not_hidden(name: str) -> None:
    loss, operands, shape = LOSSES[name]
    for place in np.ndindex(Z.shape):
        if name == "nll" and place[1] != INDEX[place[0]]:
            continue
        a = operands[0].copy()
        a[place] = np.nan
        for w in (None, np.ones(shape)):
            assert np.isnan(float(loss(a, operands[1], w, "mean")))
            assert np.isnan(float(mg.jit(lambda a, w: loss(a, operands[1], w, "mean"))(a, w)))
    with pytest.raises(mg.errors.NonFiniteError):
        mg.jit(lambda z: loss(z, operands[1], None, "mean"), finite=True)(np.full_like(Z, np.nan))
    assert np.isnan(float(loss(*operands, np.full(shape, np.nan), "mean")))


def test_cross_entropy_of_nan_is_nan() -> None:
    assert np.isnan(float(mg.cross_entropy([[np.nan, 1.0, 2.0]], [2])))


# ---- classes


@pytest.mark.parametrize("loss", [mg.cross_entropy, mg.nll])
@given(t=st.integers(-1000, 1000), dtype=st.sampled_from(["int64", "int32", "int16"]))
def test_a_class_that_is_none_is_refused(loss: Any, t: int, dtype: str) -> None:
    z, targets = mg.log_softmax(Z[:2]).numpy(), np.array([0, t], dtype)
    for f in (loss, mg.grad(loss)):
        if t == -100 or 0 <= t < CLASSES:
            f(z, targets)
        else:
            with pytest.raises(mg.errors.BoundsError, match=rf"a target is {t}, but must be one of 0 … {CLASSES - 1}"):
                f(z, targets)


@pytest.mark.parametrize("loss", [mg.cross_entropy, mg.nll])
def test_a_class_that_is_none_is_refused_in_compiled_code(loss: Any) -> None:
    z = mg.log_softmax(Z).numpy()
    for f in (mg.jit(loss), mg.jit(mg.grad(loss))):
        f(z, INDEX)
        f(z, np.where(INDEX == 2, -100, INDEX))
        for t in (-1, CLASSES, -101):
            with pytest.raises(mg.errors.BoundsError):
                f(z, np.where(INDEX == 2, t, INDEX))
    f = mg.jit(lambda z, t, w: loss(z, t, weights=w))
    kept = INDEX != 2
    np.testing.assert_allclose(float(f(z, np.where(kept, INDEX, -1), kept)), float(loss(z[kept], INDEX[kept])), rtol=1e-12)


@pytest.mark.parametrize("t", [-1, -100, CLASSES, 2**40])
def test_a_class_that_is_weighted_off_may_be_anything(t: int) -> None:
    kept = INDEX != 2
    found = mg.value_and_grad(lambda z: mg.cross_entropy(z, np.where(kept, INDEX, t), weights=kept))(Z)
    value, grad = mg.value_and_grad(lambda z: mg.cross_entropy(z, INDEX[kept]))(Z[kept])
    np.testing.assert_allclose(float(found[0]), float(value), rtol=1e-12)
    np.testing.assert_allclose(found[1].numpy()[kept], grad.numpy(), rtol=1e-12)
    assert not found[1].numpy()[~kept].any()


def test_classes_of_small_unsigned_integers() -> None:
    assert float(mg.cross_entropy(Z, INDEX.astype("uint8"))) == float(mg.cross_entropy(Z, INDEX))
    z = rng.standard_normal((2, 300))
    with pytest.raises(mg.errors.BoundsError):
        mg.jit(mg.cross_entropy)(z[:, :200], np.array([0, 255], "uint8"))


def test_whole_logits_are_floats() -> None:
    np.testing.assert_allclose(float(mg.binary_cross_entropy(np.array([1, -2]), np.array([0.5, 0.25]))), 0.72009, rtol=1e-5)
    assert mg.binary_cross_entropy(np.zeros(2, "float32"), np.zeros(2)).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: mg.mse(Z, Z, reduction="avg"), "SettingError", "mse: reduction = 'avg' is unknown. Take one of 'mean', 'sum', 'none'"),
        (lambda: mg.cross_entropy(Z, INDEX, label_smoothing=1.5), "SettingError", "label_smoothing must be in [0, 1], got 1.5"),
        (lambda: mg.cross_entropy(Z, INDEX > 1), "DTypeError", "cross_entropy: a target must be an integer, got bool(5)"),
        (lambda: mg.nll(Z, INDEX[:2]), "ShapeError", "nll: targets int64(2) are classes, which must have the shape (5,)"),
        (lambda: mg.kl_div(Z, Z[0]), "ShapeError", "kl_div: log q float64(5, 4) and p float64(4) must have the same shape"),
        (lambda: mg.binary_cross_entropy(Z[0], Z[0], pos_weight=Z), "ShapeError", "pos_weight float64(5, 4) have more elements than"),
    ],
)
def test_bad_losses_say_so(call: Any, kind: str, words: str) -> None:
    with pytest.raises(getattr(mg.errors, kind)) as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.parametrize("loss", [mg.cross_entropy, mg.nll])
def test_the_mean_of_no_rows_is_refused_with_classes_and_with_probabilities(loss: Any) -> None:
    empty = np.zeros((0, 3))
    for f in (loss, mg.jit(loss)):
        with pytest.raises(mg.errors.EmptyError):
            f(empty, np.zeros(0, int))
    assert loss(empty, np.zeros(0, int), reduction="sum").item() == 0
    with pytest.raises(mg.errors.EmptyError):
        mg.cross_entropy(empty, empty)
