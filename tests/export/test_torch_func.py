"""The transformations of torch.func, and forward mode, over minigrad's functions: what they give is what they give of PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import minigrad as mg

torch = pytest.importorskip("torch")
func, forward_ad = torch.func, torch.autograd.forward_ad

W, X = (torch.linspace(-1, 1, n, dtype=torch.float64).reshape(s).cos() for n, s in ((9, (3, 3)), (30, (5, 2, 3))))


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilation would take long, and other tests say that it agrees."""
    monkeypatch.setenv("MINIGRAD_JIT", "0")


def written_with(library: Any) -> Callable[..., Any]:
    return lambda W, x, k=2.0: {"loss": library.sum(library.tanh(x @ W) * k), "y": library.sin(x @ W), "first": library.argmax(x[0])}


ours, theirs = mg.export.torch.function(written_with(mg)), written_with(torch)


def dual(f: Any) -> Any:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(W.clone().requires_grad_(), W + 1), X[0])["y"]).tangent


TRANSFORMED: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: func.grad(lambda W, x: f(W, x, k=3.0)["loss"], (0, 1))(W, X[0]),
    "vmap": lambda f: func.vmap(lambda x: tuple(f(W, x)[key] for key in ("loss", "y", "first")))(X),
    "vmap along another axis": lambda f: func.vmap(lambda W, x: f(W, x)["y"], (None, 1), out_dims=1)(W, X),
    "jvp": lambda f: func.jvp(lambda W: f(W, X[0])["y"], (W,), (W + 1,)),
    "vjp": lambda f: func.vjp(lambda W: f(W, X[0])["y"], W)[1](X[1]),
    "jacfwd of jacrev": lambda f: func.hessian(lambda W: f(W, X[0])["loss"])(W),
    "gradients of examples": lambda f: func.vmap(func.grad(lambda W, x: f(W, x)["loss"]), (None, 0))(W, X),
    "the gradient of vmap": lambda f: func.grad(lambda W: func.vmap(lambda x: f(W, x)["loss"])(X).sum())(W),
    "a second gradient": lambda f: func.grad(lambda W: (func.grad(lambda W: f(W, X[0])["loss"])(W) ** 2).sum())(W),
    "forward mode": dual,
}


def test_each_program_names_its_own_results() -> None:
    f = mg.export.torch.function(lambda x: {"one": x * 2} if x.shape[0] == 1 else {"several": x * 3})

    def names(n: int) -> list[str]:
        found: dict[str, Any] = {}
        func.grad(lambda x: found.update(f(x)) or sum(v.sum() for v in found.values()))(torch.ones(n))
        return list(found)

    assert [names(n) for n in (1, 3, 1)] == [["one"], ["several"], ["one"]]


def test_functions_see_the_keys_of_a_dict_as_they_come() -> None:
    value = lambda d: mg.stack([v * 10**i for i, v in enumerate(d.values())])  # noqa: E731
    function = mg.export.torch.function(value)
    module = mg.export.torch.module({"w": mg.parameter(1.0)}, lambda model, d: value(d) * model["w"])
    for order in ("ba", "ab", "ba"):
        d = {k: torch.tensor([1.0 + "ab".index(k)]) for k in order}
        expected = [10**i * v.item() for i, v in enumerate(d.values())]
        for found in (function(d), module(d), func.vmap(function)(d)):
            assert found.flatten().tolist() == expected


@pytest.mark.parametrize("name", TRANSFORMED)
def test_a_transformation_gives_what_it_gives_of_pytorchs(name: str) -> None:
    found, expected = (TRANSFORMED[name](f) for f in (ours, theirs))
    if isinstance(expected, torch.Tensor):
        found, expected = (found,), (expected,)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_dict_in_another_order_is_another_argument() -> None:
    f = mg.export.torch.function(lambda given: mg.sum(next(iter(given.values())) * 2))
    for given in ({"x": W[0], "y": W[1]}, {"y": W[1], "x": W[0]}):
        found = func.grad(f)(given)
        assert [float(found[name].sum()) for name in given] == [6, 0]
