"""Random programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .builder import Builder, broadcast
from .language import Program, Shape

ELEMENTS = 150
APART, ELEMENTS_APART = (7, 11, 17), 3000  # lengths that few sums, halves and neighbours of others are
ONE = (
    "tanh", "sin", "cos", "sigmoid", "softplus", "erf", "relu", "abs", "square", "negative", "sign", "floor", "detach", "exp", "expm1",
    "log", "log1p", "sqrt", "cube", "reciprocal", "clip",
)  # fmt: skip
TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")
REDUCTIONS = ("sum", "mean", "max", "min", "prod")


def grow(b: Builder, low: int, high: int) -> None:
    """Add about low … high − 1 steps."""
    for _ in range(int(b.rng.integers(low, high))):
        MAKERS[int(b.rng.choice(len(MAKERS), p=WEIGHTS))](b)


# ---- one step of each kind


def _one(b: Builder) -> None:
    b.put(str(b.rng.choice(ONE)), b.kind("f"))


def _affine(b: Builder) -> None:
    b.put("affine", b.kind("f"), a=float(b.rng.integers(-8, 9)) / 4, b=float(b.rng.integers(-8, 9)) / 4)


def _two(b: Builder) -> None:
    i = b.kind("f")
    j = None if i is None else b.partner(i, "f")
    b.put(str(b.rng.choice(TWO)), *((i, j) if b.flag() else (j, i)))


def _choice(b: Builder) -> None:
    i = b.kind("f")
    if i is None:
        return
    condition = b.put(str(b.rng.choice(["less", "greater_equal", "equal"])), i, b.partner(i, "f"))
    if condition is not None and b.flag(0.3):
        condition = b.put(str(b.rng.choice(["and", "or"])), condition, b.partner(condition, "b"))
    if condition is not None and b.flag(0.2):
        condition = b.put("not", condition)
    if condition is not None:
        b.put("where", condition, b.partner(condition, "f"), i)


def _bools(b: Builder) -> None:
    i, x = b.kind("b"), b.kind("f")
    if (i is None or b.flag(0.3)) and x is not None:
        i = b.put(str(b.rng.choice(["less", "greater_equal"])), x, b.partner(x, "f"))
    if i is None:
        return
    if b.flag(0.3) or not b.values[i].ndim:
        b.put("astype", i, dtype="int64" if b.flag() else b.dtype())
    elif b.flag(0.6):
        b.put(str(b.rng.choice(["any", "all"])), i, axis=b.axes(i), keepdims=b.flag())
    else:
        b.put("count", i, axis=b.axis(i))


def _integers(b: Builder) -> None:
    i = b.kind("i")
    if i is None or b.flag(0.4):
        i = b.kind("f", 1)
        if i is not None and b.flag(0.7):
            op = str(b.rng.choice(["argmax", "argmin", "argsort"]))
            b.put(op, i, axis=b.axis(i), **({"descending": b.flag()} if op == "argsort" else {}))
        else:
            b.put("astype", i, dtype="int64")
        return
    op = str(b.rng.choice(["integer", "remainder", "floor_divide", "integer_maximum", "astype", "one_hot"]))
    if op == "integer":
        b.put(op, i, a=int(b.rng.integers(-3, 4)), b=int(b.rng.integers(-3, 4)))
    elif op == "integer_maximum":
        b.put(op, i, b.partner(i, "i"))
    elif op == "astype":
        b.put(op, i, dtype=b.dtype())
    elif op == "one_hot":
        b.put(op, i, n=3, dtype=b.dtype())
    else:
        b.put(op, i, n=int(b.rng.choice([-3, 2, 3, 5])))


def _reduce(b: Builder) -> None:
    i = b.kind("f")
    if i is not None:
        b.put(str(b.rng.choice(REDUCTIONS)), i, axis=b.axes(i), keepdims=b.flag())


def _along_axis(b: Builder) -> None:
    i = b.kind("f", 1)
    if i is None:
        return
    op = str(b.rng.choice(["var", "cumsum", "cumprod", "softmax", "logsumexp", "sort", "positions", "length"]))
    more = {"cumsum": {"reverse": b.flag()}, "cumprod": {"reverse": b.flag()}, "sort": {"descending": b.flag()}}.get(op, {})
    b.put(op, i, **({} if op == "positions" else {"axis": b.axis(i)}), **more)


def _move(b: Builder) -> None:
    i = b.kind("f", 1)
    if i is None:
        return
    moves = ["transpose", "swap", "flatten", "merge", "expand", "squeeze", "flip", "roll", "pad", "tril"]
    n, op = b.values[i].ndim, str(b.rng.choice(moves))
    axis = b.axis(i)
    if op == "transpose":
        b.put(op, i, axes=tuple(int(a) for a in b.rng.permutation(n)))
    elif op == "flatten" or (op == "swap" and n >= 2):
        b.put(op, i)
    elif op == "merge" and n >= 2:
        b.put(op, i, axis=int(b.rng.integers(n - 1)))
    elif op == "expand":
        b.put(op, i, axis=int(b.rng.integers(n + 1)))
    elif op == "squeeze" and b.values[i].shape[axis] == 1:
        b.put(op, i, axis=axis)
    elif op == "flip":
        b.put(op, i, axis=tuple(sorted({axis, b.axis(i)})))
    elif op == "roll":
        b.put(op, i, shift=int(b.rng.integers(-3, 4)), axis=axis)
    elif op == "pad":
        b.put(op, i, widths=tuple((int(x), int(y)) for x, y in b.rng.integers(0, 3, (n, 2))))
    elif op == "tril" and n >= 2:
        b.put(op, i, k=int(b.rng.integers(-1, 2)))


def _shape(b: Builder) -> None:
    """What depends on the lengths of other values."""
    i, j = b.kind("f", recent=False), b.kind("fi", recent=False)
    if i is None or j is None:
        return
    op = str(b.rng.choice(["full", "grid", "iota", "encode", "prefix", "broadcast", "like_shape"]))
    new: dict[str, Any] = {"value": float(b.rng.integers(-4, 5)) / 4, "dtype": b.dtype()}
    m, n = b.values[i].ndim, b.values[j].ndim
    if op == "full":
        b.put(op, i, **new)
    elif op in ("grid", "prefix") and m and n:
        b.put(op, i, j, axes=(b.axis(i), b.axis(j)), **(new if op == "grid" else {}))
    elif op == "iota" and m:
        b.put(op, i, axis=b.axis(i), dtype=b.dtype())
    elif op == "encode" and m:
        b.put(op, b.kind("i"), i, axis=b.axis(i), dtype=b.dtype())
    elif op == "broadcast":
        fits = [k for k, v in enumerate(b.values) if isinstance(v, np.ndarray) and broadcast(b.values[i].shape, v.shape)]
        b.put(op, i, int(b.rng.choice(fits)))
    elif op == "like_shape":
        fits = [k for k, v in enumerate(b.values) if isinstance(v, np.ndarray) and v.size == b.values[i].size and v.ndim]
        turned = b.put("transpose", i, axes=tuple(range(m))[::-1]) if b.flag() else i
        b.put(op, turned, int(b.rng.choice(fits)) if fits else None)


def _slice(b: Builder) -> None:
    i = b.kind("f", 1)
    if i is None:
        return
    op, axis = str(b.rng.choice(["row", "head", "tail", "half", "middle", "chunks", "backwards"])), b.axis(i)
    b.put(op, i) if op == "chunks" else b.put(op, i, axis=axis, **({"i": int(b.rng.integers(-1, 1))} if op == "row" else {}))


def _join(b: Builder) -> None:
    i = b.kind("f", 1)
    if i is None:
        return
    alike = [j for j, v in enumerate(b.values) if isinstance(v, np.ndarray) and v.shape == b.values[i].shape and v.dtype.kind == "f"]
    b.put(str(b.rng.choice(["concat", "stack"])), i, int(b.rng.choice(alike)), axis=b.axis(i))


def _index(b: Builder) -> None:
    i = b.kind("f", 1)
    if i is None:
        return
    axis = b.axis(i)
    n, whole = b.values[i].shape[axis], b.kind("i")
    if b.flag(0.4) and n:
        shape, reach = (3,) if b.flag(0.8) else (2, 2), min(n, int(b.rng.integers(1, 4)))
        b.put("take", i, index=_nested(b.rng.integers(-reach, reach, shape).tolist()), axis=axis)
    elif b.flag(0.5) and n and whole is not None and b.values[whole].ndim <= 2:
        b.put("pick", i, whole, axis=axis)
    else:
        b.put("along", i, b.put("argsort", i, axis=axis, descending=b.flag()), axis=axis)


def _nested(x: Any) -> Any:
    return tuple(map(_nested, x)) if isinstance(x, list) else x


def _product(b: Builder) -> None:
    i = b.kind("f", 2)
    if i is None or b.flag(0.15):
        b.put("outer", b.kind("f"), b.kind("f"))
        return
    x = b.values[i]
    fits = [j for j, v in enumerate(b.values) if isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim >= 1]
    inner = [j for j in fits if b.values[j].shape[-2 if b.values[j].ndim > 1 else -1] == x.shape[-1]]
    wide = [j for j in fits if x.ndim == b.values[j].ndim == 2 and b.values[j].shape[1] == x.shape[1]]
    if wide and b.flag(0.3):
        b.put("contract", i, int(b.rng.choice(wide)))
    elif inner and b.flag(0.7):
        b.put("matmul", i, int(b.rng.choice(inner)))
    else:
        b.put("gram", i)


# ---- programs inside


def _loop(b: Builder) -> None:
    """A loop with one or two carries, perhaps a counter, up to two sequences, and values from outside."""
    i = b.kind("f", 1)
    if i is None or b.depth > 1:
        return
    steps = b.values[i].shape[0]
    alike = [j for j, v in enumerate(b.values) if isinstance(v, np.ndarray) and v.ndim and v.shape[0] == steps and v.dtype.kind in "fi"]
    sequences = [i] if b.flag(0.6) else [i, int(b.rng.choice(alike))] if b.flag(0.7) else []
    first = b.put("row", i, axis=0, i=0) if steps and b.flag(0.6) else b.kind("f", recent=False)
    carries = [b.put("tanh", first), *([b.given("fi")] if b.flag(0.4) else [])]
    constants = [b.given("fi") for _ in range(int(b.rng.integers(0, 3)))]
    if None in carries:
        return
    held = [b.values[j] for j in carries if j is not None]
    rows = [b.values[j][0] if steps else np.zeros(b.values[j].shape[1:], b.values[j].dtype) for j in sequences]
    body = b.inner([*held, *rows, *(b.values[j] for j in constants if j is not None)])
    grow(body, 1, 5)
    after = [body.fitting(j, squash=True) for j in range(len(held))]
    out = body.kind("f", recent=b.flag(0.8))
    how: dict[str, Any] = {"reverse": b.flag(0.3)}
    axes = [(k, a) for k, v in enumerate(body.values[: body.count]) for a in range(v.ndim)]
    if not sequences and axes and b.flag():
        how["along"] = axes[int(b.rng.integers(len(axes)))]
    elif not sequences:
        how["length"] = int(b.rng.integers(0, 4))
    if b.flag(0.25):
        how["checkpoint"] = int(b.rng.integers(1, 4))
    if out is None or not how.get("length", steps):
        return
    program = body.program([*after, out])
    at = b.put("scan", *carries, *sequences, *constants, body=program, carries=len(held), sequences=len(sequences), **how)
    for k in range(len(held) + 1):
        if at is not None and b.flag(0.7):
            b.put("item", at, index=k)


def _branch(b: Builder) -> None:
    i, other = b.kind("f"), b.given("fi")
    if i is None or b.depth > 1:
        return
    total = b.put("sum", i, axis=None, keepdims=False)
    condition = b.put("less" if b.flag() else "greater_equal", total, b.put("negative", total))
    if condition is None or other is None:
        return
    args = (i, other) if b.flag() else (other, i)
    sides = []
    for _ in range(2):
        side = b.inner([b.values[j] for j in args])
        grow(side, 1, 4)
        sides.append(side.program([side.fitting(args.index(i))]))
    b.put("cond", condition, *args, then=sides[0], otherwise=sides[1], **_outside(b))


def _call(b: Builder) -> None:
    i, other = b.kind("f") if b.flag(0.7) else b.given("f"), b.given("f")
    if i is None or other is None or b.depth > 1:
        return
    mapped = b.flag() and b.values[i].ndim > 0 and len(b.values[i]) > 0
    body = b.inner([b.values[i][0] if mapped else b.values[i], b.values[other]])
    grow(body, 1, 4)
    out = body.kind("f")
    name = "vmap" if mapped else "checkpoint"
    b.put(name, i, other, body=body.program([0 if out is None else out]), **_outside(b))


def _outside(b: Builder) -> dict[str, int]:
    return {"outside": 1} if b.flag(0.3) else {}


MAKERS: tuple[Callable[[Builder], None], ...] = (
    _one, _affine, _two, _choice, _bools, _integers, _reduce, _along_axis, _move, _shape, _slice, _join, _index, _product,
    _loop, _branch, _call,
)  # fmt: skip
_SHARES = np.array([18, 3, 18, 5, 2, 5, 10, 7, 10, 8, 5, 3, 6, 6, 11, 3, 5], float)
WEIGHTS = _SHARES / _SHARES.sum()


def random_program(seed: int, apart: bool = False) -> Program:
    """The program of a seed: 1 to 3 inputs with axes of length 1, 2 or 3 (rarely 0), most with 1 to 8 steps, some with 20.

    apart  the lengths beside 1 are of APART, so that axes are equal only where the program asks for it
    """
    rng = np.random.default_rng(seed)
    floats = [("float64",), ("float32",), ("float32", "float64")][int(rng.choice(3, p=[0.75, 0.1, 0.15]))]
    shapes = _shapes_apart(rng) if apart else _shapes(rng)
    inputs: list[Any] = [rng.standard_normal(s).astype(str(rng.choice(floats))) for s in shapes]
    if rng.random() < 0.2:
        inputs.append(rng.integers(-3, 4, _thinned(shapes[0], rng)))
    b = Builder(rng, inputs, floats, ELEMENTS_APART if apart else ELEMENTS)
    grow(b, *[(1, 4), (4, 9), (20, 21)][int(rng.choice(3, p=[0.7, 0.29, 0.01] if apart else [0.65, 0.32, 0.03]))])
    floating = [i for i, v in enumerate(b.values) if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    used = {a for s in b.steps for a in s.args}
    ends = [i for i, v in enumerate(b.values) if isinstance(v, np.ndarray) and i not in used and i >= b.count]
    outputs = dict.fromkeys([*(int(i) for i in ends if rng.random() < 0.7), floating[-1]])
    return b.program(list(outputs), seed)


def _shapes(rng: np.random.Generator) -> list[Shape]:
    base = tuple(int(n) for n in rng.choice([1, 2, 3], int(rng.choice(4, p=[0.1, 0.3, 0.4, 0.2])), p=[0.15, 0.4, 0.45]))
    if base and rng.random() < 0.02:
        base = (0, *base[1:])
    return [base] + [_thinned(base, rng) for _ in range(int(rng.integers(0, 3)))]


def _shapes_apart(rng: np.random.Generator) -> list[Shape]:
    """One with distinct lengths; others that broadcast with it, or have some of its axes in any order, or two of one length."""
    base = tuple(int(n) for n in rng.permutation(APART)[: int(rng.integers(1, 4))])
    found = [base]
    for _ in range(int(rng.choice(4, p=[0.15, 0.4, 0.3, 0.15]))):
        axes = rng.choice(base, int(rng.integers(0, 4)), replace=rng.random() < 0.3 or len(base) < 3)
        found.append(_thinned(base, rng) if rng.random() < 0.4 else tuple(axes.tolist()))
    return found


def _thinned(shape: Shape, rng: np.random.Generator) -> Shape:
    """A shape that broadcasts with `shape`."""
    kept = tuple(1 if rng.random() < 0.2 else n for n in shape)
    return kept[int(rng.integers(0, len(kept) + 1)) :] if rng.random() < 0.3 else kept
