"""python -m tests.fuzz --graphs 100000 --seed 0 --minutes 60 --jobs 2 --out runs/fuzz: go on where the folder's run stopped.

Exit 1 on a failure.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Random programs run many ways that must agree.")
parser.add_argument("--graphs", type=int, default=100_000, help="stop after so many programs in all")
parser.add_argument("--seed", type=int, default=0, help="the seed of the first; the others follow")
parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time; the next run goes on")
parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="progress and failures")
parser.add_argument("--legs", default="", help="only these, or those that begin so, separated by commas: coincidence,torch")
parser.add_argument("--jobs", type=int, default=1, help="processes, each with its part of the programs and a folder of its own")
given = parser.parse_args()

os.environ["MINIGRAD_CACHE"] = "0"  # every program is new
from .run import EVERY, flushed, fuzz, fuzz_jobs  # noqa: E402  (after the settings of the process)

legs = [leg for leg in EVERY if leg.startswith(tuple(given.legs.split(",")))]
if not legs:
    parser.error(f"--legs {given.legs}: there are {', '.join(EVERY)}")
if given.jobs == 1:
    progress = fuzz(given.out, given.graphs, given.seed, given.minutes, flushed, legs)
else:
    progress = fuzz_jobs(given.out, given.graphs, given.seed, given.minutes, legs, given.jobs)
print(progress)
sys.exit(bool(progress.failures))
