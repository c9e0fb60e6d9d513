"""The page's interpreter without the page: the scripts that compute, and programs for them, in one document."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from minigrad.viz.page.program import Program, packed

import minigrad as mg
from minigrad.graph.ir import Node, ancestors
from minigrad.graph.nodes import make

SCRIPTS = ("tools.js", "primitives.js", "arrays.js", "evaluate.js", "loss.js", "live.js")
NO_PAGE = {"stops": [], "steps": [], "gradient": False}
RUN = """
const plain = y => y ? Array.from(y.data, String) : null;
const array = ([dtype, shape, values]) => {
  const x = zeros([dtype, shape]);
  values.forEach((v, i) => { x.data[i] = isBig(dtype) ? BigInt(v) : Number(v); });
  return x;
};
const answer = async ({ program, graph, args, changes, values, cotangents }) => {
  const P = await readProgram(program);
  if (graph) return run(P, graph, args.map(array)).map(plain);
  live.base = null;
  live.base = computed(P, []);  // as on a page, where what no change reaches is taken from this run
  const now = computed(P, changes);
  return [...values.map(n => plain(now.at(n))), ...cotangents.map(n => plain(now.of(n)))];
};
const answers = Promise.all(questions.map(q => answer(q).catch(error => String(error.stack))));
"""


class Document:
    """A file with the scripts and some questions; `save` is as that of a page."""

    def __init__(self, questions: Sequence[dict[str, Any]]):
        texts = [(files("minigrad.viz.page") / name).read_text("utf-8") for name in SCRIPTS]
        given = {"data": NO_PAGE, "questions": questions}
        parts = [f'<script type="application/json" id="{k}">{json.dumps(v)}</script>' for k, v in given.items()]
        parts.append(f"<script>{chr(10).join(texts)}\nconst questions = JSON.parse($('questions').textContent);{RUN}</script>")
        self.html = '<!doctype html><meta charset="utf-8"><title>computed</title>' + "".join(parts)

    def save(self, path: Any) -> Any:
        path.write_text(self.html, "utf-8")
        return path


def question(f: Any, arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    """The value of a function at these arguments: the script runs its graph."""
    program = Program((), None)
    graph = program.closed(mg.trace(f, *arrays))
    return {"program": packed(program, {}), "graph": graph, "args": [_array(np.asarray(a)) for a in arrays]}


def changed(loss: mg.Tensor, changes: Sequence[dict[str, Any]], wrt: Sequence[Node]) -> dict[str, Any]:
    """The loss and the gradients of these nodes after changes, which have the script's form with nodes in place of numbers."""
    program = Program([loss.node], loss.node)
    given = [{**c, **{k: [[program.number(n), x] for n, x in c[k]] for k in ("values", "cuts") if k in c}} for c in changes]
    cotangents = [program.number(n) for n in wrt]
    return {"program": packed(program, {}), "changes": given, "values": [program.number(loss.node)], "cotangents": cotangents}


def leaves_of(loss: mg.Tensor) -> list[Node]:
    return [n for n in ancestors([loss.node]) if n.op.name == "parameter" and n.type.is_float]


def _array(a: np.ndarray) -> list[Any]:
    numbers = (a.astype(int) if a.dtype == bool else a).ravel().tolist()
    return [a.dtype.name, list(a.shape), [str(v).replace("inf", "Infinity") for v in numbers]]


def read(values: list[str] | None, like: np.ndarray) -> np.ndarray:
    """An answer as an array of this shape; zeros for no cotangent."""
    assert values is None or isinstance(values, list), values
    found = np.zeros(like.size) if values is None else np.array([float(v.replace("Infinity", "inf")) for v in values])
    return found.reshape(like.shape)


# ---- the engine's answers

Rule = Callable[[Node, tuple[mg.Tensor, ...]], mg.Tensor]


def again(node: Node, args: tuple[mg.Tensor, ...]) -> mg.Tensor:
    return mg.Tensor(make(node.op, tuple(a.node for a in args), node.attrs))


def recomputed(loss: mg.Tensor, rule: Rule = again, leaf: Callable[[Node], np.ndarray] = lambda n: n.value) -> list[np.ndarray]:
    """The loss and its gradients with respect to the leaves, computed by the engine with another rule for some nodes, or other leaves."""
    new: dict[Node, mg.Tensor] = {}
    for node in ancestors([loss.node]):
        if node.args:
            new[node] = rule(node, tuple(new[a] for a in node.args))
        else:
            new[node] = mg.parameter(leaf(node)) if node.op.name == "parameter" else mg.Tensor(node)
    result = new[loss.node]
    result.backward()
    grads = [new[n].grad for n in leaves_of(loss)]
    return [result.numpy(), *(np.zeros(n.type.shape) if g is None else g.numpy() for n, g in zip(leaves_of(loss), grads, strict=True))]


def with_leaf(leaf: Node, value: np.ndarray) -> Callable[[Node], np.ndarray]:
    return lambda n: value if n is leaf else n.value


def with_value(node: Node, places: np.ndarray, number: float) -> Rule:
    mask = np.isin(np.arange(node.value.size), places).reshape(node.value.shape)
    return lambda n, args: mg.where(mask, np.float32(number), again(n, args)) if n is node else again(n, args)


def without(node: Node, argument: int) -> Rule:
    return lambda n, args: again(n, tuple(mg.zeros_like(a) if n is node and k == argument else a for k, a in enumerate(args)))
