"""What single nodes are called: leaves, slices of sequences, and the variables that lines of the program assign."""

from __future__ import annotations

import linecache
import re
from typing import Any

from minigrad.ir import Node

from . import text

LEAVES = {"input", "parameter", "constant"}
_TARGET = re.compile(r"^\s*([^\W\d]\w*)\s*(?:[-+*/@]?=)[^=]")


def leaf_kind(node: Node, traced: bool) -> str:
    """input, parameter, constant or number. In a `traced` graph inputs are params, so that a constant of equal entries is a number."""
    if node.op.name not in LEAVES:
        return ""
    if node.op.name == "constant" and node.name is None and _is_number(node.value, traced):
        return "number"
    return node.op.name


def _is_number(value: Any, traced: bool) -> bool:
    """Whether a constant is one number, perhaps repeated."""
    return value.size > 0 and (not any(value.strides) or (traced and bool((value == value.flat[0]).all())))


def leaf_label(node: Node, traced: bool) -> str:
    if node.op.name == "constant":
        return text.constant(node.value.flat[0]) if _is_number(node.value, traced) else "x"
    return node.op.symbol or node.op.name


def is_element(node: Node) -> bool:
    """Whether a slice takes one entry of the first axis, x[t]."""
    start, stop = node.attrs["start"], node.attrs["stop"]
    return stop[0] == start[0] + 1 and tuple(stop[1:]) == tuple(node.args[0].type.shape[1:]) and not any(start[1:])


def extent(node: Node) -> str:
    """'[2:4]' for a slice of one axis."""
    whole = node.args[0].type.shape
    cut = [(a, b) for a, b, s, n in zip(*(node.attrs[k] for k in ("start", "stop", "step")), whole, strict=True) if (a, b, s) != (0, n, 1)]
    steps = set(node.attrs["step"])
    if len(cut) != 1 or steps != {1}:
        return "slice"
    start, stop = cut[0]
    return f"[{start}]" if stop == start + 1 else f"[{start}:{stop}]"


def piece(node: Node) -> Node | None:
    """The part of a concatenation that a slice takes exactly, looking through parts that are concatenations themselves."""
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
    match = _TARGET.match(linecache.getline(filename, line))
    return match.group(1) if match and len(match.group(1)) <= 12 else None
