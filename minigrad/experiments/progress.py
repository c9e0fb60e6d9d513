"""How training shows itself: a bar or a table in a terminal, a bar in a notebook, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..train import Outcome
from .notebook import NotebookBar
from .run import Run

SMOOTH = 0.98


def plain_console(**options: Any) -> Console:
    """A console that prints text as it is: `[b]` and `:x:` in the name of a folder are no style and no emoji."""
    return Console(highlight=False, markup=False, emoji=False, **options)


def trained(run: Run, console: Console | None = None, tensorboard: bool = False) -> Outcome:
    """Train a run, and show how it goes."""
    with RunDisplay(console or plain_console(soft_wrap=True), run) as display:
        return run.train(display.event, display.step, tensorboard)


class TerminalBar:
    """A bar in a terminal; nothing elsewhere."""

    def __init__(self, console: Console, total: int):
        columns = (
            TextColumn("{task.completed:,.0f} / {task.total:,.0f}"), BarColumn(), TextColumn("{task.fields[text]}"),
            TextColumn("at most"), TimeRemainingColumn(compact=True),
        )  # fmt: skip
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.task = self.bar.add_task("", total=total, text="compiling …")
        self.start, self.stop = self.bar.start, self.bar.stop

    def show(self, step: int, text: str) -> None:
        self.bar.update(self.task, completed=step, text=text)


class RunDisplay:
    """Takes a run's steps and evaluations and shows its first two measures, steps a second, and the time left at most."""

    def __init__(self, console: Console, run: Run):
        self.console, self.run = console, run
        self.shown = dict(list(run.experiment.measures.items())[:2])
        self.means = dict.fromkeys(self.shown, 0.0)
        self.rate = 0.0
        self.seen, self.last = 0, time.monotonic()
        self.bar = NotebookBar(run.config.steps) if console.is_jupyter else TerminalBar(console, run.config.steps)

    def __enter__(self) -> RunDisplay:
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
        self.bar.show(step, f"{self._words(self.means)}, {self.rate:.0f} steps/s")

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


class SweepDisplay:
    """The runs that train now, as a table in a terminal; a line for each that begins or ends elsewhere."""

    def __init__(self, console: Console, runs: dict[str, Run]):
        self.console, self.runs = console, runs
        self.now: dict[str, dict[str, Any]] = {}
        self.ended = 0
        self.live = Live(console=console, transient=True, get_renderable=self._table) if console.is_terminal else nullcontext()

    def __enter__(self) -> SweepDisplay:
        self.live.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self.live.__exit__(*problem)

    def event(self, name: str, event: dict[str, Any]) -> None:
        if "end" in event:
            last = self.now.pop(name, {})
            if event["end"] != "new":  # else it was never begun
                self.ended += 1
                self.console.print(f"{name}: {event['end']} after {last.get('step', 0):,} updates, {last.get('seconds', 0):.0f} s")
        elif "from" in event:
            again = " again" if name in self.now else ""
            self.now[name] = {"step": event["from"]}
            self.console.print(f"{name}: begins{again} at update {event['from']:,}")
        else:
            self.now.setdefault(name, {}).update(event)

    def _table(self) -> Table:
        table = Table(title=f"{self.ended} ended, {len(self.now)} training", title_justify="left")
        for column in ("run", "updates", "seconds", "as trained", "fresh"):
            table.add_column(column, justify="left" if column == "run" else "right")
        for name, found in self.now.items():
            experiment = self.runs[name].experiment
            key, form = experiment.headline, experiment.measures[experiment.headline].form
            shown = [f"{e[key]:{form}}" if key in e else "…" for e in (found, found.get("evaluation", {}))]
            table.add_row(name, f"{found.get('step', 0):,}", f"{found.get('seconds', 0):.0f}", *shown)
        return table
