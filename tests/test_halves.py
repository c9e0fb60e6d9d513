"""float16 and bfloat16 are stored, moved, compared and cast, eager and compiled; operations that compute refuse them by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from minigrad import io
from minigrad.errors import DTypeError, NonFiniteError, RangeError
from minigrad.testing import check_grads

FLOAT16, BFLOAT16 = np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)
EVERY = np.arange(2**16, dtype="uint16")
halves = pytest.mark.parametrize("half", [FLOAT16, BFLOAT16], ids=str)


def same(a: Any, b: Any) -> None:
    """Equal bits, but for the bits of NaN."""
    a, b = np.asarray(a), np.asarray(b)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    with np.errstate(invalid="ignore"):
        missing = np.isnan(a)
        np.testing.assert_array_equal(missing, np.isnan(b))
    np.testing.assert_array_equal(a[~missing].view(f"uint{8 * a.itemsize}"), b[~missing].view(f"uint{8 * a.itemsize}"))


def both(f: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """f(x), which is the same eager and compiled."""
    eager = f(mg.tensor(x)).numpy()
    with warnings.catch_warnings(action="error"):
        same(mg.jit(f)(x), eager)
    return eager


def between(half: np.dtype, wide: str) -> np.ndarray:
    """Every number of the dtype, the middle of every two, and the neighbours of both."""
    x = EVERY.view(half).astype("float64")
    with np.errstate(all="ignore"):
        found = np.concatenate([x, (x[:-1] + x[1:]) / 2]).astype(wide)
        up, down = (np.nextafter(found, found.dtype.type(end)) for end in (np.inf, -np.inf))
    return np.concatenate([found, up, down])


@halves
@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_every_number_is_widened_exactly(half: np.dtype, wide: str) -> None:
    x = EVERY.view(half)
    same(both(lambda x: x.astype(wide), x), x.astype(wide))


@halves
@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_rounding_is_to_the_nearest_and_ties_go_to_even(half: np.dtype, wide: str) -> None:
    x = between(half, wide)
    found = both(lambda x: x.astype(half), x)
    if half == FLOAT16 or wide == "float32":  # ml_dtypes rounds float64 twice
        with np.errstate(all="ignore"):
            same(found, x.astype(half))
    bits = found.view("uint16").astype("int64")
    inside = np.isfinite(x) & (bits & 0x7FFF != 0) & np.isfinite(found)
    x, found, bits = x[inside].astype("float64"), found[inside].astype("float64"), bits[inside]
    for step in (1, -1):
        near = (bits + step).astype("uint16").view(half).astype("float64")
        with np.errstate(all="ignore"):
            ours, theirs = np.abs(x - found), np.abs(x - near)
        assert np.all((ours < theirs) | ((ours == theirs) & (bits % 2 == 0)) | ~np.isfinite(near))


@halves
def test_integers_and_bools_are_cast_as_floats_are(half: np.dtype) -> None:
    for dtype in ("int32", "int64", "uint32", "uint64", "uint8", "bool"):
        x = np.array([0, 1, 7, 200, 255, 1023, 65519, 70000, 2**24 + 2**15 + 1][: 5 if dtype == "uint8" else None]).astype(dtype)
        with np.errstate(over="ignore"):
            same(both(lambda x: x.astype(half), x), mg.tensor(x.astype("float64")).astype(half))
    x = np.array([0, 1.5, -2.5, 300], half)
    for dtype in ("int32", "int64", "bool"):
        np.testing.assert_array_equal(both(lambda x, dtype=dtype: x.astype(dtype), x), x.astype(dtype))
    other = BFLOAT16 if half == FLOAT16 else FLOAT16
    same(both(lambda x: x.astype(other), x), x.astype(other))


MOVES: list[Callable[[Any], Any]] = [
    lambda x: x, lambda x: x.T, lambda x: x[1:, ::-1], lambda x: x[np.array([2, 0, -1])], lambda x: mg.reshape(x, (-1,)),
    lambda x: mg.concat([x, x[:1]]), lambda x: mg.stack([x, x]), lambda x: mg.where(x < mg.flip(x, 0), x, 1),
    lambda x: mg.pad(x, [(1, 0), (0, 2)]),
    lambda x: mg.roll(x, 1), lambda x: mg.broadcast_to(x, (2, 3, 4)), lambda x: mg.take_along_axis(x, np.zeros((3, 1), int), 1),
    lambda x: mg.sort(x), lambda x: mg.detach(x), lambda x: mg.full((2,), 0.1, x.dtype), lambda x: mg.ones_like(x), lambda x: mg.relu(x),
    lambda x: mg.equal(x, 1), lambda x: x != mg.flip(x), lambda x: mg.isnan(x), lambda x: mg.isfinite(x), lambda x: mg.argsort(x, 0),
    lambda x: mg.tril(x), lambda x: mg.tile(x, 2), lambda x: mg.repeat(x, 2, 0), lambda x: mg.unstack(x)[1], mg.isinf, mg.count_nonzero,
    lambda x: x.at[0].set(x[1]), lambda x: x.at[:, 1].set(0.1), lambda x: mg.tensor([x, x]), lambda x: mg.top_k(x, 2)[0],
    lambda x: mg.squeeze(x[:1]), lambda x: mg.split(x, 2)[1], lambda x: mg.one_hot(np.array([1]), 3, x.dtype), lambda x: mg.clip(x, -1, 1),
]  # fmt: skip


@halves
@given(data=st.data())
def test_what_moves_and_compares_gives_what_it_gives_for_float32(half: np.dtype, data: st.DataObject) -> None:
    f = data.draw(st.sampled_from(MOVES))
    bits = data.draw(hnp.arrays("uint16", (3, 4), elements=st.integers(0, 2**16 - 1)))
    x = bits.view(half)
    found = both(f, x)
    assert found.dtype in (half, np.dtype("bool"), np.dtype("int64"))
    expected = f(mg.tensor(x.astype("float32"))).numpy()
    same(found.astype("float32"), expected.astype(half).astype("float32"))


COMPUTED: list[Callable[[Any], Any]] = [
    lambda x: x + x, lambda x: 2 * x, lambda x: x / x, lambda x: x**2, lambda x: -x, abs, mg.exp, mg.floor, mg.sum, mg.mean, mg.max,
    mg.prod, mg.cumprod, mg.round, mg.signbit, lambda x: x // x, lambda x: mg.hypot(x, x), lambda x: mg.diff(x), lambda x: x.at[0].add(1),
    lambda x: x.at[0].max(1), mg.atan, lambda x: mg.einsum("ij->i", x),
    lambda x: x @ x, mg.cumsum, mg.argmax, lambda x: mg.maximum(x, 0), mg.softmax, mg.logsumexp, mg.var, lambda x: mg.norm(x),
    lambda x: mg.arange(3, dtype=x.dtype), lambda x: mg.random.uniform(mg.random.key(0), 3, dtype=x.dtype),
]  # fmt: skip


@halves
@pytest.mark.parametrize("f", COMPUTED)
def test_what_computes_refuses_them_with_the_way_out(half: np.dtype, f: Callable[[Any], Any]) -> None:
    for call in (f, mg.jit(f)):
        with pytest.raises(DTypeError, match=rf"{half} is for storage, and nothing is computed in it. Convert with .astype\('float32'\)"):
            call(mg.ones((2, 2), half))


@halves
def test_the_array_api_knows_their_limits_and_kinds(half: np.dtype) -> None:
    limits = mg.finfo(half)
    assert (limits.bits, limits.dtype, limits.max) == (16, half, mg.nan_to_num(mg.tensor([np.inf]).astype(half)).astype("float64").item())
    kinds = ["real floating", ("bool", half), "numeric", "integral", ("bool", mg.float32)]
    assert [mg.isdtype(half, k) for k in kinds] == [True, True, True, False, False]
    assert [mg.result_type(half, other) for other in (1.0, mg.float64)] == [half, mg.float64]


@halves
def test_what_is_not_finite_is_found_in_them(half: np.dtype) -> None:
    f = mg.jit(lambda x: x.astype(half), finite=True)
    assert f(mg.ones(2)).dtype == half
    with pytest.raises(NonFiniteError, match="cast: inf at index"):
        f(mg.full(2, 3.4e38))


def test_beside_wider_floats_they_are_widened() -> None:
    x = mg.tensor(np.array([1.5, 2], "float16"))
    assert (x + mg.ones(2)).dtype == (x * x.astype("bfloat16")).dtype == "float32"
    assert (x * np.ones(2)).dtype == "float64"
    with pytest.raises(RangeError, match="does not fit float16"):
        mg.full(2, 1e6, "float16")
    with pytest.raises(RangeError, match="does not fit bfloat16"):
        mg.jit(lambda a: mg.full(2, a, "bfloat16"))(1e300)
    with pytest.raises(RangeError, match="does not fit float16"):
        mg.tensor([1e6], "float16")


# ---- gradients


@halves
def test_gradients_pass_through_storage_and_have_its_dtype(half: np.dtype) -> None:
    W = mg.parameter(np.array([[1.5, -2.0], [0.25, 3.0]], half))

    def loss(W: Any) -> Any:
        wide = W[np.array([0, 1, 1])].astype("float32")
        return mg.sum(wide**2) + mg.sum(W.T.astype("float64")[0])

    expected = np.array([[4, -4], [2, 12]]).astype(half)
    for f in (loss, mg.checkpoint(loss), lambda W: mg.cond(True, loss, loss, W), mg.jit(loss)):
        same(mg.grad(f)(W), expected)
        same(mg.jit(mg.grad(f))(W), expected)
    loss(W).backward()
    assert W.grad is not None
    same(W.grad, expected)


@halves
def test_many_uses_are_added_in_float32(half: np.dtype) -> None:
    W = mg.parameter(np.ones(1, half))
    total = sum((mg.sum(W.astype("float32")) * 1.25 for _ in range(1000)), mg.tensor(0.0))
    total.backward()
    assert W.grad is not None
    assert float(W.grad.numpy()[0]) == float(np.array(1250.0, half))


@halves
def test_a_loop_over_time_may_carry_and_read_them(half: np.dtype) -> None:
    def run(table: Any, h: Any, xs: Any) -> Any:
        def step(h: Any, i: Any) -> Any:
            new = mg.tanh(h.astype("float32") * 0.5 + table[i].astype("float32"))
            return new.astype(half), new

        last, ys = mg.scan(step, h.astype(half), xs)
        return mg.sum(ys) + mg.sum(last.astype("float32"))

    table, xs = mg.parameter(np.linspace(-1, 1, 6).reshape(3, 2).astype(half)), np.array([0, 2, 1, 2])
    eager, fast = mg.grad(run)(table, mg.zeros(2), xs), mg.jit(mg.grad(run))(table, mg.zeros(2), xs)
    np.testing.assert_allclose(fast.numpy().astype("float32"), eager.numpy().astype("float32"), rtol=2**-7)
    exact = mg.grad(lambda t, h, xs: run(t, h, xs))(mg.tensor(table.numpy().astype("float64")), mg.zeros(2, "float64"), xs)
    np.testing.assert_allclose(eager.numpy().astype("float32"), exact.numpy(), rtol=2**-5)


def test_a_cast_has_the_gradient_of_the_identity() -> None:
    x = mg.tensor(np.array([1.0, -2.0, 0.5]))
    check_grads(lambda x: mg.sum(x * x.detach().astype("bfloat16").astype("float64")), x)
    assert mg.grad(lambda x: mg.sum(x.astype("bfloat16").astype("float64") * 3))(x).numpy().tolist() == [3, 3, 3]


# ---- files


@halves
def test_they_are_saved_and_loaded(half: np.dtype, tmp_path: Any) -> None:
    tree = {"W": mg.parameter(EVERY.view(half)), "x": EVERY[:3].view(half)}
    io.save(tmp_path / "a", tree)
    found, _ = io.load(tmp_path / "a", tree)
    assert found["W"].dtype == found["x"].dtype == half
    assert found["W"].numpy().tobytes() == EVERY.tobytes()


@halves
def test_pytorch_reads_them_and_writes_them(half: np.dtype, tmp_path: Any) -> None:
    torch, theirs = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    io.save(tmp_path / "a", {"W": EVERY.view(half)})
    W = theirs.load_file(tmp_path / "a")["W"]
    assert W.dtype == getattr(torch, str(half))
    same(W.to(torch.float32).numpy(), EVERY.view(half).astype("float32"))
    theirs.save_file({"W": W}, tmp_path / "b")
    same(io.load(tmp_path / "b")[0]["W"], EVERY.view(half))
