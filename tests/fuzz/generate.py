"""Random programs. They are evaluated in NumPy as they grow, so that every step is possible and every value finite and small."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .language import OPS, Program, Shape, Step
from .libraries import NUMPY

LARGEST, ELEMENTS = 20.0, 150
ONE = (
    "tanh", "sin", "cos", "sigmoid", "softplus", "erf", "relu", "abs", "square", "negative", "sign", "floor", "detach", "exp", "expm1",
    "log", "log1p", "sqrt", "cube", "reciprocal", "clip",
)  # fmt: skip
TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")
REDUCTIONS = ("sum", "mean", "max", "min", "prod")


class Builder:
    """The steps of a program so far, and the value of each for one choice of inputs."""

    def __init__(self, rng: np.random.Generator, inputs: Sequence[Any], single: bool, depth: int = 0):
        self.rng, self.single, self.depth = rng, single, depth
        self.values: list[Any] = list(inputs)
        self.count, self.steps = len(self.values), list[Step]()

    # ---- choosing

    def kind(self, kinds: str, ndim: int = 0, recent: bool = True) -> int | None:
        """A value of one of NumPy's kinds with at least so many axes, preferring the newest."""
        found = [i for i, v in enumerate(self.values) if isinstance(v, np.ndarray) and v.dtype.kind in kinds and v.ndim >= ndim]
        if not found:
            return None
        return int(found[-1 - int(self.rng.integers(min(3, len(found))))] if recent else self.rng.choice(found))

    def partner(self, i: int, kinds: str) -> int | None:
        """A value that broadcasts with value i."""
        shape = self.values[i].shape
        found = [j for j, v in enumerate(self.values) if isinstance(v, np.ndarray) and v.dtype.kind in kinds and broadcast(v.shape, shape)]
        return int(self.rng.choice(found)) if found else None

    def axis(self, i: int) -> int:
        return int(self.rng.integers(self.values[i].ndim))

    def axes(self, i: int) -> Any:
        """None, one axis, or several, as reductions take them."""
        n = self.values[i].ndim
        choice = self.rng.random()
        if n == 0 or choice < 0.15:
            return None
        if choice < 0.75:
            return int(self.rng.integers(-n, n))
        return tuple(sorted(int(a) for a in self.rng.choice(n, int(self.rng.integers(1, n + 1)), replace=False)))

    def flag(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    # ---- adding

    def put(self, op: str, *args: int | None, **attrs: Any) -> int | None:
        """Add a step if it can be computed; large floats are squashed by one more."""
        if any(a is None for a in args):
            return None
        step = Step(op, tuple(a for a in args if a is not None), tuple(attrs.items()))
        try:
            with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
                value = OPS[op](NUMPY, *(self.values[i] for i in step.args), **attrs)
        except (ValueError, IndexError, TypeError, ZeroDivisionError):
            return None
        if isinstance(value, tuple):
            value = tuple(np.asarray(v) for v in value)
        else:
            value = np.asarray(value)
            if value.size > ELEMENTS or not np.isfinite(value).all():
                return None
        self.values.append(value)
        self.steps.append(step)
        at = len(self.values) - 1
        if not isinstance(value, tuple) and value.dtype.kind == "f" and np.max(np.abs(value), initial=0) > LARGEST:
            return self.put("tanh", at)
        if not isinstance(value, tuple) and value.dtype.kind == "i" and np.max(np.abs(value), initial=0) > LARGEST:
            return self.put("remainder", at, n=7)
        return at

    def grow(self, steps: int) -> None:
        """Add about so many steps."""
        for _ in range(steps):
            MAKERS[int(self.rng.choice(len(MAKERS), p=WEIGHTS))](self)

    def fitting(self, like: int, squash: bool = False) -> int:
        """A new value with the shape and dtype of value `like`."""
        wanted = self.values[like]
        found = [
            i
            for i, v in enumerate(self.values)
            if isinstance(v, np.ndarray) and (v.shape, v.dtype) == (wanted.shape, wanted.dtype) and i >= self.count
        ]
        if wanted.dtype.kind == "i":
            at = self.put("remainder", self.put("integer", found[-1] if found else like, a=1, b=1), n=5)
        else:
            last = self.kind("f")
            at = found[-1] if found and self.flag(0.8) else self.put("like", last, like)
            if at is not None and self.values[at].dtype != wanted.dtype:
                at = self.put("astype", at, dtype=str(wanted.dtype))
            at = self.put("tanh", at) if squash else at
        return like if at is None else at

    def program(self, outputs: Sequence[int], seed: int = 0) -> Program:
        return prune(Program(seed, tuple((v.shape, str(v.dtype)) for v in self.values[: self.count]), tuple(self.steps), tuple(outputs)))

    def inner(self, inputs: Sequence[Any]) -> Builder:
        return Builder(self.rng, [np.asarray(v) for v in inputs], self.single, self.depth + 1)


def broadcast(a: Shape, b: Shape) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))


def prune(program: Program) -> Program:
    """The program without steps that reach no output."""
    n = len(program.inputs)
    needed, todo = set(program.outputs), list(program.outputs)
    while todo:
        i = todo.pop()
        more = [a for a in program.steps[i - n].args if a not in needed] if i >= n else []
        needed.update(more)
        todo += more
    kept = [i for i in range(n + len(program.steps)) if i < n or i in needed]
    new = {old: i for i, old in enumerate(kept)}
    steps = tuple(Step(s.op, tuple(new[a] for a in s.args), s.attrs) for i, s in enumerate(program.steps, n) if i in needed)
    return Program(program.seed, program.inputs, steps, tuple(new[o] for o in program.outputs))


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
        b.put("astype", i, dtype="int64" if b.flag() else "float32" if b.single else "float64")
    elif b.flag(0.6):
        b.put(str(b.rng.choice(["any", "all"])), i, axis=b.axes(i), keepdims=b.flag())
    else:
        b.put("count", i, axis=b.axis(i))


def _integers(b: Builder) -> None:
    i, float_ = b.kind("i"), "float32" if b.single else "float64"
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
        b.put(op, i, dtype=float_)
    elif op == "one_hot":
        b.put(op, i, n=3, dtype=float_)
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
    op = str(b.rng.choice(["var", "cumsum", "softmax", "logsumexp", "sort", "positions", "length"]))
    more = {"cumsum": {"reverse": b.flag()}, "sort": {"descending": b.flag()}}.get(op, {})
    b.put(op, i, **({} if op == "positions" else {"axis": b.axis(i)}), **more)


def _move(b: Builder) -> None:
    i = b.kind("f", 1)
    if i is None:
        return
    n, op = b.values[i].ndim, str(b.rng.choice(["transpose", "flatten", "merge", "expand", "squeeze", "flip", "roll", "pad", "tril"]))
    axis = b.axis(i)
    if op == "transpose":
        b.put(op, i, axes=tuple(int(a) for a in b.rng.permutation(n)))
    elif op == "flatten":
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


def _slice(b: Builder) -> None:
    i = b.kind("f", 1)
    if i is None:
        return
    op, axis = str(b.rng.choice(["row", "head", "tail", "half", "backwards"])), b.axis(i)
    b.put(op, i, axis=axis, **({"i": int(b.rng.integers(-1, 1))} if op == "row" else {}))


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
        shape = (3,) if b.flag(0.8) else (2, 2)
        b.put("take", i, index=_nested(b.rng.integers(-n, n, shape).tolist()), axis=axis)
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
    first = b.put("row", i, axis=0, i=0) if steps and b.flag(0.8) else b.kind("f")
    carries = [b.put("tanh", first), *([b.kind("fi", recent=False)] if b.flag(0.4) else [])]
    constants = [b.kind("fi", recent=False) for _ in range(int(b.rng.integers(0, 3)))]
    if None in carries or (not sequences and b.single):
        return
    held = [b.values[j] for j in carries if j is not None]
    rows = [b.values[j][0] if steps else np.zeros(b.values[j].shape[1:], b.values[j].dtype) for j in sequences]
    body = b.inner([*held, *rows, *(b.values[j] for j in constants if j is not None)])
    body.grow(int(b.rng.integers(1, 5)))
    after = [body.fitting(j, squash=True) for j in range(len(held))]
    out = body.kind("f")
    how: dict[str, Any] = {"reverse": b.flag(0.3)}
    if not sequences:
        how["length"] = int(b.rng.integers(0, 4))
    if b.flag(0.25):
        how["checkpoint"] = int(b.rng.integers(1, 4))
    if out is None or (not how.get("length", steps)):
        return
    program = body.program([*after, out])
    at = b.put("scan", *carries, *sequences, *constants, body=program, carries=len(held), sequences=len(sequences), **how)
    for k in range(len(held) + 1):
        if at is not None and b.flag(0.7):
            b.put("item", at, index=k)


def _branch(b: Builder) -> None:
    i, other = b.kind("f"), b.kind("fi", recent=False)
    if i is None or b.depth > 1:
        return
    total = b.put("sum", i, axis=None, keepdims=False)
    condition = b.put("less" if b.flag() else "greater_equal", total, b.put("negative", total))
    if condition is None or other is None:
        return
    sides = []
    for _ in range(2):
        side = b.inner([b.values[i], b.values[other]])
        side.grow(int(b.rng.integers(1, 4)))
        sides.append(side.program([side.fitting(0)]))
    b.put("cond", condition, i, other, then=sides[0], otherwise=sides[1])


def _call(b: Builder) -> None:
    i, other = b.kind("f"), b.kind("f", recent=False)
    if i is None or other is None or b.depth > 1:
        return
    mapped = b.flag() and b.values[i].ndim > 0 and len(b.values[i]) > 0
    body = b.inner([b.values[i][0] if mapped else b.values[i], b.values[other]])
    body.grow(int(b.rng.integers(1, 4)))
    out = body.kind("f")
    b.put("vmap" if mapped else "checkpoint", i, other, body=body.program([0 if out is None else out]))


MAKERS: tuple[Callable[[Builder], None], ...] = (
    _one, _affine, _two, _choice, _bools, _integers, _reduce, _along_axis, _move, _slice, _join, _index, _product, _loop, _branch, _call,
)  # fmt: skip
_SHARES = np.array([18, 3, 18, 5, 2, 5, 10, 7, 10, 5, 3, 6, 6, 6, 2, 4], float)
WEIGHTS = _SHARES / _SHARES.sum()


def random_program(seed: int) -> Program:
    """The program of a seed: 1 to 3 inputs with axes of length 1, 2 or 3 (rarely 0), most with 1 to 8 steps, some with 20."""
    rng = np.random.default_rng(seed)
    single = bool(rng.random() < 0.1)
    base = tuple(int(n) for n in rng.choice([1, 2, 3], int(rng.choice(4, p=[0.1, 0.3, 0.4, 0.2])), p=[0.15, 0.4, 0.45]))
    if base and rng.random() < 0.02:
        base = (0, *base[1:])
    shapes = [base] + [_thinned(base, rng) for _ in range(int(rng.integers(0, 3)))]
    inputs: list[Any] = [rng.standard_normal(s).astype("float32" if single else "float64") for s in shapes]
    if rng.random() < 0.2:
        inputs.append(rng.integers(-3, 4, _thinned(base, rng)))
    b = Builder(rng, inputs, single)
    b.grow(int(rng.choice([rng.integers(1, 4), rng.integers(4, 9), 20], p=[0.65, 0.32, 0.03])))
    floats = [i for i, v in enumerate(b.values) if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    used = {a for s in b.steps for a in s.args}
    ends = [i for i, v in enumerate(b.values) if isinstance(v, np.ndarray) and i not in used and i >= b.count]
    outputs = dict.fromkeys([*(int(i) for i in ends if rng.random() < 0.7), floats[-1]])
    return b.program(list(outputs), seed)


def _thinned(shape: Shape, rng: np.random.Generator) -> Shape:
    """A shape that broadcasts with `shape`."""
    kept = tuple(1 if rng.random() < 0.2 else n for n in shape)
    return kept[int(rng.integers(0, len(kept) + 1)) :] if rng.random() < 0.3 else kept
