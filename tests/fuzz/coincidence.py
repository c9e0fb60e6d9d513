"""Programs compiled at sizes that coincide and called at others, and the other way round.

The inputs of such a program have different lengths wherever they may differ (`random_program(seed, apart=True)`), so other lengths can
take their place: all equal, two equal, all different. What is expected comes from a trace of its own for each choice of sizes, in which
every size is a number.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

import minigrad as mg
from minigrad import tree
from minigrad.backend import native as machine
from minigrad.errors import MinigradError

from .case import Arrays, Case, Mismatch, Skip, agree
from .checked import Checked, divided
from .language import Program

jit = sys.modules["minigrad.jit"]  # the name in the package is the function
Sizes = Mapping[int, int]


def choices(program: Program) -> tuple[Sizes, ...]:
    """Sizes for the program: all equal, two equal, all different, and any; small ones, as extents that stand in programs are."""
    rng, lengths = np.random.default_rng([program.seed, 4]), program.lengths

    def different() -> list[int]:
        return (rng.permutation(max(4, len(lengths))) + 1).tolist()[: len(lengths)]

    pair = different()
    pair[-1] = pair[0]
    equal = [int(rng.integers(1, 4))] * len(lengths)
    anything = rng.integers(1, 6, len(lengths)).tolist()
    return tuple(dict(zip(lengths, sizes, strict=True)) for sizes in (equal, pair, different(), anything))


def orders(program: Program) -> Iterator[tuple[int, ...]]:
    """The order of calls, by the number of a choice: first where sizes coincide, and first where they do not."""
    yield (0, 1, 2, 3) if program.seed % 2 else (1, 0, 2, 3)
    yield (2, 0, 1)


class At:
    """What a program gives for certain sizes: results, or the error that it ends with."""

    def __init__(self, case: Case, sizes: Sizes, second: bool):
        self.case, self.sizes = Case(case.program, case.nudge, even=True, sizes=sizes), sizes
        self.results: Arrays = []
        self.error: MinigradError | None = None
        try:
            self.results = self.case.second_expected if second else self.case.expected
        except MinigradError as error:
            self.error = error

    @property
    def finite(self) -> bool:
        return all(np.isfinite(y).all() for y in self.results if y.dtype.kind == "f")

    @property
    def counted(self) -> str:
        return "error" if self.error is not None else "compared" if self.finite else "not finite"


def coincidence(case: Case, second: bool = False) -> Counter[str]:
    """The loops of a program that takes run-time sizes, run by Python and checked, for sizes in several orders."""
    every = [At(case, sizes, second) for sizes in choices(case.program)]
    limit = case.limit * (10 if second else 1)
    for order in orders(case.program):
        with compiling(Checked):
            compiled = mg.jit(every[0].case.second if second else every[0].case.first)
            for k in order:
                _check(partial(_call, compiled, _given(every[k].case)), every[k], limit, [every[j].sizes for j in order[: order.index(k)]])
    return Counter(at.counted for at in every)


@contextmanager
def compiling(native: Any) -> Iterator[None]:
    """Programs are run by `native` in the place of `Native`; one that is not compiled does not apply."""
    with warnings.catch_warnings(), divided(), mock.patch.object(jit, "Native", native):
        warnings.simplefilter("error", mg.CompileWarning)
        try:
            yield
        except mg.CompileWarning as reason:
            raise Skip(str(reason)) from None


def _given(case: Case) -> list[Any]:
    """The inputs; in a third of the programs some are tensors, whose lengths are numbers until they change."""
    rng = np.random.default_rng([case.program.seed, 5])
    fixed = rng.random(len(case.arrays)) < (0.5 if rng.random() < 0.33 else 0)
    return [mg.tensor(a) if f else a for a, f in zip(case.arrays, fixed, strict=True)]


def _call(compiled: Any, args: Sequence[Any]) -> Arrays:
    return [y.numpy() for y in tree.leaves(compiled(*args))]


def _check(call: Any, at: At, limit: float, before: Sequence[Sizes]) -> None:
    """That a call gives what is expected, in values or in an error; the sizes of calls before it are for the message."""
    try:
        found = call()
    except MinigradError:
        if at.error is None:
            raise
        return
    if at.error is not None:
        raise Mismatch(f"no error at {at.sizes} after {before}, expected {at.error}")
    if at.finite:
        try:
            agree(found, at.results, limit)
        except Mismatch as different:
            raise Mismatch(f"at {at.sizes} after {before}: {different}") from None


def coincidence_native(cases: Sequence[Case], second: bool = False) -> None:
    """Several programs as one in machine code, for sizes in several orders, by one thread and by two: the same bits each time."""
    found = [[at for s in choices(c.program) if (at := At(c, s, second)).error is None and at.finite] for c in cases]
    every = [ats for ats in found if ats]
    if not every:
        raise Skip("no sizes that all can have")
    limit = max(c.limit for c in cases) * (10 if second else 1)
    bodies = [ats[0].case.second if second else ats[0].case.first for ats in every]
    ends = np.cumsum([0, *(len(ats[0].case.arrays) for ats in every)])

    def bundle(*args: Any) -> list[Any]:
        return [f(*args[a:b]) for f, (a, b) in zip(bodies, itertools.pairwise(ends), strict=True)]

    for order in orders(cases[0].program):
        with compiling(machine.Native):
            compiled = mg.jit(bundle)
            for k in order:
                now = [ats[k % len(ats)] for ats in every]
                expected = [y for at in now for y in at.results]
                args = [x for at in now for x in _given(at.case)]
                by_one, *by_two = [_threads(n, partial(_call, compiled, args)) for n in (1, 2, 2)]
                agree(by_one, expected, limit)
                for again in by_two:
                    agree(again, by_one, 0, exact=True)


def _threads(n: int, call: Any) -> Arrays:
    with mock.patch.object(machine, "one_thread", lambda: n == 1):
        return call()
