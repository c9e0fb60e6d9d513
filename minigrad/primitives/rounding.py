"""Rounding, and the sign and the neighbours of floating-point numbers. The gradient of rounding is 0.

copysign(x, y) is |x| with another sign: its gradient at x = 0 is 0, as that of abs. nextafter(x, y) differs from x by less than a rounding
error, and its gradient is that of x.
"""

from __future__ import annotations

import numpy as np

from ..graph.types import BOOL, TensorType
from ..tensor import Primitive
from .elementwise import Array, binary, function, sign
from .rules import fold_number, like, require_float

__all__: list[str] = []

HALVES = tuple(n + 0.5 for n in range(-4, 4))

ceil: Primitive = function("ceil", np.ceil, lambda ct, y, x: None, "⌈·⌉", kinks=tuple(range(-4, 5)), complex=lambda z: np.ceil(z.real))
trunc: Primitive = function("trunc", np.trunc, lambda ct, y, x: None, kinks=tuple(range(-4, 5)), complex=lambda z: np.trunc(z.real))
round: Primitive = function("round", np.rint, lambda ct, y, x: None, kinks=HALVES, complex=lambda z: np.rint(z.real))

copysign: Primitive = binary(
    "copysign",
    np.copysign,
    (lambda ct, z, x, y: ct * sign(x) * copysign(like(x, 1), y), lambda ct, z, x, y: None),
    "copysign",
    floats=True,
    kinks=(0.0,),
    complex=lambda x, y: np.where(np.signbit(x.real) == np.signbit(y.real), x, -x),
)
nextafter: Primitive = binary(
    "nextafter",
    np.nextafter,
    (lambda ct, z, x, y: ct, lambda ct, z, x, y: None),
    "nextafter",
    floats=True,
    scalar="nextafter",
    complex=lambda x, y: np.nextafter(x.real, y.real) + 1j * x.imag,
)


def _signbit_type(x: TensorType) -> TensorType:
    require_float("signbit", x)
    return TensorType(x.shape, BOOL)


def _signbit(x: Array) -> Array:
    return np.signbit(x.real)


signbit: Primitive = Primitive(
    "signbit",
    _signbit_type,
    _signbit,
    kind="pointwise",
    symbol="signbit",
    scalar=lambda S, x: S.less(S.copysign(S.number(1, x), x), S.number(0, x)),
    elementwise=True,
    fold=fold_number,
    cheap=True,
)
