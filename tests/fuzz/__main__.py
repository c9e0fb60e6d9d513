"""python -m tests.fuzz --graphs 100000 --seed 0 --minutes 60 --out runs/fuzz: go on where the folder's run stopped, exit 1 on a failure."""

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
given = parser.parse_args()

os.environ["MINIGRAD_CACHE"] = "0"  # every program is new
from .run import fuzz  # noqa: E402  (after the settings of the process)

progress = fuzz(given.out, given.graphs, given.seed, given.minutes, lambda line: print(line, flush=True))
print(progress)
sys.exit(bool(progress.failures))
