"""Labels of single nodes: of leaves, of slices, and the variables that source lines assign."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.graph.ir import Node

from . import text

LEAVES = {"input", "parameter", "constant"}
HIDDEN = {"reshape", "broadcast", "alias", "item"}  # a drawing shows the argument in place of these operations; see `is_hidden`
_TARGET = re.compile(r"^\s*([^\W\d]\w*)\s*(?:[-+*/@]?=)[^=]")
_LEAF = re.compile(r"^\s*([^\W\d]\w{0,11})\s*(?::[^=]+)?=\s*(?:\w+\.)*(?:parameter|tensor|Tensor)\(")


def leaf_kind(node: Node, traced: bool) -> str:
    """ "input", "parameter", "constant" or "number"; "" for an operation.

    The inputs of a `traced` graph are its params, so a constant array of equal numbers counts as one number there.
    """
    if node.op.name == "compiled":
        return "input"
    if node.op.name not in LEAVES:
        return ""
    if node.op.name == "constant" and node.name is None and _is_number(node.value, traced):
        return "number"
    return node.op.name


def _is_number(value: Any, traced: bool) -> bool:
    """Whether a constant is one number, or an array of one repeated number."""
    return value.size > 0 and (not any(value.strides) or (traced and bool((value == value.flat[0]).all())))


def leaf_label(node: Node, traced: bool) -> str:
    """The label of a leaf without a name. An array that is no argument of a `traced` graph is not called x, as an input is."""
    if node.op.name == "constant":
        return text.constant(node.value.flat[0]) if _is_number(node.value, traced) else "array" if traced else "x"
    return node.op.symbol or node.op.name


def shortened(names: Sequence[str]) -> list[str]:
    """The names without their first part where all dotted ones begin alike: model.readout.b -> readout.b."""
    heads = {n.partition(".")[0] for n in names if "." in n}
    return [n.removeprefix(f"{min(heads)}.") if len(heads) == 1 else n for n in names]


def declared(node: Node) -> str | None:
    """The variable of the line that makes a leaf, as in `W = mg.parameter(...)`, if it is short."""
    origin = node.origin
    if origin.code is None or node.op.name not in ("constant", "parameter"):
        return None
    match = _LEAF.match(linecache.getline(origin.code.co_filename, origin.line))
    return match.group(1) if match else None


def rectified(node: Node) -> int | None:
    """The position of the argument x of where(x ≤ 0, 0, x), which is relu; None for another operation."""
    if node.op.name != "where":
        return None
    condition, zero, x = map(shown, node.args)
    if condition.op.name != "less_equal" or [shown(a) for a in condition.args][:1] != [x]:
        return None
    return 2 if _is_zero(zero) and _is_zero(shown(condition.args[1])) else None


def _is_zero(node: Node) -> bool:
    return node.op.name == "constant" and not np.any(node.value)


def is_hidden(node: Node) -> bool:
    """Whether a drawing shows the argument in place of this operation. Sums of gradients are casts of floats: they are float64."""
    name = node.op.name
    return bool(node.args) and (name in HIDDEN or (name == "cast" and node.type.is_float and node.args[0].type.is_float))


def shown(node: Node) -> Node:
    """The node that a drawing shows in place of this one."""
    while is_hidden(node):
        node = node.args[0]
    return node


def is_element(node: Node) -> bool:
    """Whether a slice takes one element of the first axis, x[t]."""
    start, stop = node.attrs["start"], node.attrs["stop"]
    return stop[0] == start[0] + 1 and tuple(stop[1:]) == tuple(node.args[0].type.shape[1:]) and not any(start[1:])


def extent(node: Node) -> str:
    """The label of a slice: '[2:4]' for one axis, 'slice' for several."""
    whole = node.args[0].type.shape
    cut = [(a, b) for a, b, s, n in zip(*(node.attrs[k] for k in ("start", "stop", "step")), whole, strict=True) if (a, b, s) != (0, n, 1)]
    steps = set(node.attrs["step"])
    if len(cut) != 1 or steps != {1}:
        return "slice"
    start, stop = cut[0]
    return f"[{start}]" if stop == start + 1 else f"[{start}:{stop}]"


def cut(node: Node) -> str:
    """What a slice takes, as Python writes it: [1,:3]; without the axes at the end that it takes whole."""
    start, stop, step, whole = *(node.attrs[k] for k in ("start", "stop", "step")), node.args[0].type.shape
    words = []
    for a, b, s, n in zip(start, stop, step, whole, strict=True):
        words.append(f"{a}" if b == a + 1 < n + (a > 0) else f"{a or ''}:{b if b != n else ''}" + (f":{s}" if s != 1 else ""))
    while words and words[-1] == ":":
        words.pop()
    return f"[{','.join(words)}]" if words else ""


def piece(node: Node) -> Node | None:
    """The node whose value a slice of a concatenation takes, if it is exactly one of its parts (or a part of a part)."""
    source, at = node.args[0], node.attrs["start"][0] if node.attrs.get("start") else 0
    start, stop, step = (node.attrs.get(k, ()) for k in ("start", "stop", "step"))
    if not start or any(s != 1 for s in step) or any(a != 0 for a in start[1:]):
        return None
    if tuple(stop[1:]) != tuple(source.type.shape[1:]):
        return None
    size = stop[0] - start[0]
    while source.op.name == "concat" and source.attrs.get("axis") == 0:
        parts = source.args
        even = parts[0].type.shape[0]
        k = at // even if even else 0
        if k < len(parts) - 1 and all(parts[i].type.shape[0] == even for i in (0, k, len(parts) - 2)):
            at -= k * even
            source = parts[k]
        else:
            for part in parts:
                if at < part.type.shape[0]:
                    break
                at -= part.type.shape[0]
            source = part
        if at == 0 and source.type.shape[0] == size:
            return source
    return None


def assigned(filename: str, line: int) -> str | None:
    """The variable that a source line assigns, if its name is short; None for a line of several statements."""
    words = linecache.getline(filename, line)
    match = _TARGET.match(words)
    if not match or len(match.group(1)) > 12 or (";" in words and _statements(words.strip()) != 1):
        return None
    return match.group(1)


def _statements(words: str) -> int:
    """The number of statements of a source line; 0 where it is only a part of one."""
    try:
        return len(ast.parse(words).body)
    except SyntaxError:
        return 0
