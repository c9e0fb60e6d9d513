"""What a notebook shows of a run: while it trains a bar, then its learning curve and its pictures."""

from __future__ import annotations

import base64
import tempfile
import time
from html import escape
from pathlib import Path

from ..tensor import notebook
from .run import Run

OFTEN = 0.1  # seconds between two changes of a bar


class NotebookBar:
    """A bar in the output of a cell, changed in place. It needs no ipywidgets, which rich's bars ask for."""

    def __init__(self, total: int):
        self.total, self.step, self.text = total, 0, "compiling …"
        self.shown = 0.0

    def start(self) -> None:
        from IPython.display import display

        self.handle = display(self, display_id=True)

    def show(self, step: int, text: str) -> None:
        self.step, self.text = step, text
        if time.monotonic() - self.shown >= OFTEN:
            self.stop()

    def stop(self) -> None:
        """The bar as it stands now."""
        self.shown = time.monotonic()
        self.handle.update(self)

    def _repr_html_(self) -> str:
        label = f"{self.step:,} / {self.total:,}"
        words = f'<progress aria-label="{label}" max="{self.total}" value="{self.step}"></progress> {label} &nbsp; {escape(self.text)}'
        return f'<div style="font:13px/1.5 ui-monospace,monospace">{words}</div>'


def run_html(run: Run) -> str:
    """The run's settings and state, its learning curve so far, and the pictures in its folder, which open and close."""
    from .pictures import learning_curve  # matplotlib is loaded where something is drawn

    parts = [f"<b>{escape(repr(run))}</b>"]
    if run.metrics.exists():
        with tempfile.TemporaryDirectory() as folder:
            parts.append(_image(learning_curve(run, Path(folder) / "learning.svg"), "learning curve"))
    others = sorted(p for p in run.pictures.glob("*.svg") if p.name != "learning.svg")
    parts += [f"<details><summary>{escape(p.stem)}</summary>{_image(p, p.stem)}</details>" for p in others]
    return "".join(f"<div>{part}</div>" for part in parts)


def _image(path: Path, words: str) -> str:
    """A picture of its own, so that names in two of them do not meet."""
    return (
        f'<img alt="{escape(words)}" style="max-width:100%" src="data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}">'
    )


def _run(run: Run) -> dict[str, str]:
    try:
        return {"text/html": run_html(run)}
    except Exception:  # a repr never raises
        return {}


notebook["run"] = _run
