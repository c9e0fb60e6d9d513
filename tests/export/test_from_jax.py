"""JAX functions as minigrad functions: values and gradients are those of JAX, and what has no rule is refused by name."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from shares import shared, swept
from table import CASES, DIFFERENTIABLE, Case, out_types, put, value

import minigrad as mg
from minigrad import errors

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
from jax import lax  # noqa: E402
from jaxed import listed, together  # noqa: E402

from minigrad.export.jax import arrays, from_jax, jaxprs, to_jax  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
Y = RNG.standard_normal((3, 5))
W = 0.5 * RNG.standard_normal((3, 3))
AT = np.array([[0, 3], [-1, 2]])
FAR = np.array([[0, 7], [-9, 2]])
HIGHEST = {"precision": "highest"}


def lstm(w: Any, xs: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(jnp.concatenate([x, h]) @ w, 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros(3, w.dtype)
    return lax.scan(step, (zero, zero), xs, reverse=True)[1]


@jax.custom_vjp
def straight_through(x: Any) -> Any:
    return jnp.round(x)


straight_through.defvjp(lambda x: (straight_through(x), None), lambda _, ct: (ct,))


@jax.custom_vjp
def weighted(x: Any) -> Any:
    return x @ W  # an array from outside


weighted.defvjp(lambda x: (weighted(x), None), lambda _, ct: (2 * ct @ W.T,))


def placed(x: Any, i: Any) -> Any:
    return (
        x.at[i].add(x[:2, None, :] * 2),
        x.at[i[0], jnp.array([2, 0])].set(7.0),
        x.at[:, i[1]].max(0.1),
        x.at[i[0]].min(x[2] - 1, mode="drop"),
    )


def outside(x: Any, i: Any) -> Any:
    return jnp.take(x, i, 0, mode="fill", fill_value=3.0), jnp.take(x, i, 0, mode="clip"), x.at[i].add(1.0)


def windows(x: Any, i: Any) -> Any:
    return lax.dynamic_slice(x, (i[0, 1], i[1, 0]), (2, 2)), lax.dynamic_update_slice(x, x[:2, :2] * 2, (i[0, 1], 1))


def whole(i: Any) -> Any:
    quotients = lax.div(i, i * 0 - 3), lax.rem(i, i * 0 - 3), i // 3
    return *quotients, i >> 1, lax.shift_right_logical(i, i * 0 + 60), (~i & 5) ^ (i | 2), lax.clamp(0, i, 2)


def bits(x: Any) -> Any:
    whole = lax.bitcast_convert_type(x, "uint64")
    high = lax.bitcast_convert_type(whole & np.uint64(2**64 - 2**27), "float64")
    return whole >> 52, high * x, lax.bitcast_convert_type(x, "float64") * x, jnp.signbit(x), jnp.copysign(x, x[::-1])


def slope(f: Any) -> Any:
    return jax.grad(lambda x: f(x).sum())


def exact_gelu(x: Any) -> Any:
    return x * (1 + lax.erf(x / np.sqrt(2).astype(x.dtype))) / 2


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "lstm": (lstm, RNG.standard_normal((6, 12)), X),
    "softmax": (lambda x: jax.nn.softmax(x) * jax.nn.logsumexp(x, -1, keepdims=True), X),
    "activations": (lambda x: (jax.nn.gelu(x), jax.nn.silu(x), jax.nn.elu(x), jax.nn.softplus(x), jax.nn.leaky_relu(x)), X),
    "norm": (lambda x: (x - x.mean(0)) * lax.rsqrt(x.var(0) + 1e-5), X),
    "einsum": (lambda x, y: jnp.einsum("ij,jk,kl->li", x, y, y.T, **HIGHEST), X, Y),
    "batched product": (lambda x, y: jax.vmap(lambda a: a * (x @ y))(x), X, W),
    "rows": (lambda x, i: (x[i], jnp.take(x, i, 1, mode="clip"), x[i[0], i[1] % 3], x[1:3, ::2], x[-1]), X, AT),
    "along": (lambda x: jnp.take_along_axis(x, jnp.argsort(x, 0), 0), X),
    "out of bounds": (outside, X, FAR),
    "batched rows": (lambda x, i: jax.vmap(lambda row, k: row[k])(x[:2], i % 3), X, AT),
    "placed": (placed, X, AT),
    "windows": (windows, X, AT),
    "sorted": (lambda x: (jnp.sort(x, 0), jnp.sort(x, 1, descending=True), lax.top_k(x, 2)[0], jnp.median(x)), X),
    "lexicographic": (lambda i, x: lax.sort((i % 2, x, x * 2), num_keys=2), np.arange(12).reshape(4, 3), X),
    "switch": (lambda x, n: lax.switch(n, [jnp.sin, jnp.cos, lambda x: x * x], x), X, np.array(2)),
    "branch": (lambda x: lax.cond(x.sum() > 0, lambda x: x @ W, lambda x: jnp.tanh(x), x), X),
    "checkpointed": (lambda x: jax.checkpoint(lambda x: jnp.sin(jnp.tanh(x)))(x), X),
    "fori": (lambda x: lax.fori_loop(0, 3, lambda i, h: jnp.tanh(h @ W) + i, x), X),
    "padded": (lambda x: lax.pad(x, -1.5, ((1, -1, 1), (-1, 2, 0))), X),
    "windows of sums": (lambda x: (jnp.cumsum(x, 0), jnp.cumprod(x, 1), lax.cumlogsumexp(x, 0, reverse=True)), X),
    "remainders": (lambda x: (lax.rem(x, 1.3 + 0 * x), x % 0.7, jnp.fmod(x, 0.4), lax.round(4 * x, lax.RoundingMethod.AWAY_FROM_ZERO)), X),
    "integers": (
        whole,
        np.array([-7, -3, 0, 5, 8]),
    ),
    "kinks": (lambda x: jax.nn.relu(x) + jax.nn.relu6(7 * x), np.array([-1.0, 0.0, 2.0])),
    "a rule of its own": (lambda x: straight_through(3 * x) * x, X),
    "a rule that takes an array from outside": (lambda x: weighted(jnp.sin(x)), X),
    "bits": (bits, X),
    "gradients of erf": (lambda x: (lax.erf(x), slope(lax.erf)(x), exact_gelu(x), slope(exact_gelu)(x)), X),
    "powers": (lambda x: (jnp.abs(x) ** 1.7 + x**3 + x**-2, lax.integer_pow(x, 5)), X),
    "logarithms": (lambda x: (jnp.log2(jnp.abs(x)), jax.grad(lambda x: jnp.sum(jnp.arctanh(jnp.tanh(x))))(x)), X),
    "rows apart": (lambda x: jnp.unstack(x, axis=1), X),
    "another order": (lambda x: (lax.reshape(x, (6, 2), (1, 0)), jnp.prod(jnp.stack([x, x + 1]), (0, 2))), X),
    "tiles": (lambda x: (jnp.tile(x, (2, 1)), jnp.stack([x, x], 1), jnp.split(x, [1, 3]), jnp.roll(x, 2, 0), jnp.flip(x, 1)), X),
    "types": (lambda x: (x.astype("int32"), x > 0, jnp.isfinite(x).all(), x.argmax(1), x.argmin(), jnp.any(x > 9)), X),
}  # fmt: skip
if hasattr(lax, "one_minus_square"):  # from JAX 0.11 on
    FUNCTIONS["one minus square"] = (lambda x: (lax.one_minus_square(x), lax.one_minus_square(1e-200 * x)), X)
if hasattr(lax, "polynomial"):  # from JAX 0.12 on
    FUNCTIONS["polynomial"] = (lambda x, y: (lax.polynomial(x, [1.0, 2.0, y[:, :3]]), lax.polynomial(x, [3.0, 0.5])), X, X + 1)
WHILE = (lambda n: lax.while_loop(lambda c: c[0] < 100, lambda c: (c[0] * 2, c[1] + 1), (n, 0)), np.array(3))


def pulled(f: Any, *args: Any) -> Any:
    """Σ over all float results, weighted, and its gradient in the float arguments, by JAX."""
    floats = [i for i, a in enumerate(args) if a.dtype.kind == "f"]

    def total(*moved: Any) -> Any:
        given = list(args)
        for i, x in zip(floats, moved, strict=True):
            given[i] = x
        outs = [o for o in jax.tree.leaves(f(*given)) if o.dtype == "float64"]
        return sum(jnp.nansum(jnp.sin(o)) for o in outs) + 0.0

    return jax.grad(total, tuple(range(len(floats))))(*(args[i] for i in floats)) if floats else ()


def ours(f: Any, *args: Any) -> Any:
    floats = [i for i, a in enumerate(args) if a.dtype.kind == "f"]

    def total(*moved: Any) -> Any:
        given = [mg.tensor(a) for a in args]
        for i, x in zip(floats, moved, strict=True):
            given[i] = x
        outs = [o for o in mg.tree.leaves(from_jax(f)(*given)) if o.dtype == "float64"]
        return sum((mg.sum(mg.sin(o)) for o in outs), mg.tensor(0.0, "float64"))

    return mg.grad(total, tuple(range(len(floats))))(*(args[i] for i in floats)) if floats else ()


FIRST = {"lstm", "bits", "rows", "placed", "out of bounds", "windows", "switch", "kinks", "a rule of its own", "integers", "while"}
EVERY = [name if name in FIRST else swept(name) for name in [*FUNCTIONS, "while"]]
CASE = {**FUNCTIONS, "while": WHILE}


@functools.cache
def by_jax(first: bool) -> dict[str, Any]:
    """The results and gradients of JAX, of those functions that come first or of the others."""

    def both(name: str, f: Any) -> Any:
        return lambda *args: (jax.tree.leaves(f(*args)), () if name == "while" else pulled(f, *args))

    names = [name for name in CASE if (name in FIRST) is first]
    found = together([both(name, CASE[name][0]) for name in names], [CASE[name][1:] for name in names])
    return dict(zip(names, found, strict=True))


@pytest.fixture(autouse=True)
def wide() -> Any:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", EVERY)
def test_values_and_gradients_are_those_of_jax(name: str) -> None:
    (f, *args), expected = CASE[name], by_jax(name in FIRST)[name]
    found = mg.tree.leaves(from_jax(f)(*map(mg.tensor, args)))
    for a, b in zip(found, listed(expected, 0), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-13)
    for a, b in zip(() if name == "while" else ours(f, *args), listed(expected, 1), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("f", [swept(lax.erf), exact_gelu])
def test_the_gradient_of_erf_compiles_in_float32(f: Any) -> None:
    x = np.array([-40, -6, -1, -0.0, 0.3, 2, 9], "float32")
    found = mg.jit(from_jax(slope(f)))(x)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found.numpy(), slope(f)(x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_gradient_of_what_a_rule_closes_over_is_refused(compiled: bool) -> None:
    """In JAX too. That of the arguments is the rule's."""

    def f(x: Any, w: Any) -> Any:
        inner = jax.custom_vjp(lambda x: x @ w)
        inner.defvjp(lambda x: (x @ W, None), lambda _, ct: (2 * ct @ W.T,))
        return jnp.sum(inner(x))

    def gradient(place: int) -> Any:
        found = mg.grad(from_jax(f), place)
        return (mg.jit(found) if compiled else found)(X, W)

    np.testing.assert_allclose(gradient(0).numpy(), 2 * np.ones_like(X) @ W.T, rtol=1e-12)
    with pytest.raises(errors.GraphError, match=r"closes over a value whose gradient is asked for(.|\n)* argument of the function"):
        gradient(1)


def test_numpys_integers_among_the_parameters_are_numbers_in_compiled_code() -> None:
    np.testing.assert_array_equal(mg.jit(from_jax(lambda x: jnp.pad(x, 1)))(X).numpy(), np.pad(X, 1))


def test_extreme_numbers_are_as_in_jax() -> None:
    low, high = np.iinfo("int32").min, np.iinfo("int32").max
    x, y = np.array([low, low, low, low, high, -7, low + 1], "int32"), np.array([3, -3, low, high, low, low, 5], "int32")
    a = np.array([-5, 5, -1e-20, np.inf, 7, np.nan, -np.inf])
    b = np.array([np.inf, -np.inf, 1, 3, -3, 1, 2])
    for f, *args in ((lax.div, x, y), (lax.rem, x, y), (lax.rem, a, b), (lambda a: lax.top_k(a, 3), a), (lambda x: lax.top_k(x, 3), x)):
        for found, expected in zip(mg.tree.leaves(from_jax(f)(*map(mg.tensor, args))), jax.tree.leaves(f(*args)), strict=True):
            np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    "case", shared(c for c in CASES if c.op.name != "kernel" and (not c.op.elementwise or c.arrays[0].shape == (2, 3))), ids=repr
)
def test_what_went_to_jax_comes_back(case: Case) -> None:
    back = from_jax(to_jax(case))
    found = back(*map(mg.tensor, case.arrays))
    for a, b, type in zip(found if isinstance(found, tuple) else (found,), value(case), out_types(case), strict=True):
        assert a.dtype == type.dtype
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-13)
    if id(case) not in set(map(id, DIFFERENTIABLE)):
        return

    def gradient(f: Any) -> Any:
        outs, pull = mg.vjp(lambda *xs: f(*map(mg.tensor, put(case, xs))), *(case.arrays[i] for i in case.floats))
        return pull(mg.tree.map(mg.ones_like, outs))

    for a, b in zip(gradient(back), gradient(case), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-13)


def test_what_has_no_rule_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.GraphError, match=r"JAX's primitive lgamma\(float64\[4,3\]\) has no rule in minigrad. Take that part out"):
        from_jax(jax.scipy.special.gammaln)(X)
    with pytest.raises(errors.GraphError, match=r"JAX's primitive \w+\(.*\) has no rule in minigrad. Draw with minigrad.random"):
        from_jax(lambda x: x + jax.random.normal(jax.random.key(0), (3,)))(X)
    monkeypatch.setitem(jaxprs.RULES, "reshape", lambda x, new_sizes: mg.reshape(x, new_sizes))
    with pytest.raises(errors.GraphError, match="the rule of reshape does not know all of its parameters"):
        from_jax(lambda x: x.reshape(-1))(X)
    with pytest.raises(errors.GraphError, match="while_loop: it has no gradient"):
        mg.grad(lambda x: from_jax(lambda x: lax.while_loop(lambda x: x < 9, lambda x: x * 2, x))(x))(np.array(1.0))
    with jax.enable_x64(False), pytest.raises(errors.DTypeError, match=r"x is float64\(4, 3\), and the session of JAX has 32 bits"):
        from_jax(lambda x: x)(X)


def test_it_compiles_keeps_numbers_and_takes_models() -> None:
    f = from_jax(lambda x, rate: jnp.tanh(x) * rate)
    x = X.astype("float32")
    assert f(x, 0.5).dtype == np.float32
    fast = mg.jit(mg.value_and_grad(lambda w, xs: mg.mean(from_jax(lstm)(w, xs) ** 2)))
    w = FUNCTIONS["lstm"][1]
    plain = mg.value_and_grad(lambda w, xs: mg.mean(from_jax(lstm)(w, xs) ** 2))
    for xs in (X, X[:2]):
        for a, b in zip(fast(w, xs), plain(w, xs), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert sum(n.op.name == "scan" for n in mg.trace(from_jax(lstm), w, X).nodes) == 1
    from minigrad.models import Linear

    model = Linear(3, 2, key=0)
    arrays(model)
    found = from_jax(lambda m, x: jax.tree.map(lambda p: 2 * p, m))(model, x)
    np.testing.assert_array_equal(found.W, 2 * model.W.numpy())
