"""ARCHITECTURE.md and CONTRIBUTING.md say what is so: the picture, the circle of imports, the length of files, every path."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from docs.architecture import PAGE, ROOT, circles, imports, renewed

LONGEST = 400  # lines of a file
CIRCLE = re.compile(r"minigrad\.(tensor|ops|primitives)\b")  # operator overloading
GUIDES = ["ARCHITECTURE.md", "CONTRIBUTING.md"]
PATH = re.compile(r"\.?[a-zA-Z_]\w*(/[\w.-]+)+/?|[a-zA-Z_]\w*/")


def paths(text: str) -> Iterator[str]:
    """What stands in backticks and looks like a path from the root: with a slash, and no spaces."""
    return (found for found in re.findall(r"`([^`\n]+)`", text) if PATH.fullmatch(found))


def test_the_picture_shows_the_imports_of_the_source() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text) == text


def test_operator_overloading_is_the_only_circle_of_imports() -> None:
    found = circles(imports())
    assert len(found) == 1
    assert "minigrad.tensor" in found[0]
    assert [name for name in found[0] if not CIRCLE.match(name)] == []


def test_no_file_is_long() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in listed if (ROOT / name).exists()}
    assert len(lengths) > 100
    assert {name: n for name, n in lengths.items() if n >= LONGEST} == {}


@pytest.mark.parametrize("guide", GUIDES)
def test_every_path_in_a_guide_exists(guide: str) -> None:
    found = list(paths((ROOT / guide).read_text(encoding="utf-8")))
    assert len(found) > 10
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_a_path_is_told_from_other_words() -> None:
    assert list(paths("`tests/a.py`, `viz/`, `mg.tan`, `make lint`, `x / y`, `.ci/run`, `-n 0`")) == ["tests/a.py", "viz/", ".ci/run"]


def test_the_code_shown_to_contributors_stands_in_the_source() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.S)
    files = [path.read_text(encoding="utf-8") for folder in ("minigrad", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert len(shown) == 4
    assert [code for code in shown if not any(code in text for text in files)] == []
