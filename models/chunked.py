"""Recurrent models whose steps can also be computed many at once."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad import Tensor

from .cell import Cell, sequences


class Chunked(Cell):
    """A cell that also knows `steps`: what many calls of `step` give, without a loop. With `chunk` > 0, `run` takes so many steps at once.

    model.steps(state, xs, keep) -> (state, ys)    xs (n, batch, inputs), ys (n, batch, outputs), n > 0

    keep (n, batch) is False where a step leaves the state as it is. Where `truncate` or `checkpoint` is given, `run` takes single steps.
    """

    chunk: int

    def steps(self, state: Any, xs: Tensor, keep: Tensor) -> tuple[Any, Tensor]:
        raise NotImplementedError(f"{type(self).__name__}.steps")

    def run(self, xs: Any, state: Any = None, mask: Any = None, reverse: bool = False, **loop: Any) -> tuple[Tensor, Any]:
        if not self.chunk or loop:
            return super().run(xs, state, mask, reverse=reverse, **loop)
        state, *rows = prepared(self, xs, state, mask, reverse)

        def step(state: Any, rows: Any) -> tuple[Any, Tensor]:
            return self.steps(state, *rows)

        step.__name__ = self.label
        last, found = mg.scan(step, state, tuple(cut(x, self.chunk) for x in rows))
        ys = connected(found, rows[0].shape[0])
        return mg.flip(ys, 0) if reverse else ys, last


def prepared(model: Cell, xs: Any, state: Any, mask: Any, reverse: bool) -> tuple[Any, Tensor, Tensor]:
    """(state, xs, keep) in the order of the steps: the given state or the initial one, and keep (T, batch), False where the mask is."""
    xs = sequences(model, xs, model.dtype, mask)
    state = model.initial_state(xs.shape[1]) if state is None else model._checked(state, xs.shape[1])
    keep = mg.ones(xs.shape[:2], "bool") if mask is None else mg.astype(mg.tensor(mask), "bool")
    return (state, mg.flip(xs, 0), mg.flip(keep, 0)) if reverse else (state, xs, keep)


def cut(x: Tensor, size: int) -> Tensor:
    """x (T, …) in chunks, of which the last is filled with zeros: (⌈T / size⌉, size, …)."""
    T = x.shape[0]
    n = -(-T // size)
    return mg.reshape(mg.concat([x, mg.zeros((n * size - T, *x.shape[1:]), x.dtype)]), (n, size, *x.shape[1:]))


def connected(chunks: Tensor, T: Any) -> Tensor:
    """The T rows of chunks (⌈T / size⌉, size, …): (T, …)."""
    return mg.reshape(chunks, (chunks.shape[0] * chunks.shape[1], *chunks.shape[2:]))[:T]
