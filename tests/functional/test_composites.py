from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import minigrad as mg
from minigrad.testing import axes, check_grads, tensors


def gradient(f: Any, x: Any) -> list[float]:
    return mg.grad(lambda t: mg.sum(f(t)))(np.asarray(x, "float64")).numpy().tolist()


# The minimum-norm subgradient at every kink: function, point, gradient of the sum.
KINKS = [
    ("relu", mg.relu, [0.0, -1.0, 1.0], [0, 0, 1]),
    ("abs", mg.abs, [0.0, -2.0], [0, -1]),
    ("sign", mg.sign, [0.0, 2.0], [0, 0]),
    ("clip", lambda x: mg.clip(x, -1, 1), [-1.0, 0.0, 1.0, 2.0], [0, 1, 0, 0]),
    ("maximum", lambda x: mg.maximum(x, mg.detach(x)), [3.0], [0.5]),
    ("maximum of a constant", lambda x: mg.maximum(x, 0), [0.0, 1.0], [0.5, 1]),
    ("minimum of a constant", lambda x: mg.minimum(x, 0), [0.0, 1.0], [0.5, 0]),
    ("max", mg.max, [1.0, 2.0, 2.0, 2.0, 0.0], [0, 1 / 3, 1 / 3, 1 / 3, 0]),
    ("min", mg.min, [1.0, 1.0, 2.0], [0.5, 0.5, 0]),
    ("norm", mg.norm, [0.0, 0.0], [0, 0]),
    ("std", mg.std, [2.0, 2.0, 2.0], [0, 0, 0]),
    ("std of one", mg.std, [2.0], [0]),
    ("prod of one zero", mg.prod, [0.0, 2.0, 3.0], [6, 0, 0]),
    ("prod of two zeros", mg.prod, [0.0, 0.0, 3.0], [0, 0, 0]),
    ("x⁰", lambda x: x**0, [0.0, 2.0], [0, 0]),
    ("x⁰ by a tensor", lambda x: x ** mg.zeros(2, "float64"), [0.0, 2.0], [0, 0]),
    ("where √", lambda x: mg.where(x > 0, mg.sqrt(mg.where(x > 0, x, 1)), 0), [-1.0, 4.0], [0, 0.25]),
    ("where log NaN", lambda x: mg.where(x > 0, x, mg.detach(mg.log(x))), [-1.0, 4.0], [0, 1]),
    ("cosine of zero", lambda x: mg.cosine_similarity(x, mg.tensor(np.ones(2))), [0.0, 0.0], [0, 0]),
    ("cosine with ε of zero", lambda x: mg.cosine_similarity(x, np.ones(2), epsilon=1e-8), [0.0, 0.0], [1 / (1e-8) ** 0.5] * 2),
    ("leaky relu", mg.leaky_relu, [0.0, -1.0, 1.0], [0.01, 0.01, 1]),
    ("elu", mg.elu, [0.0, 1000.0], [1, 1]),
    ("huber", lambda x: mg.huber(x, 0.0, reduction="sum"), [-np.inf, -3.0, -1.0, 0.0, 0.5, 1.0, np.inf], [-1, -1, -1, 0, 0.5, 1, 1]),
    ("masked softmax", lambda x: mg.softmax(mg.where(mg.tensor([False, False]), x, -np.inf)), [1.0, 2.0], [0, 0]),
    ("masked logsumexp", lambda x: mg.logsumexp(mg.where(mg.tensor([True, False]), x, -np.inf)), [1.0, 2.0], [1, 0]),
]


@pytest.mark.parametrize(("name", "f", "at", "expected"), KINKS, ids=[k[0] for k in KINKS])
def test_kinks_follow_the_table(name: str, f: Any, at: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(gradient(f, at), expected, rtol=1e-12)
    assert np.isfinite(mg.grad(lambda t: mg.sum(mg.grad(lambda t: mg.sum(f(t)))(t)))(np.array(at)).numpy()).all()


def test_where_gives_the_operand_not_taken_a_gradient_of_0_and_its_input_must_be_selected_too() -> None:
    t = np.array([0.0, 4.0])
    found = mg.grad(lambda a: mg.sum(mg.where(t > 0, a, mg.tensor(np.full(2, np.nan)))))(np.array([np.nan, 1.0]))
    assert found.tolist() == [0, 1]
    assert np.isnan(gradient(lambda t: mg.where(t > 0, mg.sqrt(t), 0), t)).tolist() == [True, False]
    assert gradient(lambda t: mg.where(t > 0, mg.sqrt(mg.where(t > 0, t, 1)), 0), t) == [0, 0.25]


def test_cosine_similarity_of_a_zero_vector_is_zero() -> None:
    assert float(mg.cosine_similarity(mg.zeros(3), mg.ones(3))) == 0
    assert gradient(lambda x: mg.cosine_similarity(x, mg.zeros(2, "float64")), [0.0, 0.0]) == [0, 0]


def test_softmax_of_a_fully_masked_row_is_zeros_with_zero_gradient() -> None:
    mask = mg.tensor([[True, False], [False, False]])
    f = lambda x: mg.softmax(mg.where(mask, x, -np.inf))  # noqa: E731
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(f(mg.tensor(x)).numpy(), [[1, 0], [0, 0]])
    np.testing.assert_array_equal(mg.grad(lambda t: mg.sum(f(t) * t))(x).numpy(), [[1, 0], [0, 0]])


@given(x=tensors(min_dims=1), shift=st.sampled_from([0.0, 1000.0, -1000.0, -1e18]))
def test_softmax_family_is_scipys_and_stable(x: mg.Tensor, shift: float) -> None:
    t, v = x + shift, x.numpy() + shift
    np.testing.assert_allclose(mg.softmax(t).numpy(), special.softmax(v, -1), rtol=1e-12)
    np.testing.assert_allclose(mg.log_softmax(t).numpy(), special.log_softmax(v, -1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mg.logsumexp(t).numpy(), special.logsumexp(v), rtol=1e-12)
    np.testing.assert_allclose(mg.logsumexp(t, -1, keepdims=True).numpy(), special.logsumexp(v, -1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        mg.softmax,
        mg.log_softmax,
        mg.logsumexp,
        mg.layer_norm,
        mg.norm,
        mg.var,
        mg.std,
        lambda x: mg.softmax(x, 0),
        lambda x: mg.var(x, 0, correction=1),
    ],
)
@given(data=st.data())
def test_gradients_of_composites(f: Any, data: Any) -> None:
    x = data.draw(tensors(min_dims=2, max_dims=2, max_side=3)) + np.linspace(0.1, 1, 1)
    check_grads(f, x + mg.tensor(np.random.default_rng(0).random(x.shape)), order=2) if x.shape[0] > 1 and x.shape[1] > 1 else None


@given(data=st.data())
def test_statistics_are_numpys(data: Any) -> None:
    x = data.draw(tensors(max_dims=3))
    axis = data.draw(axes(x.ndim))
    np.testing.assert_allclose(mg.var(x, axis).numpy(), np.var(x.numpy(), axis), atol=1e-13)
    np.testing.assert_allclose(mg.std(x, axis).numpy(), np.std(x.numpy(), axis), atol=1e-7)
    np.testing.assert_allclose(mg.norm(x).numpy(), np.linalg.norm(x.numpy().ravel()), atol=1e-13)
    if x.size > 1:
        np.testing.assert_allclose(mg.var(x, correction=1).numpy(), np.var(x.numpy(), ddof=1), atol=1e-13)


EINSUM = ["ij,jk->ik", "bij,bjk->bik", "ij,j->i", "i,i->", "i,j->ij", "ij->ji", "ij->", "ij->j", "bij,kj->bik", "ij,jk,kl->il", "ij,ij->ij",
          "bhqd,bhkd->bhqk", "ij,jk", "i,ij,j->", "ij,kl->"]  # fmt: skip


@pytest.mark.parametrize("spec", EINSUM)
def test_einsum_is_numpys(spec: str) -> None:
    size, rng = dict(zip("bhijklqd", (2, 3, 2, 3, 4, 2, 3, 2), strict=True)), np.random.default_rng(0)
    operands = [rng.standard_normal([size[c] for c in letters]) for letters in spec.split("->")[0].split(",")]
    np.testing.assert_allclose(mg.einsum(spec, *operands).numpy(), np.einsum(spec, *operands), rtol=1e-12, atol=1e-13)
    check_grads(lambda *xs: mg.einsum(spec, *xs), *operands, order=1)


@pytest.mark.parametrize(
    ("spec", "shapes", "words"),
    [
        ("ij,jk->ik", [(3, 4), (3, 4)], "'j' is 4 in operand 0 (3, 4) but 3 in operand 1 (3, 4)"),
        ("ij,jk->iz", [(3, 4), (4, 2)], "output 'iz'"),
        ("ij,jk->ii", [(3, 4), (4, 2)], "output 'ii'"),
        ("ij->ij", [(3, 4), (4, 2)], "names 1 operands, got 2"),
        ("ii->i", [(3, 4)], "'i' is 3 in operand 0 (3, 4) but 4 in operand 0 (3, 4)"),
        ("ijk->i", [(3, 3)], "must name the 2 axes of (3, 3)"),
    ],
)
def test_bad_einsums_name_the_letter(spec: str, shapes: Any, words: str) -> None:
    with pytest.raises(mg.errors.ShapeError) as caught:
        mg.einsum(spec, *(mg.zeros(s) for s in shapes))
    assert "einsum" in str(caught.value)
    assert words in str(caught.value)


@given(n=st.integers(3, 6), width=st.sampled_from([1, 3]))
def test_circular_convolution_with_a_one_hot_kernel_rolls(n: int, width: int) -> None:
    w = np.random.default_rng(n).random((2, n))
    for j in range(width):
        np.testing.assert_array_equal(mg.circular_convolution(w, np.eye(width)[j]).numpy(), np.roll(w, j - width // 2, -1))
    check_grads(mg.circular_convolution, w, np.random.default_rng(1).random((2, width)), order=1)


# height, width; rows, columns of the kernel; stride, padding
CONVOLUTIONS = [(5, 6, 3, 3, 1, 0), (5, 4, 3, 2, 2, 1), (7, 7, 3, 3, 3, 2), (4, 6, 1, 1, 2, 0), (3, 2, 3, 2, 5, 0)]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv2d_as_in_pytorch(case: Any) -> None:
    torch = pytest.importorskip("torch")
    height, width, rows, columns, stride, padding = case
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((2, 3, height, width, 2)), rng.standard_normal((rows, columns, 2, 4))
    y = mg.conv2d(x, W, stride, padding)
    ct = rng.standard_normal(y.shape)
    found = mg.grad(lambda x, W: mg.sum(mg.conv2d(x, W, stride, padding) * ct), (0, 1))(x, W)
    a, b = (torch.tensor(v, requires_grad=True) for v in (x, W))
    z = torch.nn.functional.conv2d(a.flatten(0, 1).movedim(-1, 1), b.permute(3, 2, 0, 1), None, stride, padding)
    z = z.movedim(1, -1).reshape(y.shape)
    (z * torch.tensor(ct)).sum().backward()
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(found, (a, b), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("x", "W", "more", "words"),
    [
        ((5, 5), (3, 3, 1, 1), {}, r"takes x (…, height, width, in) and W (rows, columns, in, out), got (5, 5) and (3, 3, 1, 1)"),
        ((5, 5, 2), (3, 3, 1, 1), {}, "got (5, 5, 2) and (3, 3, 1, 1)"),
        ((2, 5, 1), (3, 3, 1, 1), {}, "a kernel of 3×3 is larger than the 2×5 that it moves over"),
        ((5, 5, 1), (3, 3, 1, 1), {"stride": 0}, "takes a stride from 1 and a padding from 0, got 0 and 0"),
    ],
)
def test_bad_convolutions_say_so(x: Any, W: Any, more: Any, words: str) -> None:
    with pytest.raises(mg.errors.MinigradError) as caught:
        mg.conv2d(mg.zeros(x), mg.zeros(W), **more)
    assert words in str(caught.value)


def test_losses_are_their_formulas() -> None:
    rng = np.random.default_rng(0)
    z, t = rng.standard_normal((4, 3)), rng.random((4, 3))
    p = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(float(mg.binary_cross_entropy(z, t)), np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p)))
    classes = np.array([0, 2, 1, 1])
    logp = special.log_softmax(z, -1)
    np.testing.assert_allclose(float(mg.cross_entropy(z, classes)), -logp[range(4), classes].mean())
    np.testing.assert_allclose(float(mg.cross_entropy(z, np.eye(3)[classes])), -logp[range(4), classes].mean())
    np.testing.assert_allclose(float(mg.cross_entropy(z, classes, weights=np.array([1, 0, 0, 1]))), -logp[[0, 3], [0, 1]].mean())
    np.testing.assert_allclose(float(mg.mse(z, t)), np.mean((z - t) ** 2))
    d = np.abs(z - t)
    np.testing.assert_allclose(float(mg.huber(z, t)), np.mean(np.where(d <= 1, d * d / 2, d - 0.5)))
    assert float(mg.binary_cross_entropy(z, t, weights=np.zeros((4, 3)))) == 0
    assert np.isfinite(float(mg.binary_cross_entropy(np.array([-1e4, 1e4]), np.array([1.0, 0.0]))))
    for f in (mg.binary_cross_entropy, mg.mse, mg.huber, mg.cross_entropy):
        check_grads(lambda z, f=f: f(z, t), z)


def test_dropout_scales_what_it_keeps() -> None:
    x = mg.ones(10_000)
    y = mg.dropout(x, 0.25, mg.random.key(0)).numpy()
    assert set(np.round(y, 6)) == {0.0, np.float32(1 / 0.75).round(6)}
    assert abs(y.mean() - 1) < 0.03
    assert mg.dropout(x, 0.25, None) is x
    with pytest.raises(mg.errors.SettingError, match="rate"):
        mg.dropout(x, 1.0, None)


def test_cross_entropy_of_classes_that_cannot_be() -> None:
    z = np.array([[0.5, -np.inf, 1.0], [-np.inf, 2.0, -1.0]])
    t = np.array([[0.25, 0.0, 0.75], [0.0, 1.0, 0.0]])
    value, grads = mg.value_and_grad(mg.cross_entropy, (0, 1))(z, t)
    kept = [[0, 2], [1, 2]]
    rows = [mg.cross_entropy(z[i, k], t[i, k]) for i, k in enumerate(kept)]
    np.testing.assert_allclose(float(value), np.mean([float(r) for r in rows]), rtol=1e-12)
    np.testing.assert_allclose(grads[0].numpy(), (mg.softmax(z).numpy() - t) / 2, atol=1e-15)
    assert np.isfinite(grads[1].numpy()).all()
    assert float(mg.cross_entropy(z, np.array([0, 1]))) < np.inf
    assert float(mg.cross_entropy(z, np.array([1, 1]))) == np.inf
    assert float(mg.cross_entropy(z[0], np.array([0.0, 0.5, 0.5]))) == np.inf


def test_log_softmax_of_a_masked_row_is_the_logarithm_of_softmax() -> None:
    z = np.full((2, 3), -np.inf)
    assert (mg.log_softmax(z).numpy() == -np.inf).all()
    assert float(mg.cross_entropy(z, np.zeros((2, 3)))) == 0
