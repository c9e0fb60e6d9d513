"""Many programs through the legs: counted, resumable, failures shrunk and written down as code that runs."""

from __future__ import annotations

import gc
import json
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .generate import random_program
from .language import Program
from .legs import LEGS, Case, Mismatch, Skip, native
from .shrink import shrink

# A program in how many goes through a leg, by what the leg costs; all go through the interpreter.
EVERY = {
    "torch": 1,
    "eager": 16,
    "optimized": 16,
    "source": 16,
    "unrolled": 8,
    "proved": 16,
    "torch second": 40,
    "linear": 40,
    "sizes": 80,
    "checkpoint": 80,
    "vmap": 80,
    "source second": 200,
    "jax": 4000,
}
NATIVE, BUNDLE = 200, 8  # one program in so many is compiled, so many at a time
SAVE = 200


@dataclass
class Progress:
    """Where a run stands; written to a file so that it can go on."""

    seed: int
    done: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path, seed: int) -> Progress:
        """Go on from a file, or from the start."""
        if not path.exists():
            return cls(seed)
        found = json.loads(path.read_text())
        if found["seed"] != seed:
            raise SystemExit(f"{path} is of a run with --seed {found['seed']}, not {seed}")
        return cls(seed, found["done"], found["seconds"], Counter(found["counts"]), found["failures"])

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(vars(self), indent=1))
        os.replace(temporary, path)

    def __str__(self) -> str:
        legs = ", ".join(f"{k} {n}" for k, n in sorted(self.counts.items()))
        return f"{self.done} graphs from seed {self.seed} in {self.seconds:.0f} s, {len(self.failures)} failures: {legs}"


class Fuzzer:
    """Runs programs and writes failures into a folder. The legs of a program depend on its seed alone."""

    def __init__(self, folder: Path, progress: Progress, report: Callable[[str], None] = print):
        self.folder, self.progress, self.report = folder, progress, report
        self.waiting: list[Case] = []

    def run(self, graphs: int, seconds: float) -> None:
        """Go on until so many programs are done, or the time is over."""
        p, began, before = self.progress, time.monotonic(), self.progress.seconds
        path = self.folder / "progress.json"
        gc.disable()  # graphs are acyclic; what is left is collected now and then
        while p.done < graphs and time.monotonic() - began < seconds:
            self.one(p.seed + p.done)
            p.done += 1
            p.seconds = before + time.monotonic() - began
            if p.done % SAVE == 0:
                p.save(path)
                gc.collect()
            if p.done % (50 * SAVE) == 0:
                self.report(str(p))
        gc.enable()
        self.compile()
        p.save(path)

    def one(self, seed: int) -> None:
        """One program through the interpreter and its share of the legs."""
        program = random_program(seed)
        case = Case(program)
        if not self.attempt("interpreter", program, lambda c: c.expected):
            return
        if not all(np.isfinite(y).all() for y in case.expected if y.dtype.kind == "f"):
            self.progress.counts["not finite"] += 1
            return
        for offset, (leg, every) in enumerate(EVERY.items()):
            if (seed + 7 * offset) % every == 0:
                self.attempt(leg, program, LEGS[leg], case)
        if seed % NATIVE == 0:
            self.waiting.append(case)
            if len(self.waiting) == BUNDLE:
                self.compile()

    def compile(self) -> None:
        """The programs that wait, as one native function; one by one where that fails."""
        cases, self.waiting = self.waiting, []
        if not cases:
            return
        literal, second = (bool(cases[0].program.seed // NATIVE // BUNDLE % n == 0) for n in (2, 4))
        try:
            native(cases, literal, second)
            self.progress.counts["native"] += len(cases)
            self.progress.counts["native second"] += len(cases) * second
        except Exception:
            for case in cases:
                self.attempt("native", case.program, lambda c: native([c], literal, second))

    def attempt(self, leg: str, program: Program, run: Callable[[Case], object], case: Case | None = None) -> bool:
        """Run a leg; write down a failure unless the program stands at a discontinuity."""
        try:
            run(case or Case(program))
        except Skip:
            self.progress.counts[f"{leg}: not applicable"] += 1
            return True
        except Exception as error:
            if isinstance(error, Mismatch) and is_special(program, run):
                self.progress.counts["at a discontinuity"] += 1
                return True
            self.record(leg, program, run, error)
            return False
        self.progress.counts[leg] += 1
        return True

    def record(self, leg: str, program: Program, run: Callable[[Case], object], error: Exception) -> None:
        kind = type(error)

        def fails(smaller: Program) -> bool:
            return raised(smaller, lambda c: c.expected) is None and raised(smaller, run) is kind

        smallest = program if leg == "interpreter" else shrink(program, fails)
        name = f"{leg.replace(' ', '_')}-{program.seed}.py"
        (self.folder / name).write_text(as_code(leg, smallest, traceback.format_exc()))
        self.progress.failures.append(name)
        self.report(f"FAILED {name}: {kind.__name__}: {str(error)[:300]}")


def raised(program: Program, run: Callable[[Case], object], nudge: float = 0.0) -> type[Exception] | None:
    """The exception that a leg ends with, if any."""
    try:
        run(Case(program, nudge))
    except Exception as error:
        return type(error)
    return None


def is_special(program: Program, run: Callable[[Case], object]) -> bool:
    """Whether the failure goes away for inputs a little beside these: a tie or a jump that rounding decides."""
    return all(raised(program, run, nudge) in (None, Skip) for nudge in (1e-4, -3e-4))


def as_code(leg: str, program: Program, trace: str) -> str:
    """A script that fails again."""
    call = f"LEGS[{leg!r}](case)" if leg in LEGS else "case.expected" if leg == "interpreter" else "native([case], literal=True)"
    note = "\n".join(f"# {line}" for line in trace.splitlines()[-12:])
    return f"""{note}
from tests.fuzz.language import Program, Step
from tests.fuzz.legs import LEGS, Case, native

program = {program!r}
case = Case(program)
print(case.graph)
{call}
"""


def fuzz(folder: Path, graphs: int, seed: int, minutes: float, report: Callable[[str], None] = print) -> Progress:
    """A run of the fuzzer in a folder, gone on with if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress.load(folder / "progress.json", seed)
    Fuzzer(folder, progress, report).run(graphs, 60 * minutes)
    return progress


def replay(programs: Sequence[Program]) -> None:
    """Every leg on programs that once failed."""
    for program in programs:
        for leg in LEGS.values():
            leg(Case(program))
