"""FILE.py:FUNCTION means the same to every command that takes one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from minigrad.cli import app
from minigrad.errors import SettingError
from minigrad.experiments.loading import load

MINE = """
from __future__ import annotations
import dataclasses

@dataclasses.dataclass
class Pair:
    a: int

def pair(): return Pair(1)
value = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "fails.py").write_text("x = 1\ny = x / 0\n")
    (tmp_path / "mine.txt").write_text("no Python")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_function_comes_with_its_module(folder: Path) -> None:
    module, f = load("mine.py:pair")
    assert f is module.pair
    assert dataclasses.asdict(f()) == {"a": 1}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("absent.py:f", "absent.py: no such file: give a file that exists and a name in it"),
        ("mine.py:", "'mine.py:' names no function in a file: give a file that exists and a name in it"),
        ("mine.py:value", "mine.py has no function 'value'; it has Pair, pair"),
        ("fails.py:f", "fails.py:2: ZeroDivisionError: division by zero"),
    ],
)
def test_a_mistake_is_told_in_the_same_words_by_every_command(folder: Path, target: str, message: str) -> None:
    with pytest.raises(SettingError) as error:
        load(target)
    assert str(error.value).startswith(message)
    for command in ("draw", "check"):
        found = CliRunner().invoke(app, [command, target], env={"COLUMNS": "200"})
        assert found.exit_code in (1, 2)
        assert message in " ".join(found.output.replace("│", "").split())


def test_a_file_of_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(SettingError, match=r"mine.txt: no Python file"):
        load("mine.txt:f")
