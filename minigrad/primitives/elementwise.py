"""Elementwise primitives. Operands have the same shape and dtype: broadcast and cast are separate nodes before them.

An entry is the complete definition of an operation, and the entries in `__all__` are functions for users. To add one, write an entry and
add its name. The compiler has functions for the operations in `compiler.dtypes.UNARY` and `BINARY`; any other entry gives its scalar
expression as `scalar`.

At kinks the gradient is the subgradient of minimum norm: 0 for abs and sign at 0, one half for each operand of maximum and minimum at a
tie. The gradient of sqrt at 0 is ∞.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import dtype_error, shape_error
from ..graph import values
from ..graph.nodes import NO_ATTRS, make
from ..graph.types import BOOL, FLOAT, WIDE, TensorType, check_computed, check_dtype, is_float, unify_shapes
from ..tensor import Primitive, Tensor, apply, operand
from .rules import cotangent_type, each, fold_number, like, require_float, same_operands

__all__ = ["cos", "erf", "exp", "expm1", "log", "log1p", "sigmoid", "sin", "softplus", "sqrt", "tan", "tanh"]

Array = np.ndarray
REAL = (-3.0, 3.0)
POSITIVE = (0.1, 4.0)


CHEAP = {"neg", "abs", "sign", "floor", "sqrt", "add", "sub", "mul", "div", "floor_divide", "maximum", "minimum"}


def _entry(
    name: str, rule: Callable[..., Any], numpy: Callable[..., Any], symbol: str, arity: int, of: type[Primitive] = Primitive, **more: Any
) -> Any:
    more.setdefault("cheap", name in CHEAP)
    more.setdefault("domain", (REAL,) * arity)
    return of(name, rule, numpy, kind="pointwise", symbol=symbol, elementwise=True, fold=fold_number, **more)


def unary(name: str, numpy: Any, vjp: Any, symbol: str, **more: Any) -> Primitive:
    """A primitive of one operand, which may be an integer; vjp(ct, y, x)."""

    def rule(x: TensorType) -> TensorType:
        check_computed(name, x.dtype)
        if x.dtype == BOOL:
            raise dtype_error(name, f"takes numbers, got {x}", "Convert with .astype('int64')")
        return x

    return _entry(name, rule, numpy, symbol, 1, vjp=each(vjp), **more)


class Function(Primitive):
    """A function of each element of a tensor, array, number or list. The result has its shape and dtype; integers become float32."""

    def __call__(self, x: Any) -> Tensor:  # type: ignore[override]
        if type(x) is Tensor and x.node.type.dtype.kind == "f":
            return Tensor(make(self, (x.node,), NO_ATTRS))
        t = operand(self.name, x)
        return apply(self, t if t.type.is_float else cast(t, dtype=FLOAT))

    @property
    def __name__(self) -> str:
        return self.name

    def __reduce__(self) -> str:  # pickled by its name
        return self.name


def function(name: str, numpy: Any, vjp: Any, symbol: str = "", **more: Any) -> Function:
    """A primitive of one float operand that is also a function for users; vjp(ct, y, x)."""

    def rule(x: TensorType) -> TensorType:
        require_float(name, x)
        return x

    return _entry(name, rule, numpy, symbol or name, 1, Function, vjp=each(vjp), **more)


def binary(name: str, numpy: Any, vjp: Any, symbol: str, bools: bool = False, floats: bool = False, **more: Any) -> Primitive:
    """A primitive of two operands of one dtype; vjp = (rule for x, rule for y), each (ct, z, x, y)."""

    def rule(x: TensorType, y: TensorType) -> TensorType:
        found = same_operands(name, x, y)
        check_computed(name, found.dtype)
        if floats:
            require_float(name, found)
        if found.dtype == BOOL and not bools:
            raise dtype_error(name, "takes numbers, got two bool tensors", "Convert with .astype('float32'), or use & and |")
        return found

    return _entry(name, rule, numpy, symbol, 2, vjp=each(*vjp), **more)


def comparison(name: str, numpy: Any, symbol: str) -> Primitive:
    def rule(x: TensorType, y: TensorType) -> TensorType:
        check_computed(name, x.dtype)
        return TensorType(same_operands(name, x, y).shape, BOOL)

    def compared(x: Array, y: Array) -> Any:
        return numpy(np.real(x), np.real(y))

    return _entry(name, rule, numpy, symbol, 2, complex=compared, cheap=True)


NUMBERS = {d: (np.zeros((), d), np.ones((), d), -np.ones((), d)) for d in (FLOAT, WIDE)}  # NumPy takes long to make them of Python's


def _sigmoid(x: Array) -> Any:
    """Without overflow: SciPy's is 0 where the exponential of −x is infinite."""
    zero, one, minus = NUMBERS.get(x.dtype, (0, 1, -1))
    return np.exp(np.minimum(x, zero)) / (one + np.exp(np.copysign(x, minus)))


def _softplus(x: Array) -> Any:
    return np.logaddexp(x, np.zeros((), x.dtype))


def _complex_softplus(z: Array) -> Any:
    return np.where(z.real > 0, z + np.log(1 + np.exp(-z)), np.log(1 + np.exp(np.where(z.real > 0, 0, z))))


def _complex_sigmoid(z: Array) -> Any:
    e = np.exp(np.where(z.real > 0, -z, z))
    return np.where(z.real > 0, 1, e) / (1 + e)


def power(x: Array, y: Array) -> Any:
    """x ** y. An integer to a negative power is rounded towards zero, and 0 for x = 0."""
    if x.dtype.kind != "i" or not np.any(y < 0):
        return np.power(x, y)
    return np.where(y >= 0, np.power(x, np.maximum(y, 0)), np.where(np.abs(x) == 1, np.power(x, y & 1), 0)).astype(x.dtype)


def _pow_base(ct: Tensor, z: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """y·x^(y−1), with 0 where y is 0 (x⁰ is constant, at x = 0 too)."""
    zero = equal(y, like(y, 0))
    return ct * where(zero, like(x, 0), y * pow(x, where(zero, like(y, 1), sub(y, like(y, 1)))))


def _pow_exponent(ct: Tensor, z: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """z·log x, with 0 at x = 0."""
    zero = equal(x, like(x, 0))
    return ct * where(zero, like(x, 0), z * log(where(zero, like(x, 1), x)))


def _chosen(first: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The cotangent for the operand that was chosen; at a tie each operand gets half of it."""

    def rule(ct: Tensor, z: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return where(equal(x, y), ct * like(ct, 0.5), where(first(x, y), ct, like(ct, 0)))

    return rule


def _pick(test: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda x, y: np.where(test(x.real, y.real), x, y)


neg: Primitive = unary("neg", np.negative, lambda ct, y, x: neg(ct), "−")
exp: Function = function("exp", np.exp, lambda ct, y, x: ct * y)
expm1: Function = function("expm1", np.expm1, lambda ct, y, x: ct * (y + 1))
log: Function = function("log", np.log, lambda ct, y, x: ct / x, domain=(POSITIVE,))
log1p: Function = function("log1p", np.log1p, lambda ct, y, x: ct / (x + 1), domain=((-0.8, 3.0),))
sqrt: Function = function("sqrt", np.sqrt, lambda ct, y, x: ct / (y + y), "√", domain=(POSITIVE,))
tanh: Function = function("tanh", np.tanh, lambda ct, y, x: ct * (1 - y * y))
sigmoid: Function = function("sigmoid", _sigmoid, lambda ct, y, x: ct * (y * (1 - y)), "σ", complex=_complex_sigmoid)
softplus: Function = function("softplus", _softplus, lambda ct, y, x: ct * sigmoid(x), complex=_complex_softplus)
sin: Function = function("sin", np.sin, lambda ct, y, x: ct * cos(x))
cos: Function = function("cos", np.cos, lambda ct, y, x: neg(ct * sin(x)))
tan: Function = function("tan", np.tan, lambda ct, y, x: ct * (y * y + 1), scalar="tan", domain=((-1.4, 1.4),))


def _erf(x: Any) -> Any:
    from scipy import special  # a quarter of the time that minigrad takes to import, and only this needs it

    return special.erf(x)


erf: Function = function("erf", _erf, lambda ct, y, x: ct * (1.1283791670955126 * exp(neg(x * x))))
abs: Primitive = unary("abs", np.abs, lambda ct, y, x: ct * sign(x), "|·|", kinks=(0.0,), complex=lambda z: np.sign(z.real) * z)
sign: Primitive = unary("sign", np.sign, lambda ct, y, x: None, "sign", kinks=(0.0,), complex=lambda z: np.sign(z.real))
floor: Primitive = function("floor", np.floor, lambda ct, y, x: None, "⌊·⌋", kinks=tuple(range(-4, 5)), complex=lambda z: np.floor(z.real))

add: Primitive = binary("add", np.add, (lambda ct, z, x, y: ct, lambda ct, z, x, y: ct), "+")
sub: Primitive = binary("sub", np.subtract, (lambda ct, z, x, y: ct, lambda ct, z, x, y: neg(ct)), "−")
mul: Primitive = binary("mul", np.multiply, (lambda ct, z, x, y: ct * y, lambda ct, z, x, y: ct * x), "×")
div: Primitive = binary(
    "div", np.divide, (lambda ct, z, x, y: ct / y, lambda ct, z, x, y: neg(ct * z / y)), "÷", floats=True, domain=(REAL, POSITIVE)
)
floor_divide: Primitive = binary(
    "floor_divide",
    np.floor_divide,
    (lambda ct, z, x, y: None, lambda ct, z, x, y: None),
    "⌊÷⌋",
    complex=lambda x, y: np.floor_divide(x.real, y.real),
    domain=(REAL, POSITIVE),
)
remainder: Primitive = binary(
    "remainder",
    np.remainder,
    (lambda ct, z, x, y: ct, lambda ct, z, x, y: neg(ct * floor_divide(x, y))),
    "mod",
    complex=lambda x, y: x - y * np.floor_divide(x.real, y.real),
    domain=(REAL, POSITIVE),
)
pow: Primitive = binary("pow", power, (_pow_base, _pow_exponent), "xʸ", domain=(POSITIVE, REAL))
maximum: Primitive = binary(
    "maximum",
    np.maximum,
    (_chosen(lambda x, y: less(y, x)), _chosen(lambda x, y: less(x, y))),
    "max",
    bools=True,
    complex=_pick(np.greater_equal),
)
minimum: Primitive = binary(
    "minimum",
    np.minimum,
    (_chosen(lambda x, y: less(x, y)), _chosen(lambda x, y: less(y, x))),
    "min",
    bools=True,
    complex=_pick(np.less_equal),
)

less: Primitive = comparison("less", np.less, "<")
less_equal: Primitive = comparison("less_equal", np.less_equal, "≤")
equal: Primitive = comparison("equal", np.equal, "=")
not_equal: Primitive = comparison("not_equal", np.not_equal, "≠")


def _where_type(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if condition.dtype != BOOL:
        raise dtype_error("where", f"the condition must be bool, got {condition}", "Compare it, as in c > 0")
    found = same_operands("where", x, y)
    if not unify_shapes(condition.shape, x.shape):
        raise shape_error("where", f"condition {condition.shape} and values {x.shape} differ in shape")
    return found


# `where` selects and never multiplies: an operand that is not selected affects no value, even if it is NaN, and its gradient is exactly 0.
where: Primitive = Primitive(
    "where",
    _where_type,
    lambda c, x, y: np.where(c, x, y),
    vjp=each(
        lambda ct, z, c, x, y: None,
        lambda ct, z, c, x, y: where(c, ct, like(ct, 0)),
        lambda ct, z, c, x, y: where(c, like(ct, 0), ct),
    ),
    kind="pointwise",
    symbol="where",
    domain=(REAL, REAL, REAL),
    elementwise=True,
    fold=fold_number,
    cheap=True,
)


def _cast_vjp(ct: Tensor, y: Tensor, x: Tensor, dtype: np.dtype) -> Tensor | None:
    return cast(ct, dtype=cotangent_type(x.type).dtype) if y.type.is_float else None


def _complex_cast(z: Array, dtype: np.dtype) -> Array:
    return z if is_float(dtype) and np.iscomplexobj(z) else values.cast(z.real, dtype)


cast: Primitive = Primitive(
    "cast",
    lambda x, dtype: TensorType(x.shape, check_dtype(dtype, "astype")),
    values.cast,
    vjp=each(_cast_vjp),
    complex=_complex_cast,
    kind="move",
    symbol="cast",
    examples=((((2, 3),), {"dtype": np.dtype("float64")}), (((),), {"dtype": np.dtype("float64")})),
    elementwise=True,
    fold=fold_number,
    cheap=True,
)


def _fit_numpy(x: Array, dtype: np.dtype) -> Array:
    found = values.cast(np.asarray(x), dtype)
    values.require_held("number", np.asarray(x), found)
    return found


# cast, for numbers among the arguments: raises RangeError for an integer that the dtype does not hold, and where a float becomes infinite.
fit: Primitive = Primitive(
    "fit",
    lambda x, dtype: TensorType(x.shape, dtype),
    _fit_numpy,
    vjp=each(_cast_vjp),
    batch=lambda size, args, batched, dtype: fit(args[0], dtype=dtype),
    complex=_complex_cast,
    kind="index",
    symbol="cast",
    examples=((((),), {"dtype": np.dtype("float64")}), ((np.array([200, 0]),), {"dtype": np.dtype("uint8")})),
)


# ---- operations with the value of their argument

# The identity with a gradient of zero.
detach: Primitive = Primitive(
    "detach",
    lambda x: x,
    lambda x: x,
    vjp=each(lambda ct, y, x: None),
    complex=np.real,
    kind="control",
    symbol="detach",
    elementwise=True,
    fold=fold_number,
)


# The identity as a separate node: transformations differentiate with respect to it, and it is not merged with its argument.
alias: Primitive = Primitive(
    "alias", lambda x: x, lambda x: x, vjp=each(lambda ct, y, x: ct), kind="move", symbol="alias", elementwise=True, unique=True
)
