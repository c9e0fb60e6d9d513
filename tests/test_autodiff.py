from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.tensor import Primitive
from minigrad.testing import assert_same_graph_value, check_grads, graphs, random_program, tensors

RNG = np.random.default_rng(0)
X, W = RNG.standard_normal(3), RNG.standard_normal((3, 3))


def loss(x: mg.Tensor) -> mg.Tensor:
    return mg.sum(mg.tanh(x) ** 3 * mg.exp(x))


def close(a: object, b: object, rtol: float = 1e-12) -> None:
    for p, q in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(p), np.asarray(q), rtol=rtol, atol=1e-13)


@given(program=graphs())
def test_random_programs_have_right_gradients(program: object) -> None:
    check_grads(program, *program.inputs())


@given(program=graphs(steps=5))
def test_gradient_of_a_random_program_is_the_same_traced(program: object) -> None:
    xs = program.inputs()
    assert_same_graph_value(mg.grad(lambda *xs: mg.sum(program(*xs)), tuple(range(len(xs)))), *xs, rtol=1e-9)


def test_value_and_grad_gives_both() -> None:
    value, g = mg.value_and_grad(lambda x: mg.sum(x**2))(X)
    close((value, g), (np.sum(X**2), 2 * X))


def test_argnums_choose_arguments_and_has_aux_passes_more() -> None:
    def f(a: mg.Tensor, b: dict[str, mg.Tensor], c: mg.Tensor) -> tuple[mg.Tensor, str]:
        return mg.sum(a * b["w"] * c), "note"

    (ga, gc), aux = mg.grad(f, (0, 2), has_aux=True)(X, {"w": X + 1}, X + 2)
    close((ga, gc), ((X + 1) * (X + 2), X * (X + 1)))
    assert aux == "note"
    (_value, aux), gb = mg.value_and_grad(f, 1, has_aux=True)(X, {"w": X + 1}, X + 2)
    close(gb["w"], X * (X + 2))


def test_what_does_not_matter_has_gradient_zero() -> None:
    ga, gb = mg.grad(lambda a, b: mg.sum(a), (0, 1))(X, W)
    close((ga, gb), (np.ones(3), np.zeros((3, 3))))
    assert gb.dtype == np.float64


def test_one_tensor_twice_as_argument_has_two_gradients() -> None:
    t = mg.tensor(X)
    close(mg.grad(lambda a, b: mg.sum(a * a * b), (0, 1))(t, t), (2 * X * X, X * X))


def test_fan_out_adds_up_and_the_same_node_can_be_both_operands() -> None:
    close(mg.grad(lambda x: mg.sum(x * x + x * x))(X), 4 * X)
    close(mg.grad(lambda x: mg.sum(mg.stack([x, x, x])))(X), np.full(3, 3.0))


def test_backward_sets_grad_of_parameters_anew() -> None:
    w = mg.parameter(X, name="w")
    total = mg.sum(w * w)
    total.backward()
    total.backward()
    close(w.grad, 2 * X)
    (w * mg.tensor(X)).backward(np.ones(3))
    close(w.grad, X)
    second = mg.sum(w**3)
    second.backward()
    mg.sum(w.grad * w.grad).backward()
    close(w.grad, 36 * X**3)


def test_detach_stops_the_gradient() -> None:
    close(mg.grad(lambda x: mg.sum(mg.detach(x) * x))(X), X)
    close(mg.grad(lambda x: mg.sum(x.detach()))(X), np.zeros(3))


def test_jvp_hvp_jacobian_and_hessian_agree() -> None:
    v = RNG.standard_normal(3)
    h = mg.hessian(loss)(X)
    close(h, h.T)
    close(mg.hvp(loss, (X,), (v,))[0], h.numpy() @ v)
    close(mg.jvp(mg.grad(loss), (X,), (v,))[1], h.numpy() @ v)
    f = lambda x: mg.sin(mg.tensor(W) @ x)  # noqa: E731
    j = mg.jacobian(f)(X)
    close(j, np.cos(W @ X)[:, None] * W)
    close(mg.jvp(f, (X,), (v,))[1], j.numpy() @ v)
    close(mg.vjp(f, X)[1](v)[0], v @ j.numpy())


def test_jacobian_counts_arguments_from_the_end_as_grad_does() -> None:
    f = lambda *xs: xs[0] * xs[-1] * len(xs)  # noqa: E731
    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    for at, expected in ((-1, 2 * x), (1, 2 * x), (-2, 2 * y)):
        np.testing.assert_array_equal(mg.jacobian(f, at)(x, y).numpy(), np.diag(expected))
    np.testing.assert_array_equal(mg.hessian(lambda x, y: mg.sum(x * y**2), -1)(x, y).numpy(), np.diag(2 * x))
    assert mg.grad(lambda x, y: mg.sum(x * y), np.int64(1))(x, y).tolist() == [1, 2]


def test_jacobian_of_trees_has_the_output_tree_of_argument_trees() -> None:
    j = mg.jacobian(lambda p: {"y": p["a"] * p["b"], "z": mg.sum(p["a"])})({"a": X, "b": X + 1})
    close(j["y"]["a"], np.diag(X + 1))
    close(j["y"]["b"], np.diag(X))
    close(j["z"]["a"], np.ones(3))
    assert j["z"]["b"].shape == (3,)
    assert not j["z"]["b"].numpy().any()


def test_an_operation_without_a_gradient_says_so() -> None:
    halve = Primitive("halve", lambda x: x, lambda x: x / 2, elementwise=True)
    with pytest.raises(mg.errors.DTypeError, match=r"halve: has no gradient\. Stop the gradient with mg\.detach before it"):
        mg.grad(lambda x: mg.sum(halve(x)))(np.ones(3))
    assert mg.grad(lambda x: mg.sum(x + halve(mg.detach(x))))(np.ones(3)).tolist() == [1, 1, 1]


def test_a_python_integer_is_differentiated_as_a_float() -> None:
    found = mg.grad(lambda x: x * x)(3)
    assert (found.dtype, float(found)) == (np.float32, 6)


def test_jvp_where_nothing_flows_is_zero() -> None:
    close(mg.jvp(lambda x: (x * 2, mg.zeros(2, "float64")), (X,), (X,))[1], (2 * X, np.zeros(2)))


def test_jvp_ignores_integer_results() -> None:
    value, tangent = mg.jvp(lambda x: (x * x, mg.argmax(x)), (X,), (X,))
    close(tangent[0], 2 * X * X)
    assert value[1].numpy() == np.argmax(X)
    assert tangent[1].numpy() == 0


# ---- nesting

NESTED = {
    "grad of vmap": (lambda x: mg.grad(lambda x: mg.sum(mg.vmap(loss)(x)))(x), lambda x: mg.vmap(mg.grad(loss))(x)),
    "vmap of jvp": (lambda x: mg.vmap(lambda r: mg.jvp(loss, (r,), (r,))[1])(x), lambda x: mg.sum(mg.vmap(mg.grad(loss))(x) * x, 1)),
    "jvp of vmap": (lambda x: mg.jvp(mg.vmap(loss), (x,), (x,))[1], lambda x: mg.sum(mg.vmap(mg.grad(loss))(x) * x, 1)),
    "vmap of hessian": (lambda x: mg.vmap(mg.hessian(loss))(x), lambda x: mg.stack([mg.hessian(loss)(r) for r in x])),
    "vmap of vmap": (lambda x: mg.vmap(mg.vmap(lambda a: a * mg.sin(a)))(x), lambda x: x * mg.sin(x)),
    "checkpoint": (
        lambda x: mg.grad(lambda x: mg.sum(mg.checkpoint(lambda x: mg.tanh(x @ x.T))(x)))(x),
        lambda x: mg.grad(lambda x: mg.sum(mg.tanh(x @ x.T)))(x),
    ),
    "grad of checkpoint of grad": (
        lambda x: mg.grad(lambda x: mg.sum(mg.checkpoint(mg.vmap(mg.grad(loss)))(x) ** 2))(x),
        lambda x: mg.grad(lambda x: mg.sum(mg.vmap(mg.grad(loss))(x) ** 2))(x),
    ),
    "vmap of checkpoint": (
        lambda x: mg.grad(lambda x: mg.sum(mg.vmap(mg.checkpoint(loss))(x)))(x),
        lambda x: mg.vmap(mg.grad(loss))(x),
    ),
    "scan of grad": (
        lambda x: mg.scan(lambda c, r: (c + mg.grad(loss)(r * c), c), mg.ones(3, "float64"), x)[0],
        lambda x: _loop(lambda c, r: c + mg.grad(loss)(r * c), mg.ones(3, "float64"), x),
    ),
    "grad of scan of grad": (
        lambda x: mg.grad(lambda x: mg.sum(mg.scan(lambda c, r: (c + mg.grad(loss)(r * c), None), mg.ones(3, "float64"), x)[0]))(x),
        lambda x: mg.grad(lambda x: mg.sum(_loop(lambda c, r: c + mg.grad(loss)(r * c), mg.ones(3, "float64"), x)))(x),
    ),
    "grad of cond of scan": (
        lambda x: mg.grad(lambda x: mg.cond(mg.sum(x) > -99, lambda x: _scanned(x), lambda x: mg.sum(x), x))(x),
        lambda x: mg.grad(_scanned)(x),
    ),
    "vmap of grad of scan": (
        lambda x: mg.vmap(mg.grad(lambda r: mg.scan(lambda c, a: (mg.tanh(c * a + c), c), mg.sum(r), r)[0]))(x),
        lambda x: mg.stack([mg.grad(lambda r: mg.scan(lambda c, a: (mg.tanh(c * a + c), c), mg.sum(r), r)[0])(r) for r in x]),
    ),
}


def _loop(f: object, c: mg.Tensor, rows: mg.Tensor) -> mg.Tensor:
    for r in rows:
        c = f(c, r)
    return c


def _scanned(x: mg.Tensor) -> mg.Tensor:
    return mg.sum(mg.scan(lambda c, r: (mg.tanh(c + r), None), mg.zeros(3, "float64"), x)[0])


@pytest.mark.parametrize("name", NESTED)
def test_transformations_nest(name: str) -> None:
    nested, plain = NESTED[name]
    x = RNG.standard_normal((2, 3))
    close(nested(mg.tensor(x)), plain(mg.tensor(x)))
    assert_same_graph_value(nested, x)
    check_grads(nested, x, order=1)


@pytest.mark.parametrize("derive", ["grad", "jvp", "hvp", "vjp"])
def test_nested_derivatives_are_not_confused(derive: str) -> None:
    """d/dx (x · d/dy (x + y)) is 1: the inner y has no part of x's perturbation."""
    inner = {
        "grad": lambda x: mg.grad(lambda y: x + y)(1.0),
        "jvp": lambda x: mg.jvp(lambda y: x + y, (1.0,), (1.0,))[1],
        "hvp": lambda x: mg.hvp(lambda y: x * y + y * y / 2, (1.0,), (1.0,))[0],
        "vjp": lambda x: mg.vjp(lambda y: x + y, 1.0)[1](1.0)[0],
    }[derive]
    assert float(mg.grad(lambda x: x * inner(x))(3.0)) == 1.0
    assert float(mg.jvp(lambda x: x * inner(x), (3.0,), (1.0,))[1]) == 1.0
    # and the product rule, where the inner derivative does depend on x
    assert float(mg.grad(lambda x: x * mg.grad(lambda y: x * y * y)(2.0))(3.0)) == 24.0


def test_grad_closes_over_an_outer_variable_of_the_same_name() -> None:
    f = lambda x: mg.grad(lambda z: mg.sum(z * x) ** 2)(x)  # noqa: E731
    close(mg.jacobian(f)(X), np.outer(X, 4 * X) + 2 * np.sum(X * X) * np.eye(3), rtol=1e-10)


# ---- custom rules


@mg.custom_vjp
def clipped(x: mg.Tensor) -> mg.Tensor:
    return x * 1


@clipped.defvjp
def _(ct: mg.Tensor, out: mg.Tensor, x: mg.Tensor) -> mg.Tensor:
    return mg.clip(ct, -1, 1)


@mg.custom_vjp
def scaled(x: mg.Tensor, w: mg.Tensor) -> mg.Tensor:
    return mg.sum(x * w)


@scaled.defvjp
def _(ct: mg.Tensor, out: mg.Tensor, x: mg.Tensor, w: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
    return 10 * ct * w, 100 * ct * x


def test_custom_rule_replaces_the_gradient() -> None:
    close(mg.grad(lambda x: mg.sum(clipped(x) * 5))(X), np.ones(3))
    close(mg.jit(mg.grad(lambda x: mg.sum(clipped(x) * 0.5)))(X), np.full(3, 0.5))


def test_custom_rule_survives_vmap_jit_scan_and_grad() -> None:
    x, w = RNG.standard_normal((4, 3)), RNG.standard_normal(3)
    gx, gw = mg.grad(lambda x, w: mg.sum(mg.vmap(scaled, in_axes=(0, None))(x, w)), (0, 1))(x, w)
    close((gx, gw), (np.tile(10 * w, (4, 1)), 100 * x.sum(0)))
    close(mg.grad(lambda x: mg.sum(mg.vmap(clipped)(x) * 5))(x), np.ones((4, 3)))
    close(mg.vmap(mg.grad(scaled))(x, x), 10 * x)
    close(mg.grad(lambda x: mg.scan(lambda c, r: (c + scaled(r, w), None), mg.zeros((), "float64"), x)[0])(x), np.tile(10 * w, (4, 1)))


def test_custom_rule_refuses_a_captured_tensor_that_is_differentiated() -> None:
    def f(w: mg.Tensor) -> mg.Tensor:
        g = mg.custom_vjp(lambda x: mg.sum(x * w))
        g.defvjp(lambda ct, out, x: ct * x)
        return g(mg.tensor(X))

    with pytest.raises(mg.errors.GraphError, match="Pass it as an argument"):
        mg.grad(f)(mg.tensor(X))


@given(x=tensors(min_dims=1, max_dims=2))
def test_sum_rule_and_chain_rule(x: mg.Tensor) -> None:
    a, b = (lambda t: mg.sum(mg.sin(t))), (lambda t: mg.sum(t * t))
    close(mg.grad(lambda t: a(t) + b(t))(x), mg.grad(a)(x) + mg.grad(b)(x))
    close(mg.grad(lambda t: mg.exp(a(t)))(x), mg.exp(a(x)) * mg.grad(a)(x))


def test_random_program_is_the_same_for_the_same_seed() -> None:
    assert random_program(7) == random_program(7)
    assert random_program(7) != random_program(8)
