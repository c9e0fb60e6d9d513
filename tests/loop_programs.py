"""Random programs with Python loops, for hypothesis: odd first, last and middle steps, delays, inner loops, sequences read in many ways."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import minigrad as mg

B, N = 2, 3


class Loop(NamedTuple):
    """One loop: how it starts, what it does, reads and keeps, and what is odd about it."""

    states: int
    start: str
    ops: list[tuple[int, int, int]]
    read: str
    kept: str
    odd: str
    inner: int


def loop() -> st.SearchStrategy[Loop]:
    small = st.integers(0, 20)
    return st.builds(
        Loop,
        states=st.integers(1, 3),
        start=st.sampled_from(["zeros", "ones", "parameter", "x", "earlier"]),
        ops=st.lists(st.tuples(st.integers(0, len(OPS) - 1), small, small), min_size=2, max_size=6),
        read=st.sampled_from(["in order", "backwards", "earlier", "two", "nothing", "columns", "window"]),
        kept=st.sampled_from(["sum", "sum from the first", "list", "stack", "second axis", "every other", "nothing"]),
        odd=st.sampled_from(["", "", "", "first", "last", "middle", "weight", "array", "delay", "alternate", "skip", "swap"]),
        inner=st.sampled_from([0, 0, 0, 5]),
    )


OPS = [
    lambda p, a, b: mg.tanh(a @ p["U"]),
    lambda p, a, b: a * mg.sigmoid(b),
    lambda p, a, b: mg.tanh(a + b @ p["V"] + p["b"]),
    lambda p, a, b: mg.softmax(a + b),
    lambda p, a, b: mg.concat([a[:, 1:], b[:, :1]], -1),
    lambda p, a, b: mg.where(a > b, a, b * 0.5),
    lambda p, a, b: a - mg.mean(b),
    lambda p, a, b: mg.roll(a, 1) * 0.9,
    lambda p, a, b: mg.maximum(a, b),
    lambda p, a, b: mg.tanh(a @ p["W"] + a @ p["W"].T),
    lambda p, a, b: (a.T @ b)[:B],
]


@st.composite
def loop_programs(draw: Any, dtype: str) -> tuple[Any, tuple[Any, ...]]:
    """(function, arguments): a function of one to three loops."""
    steps, loops = draw(st.integers(5, 10)), draw(st.lists(loop(), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    p = {k: mg.tensor((rng.standard_normal((N, N)) * 0.4).astype(dtype)) for k in "UVW"}
    p["b"] = mg.tensor(rng.standard_normal(N).astype(dtype))

    def f(p: Any, xs: Any) -> Any:
        results: list[Any] = []
        earlier: list[Any] = [xs[0]] * steps
        for one in loops:
            found, earlier = _run(one, p, xs, earlier, steps, dtype)
            results += found
        return sum(results)

    return f, (p, mg.tensor(rng.standard_normal((steps + 1, B, N)).astype(dtype)))


def _run(loop: Loop, p: Any, xs: Any, earlier: list[Any], steps: int, dtype: str) -> tuple[list[Any], list[Any]]:
    """The losses of a loop, and its states."""
    starts = {
        "zeros": mg.zeros((B, N), dtype),
        "ones": mg.ones((B, N), dtype),
        "parameter": mg.broadcast_to(mg.tanh(p["b"]), (B, N)),
        "x": xs[0],
        "earlier": earlier[-1],
    }
    s = [starts[loop.start]] * loop.states
    total: Any = 0.0 if loop.kept == "sum" else None
    out: list[Any] = []
    states: list[Any] = []
    for t in range(steps):
        pool = [*s, _element(loop.read, xs, earlier, t, steps, dtype)]
        for kind, i, j in loop.ops:
            pool.append(OPS[kind](p, pool[i % len(pool)], pool[j % len(pool)]))
        for _ in range(loop.inner):
            pool.append(mg.tanh(pool[-1] @ p["W"]) + 0.1 * pool[-1])
        y = _oddity(loop.odd, pool[-1], t, steps, states, dtype)
        if loop.odd != "skip" or t % 3 != 1:
            s = [y, *map(mg.tanh, s[:-1])]
        if loop.odd == "swap":
            s = s[::-1]
        states.append(s[0])
        loss = mg.mean(s[0] * s[0])
        if loop.kept.startswith("sum"):
            total = loss if total is None else total + loss
        elif loop.kept == "list":
            out.append(loss)
        elif loop.kept in ("stack", "second axis") or (loop.kept == "every other" and t % 2 == 0):
            out.append(y)
    return [*_losses(loop.kept, total, out, xs), mg.mean(s[-1] * s[-1])], states


def _element(read: str, xs: Any, earlier: list[Any], t: int, steps: int, dtype: str) -> Any:
    if read == "nothing":
        return mg.ones((B, N), dtype)
    if read == "backwards":
        return xs[steps - 1 - t]
    if read == "earlier":
        return earlier[t]
    if read == "two":
        return xs[t] * xs[t + 1]
    if read == "columns":
        return xs[t, :, 0:1] + xs[t]
    return mg.sum(xs[t : t + 2], 0) if read == "window" else xs[t]


def _oddity(odd: str, y: Any, t: int, steps: int, states: list[Any], dtype: str) -> Any:
    if (odd, t) in (("first", 0), ("middle", steps // 2), ("last", steps - 1)) or (odd == "alternate" and t % 2):
        return mg.sin(y)
    if odd == "weight":
        return y * (0.5 + 0.1 * t)
    if odd == "array":
        return y + mg.tensor(np.full((B, N), np.sin(t), dtype))
    if odd == "delay" and len(states) > 1:
        return mg.tanh(y + 0.3 * states[-2])
    return y


def _losses(kept: str, total: Any, out: list[Any], xs: Any) -> list[Any]:
    if kept.startswith("sum"):
        return [total]
    if kept == "list":
        return [sum(out)]
    if kept in ("stack", "every other"):
        return [mg.mean(mg.stack(out) ** 2)]
    if kept == "second axis":
        return [mg.mean(mg.tanh(mg.stack(out, 1)) * mg.moveaxis(xs[: len(out)], 0, 1))]
    return []
