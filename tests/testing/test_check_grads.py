"""check_grads fails where it should and nowhere else, and says why."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors
from minigrad.testing import GradientError, KinkWarning, NondeterminismError, check_grads


def _wrong(rule: Any) -> Any:
    f = mg.custom_vjp(lambda x: mg.tanh(x) * mg.sum(x * x))
    g = lambda x: mg.tanh(x) * mg.sum(x * x)  # noqa: E731
    f.defvjp(lambda ct, out, x: rule(ct, mg.vjp(g, x)[1](ct)[0]))
    return f


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda ct, g: -g, "the sign is wrong"),
        (lambda ct, g: g * 1.001, "a factor is missing"),
        (lambda ct, g: g * (1 + 1e-6), "a factor is missing"),
        (lambda ct, g: mg.flip(g, 0), "axis 0 is reversed"),
        (lambda ct, g: mg.roll(g, 1, 0), "axis 0 is shifted"),
        (lambda ct, g: mg.detach(g) * 0, "no gradient flows"),
        (lambda ct, g: mg.broadcast_to(mg.mean(g), g.shape), "every element gets the same"),
        (lambda ct, g: g * g, "not linear in the cotangent"),
        (lambda ct, g: g + 1, "not linear in the cotangent"),
        (lambda ct, g: g * np.nan, "not finite"),
    ],
)
def test_check_grads_finds_and_names_the_mistake(rule: Any, words: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 2))
    with pytest.raises(GradientError, match=words):
        check_grads(_wrong(rule), x, order=1)
    check_grads(_wrong(lambda ct, g: g), x, order=2)


def test_check_grads_names_the_leaf_and_the_worst_element() -> None:
    f = mg.custom_vjp(lambda p: p["a"] * p["b"])
    f.defvjp(lambda ct, out, p: {"a": ct * p["b"], "b": ct * p["a"] * mg.tensor(np.array([1.0, 3.0]))})
    with pytest.raises(GradientError, match=r"args\[0\]\['b'\] at \(1,\)") as caught:
        check_grads(f, {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}, order=1)
    assert "['a']" not in str(caught.value)


def test_check_grads_of_the_second_order_only() -> None:
    """tanh' is right as a number, but its own derivative is not."""
    slope = mg.custom_vjp(lambda x: 1 - mg.tanh(x) ** 2)
    slope.defvjp(lambda ct, out, x: ct * x)
    f = mg.custom_vjp(mg.tanh)
    f.defvjp(lambda ct, out, x: ct * slope(x))
    check_grads(f, np.array([0.3]), order=1)
    with pytest.raises(GradientError, match="the gradient's gradient"):
        check_grads(f, np.array([0.3]), order=2)


def test_check_grads_of_functions_without_a_graph() -> None:
    def branching(x: mg.Tensor) -> mg.Tensor:
        return mg.sin(x) * x if float(mg.sum(x)) > 0 else x * 2

    check_grads(branching, np.array([0.5, 0.25]))
    f = mg.custom_vjp(mg.sin)
    f.defvjp(lambda ct, out, x: ct * mg.cos(x) * 1.001)
    with pytest.raises(GradientError, match="factor"):
        check_grads(lambda x: f(x) if float(mg.sum(x)) > 0 else x, np.array([0.5]))


@pytest.mark.gradcheck(discard=1)
def test_check_grads_at_kinks_takes_any_subgradient_and_no_other() -> None:
    check_grads(mg.relu, np.array([0.0, 1.0]))
    with pytest.warns(KinkWarning, match="3 of 3 elements are at kinks"):
        check_grads(mg.abs, np.zeros(3))
    for seed in range(10):  # where kinks cancel along some direction too
        with pytest.warns(KinkWarning):
            check_grads(lambda x: mg.maximum(x, 0), np.zeros(2), key=seed)
    f = mg.custom_vjp(mg.relu)
    f.defvjp(lambda ct, out, x: ct * 1.5)
    with pytest.raises(GradientError, match=r"but at this kink the slopes nearby are between -\d.* and 0,"):
        check_grads(f, np.array([0.0, 0.0]), order=1)


def test_a_wrong_element_beside_kinks_is_found() -> None:
    f = mg.custom_vjp(mg.relu)
    f.defvjp(lambda ct, out, x: mg.where(x > 0, ct, 0) * np.array([1, 1, 1.01]))
    with pytest.raises(GradientError, match=r"args\[0\] at \(2,\).* 1 of 3 elements differ"):
        check_grads(f, np.array([0.0, 0.0, 2.0]), order=1)


def test_kinks_and_jumps_are_counted() -> None:
    report = check_grads(mg.relu, np.array([0.0, 1.0, -2.0, 3e-7]))  # beside the kink the derivative is exact
    assert (report.elements, report.kinks) == (4, 1)
    assert report.leaves[0].verdict == "ok (1 at kinks)"
    report = check_grads(lambda x: x + mg.floor(x), np.array([1.0, 1.5, 0.25]))
    assert report.leaves[0].jumps.tolist() == [True, False, False]
    assert check_grads(mg.tanh, np.zeros(4)).kinks == 0


def test_smooth_functions_have_no_kinks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f in (mg.exp, lambda x: 1e6 + x * 1e-3, lambda x: x**5 * 1e4, lambda x: mg.sin(30 * x), mg.softplus, lambda x: x * 1e-9):
            for x in (np.array([0.0, 0.25, -2.5]), np.array([1.0, 1.0]), np.array(3.0)):
                assert check_grads(f, x).kinks == 0


@pytest.mark.gradcheck(discard=1)
def test_check_grads_at_and_near_a_kink_of_a_function_without_a_graph() -> None:
    def branching(x: mg.Tensor) -> mg.Tensor:
        return mg.abs(x) if float(mg.sum(x)) > -9 else x

    assert check_grads(branching, np.array([0.01, 2.0, -3.0])).kinks == 0
    assert check_grads(branching, np.array([1e-9, 2.0, -3.0])).kinks == 1
    assert check_grads(branching, np.array([0.0, 2.0, -3.0])).kinks == 1  # its gradient, 0 there, lies half-way of a jump


@pytest.mark.gradcheck(discard=1)
def test_detached_values_stay_where_they_are_while_the_arguments_move() -> None:
    """A value beside its own detached copy: a tie, of which one side moves."""
    x = np.array([0.5, -1.0, 2.0])
    for tie in (mg.maximum, mg.minimum):
        with pytest.warns(KinkWarning):
            report = check_grads(lambda x, tie=tie: mg.sum(tie(x, mg.detach(x))), x)
        assert report.leaves[0].kinks.all()
        assert report.leaves[0].low.tolist() == pytest.approx([0, 0, 0])
        assert report.leaves[0].high.tolist() == pytest.approx([1, 1, 1])
    with pytest.warns(KinkWarning):  # also in a loop, where every step detaches another value
        report = check_grads(lambda x: mg.scan(lambda h, x: (h + mg.maximum(x, mg.detach(x)), h), mg.zeros((), "float64"), x), x)
    assert report.kinks == 3
    assert check_grads(lambda x: x * mg.detach(x), x).kinks == 0


@pytest.mark.gradcheck(discard=1)
def test_detached_values_of_functions_without_a_graph() -> None:
    def branching(x: mg.Tensor) -> mg.Tensor:
        return x * mg.detach(mg.sum(x)) if float(mg.sum(x)) > 0 else x

    assert check_grads(branching, np.array([0.5, 0.25])).kinks == 0
    with pytest.warns(KinkWarning):
        assert check_grads(lambda x: mg.maximum(branching(x), mg.detach(branching(x))), np.array([0.5, 0.25])).kinks == 2


def test_the_report_shows_every_leaf() -> None:
    report = check_grads(lambda p, y: mg.sum(p["a"] ** 2), {"a": np.array([1.0, 3.0])}, np.ones(2), full=True)
    assert [leaf.path for leaf in report.leaves] == ["args[0]['a']", "args[1]"]
    np.testing.assert_allclose(report.leaves[0].derivative, [2, 6])  # of the function, not of its product with a cotangent
    assert [leaf.verdict for leaf in report.leaves] == ["ok", "ok (no influence)"]
    assert "args[1]: ok (no influence); gradient 0, derivative 0" in str(report)


def test_the_report_of_awkward_leaves() -> None:
    report = check_grads(lambda x, s, n: mg.sum(x) + s * s * n, np.zeros((0, 2)), 3.0, 2, full=True)
    assert [(leaf.path, leaf.verdict) for leaf in report.leaves] == [("args[0]", "empty"), ("args[1]", "ok")]
    assert float(report.leaves[1].derivative) == pytest.approx(12)
    assert "args[0]: empty" in str(report)


def test_forward_mode_is_checked_as_well() -> None:
    g = mg.custom_vjp(mg.sin)
    g.defvjp(lambda ct, out, x: mg.detach(ct) * mg.cos(x))  # right as a number, but not to be differentiated in ct
    check_grads(g, np.array([0.5]), order=1, modes=["rev"])
    with pytest.raises(GradientError, match="fwd mode gives 0"):
        check_grads(g, np.array([0.5]), order=1, modes=["fwd"])


def test_check_grads_in_float32() -> None:
    x = np.linspace(-2, 2, 12).reshape(3, 4)
    check_grads(lambda x: mg.softmax(mg.sin(x @ x.T)), x, dtype="float32")
    f = mg.custom_vjp(mg.exp)
    f.defvjp(lambda ct, out, x: ct * out * (1.001 if x.dtype == np.float32 else 1))
    check_grads(f, x)
    with pytest.raises(GradientError, match=r"the gradient in float32: args\[0\] at .* rounding explains"):
        check_grads(f, x, dtype="float32", order=1)


def test_float32_inside_is_named_as_the_cause() -> None:
    with pytest.raises(GradientError, match="likely: float32 noise"):
        check_grads(lambda x: mg.sum(mg.sin(x.astype("float32"))).astype("float64"), np.array([1.0, 2.0, -3.0]))


def test_rounding_is_no_fault() -> None:
    """Differences of large numbers: the tolerance is what the arithmetic leaves, and long double decides."""
    check_grads(lambda x: (x * 1e8 + 1) - x * 1e8 + mg.sin(x), np.array([0.3, 0.7]))
    check_grads(lambda x: mg.log(mg.exp(x * 30) - mg.exp(x * 30 - 1e-9)), np.array([0.3]), order=1)
    with pytest.raises(GradientError, match="in long double"):
        check_grads(_wrong(lambda ct, g: g * (1 + 1e-8)), np.array([0.3, 0.7]), order=1)


@pytest.mark.parametrize("f", [lambda x: None, lambda x: [], lambda x: x > 0, lambda x: mg.argmax(x)])
def test_a_function_that_returns_no_float_is_refused(f: Any) -> None:
    with pytest.raises(errors.DTypeError, match="returns no float"):
        check_grads(f, np.ones(3))


def test_two_runs_of_other_shapes_are_no_function() -> None:
    lengths = iter(range(1, 100))
    with pytest.raises(NondeterminismError, match=r"two runs give result 0 the shapes \(\d,\) and \(\d,\)"):
        check_grads(lambda x: x[: next(lengths)], np.ones(50))


def test_the_last_two_axes_swapped_are_named() -> None:
    with pytest.raises(GradientError, match="likely: the last two axes are swapped"):
        check_grads(_wrong(lambda ct, g: g.T), np.random.default_rng(0).standard_normal((2, 2)), order=1)


@pytest.mark.gradcheck(discard=1)
def test_verdicts_where_there_is_no_derivative() -> None:
    with pytest.warns(KinkWarning):
        assert check_grads(mg.abs, np.zeros(2)).leaves[0].verdict == "kink"
    with pytest.warns(KinkWarning):
        assert check_grads(lambda x: x + mg.floor(x), np.array([1.0])).leaves[0].verdict == "no derivative here"
    with pytest.warns(KinkWarning):  # the edge of a domain
        report = check_grads(lambda x: mg.where(x >= 1, x, np.nan), np.array([1.0]))
    assert report.leaves[0].verdict == "no derivative here"


def test_settings_come_from_the_environment_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_GRADCHECK", "order=1 modes=rev key=7")
    f = mg.custom_vjp(mg.sin)
    f.defvjp(lambda ct, out, x: ct * mg.cos(x) + 0 * mg.detach(ct))
    assert check_grads(f, np.array([0.5])).key == 7
    assert check_grads(f, np.array([0.5]), key=8).key == 8
    monkeypatch.setenv("MINIGRAD_GRADCHECK", "order=three")
    with pytest.raises(ValueError, match=r"MINIGRAD_GRADCHECK='order=three'.*Give order, modes, dtype, key"):
        check_grads(mg.sin, 1.0)
    monkeypatch.delenv("MINIGRAD_GRADCHECK")
    with pytest.raises(ValueError, match=r"modes are among \('rev', 'fwd'\)"):
        check_grads(mg.sin, 1.0, modes=["sideways"])


def test_check_grads_of_awkward_arguments() -> None:
    check_grads(lambda x: x * x, 3.0)
    check_grads(lambda x: mg.sum(x), np.zeros((0, 2)))
    check_grads(lambda x, i: x[i] ** 2, np.ones(3), np.array([0, 0, 2]))
    check_grads(lambda x: mg.tanh(x), mg.ones(3))
    with pytest.raises(errors.DTypeError, match="nothing to differentiate"):
        check_grads(lambda i: i, np.array([1, 2]))
    with pytest.raises(GradientError, match="is inf at"):
        check_grads(lambda x: 1 / x, np.array([1.0, 0.0]))


def test_check_grads_finds_nondeterminism_and_mutation() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(NondeterminismError, match=r"two runs differ in result 0 at \(\d,\)"):
        check_grads(lambda x: x * rng.standard_normal(3), np.ones(3))
    a = np.ones(3)

    def f(x: mg.Tensor) -> mg.Tensor:
        a[0] = 2
        return x * x

    with pytest.raises(GradientError, match="in place"):
        check_grads(f, a)
