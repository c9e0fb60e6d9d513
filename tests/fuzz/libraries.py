"""The libraries a program can be evaluated with: names and arguments as minigrad has them, loops as loops."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.special

import minigrad as mg


class Ours:
    """minigrad itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(mg, name)

    power, mT = staticmethod(mg.pow), staticmethod(mg.matrix_transpose)

    @staticmethod
    def vmap(f: Any, x: Any, *shared: Any) -> Any:
        return mg.vmap(f, (0, *[None] * len(shared)))(x, *shared)

    @staticmethod
    def logsumexp(x: Any, axis: int) -> Any:
        return mg.logsumexp(x, axis, keepdims=True)

    @staticmethod
    def backwards(x: Any, axis: int) -> Any:
        return x[(slice(None),) * axis + (slice(None, None, -1),)]


class Numpy:
    """NumPy, and the loops, branches and composites of any library with its interface."""

    np: Any = np
    concat, permute_dims = staticmethod(np.concatenate), staticmethod(np.transpose)
    sigmoid, erf = staticmethod(scipy.special.expit), staticmethod(scipy.special.erf)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.np, name)

    def detach(self, x: Any) -> Any:
        return x

    def astype(self, x: Any, dtype: Any) -> Any:
        return x.astype(dtype)

    def extent(self, n: int) -> Any:
        return np.int64(n)

    def softplus(self, x: Any) -> Any:
        return self.np.logaddexp(x, self.np.zeros_like(x))

    def relu(self, x: Any) -> Any:
        return self.where(x > 0, x, self.np.zeros_like(x))

    def clip(self, x: Any, low: float, high: float) -> Any:
        one = self.np.ones_like(x)
        return self.where(x <= low, low * one, self.where(x >= high, high * one, x))

    def any(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.np.any(x, axis, keepdims=keepdims)

    def all(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.np.all(x, axis, keepdims=keepdims)

    def sum(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.np.sum(x, axis, keepdims=keepdims)

    def mean(self, x: Any, axis: Any, keepdims: bool) -> Any:
        if self.np is np and np.size(x) == 0:
            raise ValueError("the mean of nothing has no value")
        return self.np.mean(x, axis, keepdims=keepdims)

    def max(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.np.max(x, axis, keepdims=keepdims)

    def min(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.np.min(x, axis, keepdims=keepdims)

    def prod(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.np.prod(x, axis, keepdims=keepdims)

    def argsort(self, x: Any, axis: int, descending: bool) -> Any:
        """Stable in both directions."""
        if not descending:
            return self.np.argsort(x, axis, kind="stable")
        return x.shape[axis] - 1 - self.np.flip(self.np.argsort(self.np.flip(x, axis), axis, kind="stable"), axis)

    def sort(self, x: Any, axis: int, descending: bool) -> Any:
        return self.take_along_axis(x, self.argsort(x, axis, descending), axis)

    def cumsum(self, x: Any, axis: int, reverse: bool) -> Any:
        return self.flip(self.np.cumsum(self.flip(x, axis), axis), axis) if reverse else self.np.cumsum(x, axis)

    def cumprod(self, x: Any, axis: int, reverse: bool) -> Any:
        return self.flip(self.np.cumprod(self.flip(x, axis), axis), axis) if reverse else self.np.cumprod(x, axis)

    def softmax(self, x: Any, axis: int) -> Any:
        e = self.exp(x - self.detach(self.max(x, axis, True)))
        return e / self.sum(e, axis, True)

    def logsumexp(self, x: Any, axis: int) -> Any:
        top = self.detach(self.max(x, axis, True))
        return self.log(self.sum(self.exp(x - top), axis, True)) + top

    def mT(self, x: Any) -> Any:
        return self.np.swapaxes(x, -1, -2)

    def backwards(self, x: Any, axis: int) -> Any:
        return self.flip(x, axis)

    def one_hot(self, i: Any, n: int) -> Any:
        return i[..., None] == self.arange(n)

    def scan(self, f: Any, carry: Any, xs: Any, length: int | None = None, reverse: bool = False, **_: Any) -> Any:
        steps = len(xs[0]) if xs else length
        assert steps is not None
        ys: dict[int, Any] = {}
        for t in reversed(range(steps)) if reverse else range(steps):
            carry, ys[t] = f(carry, tuple(x[t] for x in xs))
        return carry, self.stack([ys[t] for t in range(steps)], 0)

    def cond(self, condition: Any, then: Any, otherwise: Any, *args: Any) -> Any:
        return then(*args) if bool(condition) else otherwise(*args)

    def checkpoint(self, f: Any) -> Any:
        return f

    def vmap(self, f: Any, x: Any, *shared: Any) -> Any:
        return self.stack([f(row, *shared) for row in x], 0)


class Torch(Numpy):
    """PyTorch. The names it has in another form."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self.np = self.torch = torch
        self.dtypes = {np.dtype(n): getattr(torch, n) for n in ("bool", "int64", "float32", "float64")}
        self.concat, self.permute_dims = torch.cat, torch.permute
        self.sigmoid, self.erf = torch.sigmoid, torch.erf
        self.take_along_axis, self.power = torch.take_along_dim, torch.pow

    def detach(self, x: Any) -> Any:
        return x.detach()

    def astype(self, x: Any, dtype: Any) -> Any:
        return self.torch.as_tensor(x).to(dtype if isinstance(dtype, self.torch.dtype) else self.dtypes[np.dtype(dtype)])

    def max(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.torch.amax(x, self._axes(x, axis), keepdims)

    def min(self, x: Any, axis: Any, keepdims: bool) -> Any:
        return self.torch.amin(x, self._axes(x, axis), keepdims)

    def prod(self, x: Any, axis: Any, keepdims: bool) -> Any:
        for a in sorted(self._axes(x, axis), reverse=True):
            x = self.torch.prod(x, a, keepdims)
        return x

    @staticmethod
    def _axes(x: Any, axis: Any) -> tuple[int, ...]:
        return tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis

    def argsort(self, x: Any, axis: int, descending: bool) -> Any:
        return self.torch.argsort(x, dim=axis, descending=descending, stable=True)

    def flip(self, x: Any, axis: Any) -> Any:
        return self.torch.flip(x, self._axes(x, axis))

    def take(self, x: Any, index: Any, axis: int) -> Any:
        return x[(slice(None),) * axis + (self.torch.as_tensor(index),)]

    def full(self, shape: Any, value: float, dtype: str) -> Any:
        return self.torch.full(shape, value, dtype=self.dtypes[np.dtype(dtype)])

    def pad(self, x: Any, widths: Any) -> Any:
        return self.torch.nn.functional.pad(x, [n for pair in reversed(widths) for n in pair])

    def roll(self, x: Any, shift: int, axis: int) -> Any:
        return self.torch.roll(x, shift, axis)


class Jax(Numpy):
    """JAX, without its jit. Its arrays have 64 bits inside `jax.enable_x64(True)`."""

    def __init__(self) -> None:
        import jax

        self.jax, self.np = jax, jax.numpy
        self.concat, self.permute_dims = jax.numpy.concatenate, jax.numpy.transpose
        self.sigmoid, self.erf, self.detach = jax.nn.sigmoid, jax.scipy.special.erf, jax.lax.stop_gradient

    def abs(self, x: Any) -> Any:
        """With gradient 0 at 0."""
        return x * self.detach(self.np.sign(x))

    def argsort(self, x: Any, axis: int, descending: bool) -> Any:
        return self.np.argsort(x, axis, stable=True, descending=descending)

    def sort(self, x: Any, axis: int, descending: bool) -> Any:
        return self.np.sort(x, axis, stable=True, descending=descending)


OURS, NUMPY = Ours(), Numpy()
torch, jax = functools.cache(Torch), functools.cache(Jax)
