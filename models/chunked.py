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
    A program compiled with chunks is for one number of steps.
    """

    chunk: int

    def steps(self, state: Any, xs: Tensor, keep: Tensor) -> tuple[Any, Tensor]:
        raise NotImplementedError(f"{type(self).__name__}.steps")

    def run(self, xs: Any, state: Any = None, mask: Any = None, reverse: bool = False, **loop: Any) -> tuple[Tensor, Any]:
        if not self.chunk or loop:
            return super().run(xs, state, mask, reverse=reverse, **loop)
        xs = sequences(self, xs, self.dtype, mask)
        T, batch = xs.shape[:2]
        state = self.initial_state(batch) if state is None else self._checked(state, batch)
        keep = mg.ones((T, batch), "bool") if mask is None else mg.astype(mg.tensor(mask), "bool")
        n = -(-T // self.chunk)

        def step(state: Any, rows: Any) -> tuple[Any, Tensor]:
            return self.steps(state, *rows)

        def cut(x: Tensor) -> Tensor:
            """x (T, …) in n chunks, of which the last is filled with zeros: (n, chunk, …)."""
            x = mg.flip(x, 0) if reverse else x
            x = mg.concat([x, mg.zeros((n * self.chunk - T, *x.shape[1:]), x.dtype)])
            return mg.reshape(x, (n, self.chunk, *x.shape[1:]))

        step.__name__ = self.label
        last, found = mg.scan(step, state, (cut(xs), cut(keep)))
        ys = mg.reshape(found, (n * self.chunk, *found.shape[2:]))[:T]
        return mg.flip(ys, 0) if reverse else ys, last
