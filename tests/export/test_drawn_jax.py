"""JAX's graphs in drawings: nothing is left out, values and gradients are JAX's, names are the user's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import viz
from minigrad.tensor import inline
from minigrad.transforms.interpret import run

jax = pytest.importorskip("jax")
jnp = jax.numpy

RNG = np.random.default_rng(0)
W, XS = (0.5 * RNG.standard_normal(s).astype("float32") for s in ((3, 3), (4, 3)))
OUTSIDE = jnp.arange(3.0)


def loop(W: Any, xs: Any) -> Any:
    def rnn(h: Any, x: Any) -> Any:
        h = jnp.tanh(x + h @ W)
        return h, h

    with jax.named_scope("encoder"):
        _, hs = jax.lax.scan(rnn, jnp.zeros(3), xs)
    return jnp.mean(hs**2)


def everything(params: Any, xs: Any, key: Any) -> Any:
    h = xs[0] + jax.random.normal(key, (3,))
    h = h + jnp.fft.fft(h).real
    h = jax.lax.cond(h[0] > 0, lambda h: h * 2, jnp.sin, h)
    h = jnp.linalg.inv(jnp.outer(h, h) + jnp.eye(3)) @ jax.nn.relu(h + OUTSIDE)
    jax.debug.print("{}", h)
    count = jax.lax.while_loop(lambda n: n < 3, lambda n: n + 1, xs[1, 1])
    return loop(params["W"], xs) + jnp.sum(jax.lax.cbrt(h)) + count


def labels(drawing: viz.Drawing) -> list[str]:
    return [s.label for p in drawing.scene.placed for s in p.part.shapes if s.label]


def test_a_jaxpr_with_everything_is_drawn_whole_and_computes_what_jax_does() -> None:
    args = {"W": W}, XS, jax.random.key(0)
    closed = jax.make_jaxpr(jax.jit(everything))(*args)
    graph = mg.export.jax.graph(closed)
    np.testing.assert_allclose(run(graph, mg.export.jax.leaves(closed, args))[0], everything(*args), rtol=1e-5)
    drawing = viz.unrolled(closed)
    assert {"normal", "fft", "real", "inv", "cbrt", "cond branch", "while body", "key", "a", "x₀", "h₋₁ = 0"} <= {*labels(drawing)}
    assert "debug_print" in drawing.notes[0]
    with pytest.raises(viz.DrawingError, match="no gradients of complex numbers here"):
        viz.unrolled(closed, *args, color="grad")


def test_an_operation_of_jax_has_the_gradient_of_jax() -> None:
    def f(x: Any, w: Any) -> Any:
        return jnp.sum(jax.lax.cbrt(x * x + 1) * jax.lax.erf_inv(jnp.tanh(w)) * x)

    closed = jax.make_jaxpr(f)(XS, XS)
    found = mg.grad(lambda *xs: inline(mg.export.jax.graph(closed), xs)[0], argnums=(0, 1))(XS, XS**2)
    for a, b in zip(found, jax.grad(f, (0, 1))(XS, XS**2), strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5)
    with pytest.raises(mg.errors.GraphError, match="differentiated only once"):
        mg.hessian(lambda x: inline(mg.export.jax.graph(closed), [x, mg.tensor(XS)])[0])(XS)


def test_names_scopes_and_lines_are_those_of_the_jax_program() -> None:
    closed = jax.make_jaxpr(loop)(W, XS)
    (scan,) = (n for n in mg.export.jax.graph(closed).nodes if n.op.name == "scan")
    body = scan.attrs["body"]
    assert (body.name, scan.origin.scope, [p.name for p in body.params[1:]]) == ("rnn", "encoder", ["h", "x"])
    assert "h = jnp.tanh(x + h @ W)" in body.outputs[0].origin.describe()
    assert {"xₜ", "hₜ", "x₁", "h₋₁ = 0"} <= {*labels(viz.rolled(closed, level="op", steps=2))}


def test_gradients_of_a_jaxpr_are_coloured_and_those_of_jax_stand_below_the_steps() -> None:
    coloured = viz.unrolled(jax.make_jaxpr(loop)(W, XS), W, XS, level="cell", color="grad")
    assert "∂L" in "".join(w.text for p in coloured.scene.placed for w in p.part.words)
    both = viz.unrolled(jax.make_jaxpr(jax.value_and_grad(loop))(W, XS))
    frames = [p.frame.label for p in both.scene.placed if p.frame]
    assert [f"∂ t = {t}" in frames for t in range(4)] == [True] * 4


def test_a_loop_in_python_is_time_and_layers_are_none() -> None:
    def written_out(W: Any, xs: Any) -> Any:
        h = jnp.zeros(3)
        for t, x in enumerate(xs):
            h = jnp.tanh(x + h @ W) if t else jnp.tanh(x)
        return jnp.mean(h**2)

    def layers(params: Any, x: Any) -> Any:
        for w in params:
            x = jnp.tanh(x @ w)
        return jnp.sum(x)

    graph = mg.export.jax.graph(jax.make_jaxpr(written_out)(W, XS))
    assert [n.origin.scope for n in graph.nodes if n.op.name == "tanh"] == [f"written_out[{t}]" for t in range(4)]
    drawing = viz.unrolled(jax.make_jaxpr(layers)([W, W, W], XS))
    assert not any("t = " in p.frame.label for p in drawing.scene.placed if p.frame)


def test_arguments_of_another_type_are_refused_by_name() -> None:
    with pytest.raises(viz.DrawingError, match=r"loop takes xs: float32\(4, 3\), got float32\(5, 3\)"):
        viz.unrolled(jax.make_jaxpr(loop)(W, XS), W, np.ones((5, 3), "float32"), color="grad")
