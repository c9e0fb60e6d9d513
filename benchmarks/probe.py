"""`python -m benchmarks.probe '{…}'`: training in a fresh process, told as JSON on the last line. Started by fresh.py.

Imports only what its engine needs: neither minigrad for a peer, nor a peer for minigrad.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .work import ENGINES, WRITTEN_OUT, Work


def rss() -> int:
    """The most memory that was resident so far, in bytes. (getrusage would count the process that started this one.)"""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def train(started: float, engine: str, work: dict[str, Any], lengths: list[int], weights: str, memory: bool = False) -> dict[str, Any]:
    """A step on data of each length. `started` is time.time() of the moment the process was asked for."""
    module, name = (ENGINES | WRITTEN_OUT)[engine]
    found = importlib.import_module(f".{module}", __package__)
    what = Work(**work)
    with np.load(weights) as file:
        contestant = getattr(found, name)(what, {k: file[k] for k in file.files})
    data = {n: replace(what, length=n).data() for n in set(lengths)}
    built, before, times = time.time() - started, rss(), []
    for n in lengths:
        begin = time.perf_counter()
        loss = contestant.step_on(*data[n])
        times.append(time.perf_counter() - begin)
        if not np.isfinite(loss):
            raise ValueError(f"the loss of step {len(times)} is {loss}")
        if len(times) == 1:
            first_done = time.time() - started
    answer = {
        "built": built, "first_done": first_done, "total": time.time() - started, "first": times[0], "steady": float(np.median(times[1:])),
        "compilations": contestant.compilations, "rss_before": before, "rss_peak": rss(), "loss": loss,
    }  # fmt: skip
    return answer | ({"working": contestant.working_memory(*data[lengths[0]])} if memory else {})


if __name__ == "__main__":
    print(json.dumps(train(**json.loads(sys.argv[1]))))
