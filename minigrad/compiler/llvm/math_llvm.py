"""Elementwise functions as LLVM code without branches, which the loop vectoriser can vectorise.

The polynomials are near-minimax approximations (Chebyshev or weighted least squares, computed with 50 digits); the methods are those
of fdlibm and Cephes. The code has no fast-math flags, because compensated sums must not be reordered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from .llvm_text import TYPES, Text, Value

INF, NAN = float("inf"), float("nan")
LOG2E = 1.4426950408889634


@dataclass(frozen=True)
class _Format:
    """The constants of a floating-point type that the functions use."""

    mantissa: int
    bias: int
    ln2_high: float  # has few bits, so that its product with an integer is exact
    ln2_low: float
    exp_range: tuple[float, float]  # outside of it, exp is 0 or infinity
    exp: Sequence[float]  # (exp(r) - 1 - r) / r²
    log: Sequence[float]  # float32: (log(1+f) - f + f²/2) / f³;  float64: (log((1+s)/(1-s)) / s - 2) / s²
    erf: Sequence[float]  # erf(x) / x - 1, in x², for |x| < 1
    log_erfc: Sequence[float]  # log(erfc(x)) for 1 <= x <= erf_end
    erf_end: float


_FORMATS = {
    "float": _Format(
        23, 127, 0.693359375, -2.12194440e-4, (-104.0, 89.0),
        (0.50000000134658092, 0.166666666816232314, 0.0416664649252859054, 0.00833331092548090083, 0.00139336499963092504,
         0.000198909908246736538),
        (0.333333311800300481, -0.24999996957950882, 0.200007157488921017, -0.166678023195012541, 0.142490576456974804,
         -0.124256873314511061, 0.116854199234867393, -0.114797338466376356, 0.0697161147145117783),
        (0.128379165848350946, -0.37612626666720331, 0.112835947151602177, -0.0268542120106264124, 0.00518908742343397399,
         -0.000801686428716586953, 0.0000787587506268548834),
        (-0.000353463168609313255, -1.1270411031088515, -0.638223860043447702, -0.103038987566213125,
         0.0218061132564813416, -0.00293981117209694367, 0.000185595329760337304),
        4.0,
    ),
    "double": _Format(
        52, 1023, 6.93147180369123816490e-01, 1.90821492927058770002e-10, (-746.0, 710.0),
        (0.5, 0.16666666666666671, 0.0416666666666666698, 0.00833333333332613513, 0.00138888888888837483,
         0.000198412698748206253, 0.0000248015873255477412, 2.75572554002064244e-6, 2.75572736431102953e-7,
         2.51052170047207452e-8, 2.09146869680868772e-9),
        (0.666666666666666665, 0.400000000000008782, 0.28571428570802848, 0.222222223918870656, 0.181817956216327823,
         0.153862407089696642, 0.132687461955965946, 0.130869078879650275),
        (0.128379167095512574, -0.376126389031837481, 0.112837916709548787, -0.0268661706450767932,
         0.00522397762481801447, -0.000854832698083378991, 0.000120553311116427109, -0.0000149255952668311816,
         1.6461000484121368e-6, -1.6350312701054695e-7, 1.46597752740474358e-8, -1.13728488567916737e-9,
         5.9571761477489114e-11),
        (-1.8451442645053786e-6, -1.1283615751288318, -0.63669772376256027, -0.102559500009362356, 0.0187262362190853891,
         0.000764453821314676137, -0.002274867394886206, 0.00105195360314967119, -0.000307442038515272234,
         0.0000627737239925046015, -8.60549579302008986e-6, 6.20829826175451362e-7, 1.95951463152156431e-8,
         -9.64714956467068584e-9, 9.28936183148944434e-10, -3.33369186781303076e-11),
        6.0,
    ),
}  # fmt: skip
_SIN = (-0.166666666666666646, 0.00833333333333092456, -0.000198412698367224178, 2.75573160838163586e-6,
        -2.50511279440141876e-8, 1.5917848524808261e-10)  # fmt: skip
_COS = (0.0416666666666666654, -0.00138888888888873823, 0.0000248015872987430693, -2.75573172600088382e-7,
        2.08761438279931325e-9, -1.13824567780613058e-11)  # fmt: skip
_HALF_PI = (1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21)


LARGE_ANGLE = 1e6  # sin and cos of larger numbers are computed by the C library


def _format(x: Value) -> _Format:
    return _FORMATS[x.element]


def _polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    result = x.const(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = result.fma(x, c)
    return result


def _round(x: Value) -> tuple[Value, Value]:
    """The integer nearest to an x that is not large, as a float and as an integer. For NaN the second is an arbitrary integer."""
    magic = 1.5 * 2.0 ** _format(x).mantissa
    shifted = x + magic
    return shifted - magic, shifted.bits() - x.const(magic).bits()


def _power_of_two(n: Value, like: Value) -> Value:
    f = _format(like)
    return ((n + f.bias) << f.mantissa).convert("bitcast", like.type)


def _clamp(x: Value, low: float, high: float) -> Value:
    """x limited to [low, high]; NaN stays NaN."""
    x = (x < low).select(x.const(low), x)
    return (x > high).select(x.const(high), x)


def _with_zeros(x: Value, y: Value) -> Value:
    """y, with the zeros of x, which may be negative."""
    return x.compare("eq", 0.0).select(x, y)


def _exp_parts(x: Value, low_part: Value | None = None) -> tuple[Value, Value]:
    """(exp(r) - 1, n) with x + low_part = n ln 2 + r."""
    f = _format(x)
    n, integer = _round(x * LOG2E)
    r = n.fma(-f.ln2_low, n.fma(-f.ln2_high, x))
    if low_part is not None:
        r = r + low_part
    return (r * r).fma(_polynomial(r, f.exp), r), integer


def _expm1_parts(x: Value) -> tuple[Value, Value]:
    """Like `_exp_parts`, with the rounding error of r added to the first part."""
    f = _format(x)
    n, integer = _round(x * LOG2E)
    high = n.fma(-f.ln2_high, x)
    r = n.fma(-f.ln2_low, high)
    lost = n.fma(-f.ln2_low, high - r)
    return (r * r).fma(_polynomial(r, f.exp), lost) + r, integer


def _scale(x: Value, n: Value) -> Value:
    """x * 2**n in two steps, so that the result may be subnormal."""
    half = n >> 1
    return x * _power_of_two(half, x) * _power_of_two(n - half, x)


def exp(x: Value) -> Value:
    p, n = _exp_parts(_clamp(x, *_format(x).exp_range))
    return _scale(p + 1.0, n)


def expm1(x: Value) -> Value:
    p, n = _expm1_parts(_clamp(x, -50.0, _format(x).exp_range[1]))
    half = _power_of_two(n - 1, x)
    scaled = half.fma(p, half - 0.5)
    return _with_zeros(x, n.compare("eq", 0).select(p, scaled + scaled))


def tanh(x: Value) -> Value:
    p, n = _expm1_parts(_clamp(x.abs() * -2.0, -50.0, 0.0))
    scale = _power_of_two(n, x)
    e = scale.fma(p, scale - 1.0)  # expm1(-2|x|)
    d = e + 2.0
    t = -e / d
    residual = (-t).fma(d, -e) - t * (e - (d - 2.0))
    return residual.fma(t.fma(0.5, 0.5), t).call("copysign", x)


def sigmoid(x: Value) -> Value:
    e = exp(-x.abs())
    return (x < 0.0).select(e, 1.0) / (e + 1.0)


def softplus(x: Value) -> Value:
    return (x > 0.0).select(x, 0.0) + log1p(exp(-x.abs()))


def _log_parts(x: Value) -> tuple[Value, Value]:
    """(k, f) with x = 2**k · (1 + f) and √½ ≤ 1 + f ≤ √2, for positive finite x."""
    fmt = _format(x)
    small = x < 2.0 ** (1 - fmt.bias)
    bits = small.select(x * 2.0 ** (fmt.mantissa + 2), x).bits()
    exponent = (bits - x.const(0.5**0.5).bits()) >> fmt.mantissa
    f = (bits - (exponent << fmt.mantissa)).convert("bitcast", x.type) - 1.0
    exponent = small.select(exponent - (fmt.mantissa + 2), exponent)
    magic = x.const(1.5 * 2.0**fmt.mantissa)
    k = (exponent + magic.bits()).convert("bitcast", x.type) - magic
    return k, f


def log(x: Value) -> Value:
    fmt = _format(x)
    k, f = _log_parts(x)
    half_square = f * f * 0.5
    if x.element == "float":
        rest = (f * f * f).fma(_polynomial(f, fmt.log), k * fmt.ln2_low) - half_square
    else:
        s = f / (f + 2.0)
        z = s * s
        rest = s.fma(z.fma(_polynomial(z, fmt.log), half_square), k * fmt.ln2_low) - half_square
    result = k.fma(fmt.ln2_high, rest + f)
    result = (x < INF).select(result, x)
    result = (x < 0.0).select(x.const(NAN), result)
    return x.compare("eq", 0.0).select(x.const(-INF), result)


def log1p(x: Value) -> Value:
    u = x + 1.0
    rounded = u - 1.0
    lost = (1.0 - (u - rounded)) + (x - rounded)
    correction = (u > 0.0).select(lost / u, 0.0)
    return _with_zeros(x, log(u) + (x < INF).select(correction, 0.0))


def erf(x: Value) -> Value:
    f = _format(x)
    a = x.abs()
    near = x.fma(_polynomial(x * x, f.erf), x)
    tail, n = _exp_parts(_polynomial(_clamp(a, 1.0, f.erf_end), f.log_erfc))
    scale = _power_of_two(n, x)
    far = (1.0 - scale.fma(tail, scale)).call("copysign", x)
    return (a > 1.0).select(far, near)


def _sin_cos(x: Value, quarter: int) -> Value:
    """sin(x + quarter · π/2) for |x| < LARGE_ANGLE. For larger x only its range, [-1, 1], is right."""
    if x.element == "float":
        return _sin_cos(x.convert("fpext", x.with_element("double")), quarter).convert("fptrunc", x.type)
    n, integer = _round(x * (2 / 3.141592653589793))
    high, middle, low = _HALF_PI
    r = n.fma(-high, x)
    y = n.fma(-middle, r)
    y = _clamp(y + n.fma(-low, n.fma(-middle, r - y)), -0.8, 0.8)
    z = y * y
    sine = (y * z).fma(_polynomial(z, _SIN), y)
    half = z * 0.5
    one = 1.0 - half
    cosine = one + (z * z).fma(_polynomial(z, _COS), (1.0 - one) - half)
    q = integer + quarter
    result = (q & 1).compare("eq", 0).select(sine, cosine)
    return (q & 2).compare("eq", 0).select(result, -result)


def _at_large_angles(x: Value, near: Value, function: str) -> Value:
    """`near`, with the C library's function for large x. A vector without large elements takes no call."""
    large = x.abs() > LARGE_ANGLE
    before = x.text.block
    with x.text.when(large.any().name):
        far = large.select(x.call(function), near)
        inside = x.text.block
    return near.make(f"phi {near.type} [{near.name}, %{before}], [{far.name}, %{inside}]")


def sin(x: Value) -> Value:
    return _at_large_angles(x, _with_zeros(x, _sin_cos(x, 0)), "sin")


def cos(x: Value) -> Value:
    return _at_large_angles(x, _sin_cos(x, 1), "cos")


def _log_twice(x: Value) -> tuple[Value, Value]:
    """log(x) as an unevaluated sum of two float64, for positive finite x."""
    fmt = _format(x)
    k, f = _log_parts(x)
    u = f + 2.0
    s = f / u
    s_low = ((-s).call("fma", u, f) - s * (f - (u - 2.0))) / u
    z = s * s
    rest = (s * z).fma(_polynomial(z, fmt.log), k.fma(fmt.ln2_low, s_low + s_low))
    high, twice = k * fmt.ln2_high, s + s
    total = high + twice
    rest = rest + ((high - total) + twice)
    answer = total + rest
    return answer, (total - answer) + rest


def pow(x: Value, y: Value) -> Value:
    """x ** y as C's pow: NaN for a negative x unless y is an integer."""
    if x.element == "float":
        wide = x.with_element("double")
        return _pow(x.convert("fpext", wide), y.convert("fpext", wide), precise=False).convert("fptrunc", x.type)
    return _pow(x, y, precise=True)


def _pow(x: Value, y: Value, precise: bool) -> Value:
    a = x.abs()
    if precise:
        high, low = _log_twice(a)
        high = a.compare("eq", 0.0).select(x.const(-INF), (a < INF).select(high, a))
        product = y * high
        rest = y.call("fma", high, -product) + y * low
        rest = (product.abs() < 800.0).select(rest, 0.0)
        p, n = _exp_parts(_clamp(product, *_format(x).exp_range), rest)
        result = _scale(p + 1.0, n)
    else:
        result = exp(y * log(a))
    one = x.compare("eq", 1.0) | y.compare("eq", 0.0) | (a.compare("eq", 1.0) & y.abs().compare("eq", INF))
    result = one.select(x.const(1.0), result)
    whole = y.call("floor").compare("eq", y)
    half = y * 0.5
    odd = whole & half.call("floor").compare("ne", half)
    negative = x.bits() < 0
    result = (negative & odd).select(-result, result)
    undefined = (x < 0.0) & (x > -INF) & whole.compare("eq", 0)
    return undefined.select(x.const(NAN), result)


def _divided(x: Value, y: Value) -> tuple[Value, Value]:
    """The quotient, rounded down, and its remainder, which has the sign of y: NumPy's, to the bit. Both come from the exact remainder."""
    rest = x % y
    opposite = rest.compare("ne", 0.0) & (y < 0.0).compare("ne", rest < 0.0)
    near = (x - rest) / y
    near = opposite.select(near - 1.0, near)
    remainder = opposite.select(rest + y, rest)
    remainder = rest.compare("eq", 0.0).select(rest.const(0.0).call("copysign", y), remainder)
    floored = near.call("floor")
    floored = (near - floored > 0.5).select(floored + 1.0, floored)
    exact = x / y
    floored = near.compare("eq", 0.0).select(near.const(0.0).call("copysign", exact), floored)
    return y.compare("eq", 0.0).select(exact, floored), remainder


def floor_divide(x: Value, y: Value) -> Value:
    return _divided(x, y)[0]


def remainder(x: Value, y: Value) -> Value:
    return _divided(x, y)[1]


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    f.__name__: f for f in (exp, expm1, log, log1p, tanh, sigmoid, softplus, sin, cos, erf, pow, floor_divide, remainder)
}
_OF_FMOD = frozenset({"floor_divide", "remainder"})
_OF_TWO = _OF_FMOD | {"pow"}
FUNCTIONS = frozenset(_FUNCTIONS)


VECTORS = (2, 4, 8, 16)  # the lengths of the vectors for which functions that are not inlined have versions
INLINE_AT_MOST = 64  # a function that a program calls more often is not inlined, since compiling would take long


def name(op: str, dtype: str) -> str:
    """The name of the LLVM function for an operation."""
    return f"mg_{op}_{dtype}"


def call_attributes(op: str, dtype: str) -> str:
    """The name of the attribute group of calls of the function."""
    return f"#{10 + 2 * list(_FUNCTIONS).index(op) + (dtype == 'float64')}"


def versions(op: str, dtype: str) -> dict[str, str]:
    """For each version of a function for vectors its name, and the name by which the vectoriser finds it."""
    scalar, parameters = name(op, dtype), "v" * _arity(op)
    return {f"{scalar}_{n}": f"_ZGV_LLVM_N{n}{parameters}_{scalar}({scalar}_{n})" for n in VECTORS}


def is_outside(op: str, calls: int) -> bool:
    """Whether a function that is called so often is a module of its own: one with branches, or with many calls, is not inlined. The
    vectoriser does not vectorise it, but calls its versions for vectors."""
    return op in ("sin", "cos") or (calls > INLINE_AT_MOST and op not in _OF_FMOD)


def definition(op: str, dtype: str, declarations: dict[str, str]) -> str:
    """The definition of a function that is inlined, and the attributes of its calls. Adds what it calls to `declarations`."""
    text, called = _definition(op, TYPES[dtype], name(op, dtype), "private ", 0)
    declarations.update(called)
    return f"{text}\nattributes {call_attributes(op, dtype)} = {{ nounwind }}"


def declaration(op: str, dtype: str, declarations: dict[str, str]) -> str:
    """The attributes of the calls of a function outside. Adds it and its versions to `declarations`."""
    for symbol, type in _types(op, dtype).items():
        declarations[symbol] = f"declare {type} @{symbol}({', '.join([type] * _arity(op))}) #4"
    found = ",".join(versions(op, dtype).values())
    return f'attributes {call_attributes(op, dtype)} = {{ nounwind "vector-function-abi-variant"="{found}" }}'


def module(symbol: str) -> tuple[str, tuple[str, ...]]:
    """The module of the function of this name and its versions, without the attribute groups; and the names of the versions."""
    op, dtype = symbol.removeprefix("mg_").rsplit("_", 1)
    types = _types(op, dtype)
    found = [_definition(op, type, s, "", 4) for s, type in types.items()]
    declarations = {k: d for _, called in found for k, d in called.items()}
    return "\n".join([*(d for _, d in sorted(declarations.items())), *(text for text, _ in found)]), tuple(types)[1:]


def _types(op: str, dtype: str) -> dict[str, str]:
    """The type of the function and of each of its versions."""
    type = TYPES[dtype]
    return {name(op, dtype): type} | {v: f"<{n} x {type}>" for v, n in zip(versions(op, dtype), VECTORS, strict=True)}


def _arity(op: str) -> int:
    return 2 if op in _OF_TWO else 1


@cache
def _definition(op: str, type: str, symbol: str, linkage: str, attributes: int) -> tuple[str, dict[str, str]]:
    """One definition, and the declarations of the intrinsics that it calls."""
    function, text = _FUNCTIONS[op], Text()
    parameters = ["%x", "%y"][: _arity(op)]
    result = function(*(Value(text, type, p) for p in parameters))
    head = f"define {linkage}{type} @{symbol}({', '.join(f'{type} {p}' for p in parameters)}) #{attributes} {{"
    return "\n".join([head, "entry:", *text.lines, f"  ret {type} {result.name}", "}"]), text.declarations
