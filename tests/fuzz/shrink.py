"""Smaller programs that fail as a larger one does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from .builder import prune
from .language import Program, Step

ATTEMPTS = 400


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program found by leaving out outputs, steps and inputs, one at a time, for which `fails` still holds."""
    left, found = ATTEMPTS, True
    while found and left > 0:
        found = False
        for smaller in _smaller(program):
            left -= 1
            if left <= 0:
                break
            if _size(smaller) < _size(program) and fails(smaller):
                program, found = smaller, True
                break
    return program


def _size(program: Program) -> tuple[int, ...]:
    elements = sum(int(np.prod(shape)) for shape, _ in program.inputs)
    return sum(1 for _ in program.all_steps()), len(program.outputs), len(program.inputs), elements


def _smaller(program: Program) -> Iterator[Program]:
    for k in range(len(program.outputs)):
        if len(program.outputs) > 1:
            yield prune(dataclasses.replace(program, outputs=program.outputs[:k] + program.outputs[k + 1 :]))
    n = len(program.inputs)
    used = {a for s in program.steps for a in s.args} | set(program.outputs)
    yield from (_without_input(program, i) for i in range(n) if i not in used)
    for i in reversed(range(len(program.steps))):
        for a in dict.fromkeys(program.steps[i].args):
            yield prune(_without(program, n + i, a))
        for name, inner in program.steps[i].attrs:
            if isinstance(inner, Program):
                for less in _inside(inner):
                    attrs = tuple((k, less if k == name else v) for k, v in program.steps[i].attrs)
                    step = dataclasses.replace(program.steps[i], attrs=attrs)
                    yield dataclasses.replace(program, steps=(*program.steps[:i], step, *program.steps[i + 1 :]))


def _inside(body: Program) -> Iterator[Program]:
    """Smaller bodies with as many outputs."""
    n = len(body.inputs)
    for i in reversed(range(len(body.steps))):
        for a in dict.fromkeys(body.steps[i].args):
            yield prune(_without(body, n + i, a))


def _without(program: Program, old: int, new: int) -> Program:
    """The program with value `new` in the place of value `old`."""
    steps = tuple(Step(s.op, tuple(new if a == old else a for a in s.args), s.attrs) for s in program.steps)
    return dataclasses.replace(program, steps=steps, outputs=tuple(new if o == old else o for o in program.outputs))


def _without_input(program: Program, i: int) -> Program:
    """The program without an input that nobody uses."""

    def new(numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(a - (a > i) for a in numbers)

    steps = tuple(dataclasses.replace(s, args=new(s.args)) for s in program.steps)
    return Program(program.seed, program.inputs[:i] + program.inputs[i + 1 :], steps, new(program.outputs))
