"""minigrad draw, as users type it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from minigrad.cli import app

MINE = """
import numpy as np
import minigrad as mg
from minigrad import viz

def loss():
    W = mg.parameter(np.eye(3, dtype="float32"), name="W")
    h = mg.zeros(3)
    for t in range(3):
        with mg.scope("rnn", step=t):
            h = mg.tanh(1 + h @ W)
    loss = mg.sum(h * h)
    loss.backward()
    return loss

def graph(): return mg.trace(lambda x: mg.sum(x * x), np.ones(3, "float32"))
def pair(): return (lambda x: mg.sum(mg.sin(x)), np.ones(3, "float32"))
def drawing(): return viz.unrolled(loss())
def broken(): return 1 / 0
def number(): return 3
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


def call(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["draw", *map(str, args)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def texts(file: Path) -> list[str]:
    return [e.text or "" for e in ET.fromstring(file.read_bytes()).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", ["loss", "graph", "pair", "drawing"])
def test_a_users_function_gives_what_is_drawn(mine: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.svg"
    assert "Look at:" in call(f"{mine}:{name}", "--out", out)
    assert ("BPTT" in texts(out)) == (name in ("loss", "drawing"))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("mine.py:broken", "mine.py:19: ZeroDivisionError: division by zero"),
        ("mine.py:nothing", "has no function 'nothing'; it has loss, graph, pair, drawing, broken, number"),
        ("mine.py:number", "takes a tensor, a Graph, or a function and its arguments; got int"),
        ("absent.py:f", "absent.py: no such file"),
        ("nothing", "is neither the folder of a run nor a model"),
    ],
)
def test_mistakes_are_told_in_a_line(mine: Path, what: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    assert message in call(what, code=1)


def test_a_model_in_every_format_and_view(tmp_path: Path) -> None:
    starts = {"svg": b"<svg", "dot": b"digraph", "pdf": b"%PDF", "png": b"\x89PNG"}
    for format, start in starts.items():
        out = tmp_path / f"a.{format}"
        call("lstm", "--level", "cell", "--format", format, "--out", out)
        assert out.read_bytes().startswith(start)
    out = tmp_path / "a.svg"
    call("rnn", "--steps", 2, "--color", "grad", "--out", out)
    assert [t for t in texts(out) if t.startswith("t =")] == ["t = 0", "t = 1"]
    assert "BPTT" in texts(out)
    call("gru", "--rolled", "--level", "cell", "--out", out)
    assert "=" in texts(out)
    call("rnn", "--backward", "--out", out)
    assert "∂ t = 2" in texts(out)


def test_a_missing_folder_is_one_message(mine: Path, tmp_path: Path) -> None:
    out = tmp_path / "missing" / "x.svg"
    assert "could not be written" in call(f"{mine}:pair", "--out", out, code=1)
    assert "could not be written" in call(f"{mine}:pair", "--out", tmp_path / "mine.py" / "x.svg", code=1)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "__pycache__") == ["mine.py"]


def test_a_suffix_and_a_format_that_differ_are_refused(mine: Path, tmp_path: Path) -> None:
    assert "two formats" in call(f"{mine}:pair", "--out", tmp_path / "b.svg", "--format", "png", code=1)
    call(f"{mine}:pair", "--out", tmp_path / "b", "--format", "dot")
    assert (tmp_path / "b.dot").read_text().startswith("// ") or "digraph" in (tmp_path / "b.dot").read_text()


POSTPONED = """
from __future__ import annotations
from dataclasses import dataclass
import numpy as np
import minigrad as mg

@dataclass
class Weights:
    W: mg.Tensor
    b: mg.Tensor | None = None

def loss(weights: Weights, x: mg.Tensor) -> mg.Tensor:
    return mg.sum(mg.tanh(x @ weights.W))

def pair(): return loss, Weights(np.eye(3, dtype="float32")), np.ones((2, 3), "float32")
"""


def test_a_file_with_a_dataclass_and_postponed_annotations_is_drawn(tmp_path: Path) -> None:
    file, out = tmp_path / "postponed.py", tmp_path / "out.svg"
    file.write_text(POSTPONED)
    call(f"{file}:pair", "--out", out)
    assert "W" in texts(out)
