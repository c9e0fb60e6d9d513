"""minigrad functions as JAX functions: trees, numbers, dtypes, sizes, transformations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors
from minigrad.graph.ir import Operation
from minigrad.graph.types import TensorType
from minigrad.tensor import apply

jax = pytest.importorskip("jax")

from jax import export  # noqa: E402

from minigrad.export.jax import arrays, save, to_jax  # noqa: E402

X = np.random.default_rng(0).standard_normal((4, 3))


@dataclass
class Pair:
    a: Any
    b: Any


class Net(mg.Module):
    def __init__(self) -> None:
        self.layers = [mg.parameter(X[:3], name="W"), mg.parameter(X[0], name="b")]
        self.slope = 0.5

    def __call__(self, x: Any) -> Any:
        W, b = self.layers
        y = x @ W + b
        return mg.maximum(y, self.slope * y)


def loss(model: Net, x: Any) -> Any:
    return mg.mean(mg.square(model(x)))


@pytest.fixture
def wide() -> Any:
    with jax.enable_x64(True):
        yield


def same(found: Any, expected: Any) -> None:
    a, b = mg.tree.leaves(found), mg.tree.leaves(expected)
    for x, y in zip(a, b, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(np.asarray(x), y.numpy(), rtol=1e-12, atol=1e-13)


def test_models_and_dataclasses_go_through_jit_and_grad(wide: Any) -> None:
    model = Net()
    found = jax.jit(to_jax(mg.value_and_grad(loss)))(arrays(model), X)
    same(found, mg.value_and_grad(loss)(model, X))
    same(jax.jit(jax.grad(to_jax(loss)))(arrays(model), X), mg.grad(loss)(model, X))
    assert type(found[1]) is Net
    pair = jax.jit(to_jax(lambda p: Pair(p.b, p.a @ p.b)))(arrays(Pair(X.T, X)))
    same(pair, Pair(mg.tensor(X), mg.tensor(X.T @ X)))
    assert [str(path[0]) for path, _ in jax.tree_util.tree_flatten_with_path(arrays(model))[0]] == [".layers", ".layers"]


def test_leaves_of_a_model_may_be_anything_to_jax() -> None:
    assert jax.tree.leaves(jax.tree.map(lambda x: str(x.shape), arrays(Net()))) == ["(3, 3)", "(3,)"]
    assert jax.tree.structure(jax.tree.map(lambda x: {"w": x}, arrays(Net()))).num_leaves == 2


def test_a_model_with_lists_compiles_ahead_of_time() -> None:
    """JAX puts dataclasses of its own in place of the leaves: these keep their roles, in a list and where a setting is a list."""

    class Sized(Net):
        def __init__(self) -> None:
            super().__init__()
            self.sizes, self.mean = [3, 3], mg.buffer(X[0])

    model = arrays(Sized())
    compiled = jax.jit(to_jax(mg.grad(loss))).lower(model, X).compile()
    assert jax.tree.structure(compiled(model, X)) == jax.tree.structure(model)


def test_tied_parameters_are_refused() -> None:
    model = Net()
    model.again = model.layers[0]
    with pytest.raises(errors.GraphError, match="Net has tied parameters, which JAX would take for two"):
        arrays(model)


def test_vmap_and_forward_mode_are_those_of_jax(wide: Any) -> None:
    model = arrays(Net())
    each = jax.jit(jax.vmap(to_jax(lambda m, x: m(x)), in_axes=(None, 0)))(model, X)
    same(each, Net()(X))
    twice = jax.jit(jax.hessian(to_jax(lambda x: mg.sum(mg.tanh(x) ** 3))))(X[0])
    np.testing.assert_allclose(twice, mg.hessian(lambda x: mg.sum(mg.tanh(x) ** 3))(X[0]).numpy(), rtol=1e-12)


def test_dtypes_are_those_of_minigrad_in_a_session_of_32_bits() -> None:
    def f(x: Any) -> Any:
        return mg.argmax(x, 1), mg.sum(x.astype("float64")), x * 2

    with jax.enable_x64(False):
        for given in (to_jax(f), jax.jit(to_jax(f))):
            assert [str(r.dtype) for r in given(X.astype("float32"))] == ["int64", "float64", "float32"]
        key = arrays(mg.random.key(3))
        drawn = jax.jit(to_jax(lambda k: mg.random.uniform(k, (5,))))(key)
        np.testing.assert_array_equal(drawn, mg.random.uniform(mg.random.key(3), (5,)).numpy())
        with pytest.raises(errors.DTypeError, match=r"a key is uint64\(2\), got uint32\(2\)"):
            jax.jit(to_jax(lambda k: mg.random.uniform(k, (5,))))(mg.random.key(3).numpy())


def test_a_number_is_a_number_also_under_jit(wide: Any) -> None:
    f = to_jax(lambda x, rate: x * rate)
    x = X.astype("float32")
    assert f(x, 0.1).dtype == jax.jit(f)(x, 0.1).dtype == np.float32
    assert f(x.astype("int64"), 0.1).dtype == np.float32
    assert f(x, np.array(0.1)).dtype == np.float64
    np.testing.assert_allclose(jax.grad(lambda r: f(x, r).sum())(0.1), x.sum(), rtol=1e-6)


def test_what_is_no_array_is_refused() -> None:
    with pytest.raises(errors.DTypeError, match=r"mode is 'train', which JAX takes for no array.*\n?.*functools.partial"):
        to_jax(lambda x, mode: x)(X, "train")


def test_a_primitive_without_a_rule_is_refused() -> None:
    odd = Operation("odd", type=lambda x: TensorType(x.shape, x.dtype), numpy=lambda x: x, symbol="odd")
    with pytest.raises(errors.GraphError, match="the primitive odd has no rule in JAX"):
        to_jax(lambda x: apply(odd, x))(X)


# ---- gradients of the user


@mg.custom_vjp
def limited(x: Any, scale: Any) -> Any:
    return x * scale, mg.argmax(x)


@limited.defvjp
def _(ct: Any, out: Any, x: Any, scale: Any) -> Any:
    return mg.clip(ct[0], -0.5, 0.5) * scale, mg.sum(ct[0] * x) * 7


def test_a_custom_gradient_is_that_of_jax_too(wide: Any) -> None:
    def f(x: Any, scale: Any) -> Any:
        return mg.sum(limited(x, scale)[0] ** 2)

    scale = np.array(1.5)
    found = jax.jit(jax.grad(to_jax(f), (0, 1)))(X[0], scale)
    same(found, mg.grad(f, (0, 1))(X[0], scale))
    each = jax.jit(jax.vmap(jax.grad(to_jax(f)), (0, None)))(X, scale)
    np.testing.assert_allclose(each, np.stack([mg.grad(f)(x, scale).numpy() for x in X]), rtol=1e-12)

    def captures(x: Any) -> Any:
        @mg.custom_vjp
        def held(y: Any) -> Any:
            return y * x

        held.defvjp(lambda ct, out, y: (ct * 2,))
        return mg.sum(held(mg.detach(x)))

    with pytest.raises(errors.GraphError, match="takes a tensor from outside that is differentiated"):
        jax.grad(to_jax(captures))(X[0])


def test_checkpoints_branches_and_loops_have_their_gradients(wide: Any) -> None:
    def f(x: Any, up: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return mg.cond(mg.sum(h) > 0, lambda h: mg.tanh(h + x), lambda h: h - x, h), h

        last, hs = mg.scan(step, x[0], x, truncate=2, checkpoint=False)
        held = mg.checkpoint(lambda y: mg.sin(y) * y)(last)
        n = mg.while_loop(lambda c: c < 20, lambda c: c * 2, up)
        return mg.sum(held) + mg.sum(hs[-1]) * n.astype("float64")

    x, up = X[:, :2], np.array(3)
    same(jax.jit(jax.value_and_grad(to_jax(f)))(x, up), mg.value_and_grad(f)(x, up))


# ---- symbolic sizes


def specs(text: str, *constraints: str) -> Any:
    return jax.ShapeDtypeStruct(export.symbolic_shape(text, constraints=constraints), "float64")


def refused(f: Any, *given: Any) -> str:
    with jax.enable_x64(True), pytest.raises(errors.GraphError) as error:
        export.export(jax.jit(to_jax(f)))(*given)
    return str(error.value)


def test_a_decision_by_a_symbolic_size_is_refused_unless_jax_can_take_it() -> None:
    """JAX itself answers False where it does not know whether two sizes are equal."""

    def by_equality(x: Any) -> Any:
        return x * 2 if x.shape[0] == 3 else x

    def by_order(x: Any) -> Any:
        return x * 2 if x.shape[0] > 3 else x

    assert "depends on whether T == 3, which is not the same for all sizes" in refused(by_equality, specs("T, 2"))
    assert "depends on whether T > 3" in refused(by_order, specs("T, 2"))
    assert "depends on whether T == 3" in refused(by_equality, specs("T, 2", "T <= 5"))
    with jax.enable_x64(True):
        for f in (by_equality, by_order):
            made = export.export(jax.jit(to_jax(f)))(specs("T, 2", "T >= 4"))
            np.testing.assert_array_equal(made.call(X[:, :2]), f(X[:, :2]))


def test_what_needs_the_number_of_a_symbolic_size_is_refused() -> None:
    assert "asks for the number of the symbolic size T" in refused(lambda x: sum(x[i] for i in range(x.shape[0])), specs("T, 2"))
    drawn = refused(lambda x: x + mg.random.uniform(mg.random.key(0), x.shape, dtype="float64"), specs("T, 2"))
    assert "random numbers of the symbolic shape" in drawn
    assert "give them as an argument" in drawn


def test_the_first_element_of_a_symbolic_axis_needs_no_decision(wide: Any) -> None:
    made = export.export(jax.jit(to_jax(lambda x: x[0] + x[-1])))(specs("T, 2"))
    for T in (1, 3):
        np.testing.assert_array_equal(made.call(X[:T, :2]), X[0, :2] + X[T - 1, :2])


def test_jax_may_differentiate_after_the_call() -> None:
    """jax.jit keeps the derivative for later, when neither the session of 64 bits nor the guards of the trace are there."""

    def f(x: Any) -> Any:
        rows = x.astype("float64")
        return mg.sum(mg.hypot(rows, rows[::-1])[mg.argmax(x, 0)])

    x = X.astype("float32")
    with jax.enable_x64(False):
        found = jax.jit(jax.grad(jax.jit(to_jax(f))))(x)
        np.testing.assert_allclose(found, mg.grad(f)(x).numpy(), rtol=1e-6)
        made = export.export(jax.jit(to_jax(lambda x: mg.sum(mg.hypot(x, x[:1])))))(jax.ShapeDtypeStruct(x.shape, "float32"))
        again = export.deserialize(made.serialize(vjp_order=1))
        np.testing.assert_allclose(jax.grad(again.call)(x), mg.grad(lambda x: mg.sum(mg.hypot(x, x[:1])))(x).numpy(), rtol=1e-6)


@pytest.mark.sweep
def test_random_programs_and_their_gradients_are_those_of_minigrad() -> None:
    from jaxed import together

    from minigrad.testing import random_program

    programs = [random_program(seed, 6) for seed in range(3000, 3060)]
    totals = [lambda *xs, p=p: mg.sum(p(*xs)) for p in programs]
    every = [tuple(range(len(p.inputs()))) for p in programs]
    by_minigrad = [mg.value_and_grad(f, n) for f, n in zip(totals, every, strict=True)]
    by_jax = [jax.value_and_grad(to_jax(f), n) for f, n in zip(totals, every, strict=True)]
    found = together([*map(to_jax, by_minigrad), *by_jax], [p.inputs() for p in programs] * 2)
    for result, f, program in zip(found, by_minigrad * 2, programs * 2, strict=True):
        assert not isinstance(result, Exception), result
        for a, b in zip(jax.tree.leaves(result), mg.tree.leaves(f(*program.inputs())), strict=True):
            np.testing.assert_allclose(
                a, b.numpy(), rtol=1e-10, atol=1e-10 * max(1.0, float(np.abs(b.numpy()).max())), err_msg=str(program)
            )


def test_sizes_may_be_expressions(wide: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        return mg.concat([x[1:], y[:-1]]).T, mg.mean(x) + mg.tensor(y.shape[0])

    scope = export.SymbolicScope()
    given = [jax.ShapeDtypeStruct(export.symbolic_shape(t, scope=scope), "float64") for t in ("T, B", "2*T, B")]
    made = export.export(jax.jit(to_jax(f)))(*given)
    for T, B in ((2, 3), (1, 1)):
        x, y = np.ones((T, B)), np.arange(2.0 * T * B).reshape(2 * T, B)
        same(made.call(x, y), f(mg.tensor(x), mg.tensor(y)))


def test_a_file_names_axes_that_exist(tmp_path: Any) -> None:
    with pytest.raises(errors.SettingError, match="axes names zs; the arguments are xs"):
        save(tmp_path / "f", lambda xs: xs, X, axes={"zs": ("T",)})
    with pytest.raises(errors.SettingError, match="axes names 3 axes of xs, which has 2"):
        save(tmp_path / "f", lambda xs: xs, X, axes={"xs": ("T", "B", "C")})


def test_a_file_keeps_the_order_of_dicts(tmp_path: Any) -> None:
    d = {"b": np.float32(1), "a": np.float32(2)}
    path = save(tmp_path / "f", lambda d: mg.stack([v * 10**i for i, v in enumerate(d.values())]), d)
    assert export.deserialize(bytearray(path.read_bytes())).call(d).tolist() == [1, 20]
