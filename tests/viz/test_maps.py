"""Maps beside a drawing, against what they must be."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import LSTM, RNN
from minigrad.viz import maps

import minigrad as mg
from minigrad import viz

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)


def image(plot: viz.Plot, axis: int = 0, number: int = 0) -> np.ma.MaskedArray:
    return plot.figure.axes[axis].get_images()[number].get_array()


def labels(plot: viz.Plot) -> set[str]:
    return {text for axis in plot.figure.axes for text in (axis.get_xlabel(), axis.get_ylabel()) if text}


def test_attention_shows_the_weights_of_every_head_on_one_scale():
    weights = RNG.dirichlet(np.ones(5), (2, 7))
    plot = viz.attention_map(mg.tensor(weights), title="heads")
    for head in range(2):
        np.testing.assert_allclose(image(plot, head), weights[head], rtol=1e-6)
    assert len({plot.figure.axes[h].get_images()[0].get_clim() for h in range(2)}) == 1
    assert labels(plot) == {"position t", "attended position s", "weight"}
    with pytest.raises(viz.DrawingError, match=r"got shape \(5,\)"):
        viz.attention_map(weights[0, 0])


def test_connectivity_of_a_linear_network_is_the_powers_of_its_weight():
    def losses(xs):
        _, hs = mg.scan(lambda h, x: ((n := 0.5 * h + x), n), mg.zeros(1), xs)
        return mg.sum(hs, 1)

    plot = viz.connectivity(losses, np.ones((6, 1), "float32"))
    found = image(plot)
    for t in range(6):
        for s in range(6):
            if s <= t:
                assert found[t, s] == pytest.approx((t - s) * np.log10(0.5), abs=1e-5)
            else:
                assert found.mask[t, s], "the future is not felt"
    assert (~image(plot, number=1).mask == found.mask).all(), "grey"
    assert {"input at step s", "loss at step t"} < labels(plot)
    with pytest.raises(viz.DrawingError, match=r"one loss a step, \(6,\), got shape \(\)"):
        viz.connectivity(mg.sum, np.ones((6, 1), "float32"))


@pytest.mark.parametrize("n", [3, maps.EXACT + 6])
def test_the_largest_singular_value_is_numpys(n):
    A = RNG.standard_normal((n, n)) @ np.diag(np.linspace(0.1, 1, n)) + 3 * np.outer(RNG.standard_normal(n), RNG.standard_normal(n))
    found = maps.largest_singular_value(lambda v: mg.tensor(A) @ v, mg.tensor(RNG.standard_normal(n)))
    assert found == pytest.approx(np.linalg.norm(A, 2), rel=1e-3)
    assert maps.largest_singular_value(lambda v: 0 * v, mg.zeros(n)) == 0


def test_step_norms_of_an_rnn_are_those_of_its_weights_times_the_slope():
    cell, xs = RNN(2, 3, key=1), RNG.standard_normal((4, 1, 2)).astype("float32")
    h = np.zeros((1, 3))
    for x, found in zip(xs, maps.step_norms(cell, xs), strict=True):
        h = np.tanh(x @ cell.W_x.numpy() + cell.b.numpy() + h @ cell.W_h.numpy())
        assert found == pytest.approx(np.linalg.norm(cell.W_h.numpy() * (1 - h**2), 2), rel=1e-4)
    plot = viz.spectral_norms({"RNN": cell, "LSTM": LSTM(2, 3)}, xs)
    assert [line.get_label() for line in plot.figure.axes[0].get_lines()[:2]] == ["RNN", "LSTM"]
    with pytest.raises(viz.DrawingError, match="int has no step"):
        viz.spectral_norms(3, xs)


def test_a_nan_in_a_map_is_magenta():
    weights = RNG.dirichlet(np.ones(4), 4)
    weights[1, 2] = np.nan
    assert image(viz.attention_map(weights)).mask.sum() == 1
    assert viz.attention_map(weights).figure.axes[0].get_images()[0].cmap.get_bad()[0] == pytest.approx(0xD1 / 255, abs=1e-3)
