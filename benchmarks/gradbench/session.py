"""GradBench's own evals, with several tools in turn: what disturbs the machine disturbs them alike.

An eval sends each input to all tools, round after round. It gets minigrad's response, and says whether that is valid.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

OURS = "minigrad"
COMPILED = ("manual", "finite")  # in C++, by GradBench's cpp.py
TOLERANCE = 1e-4  # GradBench's own
TIMEOUT = 120  # seconds that a tool may take for one message; then it is left out of the eval
SLOW = 5e9  # nanoseconds of a run, above which a tool has one turn
HERE = Path(__file__).resolve().parents[2]


def supports(checkout: Path, tool: str, module: str) -> bool:
    """Whether GradBench lists that the tool answers in time and without error. Numeric C++ only stands in for C++ by hand."""
    if tool == OURS:
        return True
    if tool == "finite" and supports(checkout, "manual", module):
        return False
    return module in (checkout / "tools" / tool / "evals.txt").read_text().splitlines()


def command(checkout: Path, tool: str, threads: int) -> list[str]:
    if tool == OURS:
        return [sys.executable, "-m", f"{__package__}.tool"]
    python = checkout / "python/gradbench/gradbench"
    program = [str(python / "cpp.py"), tool] if tool in COMPILED else [str(python / "tools" / tool / "run.py")]
    if tool == "jax":
        program = ["-m", f"{__package__}.with_jax", *program]
    return [sys.executable, *program, *(["--multithreaded"] if threads > 1 else [])]


class Process:
    """A tool or an eval that runs on so many cores."""

    def __init__(self, arguments: list[str], checkout: Path, threads: int, cwd: Path):
        variables = dict.fromkeys(("MINIGRAD_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        path = os.pathsep.join([str(checkout / "python/gradbench"), str(HERE)])
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=cwd,
            env=os.environ | variables | {"PYTHONPATH": path}, preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip

    def read(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next line. None where the process has ended, or takes longer than that."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        line = self.process.stdout.readline() if ready else b""
        return json.loads(line) if line else None

    def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, message: dict[str, Any], timeout: float | None = None) -> dict[str, Any]:
        try:
            self.write(message)
            return self.read(timeout) or {"success": False, "error": "no answer"}
        except BrokenPipeError:
            return {"success": False, "error": "it has ended"}

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def difference(a: Any, b: Any) -> float:
    """The largest difference of two outputs, measured as GradBench does; infinite where their structure differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        return max(difference(a[k], b[k]) for k in a) if a.keys() == b.keys() else np.inf
    x, y = np.asarray(a, float), np.asarray(b, float)
    if x.shape != y.shape:
        return np.inf
    return float(np.max(np.abs(x - y) / np.maximum(np.abs(x) + np.abs(y), 1), initial=0))


@dataclass
class Row:
    """One workload: nanoseconds of each tool, the best of its turns' medians, and whether minigrad's output was valid."""

    module: str
    function: str
    workload: str
    threads: int
    times: dict[str, float] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    valid: bool = False


def turn(tool: Process, message: dict[str, Any]) -> tuple[Any, float | str]:
    """The output of one turn and its median time, or what went wrong. Where there are several runs the first one only warms up."""
    response = tool.ask(message, TIMEOUT)
    if not response.get("success"):
        return None, str(response.get("error", "no success"))
    times = [t["nanoseconds"] for t in response["timings"] if t["name"] == "evaluate"]
    return response["output"], float(median(times[1:] or times))


def evaluated(message: dict[str, Any], tools: dict[str, Process], threads: int, rounds: int, seconds: float) -> tuple[Row, Any]:
    """All tools at one input, in turn. Who disagrees with minigrad, or fails, is not timed."""
    row = Row(message["module"], message["function"], str(message.get("description", "")), threads)
    if isinstance(message["input"], dict):
        message = message | {"input": message["input"] | {"min_runs": 1, "min_seconds": seconds}}
    ours: Any = None
    for r in range(rounds):
        names = list(tools)
        for name in names if r == 0 else names[r % len(names) :] + names[: r % len(names)]:
            if name in row.without or row.times.get(name, 0) > SLOW:
                continue
            output, found = turn(tools[name], message)
            if name == OURS and r == 0:
                ours = output
            if isinstance(found, str) or difference(output, ours) > TOLERANCE:
                row.without[name] = found if isinstance(found, str) else "another result"
                row.times.pop(name, None)
                if found == "no answer":
                    tools.pop(name).end()
                continue
            row.times[name] = min(found, row.times.get(name, np.inf))
    return row, ours


def session(
    checkout: Path, module: str, sizes: Sequence[str], names: Sequence[str], threads: int, rounds: int, seconds: float
) -> Iterator[Row]:
    """One eval with all the tools that have it."""
    script = checkout / "python/gradbench/gradbench/evals" / module / "run.py"
    tools = {
        name: Process(command(checkout, name, threads), checkout, threads, HERE if name == OURS else checkout)
        for name in (OURS, *names)
        if supports(checkout, name, module)
    }
    judge = Process([sys.executable, str(script), *sizes], checkout, threads, checkout)
    row = Row(module, "", "", threads)
    try:
        while message := judge.read():
            response: dict[str, Any] = {}
            if message["kind"] == "evaluate":
                row, output = evaluated(message, tools, threads, rounds, seconds)
                response = {"success": OURS in row.times, "output": output, "timings": []}
            elif message["kind"] == "analysis":
                row.valid = message["valid"]
                yield row
            else:
                for name in list(tools):
                    if tools[name].ask(message).get("success") is False:  # those in C++ compile here
                        tools.pop(name).end()
                response = {"success": OURS in tools}
            judge.write({"id": message["id"]} | response)
    finally:
        for process in (judge, *tools.values()):
            process.end()
