"""Small programs of the public functions, random or drawn by hypothesis, which print as code that runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter, ascii_lowercase
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import Tensor

Shape = tuple[int, ...]
Choose = Callable[[Sequence[Any]], Any]  # one of the options: at random, or as hypothesis wants it


@dataclass(frozen=True)
class Step:
    """One operation on earlier values, by number: inputs first, then the results of the steps."""

    op: str
    args: tuple[int, ...]
    attrs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, repr=False)
class RandomProgram:
    """A straight line of steps, some of which may be loops. Calling it gives its last value; its repr is code that does the same."""

    seed: int
    shapes: tuple[Shape, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any) -> Tensor:
        return self.evaluate(FUNCTIONS, [mg.tensor(x) for x in inputs])

    def evaluate(self, functions: Mapping[str, Callable[..., Any]], inputs: Sequence[Any]) -> Any:
        """The value with another library's functions of these names (as FUNCTIONS has them)."""
        values = list(inputs)
        for step in self.steps:
            values.append(functions[step.op](*(values[i] for i in step.args), **dict(step.attrs)))
        return values[-1]

    def gradient(self, *inputs: Any) -> tuple[Tensor, ...]:
        """The gradient of Σ value² in each input: a program again, its loops running backwards."""
        return mg.grad(lambda *xs: mg.sum(mg.square(self(*xs))), tuple(range(len(inputs))))(*inputs)

    def inputs(self, dtype: Any = "float64") -> list[np.ndarray]:
        """Arrays to run it on, the same for the same seed."""
        rng = np.random.default_rng(self.seed)
        return [rng.standard_normal(s).astype(dtype) for s in self.shapes]

    def __repr__(self) -> str:
        names = [_name(i) for i in range(len(self.shapes) + len(self.steps))]
        lines = ["import numpy as np", "", "import minigrad as mg", ""]
        for name, loop in LOOPS.items():
            if any(step.op == name for step in self.steps):
                lines += ["", inspect.getsource(loop)]
        lines += ["", f"def program({', '.join(names[: len(self.shapes)])}):"]
        for name, step in zip(names[len(self.shapes) :], self.steps, strict=True):
            lines.append(f"    {name} = {FORMS[step.op].format(*(names[i] for i in step.args), **dict(step.attrs))}")
        lines += [f"    return {names[-1]}", "", "", f"rng = np.random.default_rng({self.seed})"]
        return "\n".join([*lines, f"inputs = [mg.tensor(rng.standard_normal(s)) for s in {list(self.shapes)}]"])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def _name(i: int) -> str:
    """a, b, …, z, a1, b1, …"""
    return ascii_lowercase[i % 26] + (str(i // 26) if i >= 26 else "")


def recurrence(h: mg.Tensor, w: mg.Tensor, xs: mg.Tensor) -> mg.Tensor:
    """A loop with a carry, a constant from outside and a sequence: h ← tanh(h·w + x)."""

    def step(h, x):
        h = mg.tanh(h * w + x)
        return h, h * x

    last, ys = mg.scan(step, h, xs)
    return last + mg.sum(ys, 0)


def mixing(h: mg.Tensor, ms: mg.Tensor) -> mg.Tensor:
    """A loop with a matrix made at each step, which rows of h share: h ← tanh(h·tanh(MᵀM)), M an element of the sequence as a matrix."""

    def step(h, m):
        m = mg.reshape(m, (-1, m.shape[-1]))
        h = mg.tanh(h @ mg.tanh(mg.matrix_transpose(m) @ m))
        return h, h

    last, ys = mg.scan(step, h, ms)
    return last + mg.sum(ys, 0)


LOOPS: dict[str, Callable[..., mg.Tensor]] = {"recurrence": recurrence, "mixing": mixing}

# Every operation as text, with its arguments by number and its attributes by name.
FORMS = {
    **{name: f"mg.{name}({{0}})" for name in ("tanh", "sin", "cos", "sigmoid", "softplus", "erf", "abs", "relu", "square")},
    "detach": "mg.cos(mg.detach({0}))",  # a value beside its own detached copy would be at a tie of maximum
    **{name: f"mg.{name}({{0}}, {{1}})" for name in ("add", "subtract", "multiply", "maximum", "minimum")},
    **{name: f"mg.{name}({{0}}, {{axis}}, keepdims=True)" for name in ("sum", "mean", "max", "prod")},
    **{name: f"mg.{name}({{0}}, {{axis}})" for name in ("cumsum", "sort", "flip")},
    "divide": "{0} / ({1} * {1} + 1.0)",
    "where": "mg.where({0} > 0, {1}, {2})",
    "exp": "mg.exp(mg.tanh({0}))",
    "log": "mg.log({0} * {0} + 1.0)",
    "log1p": "mg.log1p({0} * {0})",
    "sqrt": "mg.sqrt({0} * {0} + 0.5)",
    "softmax": "mg.softmax({0}, -1)",
    "logsumexp": "mg.logsumexp({0}, -1, keepdims=True)",
    "roll": "mg.roll({0}, 1, {axis})",
    "concat": "mg.concat([{0}, {1}], {axis})",
    "half": "{0}[(slice(None),) * {axis} + (slice(0, None, 2),)]",
    "take": "mg.take({0}, np.array({index}), {axis})",
    "transpose": "mg.permute_dims({0}, {axes})",
    "reshape": "mg.reshape({0}, {shape})",
    "gram": "{0} @ mg.matrix_transpose({0}) / {0}.shape[-1]",
    "recurrence": "recurrence({0}, {1}, {2})",
    "mixing": "mixing({0}, {1})",
    "total": "mg.sum(mg.sin({0}))",
}


def _function(form: str) -> Callable[..., Any]:
    fields = sorted({name for _, name, _, _ in Formatter().parse(form) if name})
    names = {f: f"x{f}" if f.isdigit() else f for f in fields}
    body = form.format(*(names[f] for f in fields if f.isdigit()), **{f: f for f in fields if not f.isdigit()})
    return eval(f"lambda {', '.join(names.values())}: {body}", {"mg": mg, "np": np, **LOOPS})


FUNCTIONS: dict[str, Callable[..., Any]] = {name: _function(form) for name, form in FORMS.items()}
ONE = ("tanh", "sin", "cos", "exp", "log", "log1p", "sqrt", "sigmoid", "softplus", "erf", "abs", "relu", "square", "detach")
TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
ALONG = ("sum", "mean", "max", "prod", "cumsum", "sort", "flip", "roll", "concat", "half", "take")
AXES = 3  # of a program's inputs, at most
# How often each kind of step is taken; the first is what failing examples shrink to.
KINDS = ("one",) * 6 + ("two",) * 5 + ("where", "row", "gram", "transpose", "reshape", "mixing") + ("recurrence",) * 2 + ("along",) * 3


def random_program(seed: int, steps: int = 8, inputs: int = 2, scans: bool = True) -> RandomProgram:
    """The program of a seed, with `steps` random steps."""
    rng = np.random.default_rng(seed)
    return draw_program(lambda options: options[int(rng.integers(len(options)))], steps, inputs, scans, seed)


def draw_program(choose: Choose, steps: int, inputs: int, scans: bool, seed: int) -> RandomProgram:
    """A program by choices. Every value stays bounded; operands are shared; the last value depends on all inputs."""
    lengths = [choose((1, 2, 3)) for _ in range(AXES)]
    base = tuple(lengths[: choose(range(AXES + 1))])
    shapes = tuple(_thinned(base, choose) for _ in range(inputs))
    known: list[Shape] = list(shapes)
    found: list[Step] = []

    def put(op: str, *args: int, **attrs: Any) -> int:
        found.append(Step(op, args, tuple(attrs.items())))
        known.append(FUNCTIONS[op](*(mg.tensor(np.full(known[i], 0.5)) for i in args), **attrs).shape)
        return len(known) - 1

    for _ in range(steps):
        _draw_step(choose, known, put, scans)
    total = put("tanh", len(known) - 1)
    for i in range(inputs):
        total = put("add", total, put("total", i))
    return RandomProgram(seed, shapes, tuple(found))


def _thinned(shape: Shape, choose: Choose) -> Shape:
    """A shape that broadcasts with `shape`: some axes 1, some of the first left out; by as many choices whatever it is, to shrink well."""
    ones = [choose((False,) * 4 + (True,)) for _ in range(AXES)]
    kept = tuple(1 if one else n for n, one in zip(shape, ones, strict=False))
    return kept[choose((0,) * (2 * len(shape)) + tuple(range(len(shape) + 1))) :]


def _draw_step(choose: Choose, known: list[Shape], put: Callable[..., int], scans: bool) -> None:
    i = choose(range(len(known))[::-1][:4])
    shape = known[i]
    kind = choose(KINDS if shape else ("one", "two", "where"))
    if kind == "one":
        put(choose(ONE), i)
    elif kind == "two":
        put("tanh", put(choose(TWO), i, choose(_alike(known, shape))))
    elif kind == "where":
        other = choose(_alike(known, shape))
        common = np.broadcast_shapes(shape, known[other])
        put("where", i, other, choose(_alike(known, common)))
    elif kind == "row":
        put(choose(("softmax", "logsumexp")), i)
    elif kind == "reshape":
        put("reshape", i, shape=(-1,))
    elif kind == "recurrence" and scans:
        row = put("take", i, index=0, axis=0)
        put("recurrence", put("tanh", row), row, i)
    elif kind == "mixing" and scans and (sequences := [j for j, s in enumerate(known) if len(s) >= 2 and s[-1] == shape[-1]]):
        put("mixing", i, choose(sequences[:2]))  # the inputs, if they are
    elif kind == "gram" and len(shape) >= 2:
        put("gram", i)
    elif kind == "transpose" and len(shape) >= 2:
        axis = choose(range(1, len(shape)))
        put("transpose", i, axes=(axis, *(a for a in range(len(shape)) if a != axis)))
    else:
        _draw_along(choose, shape, i, put)


def _draw_along(choose: Choose, shape: Shape, i: int, put: Callable[..., int]) -> None:
    op, axis = choose(ALONG), choose(range(len(shape)))
    if op == "concat":
        put(op, i, i, axis=axis)
    elif op == "take":
        put(op, i, index=tuple(choose(range(shape[axis])) for _ in range(3)), axis=axis)
    else:
        put("tanh", put(op, i, axis=axis))


def _alike(known: Sequence[Shape], shape: Shape) -> list[int]:
    """The values that broadcast with a shape, the newest first."""
    return [j for j in range(len(known))[::-1] if _broadcasts(known[j], shape)]


def _broadcasts(a: Shape, b: Shape) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True
