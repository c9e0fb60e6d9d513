"""Activations, embeddings, convolutions in one dimension and pooling: against PyTorch, with gradients, at run-time sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import check_grads

rng = np.random.default_rng(0)
X = np.concatenate([rng.standard_normal((3, 4)) * 3, [[-30.0, 30.0, 1e-3, -1e-3]]])

ACTIVATIONS: list[tuple[Any, str, dict[str, Any]]] = [
    (mg.gelu, "gelu", {}),
    (lambda x: mg.gelu(x, approximate=True), "gelu", {"approximate": "tanh"}),
    (mg.silu, "silu", {}),
    (mg.leaky_relu, "leaky_relu", {}),
    (lambda x: mg.leaky_relu(x, 0.2), "leaky_relu", {"negative_slope": 0.2}),
    (mg.elu, "elu", {}),
    (lambda x: mg.elu(x, 0.5), "elu", {"alpha": 0.5}),
    (mg.glu, "glu", {}),
    (lambda x: mg.glu(x, 0), "glu", {"dim": 0}),
]


@pytest.mark.parametrize(("f", "name", "settings"), ACTIVATIONS, ids=[f"{a[1]}-{a[2]}" for a in ACTIVATIONS])
def test_activations_are_pytorchs(f: Any, name: str, settings: Any) -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    expected = getattr(torch.nn.functional, name)(x, **settings)
    ct = rng.standard_normal(expected.shape)
    (expected * torch.tensor(ct)).sum().backward()
    for g in (f, mg.jit(f)):
        np.testing.assert_allclose(g(X).numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-14)
    found = mg.grad(lambda x: mg.sum(f(x) * ct))(X).numpy()
    np.testing.assert_allclose(found, x.grad.numpy(), rtol=1e-10, atol=1e-14)
    check_grads(f, X[:2], order=2)


@pytest.mark.parametrize("f", [mg.gelu, mg.silu, mg.leaky_relu, mg.elu, mg.glu, mg.rms_norm, mg.layer_norm, mg.norm])
def test_integers_become_float32(f: Any) -> None:
    assert f(np.array([[1, 2], [3, 4]])).dtype == np.float32
    assert f([[1, 2], [3, 4]]).dtype == np.float32


def test_glu_of_an_odd_axis_is_refused() -> None:
    with pytest.raises(mg.errors.ShapeError, match="glu: axis 1 of \\(2, 3\\) has length 3, which is not two equal halves"):
        mg.glu(mg.zeros((2, 3)))


def test_an_embedding_is_the_rows_of_its_table() -> None:
    table, index = rng.standard_normal((5, 3)), rng.integers(0, 5, (2, 4))
    for f in (mg.embedding, mg.jit(mg.embedding)):
        np.testing.assert_array_equal(f(index, table).numpy(), table[index])
    check_grads(lambda table: mg.embedding(index, table), table, order=2)
    for i in (-1, 5):
        with pytest.raises(mg.errors.BoundsError, match=f"embedding: an index is {i}, but must be one of 0 … 4"):
            mg.embedding([0, i], table)
        with pytest.raises(mg.errors.BoundsError):
            mg.jit(mg.embedding)(np.array([0, i]), table)
    with pytest.raises(mg.errors.DTypeError, match="an index must be an integer"):
        mg.embedding([0.5], table)
    with pytest.raises(mg.errors.ShapeError, match="the table must have two axes"):
        mg.embedding([0], table[0])


# length, inputs, outputs, taps, and the settings
CONVOLUTIONS: list[tuple[int, int, int, int, dict[str, Any]]] = [
    (7, 2, 3, 3, {}),
    (7, 2, 3, 3, {"padding": 2}),
    (8, 2, 3, 3, {"stride": 2, "padding": 1}),
    (9, 2, 3, 2, {"stride": 3}),
    (9, 2, 3, 3, {"dilation": 2, "padding": 1}),
    (11, 2, 3, 3, {"stride": 2, "dilation": 3, "padding": 2}),
    (6, 4, 6, 3, {"groups": 2, "padding": 1}),
    (6, 3, 6, 2, {"groups": 3, "stride": 2}),
    (6, 4, 4, 3, {"groups": 4, "dilation": 2}),
    (5, 2, 3, 1, {}),
    (3, 2, 3, 3, {"stride": 4}),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv1d_is_pytorchs(case: Any) -> None:
    torch = pytest.importorskip("torch")
    length, inputs, outputs, taps, settings = case
    groups = settings.get("groups", 1)
    x, W = rng.standard_normal((2, 3, length, inputs)), rng.standard_normal((taps, inputs // groups, outputs))
    a, b = (torch.tensor(v, requires_grad=True) for v in (x, W))
    z = torch.nn.functional.conv1d(a.flatten(0, 1).movedim(-1, 1), b.permute(2, 1, 0), None, **settings).movedim(1, -1)
    y = mg.conv1d(x, W, **settings)
    ct = rng.standard_normal(y.shape)
    (z.reshape(y.shape) * torch.tensor(ct)).sum().backward()
    np.testing.assert_allclose(y.numpy(), z.detach().numpy().reshape(y.shape), rtol=1e-10, atol=1e-12)
    graded = mg.grad(lambda x, W: mg.sum(mg.conv1d(x, W, **settings) * ct), (0, 1))
    for f in (graded, mg.jit(graded)):
        for ours, theirs in zip(f(x, W), (a, b), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)
    check_grads(lambda x, W: mg.square(mg.conv1d(x, W, **settings)), x[0, 0], W, order=2)


@pytest.mark.parametrize("settings", [{}, {"dilation": 2}, {"groups": 2}, {"stride": 2}])
def test_a_causal_convolution_sees_the_past_only(settings: Any) -> None:
    x, W = rng.standard_normal((2, 6, 2)), rng.standard_normal((3, 2 // settings.get("groups", 1), 4))
    f = lambda x: mg.conv1d(x, W, padding="causal", **settings)  # noqa: E731
    assert f(x).shape == (2, 6 // settings.get("stride", 1), 4)
    np.testing.assert_allclose(f(x[:, :5])[:, :2].numpy(), f(x)[:, :2].numpy(), rtol=1e-12)
    changed = x.copy()
    changed[:, 4:] = 9
    upto = 4 // settings.get("stride", 1)
    np.testing.assert_array_equal(f(changed).numpy()[:, :upto], f(x).numpy()[:, :upto])
    assert not (f(changed).numpy()[:, upto:] == f(x).numpy()[:, upto:]).any()


def test_padding_may_differ_before_and_after() -> None:
    x, W = rng.standard_normal((5, 2)), rng.standard_normal((3, 2, 4))
    padded = np.pad(x, ((1, 3), (0, 0)))
    np.testing.assert_allclose(mg.conv1d(x, W, padding=(1, 3)).numpy(), mg.conv1d(padded, W).numpy(), rtol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"padding": "causal", "dilation": 2}, {"groups": 2, "padding": 1}])
def test_a_compiled_convolution_takes_any_batch_and_length(settings: Any) -> None:
    W = mg.tensor(rng.standard_normal((3, 2 // settings.get("groups", 1), 4)))
    f = mg.jit(mg.value_and_grad(lambda W, x: mg.sum(mg.square(mg.conv1d(x, W, **settings)))))
    g = mg.value_and_grad(lambda W, x: mg.sum(mg.square(mg.conv1d(x, W, **settings))))
    for batch, length in ((2, 7), (3, 9), (1, 30), (4, 6), (2, 7)):
        x = rng.standard_normal((batch, length, 2))
        (a, da), (b, db) = f(W, x), g(W, x)
        np.testing.assert_allclose(float(a), float(b), rtol=1e-12)
        np.testing.assert_allclose(da.numpy(), db.numpy(), rtol=1e-11)
    assert sum(map(len, f.programs.values())) == 1


POOLS: list[dict[str, Any]] = [
    {"size": 2},
    {"size": 3, "stride": 1},
    {"size": 3, "stride": 2, "padding": 1},
    {"size": 2, "stride": 3, "padding": 1},
]


@pytest.mark.parametrize("settings", POOLS, ids=str)
@pytest.mark.parametrize("name", ["max_pool1d", "avg_pool1d"])
def test_pooling_is_pytorchs(name: str, settings: Any) -> None:
    torch = pytest.importorskip("torch")
    pool, x = getattr(mg, name), rng.standard_normal((2, 8, 3))
    t = torch.tensor(x, requires_grad=True)
    size, *more = settings.values()
    z = getattr(torch.nn.functional, name)(t.movedim(-1, 1), size, *more).movedim(1, -1)
    ct = rng.standard_normal(z.shape)
    (z * torch.tensor(ct)).sum().backward()
    for f in (pool, mg.jit(lambda x, **_: pool(x, **settings))):
        np.testing.assert_allclose((f(x, **settings) if f is pool else f(x)).numpy(), z.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(mg.grad(lambda x: mg.sum(pool(x, **settings) * ct))(x).numpy(), t.grad.numpy(), rtol=1e-12, atol=1e-15)
    check_grads(lambda x: pool(x, **settings), x[0], order=2)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x, W: mg.conv1d(x, W[0]), "ShapeError", "takes x (…, length, in) and W (taps, in / groups, out), got (5, 2) and (2, 4)"),
        (lambda x, W: mg.conv1d(x, W, groups=2), "ShapeError", "with groups=2, x (5, 2) does not fit W (3, 2, 4)"),
        (lambda x, W: mg.conv1d(x, W, dilation=3), "ShapeError", "a window of 7 steps is longer than the 5 that it moves over"),
        (lambda x, W: mg.conv1d(x, W, stride=0), "SettingError", "stride must be at least 1, got 0"),
        (lambda x, W: mg.conv1d(x, W, padding=-1), "SettingError", "padding must not be negative, got -1"),
        (lambda x, W: mg.max_pool1d(x, 2, padding=2), "SettingError", "takes a padding from 0 to half the size, 1, got 2"),
        (lambda x, W: mg.avg_pool1d(x[0], 2), "ShapeError", "avg_pool1d: takes x (…, length, channels), got (2,)"),
        (lambda x, W: mg.avg_pool1d(x, 6), "ShapeError", "a window of 6 steps is longer than the 5"),
    ],
)
def test_bad_settings_say_so(call: Any, kind: str, words: str) -> None:
    with pytest.raises(getattr(mg.errors, kind)) as caught:
        call(np.zeros((5, 2)), np.zeros((3, 2, 4)))
    assert words in str(caught.value)
