"""How training steps scale with threads: by accounting for any number of cores, and by the clock for as many as there are.

python -m benchmarks.scaling [--work lstm,ntm,mann] [--rounds 20]
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from minigrad.compiler.runtime.scaling import table
from minigrad.compiler.runtime.worker import cores

from .console import say
from .timing import interleaved
from .with_minigrad import Minigrad
from .work import WORKS, Work

THREADS = (2, 4, 8, 16)


@dataclass
class OnThreads:
    """A contestant whose steps use so many threads."""

    contestant: Minigrad
    threads: int

    def step(self) -> float:
        os.environ["MINIGRAD_THREADS"] = str(self.threads)
        return self.contestant.step()


def by_accounting(work: Work) -> str:
    contestant = Minigrad(work)
    return table(contestant.train.scaling(contestant.model, contestant.state, contestant.xs, contestant.ys, threads=THREADS))


def by_the_clock(work: Work, rounds: int) -> str:
    """Medians of steps in turn, with 1 thread, with 2, and so on up to the number of cores."""
    here, contestant = cores(), Minigrad(work)
    counts = sorted({1, here, *(n for n in THREADS if n <= here)})
    found = interleaved({str(n): OnThreads(contestant, n) for n in counts}, rounds)  # type: ignore[dict-item]
    alone = found["1"].median
    lines = [f"{name:>7} {1e3 * t.median:9.3f} {alone / t.median:7.2f}" for name, t in found.items()]
    return "\n".join([f"{'threads':>7} {'median':>9} {'speedup':>7}", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default="lstm,ntm,mann", help="kinds of work, of which the largest batch is taken")
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    for kind in chosen.work.split(","):
        work = WORKS[kind][-1]
        say(f"[bold]{work.name}[/], by accounting, milliseconds")
        say(by_accounting(work))
        say(f"by the clock, {cores()} cores")
        say(by_the_clock(work, chosen.rounds))


if __name__ == "__main__":
    main()
