"""A dozen small graphs are drawn with the same bytes for ever, in every process and with every hash seed.

After a change that is meant: python -m tests.viz.test_golden, and look at the pictures it writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, MANN, NTM, RNN, Bidirectional

import minigrad as mg
from minigrad import viz

GOLDEN = Path(__file__).with_name("golden.json")
XS = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 1, 3)


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def eager() -> mg.Tensor:
    W, h = mg.parameter(np.eye(3, dtype="float32"), name="W"), mg.zeros(3)
    for t, x in enumerate(XS):
        with mg.scope("rnn", step=t):
            h = mg.tanh(x[0] + h @ W)
    return mg.sum(h * h)


def graph(model: Any, T: int = 4) -> Any:
    return mg.trace(last, model, np.ones((T, 1, 3), "float32"))


DRAWINGS: dict[str, Callable[[], viz.Drawing]] = {
    "eager": lambda: viz.unrolled(eager()),
    "no time": lambda: viz.unrolled(mg.trace(lambda x: mg.sum(mg.sin(x) * x), XS[0])),
    "rnn": lambda: viz.unrolled(graph(RNN(3, 4, outputs=2)), level="cell"),
    "lstm": lambda: viz.unrolled(graph(LSTM(3, 4, peephole=True)), level="cell"),
    "lstm operations": lambda: viz.unrolled(graph(LSTM(3, 4))),
    "lstm elided": lambda: viz.unrolled(graph(LSTM(3, 4), 200), level="gate"),
    "gru rolled": lambda: viz.rolled(graph(GRU(3, 4)), level="cell", steps=3),
    "backward": lambda: viz.unrolled(graph(LSTM(3, 4)), backward=True),
    "bidirectional": lambda: viz.unrolled(graph(Bidirectional(RNN(3, 4), GRU(3, 4))), level="cell"),
    "ntm cell": lambda: viz.unrolled(graph(NTM(3, 2, hidden=4, memory=(5, 3))), level="cell"),
    "mann cell": lambda: viz.rolled(graph(MANN(3, 2, hidden=4, memory=(5, 3))), level="cell"),
    "ntm": lambda: viz.unrolled(graph(NTM(3, 2, hidden=4, memory=(5, 3))), level="gate"),
    "mann": lambda: viz.rolled(graph(MANN(3, 2, hidden=4, memory=(5, 3)))),
    "compared": lambda: viz.compare({"RNN": graph(RNN(3, 4)), "LSTM": graph(LSTM(3, 4))}, level="box"),
}


def digests() -> dict[str, str]:
    found = {name: (d := make()).svg + d.digraph(positions=True).source for name, make in DRAWINGS.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}


def test_drawings_are_what_they_were() -> None:
    assert digests() == json.loads(GOLDEN.read_text())


def test_every_hash_seed_gives_the_same_bytes() -> None:
    code = "import json; from tests.viz.test_golden import digests; print(json.dumps(digests()))"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
        )
        assert json.loads(run.stdout) == json.loads(GOLDEN.read_text())


@pytest.mark.skipif(not (shutil.which("dot") and shutil.which("neato")), reason="Graphviz is not installed")
@pytest.mark.parametrize("name", DRAWINGS)
def test_graphviz_takes_the_text_and_keeps_the_places(name: str) -> None:
    drawing = DRAWINGS[name]()
    picture = drawing.digraph(positions=True).source
    for command, source in (["dot", "-Tplain"], drawing.dot), (["dot", "-Tplain"], picture), (["neato", "-n2", "-Tplain"], picture):
        run = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
        assert run.stderr == ""
    found = {line.split()[1]: tuple(map(float, line.split()[2:4])) for line in run.stdout.splitlines() if line.startswith("node")}
    drawn = {p.prefix + s.id: (s.x + p.dx, s.y + p.dy) for p in drawing.scene.placed for s in p.part.shapes}
    x0, y0 = (72 * found[next(iter(drawn))][k] - (1, -1)[k] * drawn[next(iter(drawn))][k] for k in (0, 1))
    for name, (x, y) in drawn.items():
        assert found[name] == pytest.approx(((x + x0) / 72, (y0 - y) / 72), abs=0.005)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(digests(), indent=1) + "\n")
    folder = Path(tempfile.mkdtemp())
    for name, make in DRAWINGS.items():
        make().save(folder / f"{name}.png")
    print(folder)
