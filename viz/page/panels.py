"""The panels below the graph: values of all steps as heat maps and curves, gradient norms as rows of colour, and the memory.

A strip is one panel: one value over all steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.graph.ir import Node, ancestors

from .. import text
from ..colours import Colours
from ..errors import DrawingError
from ..plots import rows_of
from ..timeline import step_key
from ..wiring import Wiring
from .graph import packed, slot

MISSING, BAD, LEVELS = 254, 255, 253  # the bytes in a strip for no value, for one that is not finite, and for the greatest one
WIDEST = 512  # the most rows of a strip
HEAVIEST = 16_000_000  # the most bytes of the memory over all steps
GRADIENT_ROWS = 24
STATE, INPUT, WEIGHT, NAMED = range(4)  # kinds of gradient rows, in the order in which they stand
_MEMORY = ("add", "erase", "r", "usage", "M", "memory")
_INNER = ("w_content", "w_gated", "w_shifted")
INPUTS, MEMORY, GRADIENT, STATES, HEADS = "inputs and outputs", "memory", "gradient", "states and gates", "inside the heads"


class Series(NamedTuple):
    """A value over time: the columns first, which of them have a value, its slot in the graph ("": it has none), whether it is a state."""

    array: np.ndarray
    present: np.ndarray
    slot: str = ""
    state: bool = False


def panels(
    outputs: Sequence[Node], wiring: Wiring, colours: Colours, given: Mapping[str, Any], example: int | None, notes: list[str]
) -> dict[str, Any]:
    """{"groups": [[name, strips]], "memory"} for the script of the page. `notes` gets what is left out."""
    timeline = wiring.timeline
    recorded = _recorded(outputs, wiring, example)
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in (INPUTS, MEMORY, GRADIENT, STATES, HEADS)}
    everywhere = np.ones(timeline.end, bool)
    for label, kind, array in rows_of(_checked(given, timeline.end)) if given else []:
        groups[INPUTS].append(_strip(label, kind, Series(array, everywhere), notes))
    if colours.gradient:
        groups[GRADIENT] = _gradients(wiring, colours, notes)
    memory = None
    outer = {"y", *(timeline.items[a].label for step in wiring.steps for a in step.inputs)}
    for path, series in recorded.items():
        stem = path.rsplit(".", 1)[-1]
        if given and stem in outer:
            continue
        for label, kind, values in rows_of({path: series.array}):
            if kind == "memory":
                memory = _memory(label, values, series.present, notes) if memory is None or stem == "M" else memory
                label, kind, values = f"‖{label}‖ of each slot", "values", np.linalg.norm(values, axis=2)
            group = INPUTS if stem in outer else _group(path, stem, kind)
            groups[group].append(_strip(label, kind, series._replace(array=values), notes))
    groups[MEMORY].sort(key=lambda s: s["order"])
    return {"groups": [[name, strips] for name, strips in groups.items() if strips], "memory": memory}


def _group(path: str, stem: str, kind: str) -> str:
    if stem in _INNER or (path.split(".")[0] in ("read", "write") and stem not in _MEMORY and not stem.startswith("w_")):
        return HEADS
    return MEMORY if stem in _MEMORY or kind == "weights" else STATES


def _checked(given: Mapping[str, Any], length: int) -> dict[str, np.ndarray]:
    """The panels of the user as arrays. Raises DrawingError where one has another number of steps."""
    found = {}
    for name, value in given.items():
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 0 or len(array) != length:
            raise DrawingError(f"page: panel {text.clean(name)} has shape {array.shape}, but there are {length} steps (the first axis)")
        found[name] = array
    return found


# ---- values


def _recorded(outputs: Sequence[Node], wiring: Wiring, example: int | None) -> dict[str, Series]:
    """The named values, inputs and states of the steps: {"write.g": its series}."""
    timeline = wiring.timeline
    items = {i.node: i.index for i in timeline.items}
    column = {step_key(i.node): i.column for i in timeline.items if i.column is not None and not i.leaf}
    found: dict[str, dict[int, np.ndarray]] = {}
    of: dict[str, int] = {}  # path -> one of its items

    def add(path: str, at: int | None, value: Any, index: int | None = None) -> None:
        if at is not None and 0 <= at < timeline.end and isinstance(value, np.ndarray | np.generic):
            found.setdefault(path, {})[at] = np.asarray(value)
            if index is not None:
                of.setdefault(path, index)

    for step in wiring.steps:
        for index in step.inputs:
            item = timeline.items[index]
            value = item.node.value
            add(item.label, step.number, value[0] if item.whole is not None and isinstance(value, np.ndarray) else value, index)
    for node in ancestors(outputs, lambda n: False):
        key = step_key(node)
        if key is None and node.name and "weights" in node.name:
            for t, row in enumerate(_map(node.value, timeline.end, example)):
                add(node.name, t, row)
        if key is None or not node.args or key.gradient:
            continue
        if node.name:
            depth = next(i for i, s in enumerate(node.origin.scopes) if s.step is not None)
            path = ".".join([*(s.name for s in node.origin.scopes[depth + 1 :]), node.name])
            add(path, column.get(key), node.value, items.get(node))
    for state in wiring.stateful:
        for index in (i for i in range(len(timeline.items)) if wiring.slot.get(i) == state):
            item = timeline.items[index]
            if item.name and not item.named:
                add(item.name, item.column, item.node.value, index)
    stems = [k.rsplit(".", 1)[-1] for k in found]
    short = {k: k.rsplit(".", 1)[-1] if stems.count(k.rsplit(".", 1)[-1]) == 1 else k for k in found}
    return {
        short[k]: Series(*pair, *((slot(wiring, of[k]), wiring.slot.get(of[k]) in wiring.stateful) if k in of else ()))
        for k, v in found.items()
        if (pair := _stacked(v, timeline.end, example)) is not None
    }


def _map(value: Any, length: int, example: int | None) -> np.ndarray:
    """Attention weights (…, T, S) of all steps as (T, 1, …, S), one row for each step; no row if the array has another shape."""
    one = value[0 if example is None else example] if isinstance(value, np.ndarray) and value.ndim > 2 else np.zeros((0, 0))
    return np.moveaxis(one, -2, 0)[:, None] if one.shape[-2] == length else one[:0]


def _stacked(values: Mapping[int, np.ndarray], length: int, example: int | None) -> tuple[np.ndarray, np.ndarray] | None:
    """(the values of one example with the steps first, which steps have a value); None where shapes differ or are empty."""
    shapes = {v.shape for v in values.values()}
    if len(shapes) > 1 or 2 * len(values) < length:
        return None
    first = next(iter(values.values()))
    one = first[example] if example is not None and first.ndim > 1 else first
    if not one.size:
        return None
    out, present = np.zeros((length, *one.shape)), np.zeros(length, bool)
    for t, v in values.items():
        out[t], present[t] = (v[example] if example is not None and v.ndim > 1 else v), True
    return out, present


def _strip(label: str, kind: str, series: Series, notes: list[str]) -> dict[str, Any]:
    """The data of a strip: {"label", "kind", "rows", "data", …}. Curves are float32; heat maps are bytes."""
    flat, present = series.array.reshape(len(series.array), -1), series.present
    words = {"label": label.replace("\\$", "$"), "kind": kind, "slot": series.slot, "state": series.state}
    strip: dict[str, Any] = {**words, "rows": flat.shape[1], "order": _order(label)}
    if kind == "curves":
        known = np.where(np.isfinite(flat), flat, np.inf)  # NaN: no value; infinity: not finite
        return {**strip, "data": packed(np.where(present[:, None], known, np.nan))}
    if flat.shape[1] > WIDEST:
        notes.append(f"{strip['label']}: the first {WIDEST} of {flat.shape[1]} rows are shown")
        flat, strip["rows"] = flat[:, :WIDEST], WIDEST
    return {**strip, **_bytes(flat, present, kind)}


def _order(label: str) -> int:
    """The place of a strip in the group of the memory: first what is written, then the memory, then what is read."""
    words = label.split()
    ranks = {"erase": 0, "add": 1, "write": 2, "least": 2, "‖M‖": 3, "read": 4, "r": 5, "usage": 6}
    return next((ranks[w] for w in words if w in ranks), 7)


def _bytes(flat: np.ndarray, present: np.ndarray, kind: str = "values") -> dict[str, Any]:
    finite = flat[np.isfinite(flat)]
    high = float(np.abs(finite).max()) if finite.size else 1.0
    high = high or 1.0
    low = -high if kind != "weights" and finite.size and float(finite.min()) < 0 else 0.0
    with np.errstate(all="ignore"):
        level = np.where(np.isfinite(flat), np.rint((np.clip(flat, low, high) - low) / (high - low) * LEVELS), BAD)
    level = np.where(present[:, None], level, MISSING)
    return {"low": low, "high": high, "data": packed(level, "u1")}


def _memory(label: str, array: np.ndarray, present: np.ndarray, notes: list[str]) -> dict[str, Any] | None:
    """The memory (columns, slots, width) as bytes; None where it is too large."""
    length, slots, width = array.shape
    if array.size > HEAVIEST:
        notes.append(f"{label}: {array.size / 1e6:.0f} million numbers over all steps are too many; the norms of its slots are shown")
        return None
    return {"label": label, "slots": slots, "width": width, **_bytes(array.reshape(length, -1), present)}


# ---- gradients


def _gradients(wiring: Wiring, colours: Colours, notes: list[str]) -> list[dict[str, Any]]:
    """Gradient norms over time: of states, inputs and named values, and of the part of each weight's gradient that one step adds."""
    timeline = wiring.timeline
    rows: dict[tuple[int, str], np.ndarray] = {}
    slots: dict[tuple[int, str], str] = {}

    def add(rank: int, label: str, at: int, norm: float | None, slot: str = "") -> None:
        if norm is not None:
            slots.setdefault((rank, label), slot)
            row = rows.setdefault((rank, label), np.full(timeline.end, -1.0))
            row[at] = norm if row[at] < 0 else math.hypot(row[at], norm)

    for step in wiring.steps:
        if not 0 <= step.number < timeline.end:
            continue
        for index in (*step.items, *step.inputs):
            item = timeline.items[index]
            stateful = wiring.slot.get(index) in wiring.stateful
            if stateful or item.leaf or item.named:
                add(
                    STATE if stateful else INPUT if item.leaf else NAMED,
                    text.clean(item.name or item.label, 16),
                    step.number,
                    colours.norms.get(index),
                    slot(wiring, index),
                )
        for index, chips in zip(step.items, step.chips, strict=True):
            for position, leaf in chips:
                if timeline.items[leaf].leaf:
                    add(WEIGHT, wiring.chip(leaf), step.number, colours.edges.get((index, position)))
    found = sorted(rows, key=lambda k: k[0])
    if len(found) > GRADIENT_ROWS:
        notes.append(f"gradient over time: the first {GRADIENT_ROWS} of {len(found)} values are shown")
    return [_row(*key, rows[key], slots[key]) for key in found[:GRADIENT_ROWS]]


def _row(rank: int, label: str, norms: np.ndarray, slot: str) -> dict[str, Any]:
    words = f"{label} at t" if rank == WEIGHT else label
    return {"label": words, "kind": "gradient", "slot": slot, "state": rank == STATE, "rows": 1, "data": packed(norms)}
