"""A drawing: SVG and DOT text made when asked for, PDF, and PNG through an engine that is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import graphviz

from . import convert, dot, pdf, svg
from .errors import DrawingError
from .scene import Scene


class Drawing:
    """What the functions of minigrad.viz return. It draws lazily and the same graph gives the same bytes in every process.

    .svg                        the picture as SVG text
    .save("x.svg")              by suffix: .svg .dot .gv .png .pdf
    .pipe("png")                bytes;  .render("name", format="png") writes name.png and gives its path
    .digraph()                  a graphviz.Digraph, to edit and render;  .dot and .source are its DOT text
    With engine="dot", "neato", ... the last three draw Graphviz's own layout, in any format of Graphviz.
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

    def digraph(self) -> graphviz.Digraph:
        """The graph for the graphviz package, new at each call: edit it, add to it, and render it with any engine.

        `digraph().render("x", format="pdf", engine="neato", neato_no_op=2)` keeps the positions; other engines make their own layout.
        """
        return dot.digraph(self.scene)

    @cached_property
    def dot(self) -> str:
        """The DOT text of the digraph."""
        return self.digraph().source

    @property
    def source(self) -> str:
        """The DOT text, by the graphviz package's name."""
        return self.dot

    @property
    def notes(self) -> list[str]:
        """What was left out of the picture, in words."""
        return self.scene.notes

    def pipe(self, format: str = "svg", engine: str | None = None) -> bytes:
        """The drawing as bytes: svg, dot, gv, png or pdf; with an engine, Graphviz's own layout in any format of Graphviz.

        Raises DrawingError for an unknown format or engine, and where a program that it takes is missing.
        """
        if engine is not None:
            return convert.graphviz(self.dot, engine, format)
        if format == "svg":
            return self.svg.encode()
        if format in ("dot", "gv"):
            return self.dot.encode()
        if format == "pdf":
            return pdf.write(self.scene)
        if format != "png":
            raise DrawingError(f"drawing: format {format!r} is unknown: take svg, dot, gv, png or pdf")
        return convert.png(self.svg, self.dot)

    def save(self, path: str | os.PathLike[str], engine: str | None = None) -> Path:
        """Write the drawing, in the format that the path's suffix names; gives the path. Raises DrawingError, OSError."""
        target = Path(path)
        data = self.pipe(target.suffix.lstrip(".").lower() or "svg", engine)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            file.write(data)
        os.chmod(file.name, 0o644)
        os.replace(file.name, target)
        return target

    def render(
        self,
        filename: str = "drawing",
        directory: str | os.PathLike[str] = ".",
        format: str = "svg",
        view: bool = False,
        engine: str | None = None,
    ) -> str:
        """Write directory/filename.format as the graphviz package does, and give its path; `view` opens it."""
        found = self.save(Path(directory) / f"{filename}.{format}", engine)
        if view:
            graphviz.view(found, quiet=True)
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
