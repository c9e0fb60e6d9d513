"""The DNC against a plain NumPy transcription of the paper's equations, and what its parts must keep true."""

from __future__ import annotations

import numpy as np
from minigrad.models import DNC
from minigrad.models.dnc import allocation, link, used

import minigrad as mg


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def oneplus(x):
    return 1 + np.log1p(np.exp(x))


def content(M, k, beta):
    return softmax(beta * np.array([k @ row / np.sqrt((k @ k) * (row @ row) + 1e-8) for row in M]))


def allocated(u):
    u = 1e-6 + (1 - 1e-6) * u
    a, product = np.zeros_like(u), 1.0
    for slot in sorted(range(len(u)), key=lambda n: (u[n], n)):
        a[slot] = (1 - u[slot]) * product
        product *= u[slot]
    return a


def transcription(model, xs):
    """One sequence through Graves et al. 2016, Methods, with an LSTM controller."""
    c, (N, W), R, H = model.controller, model.memory, model.read_heads, model.controller.hidden
    M, L, p, u, w_w = np.zeros((N, W)), np.zeros((N, N)), np.zeros(N), np.zeros(N), np.zeros(N)
    w_r, r, h, cell, ys = np.zeros((R, N)), np.zeros((R, W)), np.zeros(H), np.zeros(H), []
    for x in xs:
        i, f, g, o = np.split(x @ c.W_x.numpy() + np.concatenate([r.ravel(), h]) @ c.W_h.numpy() + c.b.numpy(), 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(cell)
        xi = np.clip(h @ model.interface.W.numpy() + model.interface.b.numpy(), -20, 20)
        k_r, b_r, k_w, b_w, e, v, free, g_a, g_w, pi = np.split(xi, np.cumsum(model._parts)[:-1])
        free = sigmoid(free)
        psi = np.prod([1 - free[j] * w_r[j] for j in range(R)], axis=0)
        u = (u + w_w - u * w_w) * psi
        g_a, g_w = sigmoid(g_a), sigmoid(g_w)
        w_w = g_w * (g_a * allocated(u) + (1 - g_a) * content(M, k_w, oneplus(b_w)))
        M = M * (1 - np.outer(w_w, sigmoid(e))) + np.outer(w_w, v)
        old = L.copy()
        for a in range(N):
            for b in range(N):
                L[a, b] = 0 if a == b else (1 - w_w[a] - w_w[b]) * old[a, b] + w_w[a] * p[b]
        p = (1 - w_w.sum()) * p + w_w
        for j in range(R):
            mode = softmax(pi[3 * j : 3 * j + 3])
            c_r = content(M, k_r[j * W : (j + 1) * W], oneplus(b_r[j]))
            w_r[j] = mode[0] * (L.T @ w_r[j]) + mode[1] * c_r + mode[2] * (L @ w_r[j])
        r = w_r @ M
        ys.append(np.concatenate([h, r.ravel()]) @ model.readout.W.numpy() + model.readout.b.numpy())
    return np.array(ys), {"M": M, "r": r, "w_read": w_r, "usage": u, "links": L, "precedence": p}


def test_against_the_equations(rotational):
    for heads in (1, 3):
        model = rotational(DNC(3, 2, hidden=5, memory=(6, 4), read_heads=heads, dtype="float64"), gain=1.5)
        xs = np.random.default_rng(2).standard_normal((10, 2, 3))
        ys, last = model.run(xs)
        for b in range(2):
            expected, state = transcription(model, xs[:, b])
            np.testing.assert_allclose(ys.numpy()[:, b], expected, rtol=1e-10, atol=1e-10)
            for name, value in state.items():
                np.testing.assert_allclose(getattr(last, name).numpy()[b], value, rtol=1e-10, atol=1e-10, err_msg=name)


def test_allocation():
    free = allocation(mg.tensor(np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]))).numpy()
    np.testing.assert_allclose(free[0], [0, 1, 0, 0], atol=1e-5)  # the lowest index among equals
    np.testing.assert_allclose(free[1], 0, atol=1e-5)  # nothing is free
    u = np.random.default_rng(0).random((3, 7))
    found = allocation(mg.tensor(u)).numpy()
    np.testing.assert_allclose(found, [allocated(row) for row in u], rtol=1e-10)
    assert (found >= 0).all()
    assert (found.sum(-1) <= 1).all()


def test_the_gradient_of_allocation_in_float32_is_that_in_float64():
    rng = np.random.default_rng(1)
    usage, ct = np.concatenate([rng.random((3, 5)), np.zeros((3, 60))], 1), rng.standard_normal((3, 65))
    found, exact = (mg.grad(lambda u: mg.sum(allocation(u) * ct.astype(u.dtype)))(usage.astype(d)) for d in ("float32", "float64"))
    np.testing.assert_allclose(found, exact, rtol=2e-6, atol=2e-6)


def test_writes_are_linked_in_order_and_freed_by_reads():
    """Slots 0, 1, 2 written one after the other: the links lead from each to the next."""
    one = np.eye(4)
    links, precedence = mg.zeros((1, 4, 4), "float64"), mg.zeros((1, 4), "float64")
    for t in range(3):
        w = mg.tensor(one[t : t + 1])
        links = link(links, w, precedence)
        precedence = (1 - mg.sum(w)) * precedence + w
    np.testing.assert_array_equal(links.numpy()[0], np.eye(4, k=-1) * np.array([[0], [1], [1], [0]]))
    usage = used(mg.zeros((1, 4), "float64"), mg.tensor(one[:1]), mg.tensor(one[None, 1:2]), mg.ones((1, 1), "float64"))
    np.testing.assert_array_equal(usage.numpy(), [[1, 0, 0, 0]])
    usage = used(usage, mg.tensor(0 * one[:1]), mg.tensor(one[None, :1]), mg.ones((1, 1), "float64"))
    np.testing.assert_array_equal(usage.numpy(), [[0, 0, 0, 0]])
