"""minigrad check: a user's own file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from minigrad.cli import app

FILE = """
import numpy as np
import minigrad as mg
from minigrad.models import RNN

def loss(p={"W": np.ones((2, 2)), "b": np.zeros(2)}, x=np.array([0.5, -1.0])):
    return mg.sum(mg.tanh(x @ p["W"] + p["b"]) ** 2)

wrong = mg.custom_vjp(lambda p: mg.sum(p["a"] * p["b"]))
wrong.defvjp(lambda ct, out, p: {"a": ct * p["b"], "b": ct * p["a"] * np.array([1.0, 2.0])})

def broken(p={"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}, order_too=1.0):
    return wrong(p) * order_too

def needs(x, y=1.0): return x * y

def kinked(x=np.array([0.0, 1.0])): return mg.relu(x)

rnn = RNN(2, 3)
value = 3
"""


@pytest.fixture
def check(tmp_path: Path) -> Any:
    def run(name: str, *options: str, inputs: str = "") -> Any:
        (tmp_path / "mine.py").write_text(FILE + inputs)
        return CliRunner().invoke(app, ["check", f"{tmp_path}/mine.py:{name}", *options], env={"COLUMNS": "200"})

    return run


def test_a_right_gradient_is_shown_leaf_by_leaf(check: Any) -> None:
    found = check("loss")
    assert found.exit_code == 0, found.output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in found.output.splitlines() if line.startswith("│")]
    assert [(row[0], row[-1]) for row in rows] == [("p['W']", "ok"), ("p['b']", "ok"), ("x", "ok")]
    assert all(abs(float(row[2]) - float(row[3])) < 1e-7 for row in rows)
    assert "mine.py:loss: right in 8 elements, at order 1 and 2" in found.output


def test_a_wrong_gradient_exits_with_1(check: Any) -> None:
    found = check("broken", "--order", "1")
    assert found.exit_code == 1
    assert "wrong (1 of 2)" in found.output
    assert "args[0]['b'] at (1,): the gradient is 4, the derivative 2, 1 of 2 elements differ" in found.output


def test_a_models_parameters_are_checked(check: Any) -> None:
    found = check("rnn", "--order", "1", inputs="def inputs(): return (np.linspace(-1, 1, 8).reshape(2, 2, 2),)")
    assert found.exit_code == 0, found.output
    assert "rnn.W_h" in found.output
    assert "│ xs " in found.output


def test_an_argument_without_elements_has_a_row_too(check: Any) -> None:
    found = check("loss", "--order", "1", inputs="def inputs(): return {'W': np.ones((2, 2)), 'b': np.zeros(2)}, np.zeros((0, 2))")
    assert found.exit_code == 0, found.output
    assert re.search(r"│ x +│ +│ +│ +│ +│ empty", found.output)


def test_kinks_are_counted(check: Any) -> None:
    assert "right in 2 elements, 1 of them at kinks or jumps, at order 1 and 2" in check("kinked").output


def test_a_negative_seed_is_refused(check: Any) -> None:
    found = check("loss", "--key", "-1")
    assert found.exit_code == 2
    assert "--key" in found.output
    assert "Traceback" not in found.output


def test_a_dtype_that_is_none_is_refused(check: Any) -> None:
    found = check("loss", "--dtype", "float16")
    assert found.exit_code == 2
    assert "'float64', 'float32'" in " ".join(found.output.split())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("needs", "needs x: give them defaults, or write a function inputs()"),
        ("value", "has no function 'value'; it has loss, wrong, broken, needs, kinked"),
        ("", "give a file that exists and a name in it"),
    ],
)
def test_what_cannot_be_checked_is_refused(check: Any, name: str, words: str) -> None:
    found = check(name)
    assert found.exit_code == 2
    assert words in " ".join(found.output.replace("│", "").split())
