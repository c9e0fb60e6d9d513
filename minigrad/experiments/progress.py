"""How training shows itself: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .run import Run

SMOOTH = 0.98


class Display:
    """Takes a run's steps and evaluations and shows its first two measures, steps a second, and the time left at most."""

    def __init__(self, console: Console, run: Run):
        self.console, self.run = console, run
        self.shown = dict(list(run.experiment.measures.items())[:2])
        self.means = dict.fromkeys(self.shown, 0.0)
        self.rate = 0.0
        self.seen, self.last = 0, time.monotonic()
        columns = (
            TextColumn("{task.completed:,.0f} / {task.total:,.0f}"), BarColumn(), TextColumn("{task.fields[text]}"),
            TextColumn("at most"), TimeRemainingColumn(compact=True),
        )  # fmt: skip
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.task = self.bar.add_task("", total=run.config.steps, text="compiling …")

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def step(self, step: int, numbers: dict[str, float]) -> None:
        now = time.monotonic()
        rate = 1 / max(now - self.last, 1e-9)
        self.last, self.seen = now, self.seen + 1
        if self.seen > 1:  # the first one compiles
            self.rate = self._mix(self.rate, rate, self.seen - 1)
        self.means = {k: self._mix(v, numbers[k], self.seen) for k, v in self.means.items()}
        self.bar.update(self.task, completed=step, text=f"{self._words(self.means)}, {self.rate:.0f} steps/s")

    def _words(self, numbers: dict[str, float], suffix: str = "") -> str:
        """'1.234 bits, 0.120 wrong', each in its column."""
        return ", ".join(m.show(numbers[k + suffix]).rjust(len(m.words) + 9) for k, m in self.shown.items())

    @staticmethod
    def _mix(old: float, new: float, count: int) -> float:
        """A running mean whose memory grows to 50 values."""
        weight = max(1 - SMOOTH, 1 / count)
        return old + weight * (new - old)

    def event(self, event: dict[str, Any]) -> None:
        """One line for each evaluation."""
        found = event.get("evaluation")
        if found is None:
            return
        harder = f"   harder: {self._words(found, '_harder')}" if self.run.experiment.harder is not None else ""
        speed = f", {self.rate:.0f} steps/s" if self.rate else ""
        self.console.print(f"step {event['step']:>7,}  {event['seconds']:>6.1f} s  {self._words(found)}{harder}{speed}")
        self.last = time.monotonic()
