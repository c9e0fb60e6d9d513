"""Programs compiled at sizes that coincide and called at others, and the other way round.

The inputs of such a program have different lengths wherever they may differ (`random_program(seed, apart=True)`), so other lengths can
take their place: all equal, two equal, all different. What is expected comes from a trace of its own for each choice of sizes, in which
every size is a number.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

import minigrad as mg
from minigrad import compiled as jit
from minigrad import tree
from minigrad.compiled import Compiled
from minigrad.compiler.proof.bounds import prove
from minigrad.compiler.runtime import executable as machine
from minigrad.compiler.runtime.guarded import run_guarded
from minigrad.errors import BoundsError, MinigradError

from .case import Arrays, Case, Mismatch, Skip, agree
from .language import Program
from .watched import Fault, InPython, divided

Sizes = Mapping[int, int]
LARGEST = 24  # for machine code, which has other loops for more


def choices(program: Program, largest: int = 5) -> tuple[Sizes, ...]:
    """Sizes for the program: all equal, two equal, all different, and any; small ones, as extents that stand in programs are."""
    rng, lengths = np.random.default_rng([program.seed, 4]), program.lengths

    def different() -> list[int]:
        return (rng.permutation(max(4, len(lengths))) + 1).tolist()[: len(lengths)]

    pair = different()
    pair[-1] = pair[0]
    equal = [int(rng.integers(1, 4))] * len(lengths)
    anything = rng.integers(0 if rng.random() < 0.1 else 1, largest + 1, len(lengths)).tolist()
    return tuple(dict(zip(lengths, sizes, strict=True)) for sizes in (equal, pair, different(), anything))


def calls(program: Program, call: Callable[[Compiled, int, list[int]], None], function: Callable[..., Any]) -> list[jit.Program]:
    """Calls the function, compiled, for each choice of sizes, by number, after those in a list; gives what was compiled.

    First where sizes coincide; then what was compiled last is called where they coincide; and so is what was compiled where none did.
    """
    order = [0, 1, 2, 3] if program.seed % 2 else [1, 0, 2, 3]
    compiled = mg.jit(function)
    for k, number in enumerate(order):
        call(compiled, number, order[:k])
    compiled.forget()  # as if there had been too many to remember
    built = [p for known in compiled.programs.values() for p in known]
    if len(built) == 1:
        compiled, order = mg.jit(function), [2]
        call(compiled, 2, [])
    for number in (0, 1):
        call(compiled, number, order)
    return built


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


def coincidence(case: Case, second: bool = False, native: type = InPython) -> Counter[str]:
    """A program that takes run-time sizes, for sizes in several orders: its loops run by Python and checked, or as `native` runs them."""
    every = [At(case, sizes, second) for sizes in choices(case.program, *([LARGEST] if native is machine.Executable else []))]

    def call(compiled: Compiled, number: int, before: list[int]) -> None:
        at = every[number]
        with compiling(native):
            found = _results(compiled, at)
            again = [_results(compiled, at, threads=2) for _ in range(2)] if native is machine.Executable and found else []
        try:
            if found and at.finite:
                agree(found, at.results, case.limit * (10 if second else 1))
            for other in again:
                agree(other, found, 0, exact=True)
        except Mismatch as different:
            raise Mismatch(f"at {at.sizes} after {[every[k].sizes for k in before]}: {different}") from None

    built = calls(case.program, call, every[0].case.second if second else every[0].case.first)
    counts = Counter(at.counted for at in every)
    for program in built if native is InPython else []:
        counts.update(_proved(program))
    return counts


def _proved(program: jit.Program) -> Counter[str]:
    """How the loops of a program were proved to stay inside their buffers, and two threads apart, for all sizes."""
    proof = prove(program.executable.lowered, program.guards)
    if proof.unproved:
        raise Fault("\n".join(proof.unproved))
    return Counter({f"{kind} {verdict.name.lower().replace('_', ' ')}": n for (kind, verdict), n in proof.counts.items()})


@contextmanager
def compiling(native: Any) -> Iterator[None]:
    """Programs are run by `native` in the place of `Executable`; one that is not compiled does not apply."""
    unchecked = mock.patch.dict(os.environ, MINIGRAD_CHECK="0")  # the results are compared here
    guarded = mock.patch.object(machine.Executable, "run", run_guarded)
    with warnings.catch_warnings(), divided(), unchecked, guarded, mock.patch.object(jit, "Executable", native):
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


def _results(compiled: Compiled, at: At, threads: int = 1) -> Arrays:
    """The results of a call, or none where an error is due and comes."""
    try:
        with mock.patch.object(machine, "threads", return_value=threads):
            found = [y.numpy() for y in tree.leaves(compiled(*_given(at.case)))]
    except MinigradError:
        if at.error is None:
            raise
        return []
    if at.error is None:
        return found
    if not isinstance(at.error, BoundsError):
        raise Mismatch(f"no error, expected {at.error}")
    return []  # an index that nobody needs, or of which there are none
