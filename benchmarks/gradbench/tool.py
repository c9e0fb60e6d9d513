"""minigrad as a tool of GradBench: a message a line on standard input, a response a line on standard output.

python -m benchmarks.gradbench.tool
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import minigrad as mg

from .task import Task

EVALS = ("hello", "lstm", "gmm", "kmeans", "llsq", "lse", "ode", "det", "ba", "ht", "particle", "saddle")
RUNS = ("min_runs", "min_seconds")


def timing(name: str, f: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    start = time.perf_counter_ns()
    result = f()
    return result, {"name": name, "nanoseconds": time.perf_counter_ns() - start}


class Tool:
    """Answers messages. The program of the latest evaluation stays compiled, in case it is asked for again."""

    def __init__(self) -> None:
        self.latest: tuple[Any, ...] = ()
        self.run: Callable[[], Any] = lambda: None
        self.answer: Callable[[Any], Any] = lambda result: result

    def respond(self, message: dict[str, Any]) -> dict[str, Any]:
        match message["kind"]:
            case "start":
                return {"tool": "minigrad"}
            case "define":
                return {"success": message["module"] in EVALS}
            case "evaluate":
                try:
                    return self.evaluate(message["module"], message["function"], message["input"])
                except Exception:
                    return {"success": False, "error": traceback.format_exc()}
        return {}

    def evaluate(self, module: str, function: str, input: Any) -> dict[str, Any]:
        """Compiles in `prepare`, then runs as often as the input asks: min_runs times at least, and for min_seconds."""
        runs = {name: input[name] for name in RUNS if name in input} if isinstance(input, dict) else {}
        data = {k: v for k, v in input.items() if k not in RUNS} if isinstance(input, dict) else input
        if self.latest != (module, function, data):
            self.prepare(module, function, data)
        result, first = timing("prepare", self.run)
        timings, elapsed = [first], 0
        while len(timings) <= runs.get("min_runs", 1) or elapsed < 1e9 * runs.get("min_seconds", 0):
            result, found = timing("evaluate", self.run)
            timings.append(found)
            elapsed += found["nanoseconds"]
        return {"success": True, "output": self.answer(result), "timings": timings}

    def prepare(self, module: str, function: str, data: Any) -> None:
        task: Task = getattr(importlib.import_module(f".evals.{module}", __package__), function)(data)
        program, arguments = mg.jit(task.program), task.arguments
        self.latest, self.run, self.answer = (module, function, data), lambda: program(*arguments), task.answer


def main() -> None:
    tool = Tool()
    for line in sys.stdin:
        message = json.loads(line)
        print(json.dumps({"id": message["id"]} | tool.respond(message)), flush=True)


if __name__ == "__main__":
    main()
