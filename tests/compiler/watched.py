"""Runs a function in Python and watches what it touches; and random functions that may leave their buffers, or whose threads may meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from programs import copy, fill

from minigrad.compiler import loop_ir as L
from minigrad.compiler import to_python


class Left(Exception):
    """An access outside a buffer."""


class Met(Exception):
    """A thread touched what the other wrote."""


@dataclass
class Watch:
    """Who touched what; `middle` is where a shared statement is divided."""

    middle: int = 0
    part: int | None = None
    touched: dict[tuple[int, int], set[tuple[int, bool]]] = field(default_factory=dict)

    def see(self, array: Watched, places: Any, writes: bool) -> None:
        for i in np.asarray(places).reshape(-1).tolist():
            if not 0 <= i < len(array.values):
                raise Left(f"{i} of {len(array.values)}")
            if self.part is not None:
                self.touched.setdefault((id(array), i), set()).add((self.part, writes))

    def parts(self, n: int, grain: int) -> Any:
        middle = min(self.middle, n)
        for self.part, ends in enumerate(((0, middle), (middle, n))):
            yield ends
        met = [place for place, by in self.touched.items() if len({part for part, _ in by}) == 2 and any(writes for _, writes in by)]
        self.part, self.touched = None, {}
        if met:
            raise Met


class Watched:
    """An array that tells of its elements when they are used."""

    def __init__(self, watch: Watch, values: np.ndarray):
        self.watch, self.values = watch, values

    def places(self, key: Any) -> Any:
        return np.arange(key.start, key.stop) if isinstance(key, slice) else key

    def __getitem__(self, key: Any) -> Any:
        self.watch.see(self, self.places(key), False)
        return self.values[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.watch.see(self, self.places(key), True)
        self.values[key] = value


def run(function: L.Function, sizes: Mapping[str, int], middle: int = 0, **data: np.ndarray) -> dict[str, np.ndarray]:
    """The arguments afterwards. Raises Left or Met. Arrays are zeros unless they are given."""
    watch = Watch(middle)

    def empty(n: int, dtype: Any) -> Watched:
        return Watched(watch, np.zeros(n, dtype))

    def gemm(m: int, n: int, k: int, *views: Any) -> None:
        shapes = ((m, k), (k, n), (m, n)) if min(m, n, k) > 0 else ((0, 0), (0, 0), (m, n))
        for (array, offset, row, column), (rows, columns), writes in zip(views, shapes, (False, False, True), strict=True):
            watch.see(array, offset + row * np.arange(rows)[:, None] + column * np.arange(columns), writes)

    def part(array: Any, offset: int, *shape: int, writes: bool = False) -> np.ndarray:
        places = np.arange(offset, offset + np.prod(shape, dtype=int))
        watch.see(array, places, writes)
        return array.values[places[0] : places[-1] + 1].reshape(shape) if places.size else np.empty(shape, array.values.dtype)

    own = {"empty": empty, "gemm": gemm, "array": part, "changed": partial(part, writes=True), "parts": watch.parts}
    namespace = to_python.names(function) | own
    exec(to_python.to_python(function).replace("sort.", "sort_"), namespace)
    arrays = [np.zeros(L.evaluate(b.size, sizes), b.dtype) if b.name not in data else data[b.name] for b in function.arguments]
    with np.errstate(all="ignore"):
        namespace[function.name](*(Watched(watch, a) for a in arrays), *(sizes[s.name] for s in function.sizes))
    return {b.name: a for b, a in zip(function.arguments, arrays, strict=True)}


# ---- random functions

N, M = L.Size("n"), L.Size("m")
MUCH = (N + M + 1) * (N + M + 1) * 3
LENGTHS = (*[MUCH] * 9, N, M, N * M, N + M, N - 1, N // 2, (N + 1) * M, N * 2, 3)
SPANS = (N, M, N - 1, N + 1, N // 2, N - N // 2, N % 3, 3, 2, 1, 0)
FACTORS = (1, 1, 1, 1, 1, N, N, M, M, 2, 3, -1)
ONE = L.Const("float64", 1)


class Idle:
    """A kernel that does nothing."""

    symbol, address = "idle", 0

    def __call__(self, *arrays: object) -> int:
        return 0


@st.composite
def functions(draw: Any, shared: bool = False) -> L.Function:
    """A few loops with accesses that are linear in the loop variables, some of them inside their buffers for all sizes."""
    x, y, z = (L.Buffer(name, "float64", draw(st.sampled_from(LENGTHS))) for name in "xyz")
    names = (f"i{k}" for k in range(100))

    def index(loops: list[L.LoopVar]) -> Any:
        place: Any = draw(st.sampled_from((0, 0, 0, 1, N - 1, M)))
        for var in loops:
            if draw(st.integers(0, 3)):
                term = var % draw(st.sampled_from((N, M, 2))) if draw(st.integers(0, 5)) == 0 else var
                place = place + term * draw(st.sampled_from(FACTORS))
        return place

    def access(loops: list[L.LoopVar]) -> Any:
        store = L.Store(draw(st.sampled_from((y, z))), index(loops), L.Load(draw(st.sampled_from((x, z))), index(loops)))
        if draw(st.integers(0, 3)):
            return store
        op = draw(st.sampled_from(("lt", "le", "gt", "ge", "eq")))
        sides = [L.FromIndex(i, "int64") for i in (index(loops), draw(st.sampled_from((N, M, N - 1, 2))))]
        return L.If(L.Compare(op, *sides), (store,), (L.Store(y, index(loops), ONE),))

    def many(loops: list[L.LoopVar]) -> Any:
        m, n, k = (draw(st.sampled_from((N, M, 2, 1))) for _ in range(3))
        offset = index(loops[:1])
        a, b, c = L.View(x, 0, k, 1), L.View(x, 0, n, 1), L.View(y, offset, n, 1)
        count, start = draw(st.sampled_from((N, M, 1))), index(loops)
        kernel = L.Extern(Idle(), (L.Array(x, 0, (m, n)),), (L.Array(y, offset, (k, n)),), 1)
        return draw(st.sampled_from((L.Gemm(m, n, k, a, b, c), kernel, fill(y, start, count, ONE), copy(y, start, x, 0, count))))

    def body(loops: list[L.LoopVar], depth: int) -> tuple[Any, ...]:
        found = [access(loops) if draw(st.integers(0, 4)) else many(loops)]
        if depth:
            var = L.LoopVar(next(names))
            start = draw(st.sampled_from((0, 0, 0, 1, *loops)))
            found.append(L.For(var, draw(st.sampled_from(SPANS)), body([*loops, var], depth - 1), start=start))
        return tuple(found[draw(st.integers(0, len(found) - 1)) :])

    if not shared:
        return L.Function("f", (x,), (y,), (N, M), (z,), body([], 2))
    step, low, high, row = (L.LoopVar(name) for name in ("t", "low", "high", "r"))
    loops = [step] if draw(st.booleans()) else []
    share = L.Shared(draw(st.sampled_from(SPANS)), low, high, (L.For(row, high - low, body([*loops, row], 1), start=low),))
    return L.Function("f", (x,), (y,), (N, M), (z,), (L.For(step, M, (share,)),) if loops else (share,))
