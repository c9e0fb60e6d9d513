"""The dtypes of the loop IR, by their names, and those that its operations take."""

from __future__ import annotations

from functools import cache

import numpy as np

FLOATS = frozenset({"float32", "float64"})
SIGNED = frozenset({"int32", "int64"})
UNSIGNED = frozenset({"uint8", "uint32", "uint64"})
INTEGERS = SIGNED | UNSIGNED
NUMBERS = FLOATS | INTEGERS
HALVES = frozenset({"float16", "bfloat16"})  # are loaded, stored, selected and cast
BITS = {"float32": 32, "float64": 64, "int32": 32, "int64": 64, "uint8": 8, "uint32": 32, "uint64": 64, "bool": 8}
BITS |= dict.fromkeys((*HALVES, "uint16"), 16)  # uint16: the bits of a half, as a constant

UNARY = {
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid", "softplus", "sin", "cos", "erf"), FLOATS),
    **dict.fromkeys(("floor", "ceil", "trunc", "round"), FLOATS),
    **dict.fromkeys(("neg", "abs", "sign"), NUMBERS),
    "not": INTEGERS | {"bool"},
}
BINARY = {
    **dict.fromkeys(("add", "sub", "mul", "floor_divide", "remainder", "pow", "maximum", "minimum"), NUMBERS),
    **dict.fromkeys(("div", "copysign"), FLOATS),
    **dict.fromkeys(("and", "or", "xor"), INTEGERS | {"bool"}),
    **dict.fromkeys(("shl", "shr"), INTEGERS),
}
COMPARE = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


@cache
def name_of(dtype: np.dtype) -> str:
    """The name of a dtype. NumPy would put it together each time."""
    return str(dtype)
