"""minGRU and minLSTM: step by step and all at once."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import MinGRU, MinLSTM
from minigrad.models.minimal import MinimalState, g, log_g

import minigrad as mg

XS = 2 * np.random.default_rng(4).standard_normal((9, 2, 3))
REAL = np.array([[1, 1, 1, 0, 1, 1, 0, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0, 0]], bool).T
each = pytest.mark.parametrize("make", [MinGRU, MinLSTM])


def close(a, b, tolerance=1e-12):
    for x, y in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def transcription(model, xs, h):
    """The paper's Algorithms, vanilla but for g."""
    ys = []
    for x in xs:
        *gates, new = np.split(x @ model.W.numpy() + model.b.numpy(), len(model.signs) + 1, axis=1)
        gates = [1 / (1 + np.exp(-v)) for v in gates]
        forget, write = (1 - gates[0], gates[0]) if len(gates) == 1 else (v / sum(gates) for v in gates)
        h = forget * h + write * np.where(new >= 0, new + 0.5, 1 / (1 + np.exp(-new)))
        ys.append(h)
    return np.array(ys)


@each
def test_against_the_equations(make, rotational):
    model = rotational(make(3, 5, dtype="float64"))
    close(model(XS), transcription(model, XS, np.zeros((2, 5))), 1e-14)


@each
@pytest.mark.parametrize("chunk", [4, 9, 20])
def test_many_steps_at_once_give_what_single_steps_give(make, chunk, rotational):
    model = rotational(make(3, 5, 2, dtype="float64"))

    def found(chunk):
        model.chunk = chunk
        ys, last = model.run(XS, mask=REAL, reverse=True)
        return (model.run(XS), ys.numpy()[REAL], last), mg.grad(lambda model, xs: mg.sum(mg.tanh(model(xs))), (0, 1))(model, XS)

    (run, grads), (runs, all_grads) = found(0), found(chunk)
    close(runs, run, 1e-14)
    close(all_grads, grads)


@each
def test_a_state_is_carried_as_it_is(make):
    """Of any sign, and 0: it is no candidate, so that neither g nor a logarithm has a part in it. Its gradient is the same as well."""
    model, many = make(3, 5, 2, dtype="float64"), make(3, 5, 2, chunk=9, dtype="float64")
    for h in (np.random.default_rng(0).standard_normal((2, 5)), np.zeros((2, 5))):
        found, expected = ([m.run(XS, MinimalState(h)), mg.grad(lambda h, m=m: mg.sum(m(XS, MinimalState(h))))(h)] for m in (many, model))
        close(found, expected, 1e-14)


@each
@pytest.mark.parametrize("chunk", [0, 9])
def test_gates_of_any_size_are_finite(make, chunk):
    for scale in (1e3, -1e3):
        model, xs = make(3, 5, chunk=chunk), (scale * np.abs(XS)).astype("float32")
        found = mg.tree.leaves([model.run(xs), mg.grad(lambda xs, m=model: mg.sum(m(xs)))(xs)])
        assert all(np.isfinite(v.numpy()).all() for v in found)


@each
def test_gates_start_as_long_as_the_longest_dependency(make):
    """What an input of zeros keeps of a state: σ(1), or 1 − 1/t with t in 1 … longest − 1 (chrono)."""
    for longest, least, most in ((0, 0.731, 0.732), (50, 0.5, 1 - 1 / 50)):
        model = make(3, 40, longest=longest, dtype="float64")
        zero, one = (model.step(MinimalState(mg.full((1, 40), h, "float64")), mg.zeros((1, 3), "float64"))[1].numpy() for h in (0, 1))
        assert ((one - zero >= least) & (one - zero <= most)).all()


def test_g_is_positive_continuous_and_log_g_its_logarithm():
    x = np.array([-700.0, -3.0, -1e-12, 0.0, 1e-12, 2.0, 1e9])
    assert (g(x).numpy() > 0).all()
    np.testing.assert_allclose(g(x).numpy()[2:5], 0.5, atol=1e-11)
    np.testing.assert_allclose(np.exp(log_g(x).numpy()), g(x).numpy(), rtol=1e-12)
    close(mg.grad(lambda x: mg.sum(mg.exp(log_g(x))))(x[1:-1]), mg.grad(lambda x: mg.sum(g(x)))(x[1:-1]), 1e-9)
