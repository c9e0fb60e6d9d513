"""Linear attention as a sum, as attention and by the delta rule; the fast weights of Ba et al. against their equations."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import FastWeights, LinearAttention
from minigrad.models.fast_weights import dpfp, parallel

import minigrad as mg

rng = np.random.default_rng(6)
XS = rng.standard_normal((8, 2, 3))


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def projected(model, xs):
    """q, k and v of all steps, (T, batch, heads, width)."""
    p = model.projections
    return mg.scan(p, p.initial_state(xs.shape[1]), mg.tensor(xs))[1]


KINDS = {
    "elu": {},
    "elu, not normalised": {"normalised": False},
    "dpfp, convolution": {"feature": "dpfp", "nu": 2, "convolution": True},
}


@pytest.mark.parametrize("kind", KINDS)
def test_linear_attention_is_attention_without_softmax(kind, rotational):
    model = rotational(LinearAttention(3, 6, dtype="float64", **KINDS[kind]))
    q, k, v = projected(model, XS)
    q, k = model.features(q), model.features(k)
    read = parallel(q, k, v, model.normalised)
    close(model(XS), mg.reshape(read, (8, 2, 6)))
    weights = np.tril(np.einsum("tbhf,sbhf->bhts", q, k))
    if model.normalised:
        weights = weights / (weights.sum(-1, keepdims=True) + 1e-6)
    close(read, np.einsum("bhts,sbhv->tbhv", weights, v))


def hand_set(keys, values, rule, **more):
    """A model whose inputs are numbers of keys. Its features are 1 at the key's place, and it reads what it wrote."""
    n = len(keys)
    model = LinearAttention(n, n, heads=1, normalised=False, rule=rule, dtype="float64", **more)
    model.projections.W = mg.parameter(np.concatenate([keys, keys, values], 1))
    model.projections.b = mg.parameter(np.zeros(3 * n))
    if rule == "delta":
        model.beta.W, model.beta.b = mg.parameter(np.zeros((n, 1))), mg.parameter(np.full(1, 40.0))
    return model


def test_a_key_that_is_written_twice_reads_the_sum_and_by_the_delta_rule_the_last_value():
    far = -1e3  # elu(far) + 1 = 0
    keys, values = np.array([[0.0, far, far], [0.0, far, far], [far, 0.0, far]]), rng.standard_normal((3, 3))
    for rule, expected in (("sum", values[0] + values[1]), ("delta", values[1])):
        ys = hand_set(keys, values, rule)(np.eye(3)[:2, None])
        close(ys[0, 0], values[0])
        close(ys[1, 0], expected)


def test_weights_of_attention_that_sum_to_one_give_a_constant_value_back():
    model = LinearAttention(3, 6, dtype="float64")
    model.projections.W = mg.parameter(model.projections.W.numpy() * ([1] * 12 + [0] * 6))
    model.projections.b = mg.parameter(np.r_[np.zeros(12), np.arange(6.0)])
    close(model(XS), np.broadcast_to(np.arange(6.0), (8, 2, 6)), 1e-5)


def test_dpfp_multiplies_the_parts_of_relu_by_their_neighbours():
    x = rng.standard_normal((4, 3))
    u = np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], -1)
    for nu in (1, 2, 3):
        found = dpfp(mg.tensor(x), nu).numpy()
        assert found.shape == (4, 6 * nu)
        for j in range(nu):
            for i in range(6):
                close(found[:, 6 * j + i], u[:, i] * u[:, (i - j - 1) % 6])


def test_the_features_of_the_delta_rule_sum_to_one():
    for feature in ("elu", "dpfp"):
        model = LinearAttention(3, 6, rule="delta", feature=feature, nu=3, dtype="float64")
        close(mg.sum(model.features(mg.tensor(rng.standard_normal((5, 3)))), -1), np.ones(5), 1e-3)


@pytest.mark.parametrize("feature", ["elu", "dpfp"])
def test_the_delta_rule_against_the_equations(feature, rotational):
    model = rotational(LinearAttention(3, 4, heads=2, rule="delta", feature=feature, dtype="float64"))
    q, k, v = (p.numpy() for p in projected(model, XS))
    beta = 1 / (1 + np.exp(-(XS @ model.beta.W.numpy() + model.beta.b.numpy())))

    def phi(x):
        u = np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)])
        y = np.where(x > 0, x + 1, np.exp(x)) if feature == "elu" else u * np.roll(u, 1)
        return y / (y.sum() + 1e-6)

    ys = model(XS).numpy().reshape(8, 2, 2, 2)
    for b in range(2):
        for h in range(2):
            W = np.zeros((2, len(phi(k[0, b, h]))))
            for t in range(8):
                W = W + beta[t, b, h] * np.outer(v[t, b, h] - W @ phi(k[t, b, h]), phi(k[t, b, h]))
                close(ys[t, b, h], W @ phi(q[t, b, h]))


def norm(x, part):
    x = x - x.mean()
    return x / np.sqrt((x**2).mean() + 1e-5) * part.scale.numpy() + part.shift.numpy()


@pytest.mark.parametrize("inner", [1, 3])
def test_the_fast_weights_of_ba_attend_to_the_past(inner, rotational):
    """A is never made here: what it adds is attention to all states before, λ^{t−τ} at a distance."""
    model = rotational(FastWeights(3, 5, inner=inner, dtype="float64"))
    ys = model(XS).numpy()
    for b in range(2):
        states = [np.zeros(5)]
        for t, x in enumerate(XS[:, b]):
            z = states[-1] @ model.W.numpy() + x @ model.C.numpy() + model.b.numpy()
            h = np.maximum(norm(z, model.norm), 0)
            for _ in range(inner):
                past = sum((0.5 * 0.95 ** (t - 1 - i) * s * (s @ h) for i, s in enumerate(states[1:])), np.zeros(5))
                h = np.maximum(norm(z + past, model.norm), 0)
            states.append(h)
        close(ys[:, b], states[1:], 1e-11)


def test_the_slow_weights_start_near_zero():
    np.testing.assert_array_equal(FastWeights(3, 4).W.numpy(), np.float32(0.05) * np.eye(4, dtype="float32"))
