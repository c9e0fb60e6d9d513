from __future__ import annotations

import math
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import init, random
from minigrad.compiler import loop_ir as L
from minigrad.compiler.lower.random import Rounds, bits
from minigrad.errors import DTypeError, SettingError
from minigrad.transforms.interpret import run

KEY = random.key(2024)
N = 20_000


def test_numbers_are_a_function_of_the_key_eager_traced_and_batched() -> None:
    keys = random.split(KEY, 3)
    f = lambda k: random.normal(k, (2, 2), "float64")  # noqa: E731
    each = np.stack([f(k).numpy() for k in keys])
    np.testing.assert_array_equal(mg.vmap(f)(keys).numpy(), each)
    np.testing.assert_array_equal(run(mg.trace(f, KEY), [KEY.numpy()])[0], f(KEY).numpy())
    assert len(np.unique(each)) == each.size


def test_by_default_a_draw_is_one_number() -> None:
    for one in random.uniform(KEY), random.normal(KEY), random.bernoulli(KEY), random.integers(KEY, 0, 5):
        assert one.shape == ()


def test_the_stream_of_a_key_is_recorded() -> None:
    """Bits of Philox 4x64-10: these numbers may never change."""
    np.testing.assert_array_equal(random.uniform(random.key(0), (2,), dtype="float64").numpy(), _uniform(0, 2))
    np.testing.assert_array_equal(random.uniform(random.key(7 + (3 << 64)), (3,), dtype="float64").numpy(), _uniform(7 + (3 << 64), 3))


def _uniform(seed: int, n: int) -> np.ndarray:
    bits = np.random.Philox(key=seed, counter=0).random_raw(n)
    return (bits >> np.uint64(11)) * 2.0**-53


PUBLISHED = [  # counter, key and numbers of Philox 4x64-10, as published with Random123
    ((0, 0, 0, 0), (0, 0), (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)),
    (
        (2**64 - 1,) * 4,
        (2**64 - 1,) * 2,
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


@pytest.mark.parametrize(("counter", "key", "numbers"), PUBLISHED)
def test_the_interpreter_s_and_the_compiled_philox_give_the_published_numbers(
    counter: tuple[int, ...], key: tuple[int, ...], numbers: tuple[int, ...]
) -> None:
    before = sum(c << 64 * i for i, c in enumerate(counter)) - 1  # NumPy counts up first
    words = [before >> 64 * i & (2**64 - 1) for i in range(4)]
    assert tuple(np.random.Philox(key=np.array(key, np.uint64), counter=np.array(words, np.uint64)).random_raw(4).tolist()) == numbers
    assert _compiled_philox(counter, key) == numbers


def _compiled_philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers that the loops of a compiled program compute for one counter."""
    number = count()
    rounds = Rounds(SimpleNamespace(lowering=SimpleNamespace(name=lambda kind: f"{kind}{next(number)}")))  # type: ignore[arg-type]
    found = rounds.run([bits(c) for c in counter], [bits(k) for k in key])
    with np.errstate(over="ignore"):
        values: dict[str, np.uint64] = {}
        for let in rounds.made:
            values[let.name] = _value(let.expr, values)  # type: ignore[union-attr]
        return tuple(int(_value(e, values)) for e in found)


def _value(expr: L.Expr, values: dict[str, np.uint64]) -> np.uint64:
    match expr:
        case L.Const():
            return np.uint64(expr.value)
        case L.Read():
            return values[expr.name]
        case L.Binary():
            binary = {"and": np.bitwise_and, "shr": np.right_shift, "mul": np.multiply, "add": np.add, "xor": np.bitwise_xor}
            return binary[expr.op](_value(expr.x, values), _value(expr.y, values))
    raise TypeError(expr)


@given(seed=st.integers(0, 2**128 - 1), n=st.integers(-(2**63), 2**63 - 1))
def test_new_keys_are_new(seed: int, n: int) -> None:
    key = random.key(seed)
    found = [tuple(k.tolist()) for k in (key, *random.split(key), random.fold_in(key, n), random.fold_in(random.fold_in(key, n), n))]
    assert len(set(found)) == 5
    assert random.fold_in(key, n).tolist() == random.fold_in(key, mg.tensor(n)).tolist() == random.fold_in(key, n % 2**64).tolist()


@pytest.mark.parametrize("data", [0.5, 1.0, [1, 2], mg.tensor([1.0]), "step"])
def test_only_an_integer_is_folded_in(data: object) -> None:
    with pytest.raises(DTypeError, match="fold_in"):
        random.fold_in(KEY, data)  # type: ignore[arg-type]


@given(seed=st.integers(0, 2**64), low=st.floats(-1e6, 1e6), width=st.floats(0, 1e6))
@example(seed=100, low=1.0, width=1.0)
def test_uniform_numbers_are_below_the_upper_bound(seed: int, low: float, width: float) -> None:
    high = np.float32(low) + np.float32(width)
    u = random.uniform(random.key(seed), (2000,), float(np.float32(low)), float(high)).numpy()
    assert (u >= np.float32(low)).all()
    assert (u < high).all() or high == np.float32(low)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(SettingError, match="low ≤ high"):
        random.uniform(KEY, (2,), 1.0, -1.0)
    for low, high in [(2, 2), (3, 1), (0, 2**53 + 1)]:
        with pytest.raises(SettingError, match=r"low < high|at most 2⁵³"):
            random.integers(KEY, low, high)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_and_normal_have_their_moments(dtype: str) -> None:
    u = random.uniform(KEY, (N,), -1, 3, dtype).numpy()
    assert u.dtype == dtype
    assert u.min() >= -1
    assert u.max() < 3
    assert abs(u.mean() - 1) < 0.04
    assert abs(u.var() - 16 / 12) < 0.04
    z = random.normal(KEY, (N,), dtype).numpy()
    assert z.dtype == dtype
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 0.03
    assert abs(z.var() - 1) < 0.04
    assert abs((z**4).mean() - 3) < 0.25


def test_bernoulli_integers_and_permutation() -> None:
    assert abs(random.bernoulli(KEY, 0.3, (N,)).numpy().mean() - 0.3) < 0.02
    found = random.integers(KEY, -2, 3, (N,)).numpy()
    assert found.dtype == np.int64
    assert set(found) == {-2, -1, 0, 1, 2}
    assert np.bincount(found + 2).min() > N / 5 * 0.9
    assert sorted(random.permutation(KEY, 50).tolist()) == list(range(50))


def test_initialisers_have_their_spread() -> None:
    shape = (200, 100)
    for f, std in [(init.glorot, math.sqrt(2 / 300)), (init.he, math.sqrt(2 / 200)), (lambda k, s: init.normal(k, s, 0.5), 0.5)]:
        w = f(KEY, shape).numpy()
        assert w.dtype == np.float32
        assert abs(w.std() / std - 1) < 0.02
        assert abs(w.mean()) < 0.02 * std * 3
    assert np.abs(init.glorot(KEY, shape).numpy()).max() <= math.sqrt(6 / 300)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_orthogonal_is_orthogonal(shape: tuple[int, int]) -> None:
    w = init.orthogonal(KEY, shape, gain=2, dtype="float64").numpy()
    product = w @ w.T if shape[0] <= shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(min(shape)), atol=1e-12)


def test_chrono_covers_the_dependencies() -> None:
    b = init.chrono(KEY, 1000, 50).numpy()
    assert b.min() >= 0
    assert b.max() <= math.log(49)
    with pytest.raises(ValueError, match="at least 3"):
        init.chrono(KEY, 4, 2)
    with pytest.raises(ValueError, match="fan-in"):
        init.glorot(KEY, (3,))
