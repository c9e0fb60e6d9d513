"""Formats that other programs make: PNG by the package resvg_py or by Graphviz, and every format in a layout of Graphviz."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from graphviz import ENGINES, FORMATS

from .errors import DrawingError

LIMIT = 20.0  # seconds after which a program is ended
PIXELS = 4e7  # of a PNG, at most


def engines() -> dict[str, bool]:
    """Which programs for PNG this machine has: resvg (it reads our SVG), graphviz-pure and dot (they read our DOT text)."""
    return {
        "resvg": importlib.util.find_spec("resvg_py") is not None,
        "graphviz-pure": _pure() is not None,
        "dot": shutil.which("neato") is not None or shutil.which("dot") is not None,
    }


def png(svg: str, dot: Callable[[], str]) -> bytes:
    """The picture as PNG. Raises DrawingError where this machine has no program for it; the message says what to install."""
    if importlib.util.find_spec("resvg_py") is not None:
        import resvg_py

        return bytes(resvg_py.svg_to_bytes(svg_string=svg, dpi=96, zoom=_zoom(svg), font_family="Helvetica", sans_serif_family=_sans()))
    graphviz = shutil.which("dot") or shutil.which("neato") or _pure()
    if graphviz:
        return run([graphviz, "-Kneato", "-n2", "-Tpng"], dot().encode())
    raise DrawingError("drawing: PNG needs an engine: pip install 'minigrad[cli]', or install Graphviz; SVG needs nothing")


def graphviz(dot: str, engine: str, format: str) -> bytes:
    """The picture in the layout of a Graphviz engine. Raises DrawingError where the engine, the format or the program is missing."""
    if engine not in ENGINES:
        raise DrawingError(f"drawing: engine {engine!r} is unknown: take {', '.join(sorted(ENGINES))}, or None for our own layout")
    if format not in FORMATS:
        raise DrawingError(f"drawing: format {format!r} is unknown to Graphviz: take svg, png, pdf or another of graphviz.FORMATS")
    program = shutil.which("dot") or _pure()
    if program is None:
        remedy = "install Graphviz (apt install graphviz, brew install graphviz), or leave engine out for our own layout"
        raise DrawingError(f"drawing: engine={engine!r} needs the program `dot`: {remedy}")
    return run([program, f"-K{engine}", f"-T{format}"], dot.encode())


def _zoom(svg: str) -> float:
    """The scale of a PNG: 2, or less where the picture would have more than PIXELS."""
    found = re.match(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"', svg)
    area = float(found[1]) * float(found[2]) if found else 1.0
    return min(2.0, (PIXELS / max(area, 1.0)) ** 0.5)


def _sans() -> str:
    return "Arial" if sys.platform in ("win32", "darwin") else "DejaVu Sans"


def _pure() -> str | None:
    beside = Path(sys.executable).with_name("graphviz-pure")
    return str(beside) if beside.exists() else shutil.which("graphviz-pure")


def run(command: list[str], text: bytes, limit: float = LIMIT) -> bytes:
    """The output of a program that reads this text from stdin. Raises DrawingError where it fails or takes more than `limit` seconds.

    Then its whole process group is ended; on Windows, which has none, the program alone.
    """
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        out, err = child.communicate(text, timeout=limit)
    except subprocess.TimeoutExpired:
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
        child.communicate()
        raise DrawingError(f"drawing: {Path(command[0]).name} took over {limit:.0f} s: draw fewer steps, or save as .svg") from None
    if child.returncode or not out:
        raise DrawingError(f"drawing: {Path(command[0]).name} failed: {err.decode(errors='replace')[:200]}")
    return out
