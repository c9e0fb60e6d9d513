"""Trigonometric and hyperbolic functions and their inverses, logarithms and powers of other bases.

Where an inverse function ends, its gradient is infinite: asin, acos and atanh at ±1, acosh at 1. The gradient of hypot at (0, 0) is 0, the
subgradient of minimum norm. At (0, 0) atan2 has no limit, and its gradient is NaN.
"""

from __future__ import annotations

import math

import numpy as np

from ..tensor import Primitive, Tensor
from .elementwise import Array, Function, binary, equal, function, neg, sigmoid, sqrt, sub, where
from .rules import like

__all__ = ["acos", "acosh", "asin", "asinh", "atan", "atanh", "cosh", "exp2", "log2", "log10", "sinh"]

INSIDE = (-0.9, 0.9)
LOG_2, LOG_10 = math.log(2), math.log(10)


def _complex_atan2(y: Array, x: Array) -> Array:
    """The angle from the nearer axis plus that axis, a constant; so the imaginary part, which may be tiny, is not lost."""
    near = np.abs(x.real) > np.abs(y.real)
    flat = np.arctan(np.where(near, y, 0) / np.where(near, x, 1)) + np.where(x.real < 0, np.copysign(np.pi, y.real), 0)
    steep = np.copysign(np.pi / 2, y.real) - np.arctan(np.where(near, 0, x) / np.where(near, 1, y))
    return np.where(near, flat, steep)


def _complex_logaddexp(x: Array, y: Array) -> Array:
    above = x.real > y.real
    return np.where(above, x, y) + np.log1p(np.exp(np.where(above, y - x, x - y)))


def _share(z: Tensor, x: Tensor) -> Tensor:
    """x / z for a length z, and 0 where z is 0."""
    zero = equal(z, like(z, 0))
    return where(zero, like(z, 0), x / where(zero, like(z, 1), z))


def _weight(x: Tensor, y: Tensor) -> Tensor:
    """exp(x) / (exp(x) + exp(y)), also for two equal infinities."""
    return where(equal(x, y), like(x, 0.5), sigmoid(sub(x, y)))


def _inverse_length(y: Tensor, x: Tensor) -> Tensor:
    return 1 / hypot(y, x)


asin: Function = function("asin", np.arcsin, lambda ct, y, x: ct / sqrt((1 - x) * (1 + x)), scalar="asin", domain=(INSIDE,))
acos: Function = function("acos", np.arccos, lambda ct, y, x: neg(ct) / sqrt((1 - x) * (1 + x)), scalar="acos", domain=(INSIDE,))
atan: Function = function("atan", np.arctan, lambda ct, y, x: ct / (x * x + 1), scalar="atan")
sinh: Function = function("sinh", np.sinh, lambda ct, y, x: ct * cosh(x), scalar="sinh")
cosh: Function = function("cosh", np.cosh, lambda ct, y, x: ct * sinh(x), scalar="cosh")
asinh: Function = function("asinh", np.arcsinh, lambda ct, y, x: ct / hypot(x, like(x, 1)), scalar="asinh")
acosh: Function = function("acosh", np.arccosh, lambda ct, y, x: ct / (sqrt(x - 1) * sqrt(x + 1)), scalar="acosh", domain=((1.1, 4.0),))
atanh: Function = function("atanh", np.arctanh, lambda ct, y, x: ct / ((1 - x) * (1 + x)), scalar="atanh", domain=(INSIDE,))

exp2: Function = function("exp2", np.exp2, lambda ct, y, x: ct * (y * LOG_2), "2ˣ", scalar="exp2")
log2: Function = function("log2", np.log2, lambda ct, y, x: ct / (x * LOG_2), scalar="log2", domain=((0.1, 4.0),))
log10: Function = function("log10", np.log10, lambda ct, y, x: ct / (x * LOG_10), scalar="log10", domain=((0.1, 4.0),))

hypot: Primitive = binary(
    "hypot",
    np.hypot,
    (lambda ct, z, x, y: ct * _share(z, x), lambda ct, z, x, y: ct * _share(z, y)),
    "hypot",
    floats=True,
    scalar="hypot",
    domain=((-3.0, 3.0), (0.1, 4.0)),
    complex=lambda x, y: np.sqrt(x * x + y * y),
)
atan2: Primitive = binary(
    "atan2",
    np.arctan2,
    (
        lambda ct, z, y, x: ct * (x * _inverse_length(y, x) * _inverse_length(y, x)),
        lambda ct, z, y, x: neg(ct * (y * _inverse_length(y, x) * _inverse_length(y, x))),
    ),
    "atan2",
    floats=True,
    scalar="atan2",
    domain=((0.1, 4.0), (-3.0, 3.0)),
    complex=_complex_atan2,
)
logaddexp: Primitive = binary(
    "logaddexp",
    np.logaddexp,
    (lambda ct, z, x, y: ct * _weight(x, y), lambda ct, z, x, y: ct * _weight(y, x)),
    "logaddexp",
    floats=True,
    complex=_complex_logaddexp,
    scalar=lambda S, x, y: S.add(S.maximum(x, y), S.select(S.equal(x, y), S.number(LOG_2, x), S.log1p(S.exp(S.neg(S.abs(S.sub(x, y))))))),
)
