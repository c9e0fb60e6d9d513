"""Labels of single nodes: of leaves, of slices, and the variables that source lines assign."""

from __future__ import annotations

import ast
import linecache
import re
from typing import Any

from minigrad.graph.ir import Node

from . import text

LEAVES = {"input", "parameter", "constant"}
HIDDEN = {"reshape", "broadcast", "alias", "item"}  # a drawing shows the argument in place of these operations
_TARGET = re.compile(r"^\s*([^\W\d]\w*)\s*(?:[-+*/@]?=)[^=]")


def leaf_kind(node: Node, traced: bool) -> str:
    """ "input", "parameter", "constant" or "number"; "" for an operation.

    The inputs of a `traced` graph are its params, so a constant array of equal numbers counts as one number there.
    """
    if node.op.name not in LEAVES:
        return ""
    if node.op.name == "constant" and node.name is None and _is_number(node.value, traced):
        return "number"
    return node.op.name


def _is_number(value: Any, traced: bool) -> bool:
    """Whether a constant is one number, or an array of one repeated number."""
    return value.size > 0 and (not any(value.strides) or (traced and bool((value == value.flat[0]).all())))


def leaf_label(node: Node, traced: bool) -> str:
    """The label of a leaf without a name."""
    if node.op.name == "constant":
        return text.constant(node.value.flat[0]) if _is_number(node.value, traced) else "x"
    return node.op.symbol or node.op.name


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
