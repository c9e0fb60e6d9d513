"""Many programs through the legs: counted, resumable, failures shrunk and written down as code that runs."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .case import Case, Mismatch, Skip
from .generate import random_program
from .language import Program
from .legs import APART, BUNDLES, LEGS
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
    "native": 400,
    "native literal": 400,
    "native second": 800,
    "coincidence": 1,
    "coincidence second": 8,
    "coincidence native": 50,
    "coincidence native second": 400,
}
BUNDLE = 8  # programs that are compiled as one
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

    def __init__(self, folder: Path, progress: Progress, report: Callable[[str], None] = print, legs: Collection[str] = tuple(EVERY)):
        self.folder, self.progress, self.report = folder, progress, report
        self.shares = [(leg, every, 7 * i) for i, (leg, every) in enumerate(EVERY.items()) if leg in legs]
        self.waiting: dict[str, list[Case]] = {leg: [] for leg in BUNDLES}

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
        for leg in BUNDLES:
            self.compile(leg)
        p.save(path)

    def one(self, seed: int) -> None:
        """The programs of a seed, with lengths near each other and with lengths apart, through their share of the legs."""
        legs = [leg for leg, every, offset in self.shares if (seed + offset) % every == 0]
        for apart in (False, True):
            chosen = [leg for leg in legs if (leg in APART) is apart]
            if chosen:
                self.through(Case(random_program(seed, apart)), chosen)

    def through(self, case: Case, legs: Sequence[str]) -> None:
        """One program through the interpreter and some legs."""
        if self.attempt("interpreter", case, lambda c: c.expected) != "agrees":
            return
        if not all(np.isfinite(y).all() for y in case.expected if y.dtype.kind == "f"):
            self.progress.counts["not finite"] += 1
            return
        for leg in legs:
            if leg in LEGS:
                self.attempt(leg, case, LEGS[leg])
            else:
                self.waiting[leg].append(case)
                if len(self.waiting[leg]) == BUNDLE:
                    self.compile(leg)

    def compile(self, leg: str) -> None:
        """The programs that wait, as one native function; one by one where that fails."""
        cases, self.waiting[leg] = self.waiting[leg], []
        if not cases:
            return
        try:
            BUNDLES[leg](cases)
            self.progress.counts[leg] += len(cases)
        except Exception as error:
            alone = [self.attempt(leg, case, lambda c: BUNDLES[leg]([c])) for case in cases]
            if set(alone) == {"agrees"} and not isinstance(error, Skip):
                self.write(leg, [case.program for case in cases], error)

    def attempt(self, leg: str, case: Case, run: Callable[[Case], object]) -> str:
        """Run a leg; write down a failure unless the program stands at a discontinuity. Gives what happened."""
        try:
            found = run(case)
        except Skip:
            self.progress.counts[f"{leg}: not applicable"] += 1
            return "does not apply"
        except Exception as error:
            if isinstance(error, Mismatch) and is_special(case.program, run):
                self.progress.counts["at a discontinuity"] += 1
                return "is special"
            self.record(leg, case.program, run, error)
            return "fails"
        self.progress.counts[leg] += 1
        if isinstance(found, Counter):
            self.progress.counts.update({f"{leg}: {what}": n for what, n in found.items()})
        return "agrees"

    def record(self, leg: str, program: Program, run: Callable[[Case], object], error: Exception) -> None:
        kind = type(error)

        def fails(smaller: Program) -> bool:
            return raised(smaller, lambda c: c.expected) is None and raised(smaller, run) is kind

        self.write(leg, [program if leg == "interpreter" else shrink(program, fails)], error)

    def write(self, leg: str, programs: Sequence[Program], error: Exception) -> None:
        name = f"{leg.replace(' ', '_')}-{programs[0].seed}.py"
        (self.folder / name).write_text(as_code(leg, programs, "".join(traceback.format_exception(error))))
        self.progress.failures.append(name)
        self.report(f"FAILED {name}: {type(error).__name__}: {str(error)[:300]}")


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


def as_code(leg: str, programs: Sequence[Program], trace: str) -> str:
    """A script that fails again."""
    call = f"LEGS[{leg!r}](*cases)" if leg in LEGS else "cases[0].expected" if leg == "interpreter" else f"BUNDLES[{leg!r}](cases)"
    note = "\n".join(f"# {line}" for line in trace.splitlines()[-12:])
    return f"""{note}
from tests.fuzz.case import Case
from tests.fuzz.language import Program, Step
from tests.fuzz.legs import BUNDLES, LEGS

programs = {list(programs)!r}
cases = list(map(Case, programs))
print(cases[0].graph)
{call}
"""


def fuzz(
    folder: Path, graphs: int, seed: int, minutes: float, report: Callable[[str], None] = print, legs: Collection[str] = tuple(EVERY)
) -> Progress:
    """A run of the fuzzer in a folder, gone on with if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress.load(folder / "progress.json", seed)
    Fuzzer(folder, progress, report, legs).run(graphs, 60 * minutes)
    return progress


def fuzz_jobs(folder: Path, graphs: int, seed: int, minutes: float, legs: Collection[str], jobs: int) -> Progress:
    """Runs of the fuzzer in processes, each with its part of the seeds and a folder in the folder, added up."""
    share = -(-graphs // jobs)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        runs = [
            pool.submit(fuzz, folder / f"part-{k}", min(share, graphs - k * share), seed + k * share, minutes, flushed, legs)
            for k in range(jobs)
        ]
        total = Progress(seed)
        for k, run in enumerate(runs):
            part = run.result()
            total.done += part.done
            total.seconds = max(total.seconds, part.seconds)
            total.counts += part.counts
            total.failures += [f"part-{k}/{name}" for name in part.failures]
    return total


def flushed(line: str) -> None:
    print(line, flush=True)
