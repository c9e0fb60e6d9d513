"""A drawing, in all its formats: SVG, DOT, a graphviz.Digraph, PNG and PDF."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import graphviz

from . import convert, dot, logical, pdf, svg
from .errors import DrawingError
from .logical import LogicalPart
from .scene import Scene


class Drawing:
    """What the functions of minigrad.viz return. Each format is made when it is asked for; equal graphs give equal bytes.

    .svg                            the picture as SVG text
    .save("x.svg")                  writes a file; its suffix is the format: .svg .dot .gv .png .pdf
    .pipe("png")                    gives the bytes of a format
    .render("name", format="png")   writes name.png and gives its path
    .digraph()                      gives the graph as a graphviz.Digraph, to edit and to render;  .dot and .source are its DOT text
    .digraph(positions=True)        gives the picture itself as a graphviz.Digraph, with positions and legend

    save, pipe and render take engine="dot", "neato", ...: then Graphviz computes the layout, and every format of Graphviz is possible.
    A notebook shows the drawing as SVG.
    """

    def __init__(self, scene: Scene | Callable[[], Scene], parts: Callable[[], Mapping[str, LogicalPart]] | None = None):
        self._make = scene if callable(scene) else lambda: scene
        self._parts = parts

    @cached_property
    def scene(self) -> Scene:
        """The shapes, lines and texts of the drawing, for tests and for writers of other formats."""
        return self._make()

    @cached_property
    def svg(self) -> str:
        """The SVG text. It needs no other file."""
        return svg.write(self.scene)

    def digraph(self, positions: bool = False) -> graphviz.Digraph:
        """A new graphviz.Digraph: a node an operation, with a tooltip, in clusters of steps and scopes; edit it, extend it, render it.

        With `positions` it is the picture itself, which `render("x", format="pdf", engine="neato", neato_no_op=2)` draws as it stands.
        """
        if positions or self._parts is None:
            return dot.digraph(self.scene)
        return logical.digraph(self._parts())

    @cached_property
    def dot(self) -> str:
        """The DOT text of the digraph."""
        return self.digraph().source

    @property
    def source(self) -> str:
        """The DOT text, under the name that the graphviz package uses."""
        return self.dot

    @property
    def notes(self) -> list[str]:
        """Sentences that say what is left out of the picture."""
        return self.scene.notes

    def pipe(self, format: str = "svg", engine: str | None = None) -> bytes:
        """The drawing as bytes: svg, dot, gv, png or pdf. With an engine, the layout of Graphviz in any of its formats.

        Raises DrawingError for an unknown format or engine, and where a program or package is missing.
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
        return convert.png(self.svg, lambda: self.digraph(positions=True).source)

    def save(self, path: str | os.PathLike[str], engine: str | None = None) -> Path:
        """Write the drawing in the format of the path's suffix. Gives the path. Raises DrawingError, also where it cannot be written."""
        target = Path(path)
        data = self.pipe(target.suffix.lstrip(".").lower() or "svg", engine)
        try:
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
                made = Path(folder, "drawing")
                made.write_bytes(data)
                os.replace(made, target)
        except OSError as error:
            raise DrawingError(f"drawing: {target} could not be written: {error.strerror or error}") from None
        return target

    def render(
        self,
        filename: str = "drawing",
        directory: str | os.PathLike[str] = ".",
        format: str = "svg",
        view: bool = False,
        engine: str | None = None,
    ) -> str:
        """Write directory/filename.format, as the graphviz package does. Gives its path. `view` opens the file in the browser.

        Raises DrawingError, also where there is nothing to open it with.
        """
        found = self.save(Path(directory) / f"{filename}.{format}", engine)
        if view and not webbrowser.open(found.resolve().as_uri()):
            raise DrawingError(f"drawing: {found} is written, but no browser was found to show it")
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
