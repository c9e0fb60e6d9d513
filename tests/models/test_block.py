"""The parts of published blocks: the short convolution against a plain loop and PyTorch, norm and gate against their equations."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import TTT, DeltaNet, LinearAttention, Titans
from minigrad.models.block import Output, Projections, ShortConvolution, step_bias

import minigrad as mg

rng = np.random.default_rng(3)


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-12)


def over_time(part, xs):
    return mg.scan(part, part.initial_state(xs.shape[1]), mg.tensor(xs))


def test_a_short_convolution_is_pytorchs_causal_depthwise_one():
    torch = pytest.importorskip("torch")
    part, xs = ShortConvolution(5, dtype="float64"), rng.standard_normal((7, 2, 5))
    W = torch.tensor(part.W.numpy().T[:, None])  # (channels, 1, taps)
    padded = torch.nn.functional.pad(torch.tensor(xs).permute(1, 2, 0), (3, 0))
    expected = torch.nn.functional.conv1d(padded, W, groups=5).permute(2, 0, 1)
    last, ys = over_time(part, xs)
    close(ys, expected)
    close(mg.moveaxis(last, 1, 0), xs[-3:])


def test_a_short_convolution_sees_four_steps_and_no_later_one():
    part = ShortConvolution(1, dtype="float64")
    one = np.zeros((9, 1, 1))
    one[2] = 1
    _, ys = over_time(part, one)
    close(ys.numpy()[:, 0, 0], [0, 0, *part.W.numpy()[::-1, 0], 0, 0, 0])


def test_projections_are_linear_maps_for_every_head():
    for convolution in (False, True):
        part, xs = Projections(3, 6, 2, 4, convolution, dtype="float64"), rng.standard_normal((5, 2, 3))
        _, parts = over_time(part, xs)
        expected = xs @ part.W.numpy() + part.b.numpy()
        if convolution:
            padded, W = np.concatenate([np.zeros((3, 2, 24)), expected]), part.convolution.W.numpy()
            expected = sum(W[a] * padded[a : a + 5] for a in range(4))
        assert [p.shape for p in parts] == [(5, 2, 2, 3)] * 4
        close(np.concatenate([p.numpy().reshape(5, 2, 6) for p in parts], -1), expected)


@pytest.mark.parametrize("make", [DeltaNet, LinearAttention, Titans, TTT], ids=lambda make: make.__name__)
def test_heads_that_do_not_divide_the_units_are_refused_by_the_model(make):
    with pytest.raises(mg.errors.SettingError, match=f"{make.__name__}: hidden=7 is no multiple of heads=2"):
        make(3, 7, heads=2)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("gate", [False, True])
def test_what_is_read_is_normed_by_head_and_gated_by_the_input(norm, gate):
    part, x, r = Output(3, 6, 2, norm, gate, dtype="float64"), rng.standard_normal((4, 3)), rng.standard_normal((4, 2, 3))
    expected = r
    if norm:
        part.norm.scale = mg.parameter(np.array([1.0, 2.0, 0.5]))
        expected = r / np.sqrt((r**2).mean(-1, keepdims=True) + 1e-5) * part.norm.scale.numpy()
    expected = expected.reshape(4, 6)
    if gate:
        a = x @ part.gate.W.numpy() + part.gate.b.numpy()
        expected = expected * a / (1 + np.exp(-a))
    close(part(mg.tensor(x), mg.tensor(r)), expected)


def test_time_steps_start_log_uniform_between_a_thousandth_and_a_tenth():
    sizes = np.log10(np.log1p(np.exp(step_bias(mg.random.key(0), (4000,), "float64").numpy())))
    assert sizes.min() >= -3
    assert sizes.max() <= -1
    np.testing.assert_allclose(np.quantile(sizes, [0.25, 0.5, 0.75]), [-2.5, -2, -1.5], atol=0.05)
