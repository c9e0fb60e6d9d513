"""The steps of a program as they are put together: evaluated in NumPy, so that every one is possible and every value finite and small."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .language import OPS, Program, Shape, Step
from .libraries import NUMPY

LARGEST = 20.0


class Builder:
    """The steps of a program so far, and the value of each for one choice of inputs."""

    def __init__(self, rng: np.random.Generator, inputs: Sequence[Any], floats: Sequence[str], elements: int, depth: int = 0):
        self.rng, self.floats, self.elements, self.depth = rng, floats, elements, depth
        self.values: list[Any] = list(inputs)
        self.count, self.steps = len(self.values), list[Step]()

    # ---- choosing

    def kind(self, kinds: str, ndim: int = 0, recent: bool = True) -> int | None:
        """A value of one of NumPy's kinds with at least so many axes, preferring the newest."""
        found = [i for i, v in enumerate(self.values) if isinstance(v, np.ndarray) and v.dtype.kind in kinds and v.ndim >= ndim]
        if not found:
            return None
        return int(found[-1 - int(self.rng.integers(min(3, len(found))))] if recent else self.rng.choice(found))

    def given(self, kinds: str = "f", ndim: int = 0) -> int | None:
        """An argument for a program inside: an older value, or a constant."""
        if "f" in kinds and self.flag(0.12):
            shape = tuple(self.rng.integers(1, 4, max(ndim, int(self.rng.integers(2)))).tolist())
            return self.put("constant", shape=shape, value=float(self.rng.integers(-4, 5)) / 4, dtype=self.dtype())
        return self.kind(kinds, ndim, recent=False)

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

    def dtype(self) -> str:
        """One of the program's float dtypes."""
        return str(self.rng.choice(self.floats))

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
            if value.size > self.elements or not np.isfinite(value).all():
                return None
        self.values.append(value)
        self.steps.append(step)
        at = len(self.values) - 1
        if not isinstance(value, tuple) and value.dtype.kind == "f" and np.max(np.abs(value), initial=0) > LARGEST:
            return self.put("tanh", at)
        if not isinstance(value, tuple) and value.dtype.kind == "i" and np.max(np.abs(value), initial=0) > LARGEST:
            return self.put("remainder", at, n=7)
        return at

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
        return Builder(self.rng, [np.asarray(v) for v in inputs], self.floats, self.elements, self.depth + 1)


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
