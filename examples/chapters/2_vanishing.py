"""Chapter 2. Why the loop forgets: its gradients vanish, or explode.

The gradient from the loss at step T to the state at step t is a product of T − t Jacobians, each Wᵀ diag(1 − S²). Norms below 1 multiply to
nothing, norms above 1 to infinity (Hochreiter 1991; Bengio et al. 1994). The memory of the loop is an impression, and it fades.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from minigrad.models import RNN

import minigrad as mg
from minigrad import viz

STEPS, HIDDEN = 40, 16
XS = 0.1 * np.random.default_rng(0).standard_normal((STEPS, 1, 3), dtype="float32")


def network(scale: float) -> RNN:
    """W is a rotation times a scale: without the tanh every step would multiply a gradient by just that."""
    model = RNN(3, HIDDEN)
    model.W_h = mg.parameter(scale * model.W_h.numpy())
    return model


def last_loss(model: RNN) -> mg.Tensor:
    """What the last state costs, step by step, so that every state can be asked for its gradient."""
    state = model.initial_state(1)
    for t, x in enumerate(XS):
        with mg.scope("rnn", step=t):
            state, h = model.step(state, mg.tensor(x))
    return mg.mean(h**2)


def reach(model: RNN) -> float:
    """‖∂L_T/∂x_1‖ ÷ ‖∂L_T/∂x_T‖: how much of the gradient is left at the first input."""
    dx = mg.grad(lambda xs: mg.mean(model(xs)[-1] ** 2))(XS).numpy()
    return float(np.linalg.norm(dx[0]) / np.linalg.norm(dx[-1]))


def main(folder: str = "pictures") -> None:
    networks = {f"W = {scale:g} × rotation": network(scale) for scale in (0.7, 1.0, 1.3)}
    for name, model in networks.items():
        print(f"{name}: {reach(model):.1e} of the gradient reaches back over {STEPS} steps")
    path = Path(folder) / "2_vanishing.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    viz.gradient_flow({name: last_loss(model) for name, model in networks.items()}).save(path)
    print(f"Look at {path}: straight lines on a logarithmic scale.")


if __name__ == "__main__":
    main(*sys.argv[1:])
