"""PNG through the engines that a machine may have, and what is said where there is none or it fails."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from minigrad.viz import DrawingError, convert

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"></svg>'
PNG = b"\x89PNG\r\n\x1a\n"
posix = pytest.mark.skipif(os.name != "posix", reason="a shell script as an engine")


@pytest.fixture
def without_resvg(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "resvg_py" else found(name, *rest))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, without_resvg: None) -> Any:
    """Make a script the machine's only `dot`."""

    def make(script: str) -> None:
        path = tmp_path / "dot"
        path.write_text(f"#!{sys.executable} -S\n{script}\n")
        path.chmod(0o700)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


def test_a_picture_is_of_twice_the_size_unless_it_would_be_huge() -> None:
    pytest.importorskip("resvg_py")
    png = convert.png(SVG, str)
    assert png.startswith(PNG)
    assert [int.from_bytes(png[at : at + 4], "big") for at in (16, 20)] == [60, 40]
    assert convert._zoom('<svg width="20000" height="20000">') == pytest.approx((4e7 / 4e8) ** 0.5)


@posix
def test_without_resvg_the_users_dot_draws_the_positions_it_is_given(engine: Any) -> None:
    engine("import sys; sys.stdout.buffer.write(b'\\x89PNG' + ' '.join(sys.argv[1:]).encode() + sys.stdin.buffer.read())")
    assert convert.engines()["dot"]
    assert not convert.engines()["resvg"]
    assert convert.png(SVG, lambda: "digraph {}") == b"\x89PNG-Kneato -n2 -Tpngdigraph {}"


@posix
def test_a_layout_of_graphviz_is_made_by_the_engine_that_is_asked_for(engine: Any) -> None:
    engine("import sys; sys.stdout.write(' '.join(sys.argv[1:]) + sys.stdin.read())")
    assert convert.graphviz("digraph {}", "fdp", "pdf") == b"-Kfdp -Tpdfdigraph {}"


@posix
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.stderr.write('no such font'); sys.exit(1)", "dot failed: no such font"),
        ("", "dot failed"),
    ],
)
def test_an_engine_that_fails_is_told_with_what_it_said(engine: Any, script: str, words: str) -> None:
    engine(script)
    with pytest.raises(DrawingError, match=words):
        convert.png(SVG, lambda: "digraph {}")


@posix
def test_an_engine_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """It waits until the pipes are closed at both ends, so that what is not ended would have written its mark by then."""
    mark = tmp_path / "mark"
    sleeper = f"import time; time.sleep(600); open({str(mark)!r}, 'w')"
    sleepers = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {sleeper!r}]); time.sleep(600)"
    with pytest.raises(DrawingError, match=r"took over 0 s: draw fewer steps, or save as \.svg"):
        convert.run([sys.executable, "-c", sleepers], b"", 0.3)
    assert not mark.exists()


def test_without_any_engine_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, without_resvg: None) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert convert.engines() == {"resvg": False, "graphviz-pure": False, "dot": False}
    with pytest.raises(DrawingError, match=r"pip install 'minigrad\[cli\]', or install Graphviz; SVG needs nothing"):
        convert.png(SVG, lambda: "digraph {}")
    with pytest.raises(DrawingError, match=r"engine='dot' needs the program `dot`: install Graphviz \(apt install graphviz"):
        convert.graphviz("digraph {}", "dot", "svg")
