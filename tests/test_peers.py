"""Independent frameworks: random programs evaluated and differentiated here, in PyTorch and in JAX, in float64. Ids are seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from shares import shared

import minigrad as mg
from minigrad.testing import RandomProgram, random_program

TORCH_SEEDS = range(1000, 1120)
JAX_SEEDS = range(2000, 2008)


def _recurrence(tanh: Any) -> Any:
    def run(h: Any, w: Any, xs: Any) -> Any:
        ys = []
        for x in xs:
            h = tanh(h * w + x)
            ys.append(h * x)
        return h + sum(ys)

    return run


def _mixing(tanh: Any) -> Any:
    def run(h: Any, ms: Any) -> Any:
        ys = []
        for m in ms:
            m = m.reshape((-1, m.shape[-1]))
            h = tanh(h @ tanh(m.swapaxes(0, 1) @ m))
            ys.append(h)
        return h + sum(ys)

    return run


def _reductions(*functions: Any, **more: Any) -> dict[str, Any]:
    names = ("sum", "mean", "max", "prod")
    return {n: lambda x, axis, f=f: f(x, axis, keepdims=True, **more) for n, f in zip(names, functions, strict=True)}


def _common(np: Any, where: Any) -> dict[str, Any]:
    """What both frameworks call as NumPy does."""
    same = {
        n: getattr(np, n) for n in ("add", "subtract", "multiply", "maximum", "minimum", "tanh", "sin", "cos", "abs", "square", "reshape")
    }
    return same | {
        "divide": lambda x, y: x / (y * y + 1),
        "where": lambda c, x, y: where(c > 0, x, y),
        "relu": lambda x: where(x > 0, x, 0 * x),
        "exp": lambda x: np.exp(np.tanh(x)),
        "log": lambda x: np.log(x * x + 1),
        "log1p": lambda x: np.log1p(x * x),
        "sqrt": lambda x: np.sqrt(x * x + 0.5),
        "gram": lambda x: x @ np.swapaxes(x, -1, -2) / x.shape[-1],
        "half": lambda x, axis: x[(slice(None),) * axis + (slice(0, None, 2),)],
        "recurrence": _recurrence(np.tanh),
        "mixing": _mixing(np.tanh),
        "total": lambda x: np.sum(np.sin(x)),
    }


def _torch(program: RandomProgram, xs: Sequence[Any], weights: Any) -> tuple[Any, list[Any]]:
    torch = pytest.importorskip("torch")
    functions = {
        **_common(torch, torch.where),
        **_reductions(torch.sum, torch.mean, torch.amax, torch.prod),
        "sigmoid": torch.sigmoid,
        "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),  # torch's own rounds above a threshold
        "erf": torch.erf,
        "detach": lambda x: torch.cos(x.detach()),
        "softmax": lambda x: torch.softmax(x, -1),
        "logsumexp": lambda x: torch.logsumexp(x, -1, keepdim=True),
        "cumsum": torch.cumsum,
        "sort": lambda x, axis: torch.sort(x, dim=axis, stable=True).values,
        "flip": lambda x, axis: torch.flip(x, (axis,)),
        "roll": lambda x, axis: torch.roll(x, 1, axis),
        "concat": lambda x, y, axis: torch.cat([x, y], axis),
        "take": lambda x, index, axis: x[(slice(None),) * axis + (index if isinstance(index, int) else list(index),)],
        "transpose": lambda x, axes: x.permute(axes),
    }
    leaves = [torch.tensor(x, requires_grad=True) for x in xs]
    value = (program.evaluate(functions, leaves) * torch.tensor(weights)).sum()
    grads = torch.autograd.grad(value, leaves)
    return value.item(), [g.numpy() for g in grads]


def _jax(program: RandomProgram, xs: Sequence[Any], weights: Any) -> tuple[Any, list[Any]]:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    functions = {
        **_common(jnp, jnp.where),
        **_reductions(jnp.sum, jnp.mean, jnp.max, jnp.prod),
        "sigmoid": jax.nn.sigmoid,
        "softplus": jax.nn.softplus,
        "erf": jax.scipy.special.erf,
        "detach": lambda x: jnp.cos(jax.lax.stop_gradient(x)),
        "softmax": lambda x: jax.nn.softmax(x, -1) if x.ndim else jnp.ones(()),
        "logsumexp": lambda x: jax.scipy.special.logsumexp(x, -1, keepdims=True) if x.ndim else x,
        "cumsum": jnp.cumsum,
        "sort": jnp.sort,
        "flip": jnp.flip,
        "roll": lambda x, axis: jnp.roll(x, 1, axis),
        "concat": lambda x, y, axis: jnp.concatenate([x, y], axis),
        "take": lambda x, index, axis: jnp.take(x, np.array(index), axis),
        "transpose": jnp.transpose,
    }
    value, grads = jax.value_and_grad(lambda xs: jnp.sum(program.evaluate(functions, xs) * weights))([jnp.asarray(x) for x in xs])
    return float(value), [np.asarray(g) for g in grads]


def _agrees(seed: int, steps: int, peer: Any) -> None:
    program = random_program(seed, steps)
    xs = program.inputs()
    weights = np.asarray(np.random.default_rng(seed).standard_normal(program(*xs).shape))
    value, grads = mg.value_and_grad(lambda *xs: mg.sum(program(*xs) * weights), tuple(range(len(xs))))(*xs)
    expected, expected_grads = peer(program, xs, weights)
    np.testing.assert_allclose(float(value), expected, rtol=1e-10)
    for g, e in zip(grads, expected_grads, strict=True):
        np.testing.assert_allclose(g.numpy(), e, rtol=1e-10, atol=1e-10 * float(np.max(np.abs(e), initial=1e-6)))


@pytest.mark.parametrize("seed", shared(TORCH_SEEDS))
def test_values_and_gradients_agree_with_torch(seed: int) -> None:
    _agrees(seed, 8, _torch)


@pytest.mark.parametrize("seed", shared(JAX_SEEDS, of=4))
def test_values_and_gradients_agree_with_jax(seed: int) -> None:
    with pytest.importorskip("jax").enable_x64(True):
        _agrees(seed, 4, _jax)


def test_the_programs_use_the_whole_vocabulary() -> None:
    from minigrad.testing.programs import FUNCTIONS, LOOPS

    programs = [random_program(seed, 8) for seed in TORCH_SEEDS]
    assert {step.op for p in programs for step in p.steps} == set(FUNCTIONS)
    assert sum(any(s.op in LOOPS for s in p.steps) for p in programs) >= 15
