"""What the tests of models share."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg


def rotate(model, gain=1.0, seed=0):
    """The model with rotations in its square recurrent blocks and large other weights: dynamics that neither contract nor explode."""
    rng = np.random.default_rng(seed)

    def leaf(path, x):
        name = path.rsplit(".", 1)[-1]
        if x.ndim < 2 or name == "c_n":
            return mg.tensor(x.numpy() + rng.normal(0, 0.3, x.shape))
        scaled = rng.normal(0, 1 / np.sqrt(x.shape[0]), x.shape)
        if name == "W_h":
            n = min(x.shape)
            for at in range(0, x.shape[1] - n + 1, n):
                scaled[-n:, at : at + n] = gain * np.linalg.qr(rng.standard_normal((n, n)))[0]
        return mg.tensor(scaled)

    leaves, treedef = mg.tree.flatten(model)
    return mg.tree.unflatten(treedef, [leaf(p, x) for p, x in zip(mg.tree.paths(treedef), leaves, strict=True)])


def against_differences(loss, model, directions=2, step=1e-5, tolerance=1e-6):
    """Gradients against central differences of a fourth-order formula, along random directions in each leaf."""
    rng = np.random.default_rng(1)
    leaves, treedef = mg.tree.flatten(model)
    compiled = mg.jit(lambda *leaves: loss(mg.tree.unflatten(treedef, leaves)))
    grads = mg.tree.leaves(mg.grad(loss)(model))
    scale = max(float(np.abs(g.numpy()).max()) for g in grads)
    assert scale > 1e-3, "the gradient is trivial"
    for i, path in enumerate(mg.tree.paths(treedef)):
        for _ in range(directions):
            d = rng.standard_normal(leaves[i].shape)

            def at(t, i=i, d=d):
                return float(compiled(*leaves[:i], mg.tensor(leaves[i].numpy() + t * d), *leaves[i + 1 :]))

            expected = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
            found = float((grads[i].numpy() * d).sum())
            assert abs(found - expected) <= tolerance * abs(expected) + 1e-9 * scale, f"{path}: {found} against {expected}"


@pytest.fixture
def rotational():
    return rotate


@pytest.fixture
def check_differences():
    return against_differences
