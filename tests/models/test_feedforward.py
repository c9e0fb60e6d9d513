"""A network without memory knows nothing of other steps."""

from __future__ import annotations

import numpy as np
from minigrad.models import FeedForwardNetwork


def test_every_step_stands_by_itself():
    model = FeedForwardNetwork(3, 5, 2, dtype="float64")
    xs = np.random.default_rng(0).standard_normal((6, 4, 3))
    ys, state = model.run(xs)
    assert (ys.shape, state) == ((6, 4, 2), ())
    np.testing.assert_allclose(model(xs[::-1]).numpy(), ys.numpy()[::-1], rtol=1e-12)
    first, last = model.layer, model.readout
    np.testing.assert_allclose(ys, np.tanh(xs @ first.W.numpy() + first.b.numpy()) @ last.W.numpy() + last.b.numpy(), rtol=1e-12)
