"""A long run with another length at every step: memory stays flat, nothing compiles again, steps do not slow down.

python -m tests.soak --minutes 60 [--out FILE]     one line a minute; exits 1 where a limit is passed
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from minigrad.compiler.runtime import link
from minigrad.experiments import Run
from minigrad.experiments.config import Config

# What the last tenth may differ by from the first tenth after the warm-up.
MEMORY, SLOWDOWN = 0.02, 0.20
WARM_UP = 0.1


@dataclasses.dataclass(frozen=True)
class Minute:
    """One line of the record. `cpu` is processor time a step in ms, `wall` the clock's; `programs` all that was ever linked."""

    seconds: float
    steps: int
    cpu: float
    wall: float
    rss: float
    programs: int

    def __str__(self) -> str:
        per_step = f"{self.cpu:7.2f} ms processor, {self.wall:7.2f} ms wall a step"
        return f"{self.seconds:7.0f} s {self.steps:8d} steps {per_step}, {self.rss:7.1f} MB, {self.programs} programs"


class Recorder:
    """Measures every `every` seconds from the first step on, and asks the run to stop at the end."""

    def __init__(self, seconds: float, every: float, out: TextIO, clock: Callable[[], float]):
        self.began = self.wall = self.cpu = 0.0
        self.step = 0
        self.seconds, self.every, self.out, self.clock = seconds, every, out, clock
        self.record: list[Minute] = []

    def __call__(self, step: int, numbers: dict[str, float]) -> bool:
        wall = self.clock()
        if not self.step:
            self.began, self.wall, self.cpu, self.step = wall, wall, time.process_time(), step
        if wall - self.wall < self.every:
            return False
        cpu, count = time.process_time(), step - self.step
        spent = (1e3 * (cpu - self.cpu) / count, 1e3 * (wall - self.wall) / count)
        self.record.append(Minute(wall - self.began, step, *spent, _rss(), len(link._engines)))
        print(self.record[-1], file=self.out, flush=True)
        self.wall, self.cpu, self.step = wall, cpu, step
        return wall - self.began >= self.seconds


def _rss() -> float:
    """Memory that is resident now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def soak(
    folder: Path,
    seconds: float,
    config: Config,
    every: float = 60.0,
    out: TextIO = sys.stdout,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Minute]:
    """Train for so long by this clock, with checkpoints and evaluations as any run has them."""
    recorder = Recorder(seconds, every, out, clock)
    Run.create(folder, config).train(lambda event: None, recorder)
    return recorder.record


def faults(record: Sequence[Minute]) -> list[str]:
    """What grew, compiled or slowed down after the warm-up."""
    settled = record[int(len(record) * WARM_UP) :]
    part = max(1, len(settled) // 10)
    first, last = settled[:part], settled[-part:]

    def ratio(name: str) -> float:
        before, after = (sum(getattr(m, name) for m in group) / part for group in (first, last))
        return after / before - 1

    found = []
    if ratio("rss") > MEMORY:
        found.append(f"memory grew by {ratio('rss'):.1%}")
    if ratio("cpu") > SLOWDOWN:
        found.append(f"a step takes {ratio('cpu'):.1%} longer")
    if last[-1].programs != first[0].programs:
        found.append(f"{last[-1].programs - first[0].programs} programs were compiled after the warm-up")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--model", default="ntm", choices=("ntm", "lstm", "rnn"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--out", type=argparse.FileType("w"), default=sys.stdout)
    given = parser.parse_args(argv)
    config = Config.of(task="copy", model=given.model, batch=given.batch, steps=10**9, until=0.0, evaluate_every=2000)
    with tempfile.TemporaryDirectory() as folder:
        record = soak(Path(folder) / "run", 60 * given.minutes, config, out=given.out)
    found = faults(record)
    print("; ".join(found) or "memory flat, nothing compiled again, no slower", file=given.out)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
