"""A drawing: SVG and DOT text made when asked for, PDF, and PNG through an engine that is there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from . import convert, dot, pdf, svg
from .errors import DrawingError
from .scene import Scene


class Drawing:
    """What the functions of minigrad.viz return. It draws lazily and the same graph gives the same bytes in every process.

    .svg .dot .source           the picture as SVG, and as DOT with positions (`source` as in the graphviz package)
    .save("x.svg")              by suffix: .svg .dot .gv .png .pdf
    .pipe("png")                bytes;  .render("name", format="png") writes name.png and gives its path
    In a notebook it shows itself.
    """

    def __init__(self, scene: Scene | Callable[[], Scene]):
        self._make = scene if callable(scene) else lambda: scene

    @cached_property
    def scene(self) -> Scene:
        """The marks of the drawing, for tests and for other writers."""
        return self._make()

    @cached_property
    def svg(self) -> str:
        """SVG text, self-contained."""
        return svg.write(self.scene)

    @cached_property
    def dot(self) -> str:
        """DOT text: valid for plain `dot`; `neato -n2` draws this very picture."""
        return dot.write(self.scene)

    @property
    def source(self) -> str:
        """The DOT text, by the graphviz package's name."""
        return self.dot

    @property
    def notes(self) -> list[str]:
        """What was left out of the picture, in words."""
        return self.scene.notes

    def pipe(self, format: str = "svg") -> bytes:
        """The drawing as bytes: svg, dot, gv, png or pdf. Raises DrawingError for another format, or where no engine can make it."""
        if format == "svg":
            return self.svg.encode()
        if format in ("dot", "gv"):
            return self.dot.encode()
        if format == "pdf":
            return pdf.write(self.scene)
        if format != "png":
            raise DrawingError(f"drawing: format {format!r} is unknown: take svg, dot, gv, png or pdf")
        return convert.png(self.svg, self.dot)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing, in the format that the path's suffix names; gives the path. Raises DrawingError, OSError."""
        target = Path(path)
        data = self.pipe(target.suffix.lstrip(".").lower() or "svg")
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            file.write(data)
        os.chmod(file.name, 0o644)
        os.replace(file.name, target)
        return target

    def render(self, filename: str = "drawing", directory: str | os.PathLike[str] = ".", format: str = "svg", view: bool = False) -> str:
        """Write directory/filename.format as the graphviz package does, and give its path; `view` opens it."""
        found = self.save(Path(directory) / f"{filename}.{format}")
        if view:
            subprocess.Popen(["xdg-open", str(found)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return str(found)

    def __repr__(self) -> str:
        try:
            shapes = sum(len(p.part.shapes) for p in self.scene.placed)
            return f"<Drawing {self.scene.title or 'untitled'}: {shapes} nodes, {self.scene.width:.0f}×{self.scene.height:.0f}>"
        except Exception as error:  # a repr never raises
            return f"<Drawing that cannot be made: {type(error).__name__}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        try:
            bundle["image/svg+xml"] = self.svg
        except Exception as error:  # a repr never raises
            bundle["text/plain"] += f" ({error})"
        return bundle
