"""Array functions, with the names of the array API and the meaning of NumPy. They promote, broadcast, normalise axes, apply primitives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..primitives import elementwise as _e
from ..primitives import trigonometry as _t
from ..primitives.elementwise import *  # noqa: F403
from ..primitives.trigonometry import *  # noqa: F403
from ..tensor import Tensor
from .arrays import (
    argsort,
    detach,
    matmul,
    one_hot,
    outer,
    sort,
    take,
    take_along_axis,
    tensordot,
    top_k,
    tril,
)
from .creation import arange, extent, eye, full, ones, ones_like, zeros, zeros_like
from .elementwise import (
    abs,
    add,
    astype,
    clip,
    divide,
    equal,
    floor,
    floor_divide,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    pow,
    relu,
    remainder,
    sign,
    square,
    subtract,
    where,
)
from .numeric import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    atan2,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    copysign,
    hypot,
    isinf,
    logaddexp,
    logical_xor,
    nan_to_num,
    nextafter,
    positive,
    reciprocal,
    round,
    signbit,
    trunc,
)
from .reductions import all, any, argmax, argmin, cumsum, cumulative_sum, max, mean, min, prod, sum
from .shaping import (
    broadcast_to,
    concat,
    concatenate,
    expand_dims,
    flip,
    matrix_transpose,
    moveaxis,
    pad,
    permute_dims,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    transpose,
)

__all__ = [
    "abs", "add", "all", "any", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax",
    "argmin", "argsort", "astype", "atan2", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "broadcast_to", "ceil", "clip", "concat", "concatenate", "copysign", "cumsum",
    "cumulative_sum", "detach", "divide", "equal", "expand_dims", "extent", "eye", "flip", "floor", "floor_divide", "full", "greater",
    "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less", "less_equal", "logaddexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "matmul", "matrix_transpose", "max", "maximum", "mean", "min", "minimum", "moveaxis", "multiply",
    "nan_to_num", "negative", "nextafter", "not_equal", "one_hot", "ones", "ones_like", "outer", "pad", "permute_dims", "positive",
    "pow", "prod", "reciprocal", "relu", "remainder", "reshape", "roll", "round", "sign", "signbit", "sort", "split", "square",
    "squeeze", "stack", "subtract", "sum", "take", "take_along_axis", "tensordot", "top_k", "transpose", "tril", "trunc", "where",
    "zeros", "zeros_like",
]  # fmt: skip
__all__ += _e.__all__
__all__ += _t.__all__

UFUNCS: dict[str, Callable[..., Tensor]] = {
    "add": add, "subtract": subtract, "multiply": multiply, "divide": divide, "power": pow, "matmul": matmul,
    "floor_divide": floor_divide, "remainder": remainder, "maximum": maximum, "minimum": minimum, "less": less,
    "less_equal": less_equal, "greater": greater, "greater_equal": greater_equal, "equal": equal, "not_equal": not_equal,
    "negative": negative, "absolute": abs, "sign": sign, "floor": floor,
    "square": square, "logical_and": logical_and, "logical_or": logical_or,
    "logical_not": logical_not, "logical_xor": logical_xor, "bitwise_and": bitwise_and, "bitwise_or": bitwise_or,
    "bitwise_xor": bitwise_xor, "invert": bitwise_invert, "left_shift": bitwise_left_shift, "right_shift": bitwise_right_shift,
    "isnan": isnan, "isfinite": isfinite, "isinf": isinf, "signbit": signbit, "ceil": ceil, "trunc": trunc, "rint": round,
    "arctan2": atan2, "hypot": hypot, "logaddexp": logaddexp, "copysign": copysign, "nextafter": nextafter,
    "reciprocal": reciprocal, "positive": positive,
    **{getattr(np, name).__name__: getattr(part, name) for part in (_e, _t) for name in part.__all__ if hasattr(np, name)},
}  # fmt: skip
