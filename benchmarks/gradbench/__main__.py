"""`python -m benchmarks.gradbench`: minigrad's times beside those of GradBench's other tools, from a checkout of it."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

from ..__main__ import names
from ..console import say
from . import report
from .session import session
from .tool import EVALS

QUICK = {
    "lstm": "-l 2 -c 64", "gmm": "-d 2 -k 5 -n 100", "kmeans": "-k 10 -n 1000 -d 8", "llsq": "-n 16 -m 16", "lse": "-n 2500",
    "ode": "-n 1000 -s 1", "det": "-l 5", "ba": "--max 1", "ht": "--max 1 --model small",
}  # fmt: skip


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser("benchmarks.gradbench", description=__doc__)
    p.add_argument("--against", type=Path, required=True, metavar="DIR", help="a checkout of github.com/gradbench/gradbench")
    p.add_argument("--tools", default="manual,finite,pytorch,jax", help="of that checkout, by their folders' names")
    p.add_argument("--evals", type=names(list(EVALS)), default=list(EVALS), help="of " + ", ".join(EVALS))
    p.add_argument("--threads", default=f"1,{len(os.sched_getaffinity(0))}", help="how many cores, one run after another")
    p.add_argument("--rounds", type=int, default=3, help="turns that each tool has at each workload")
    p.add_argument("--seconds", type=float, default=0.25, help="of one turn")
    p.add_argument("--quick", action="store_true", help="the smallest sizes, to see that it runs: the numbers mean nothing")
    p.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results", help="folder of gradbench.json")
    p.add_argument("--write", action="store_true", help="put the tables into benchmarks/gradbench/README.md")
    return p.parse_args()


def main() -> None:
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for threads in dict.fromkeys(int(n) for n in chosen.threads.split(",")):
        for module in chosen.evals:
            sizes = QUICK.get(module, "").split() if chosen.quick else []
            for row in session(chosen.against.resolve(), module, sizes, chosen.tools.split(","), threads, chosen.rounds, chosen.seconds):
                say(report.line(row))
                rows.append(row)
                (chosen.out / "gradbench.json").write_text(json.dumps([asdict(r) for r in rows], indent=1))
    report.show(rows)
    if chosen.write:
        report.write(rows)


if __name__ == "__main__":
    main()
