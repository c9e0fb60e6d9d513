"""The page's interpreter without the page: the scripts that compute, and programs for them, in one document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.viz.page.program import Program

SCRIPTS = ("tools.js", "primitives.js", "arrays.js", "evaluate.js")
NO_PAGE = {"stops": [], "steps": [], "gradient": False}
RUN = """
const plain = y => Array.isArray(y) ? y.map(plain) : Array.from(y.data, Number);
const found = cases.map(c => {
  const P = readProgram(c.program), array = ([dtype, shape, values]) => {
    const x = zeros([dtype, shape]);
    values.forEach((v, i) => { x.data[i] = isBig(dtype) ? BigInt(v) : Number(v); });
    return x;
  };
  return run(P, c.graph, c.args.map(array)).map(y => plain(y).map(String));
});
"""


class Document:
    """A file with the scripts and some data; `save` is as that of a page."""

    def __init__(self, data: Any):
        texts = [(files("minigrad.viz.page") / name).read_text("utf-8") for name in SCRIPTS]
        given = json.dumps(NO_PAGE), json.dumps(data).replace("<", "\\u003c")
        parts = [f'<script type="application/json" id="{name}">{text}</script>' for name, text in zip(("data", "cases"), given, strict=True)]
        parts.append(f"<script>{chr(10).join(texts)}\nconst cases = JSON.parse($('cases').textContent);{RUN}</script>")
        self.html = '<!doctype html><meta charset="utf-8"><title>computed</title>' + "".join(parts)

    def save(self, path: Any) -> Any:
        path.write_text(self.html, "utf-8")
        return path


def case(f: Any, arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    """A function and its arguments, for the script to run."""
    graph = mg.trace(f, *arrays)
    program = Program((), None)
    encoded = program.closed(graph)
    args = [[a.dtype.name, list(a.shape), [str(v) for v in (a.astype(int) if a.dtype == bool else a).ravel().tolist()]] for a in map(np.asarray, arrays)]
    return {"program": program.data(), "graph": encoded, "args": args}
