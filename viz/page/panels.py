"""The panels below the graph: values of all steps as heat maps and curves, gradient norms as rows of colour, and the memory.

A strip is one panel: one value over all steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import SettingError
from minigrad.graph.ir import Node, ancestors

from .. import heat, text
from ..accesses import over_slots
from ..colours import Colours
from ..errors import DrawingError
from ..panels import Panel, panels_of
from ..timeline import step_key
from ..wiring import Wiring
from .graph import packed, slot

# The bytes in a strip for no value, for one that is not finite, and for the greatest one. The last is even, so that 0 has a byte.
MISSING, BAD, LEVELS = 254, 255, 252
WIDEST = 512  # the most rows of a strip
HEAVIEST = 16_000_000  # the most bytes of the memory over all steps
GRADIENT_ROWS = 24
STATE, INPUT, WEIGHT, NAMED = range(4)  # kinds of gradient rows, in the order in which they stand
_MEMORY = ("add", "erase", "r", "usage", "M", "memory")
_IN_BLOCK = re.compile(r"^.*?\d+\]?\.")  # of a path, up to the number of the block
_INNER = ("w_content", "w_gated", "w_shifted")
INPUTS, MEMORY, GRADIENT, STATES, HEADS = "inputs and outputs", "memory", "gradient", "states and gates", "inside the heads"


@dataclass
class Series:
    """A value over time: the node that has it in each column (None without one), and the places of its numbers in the value of that node.

    width   set where each row is the norm of so many numbers
    at      of weights of a few slots of a memory: the nodes whose values, at the same places, name these;  slots    how many the memory has
    """

    nodes: list[Node | None]
    places: np.ndarray
    width: int = 0
    at: list[Node | None] | None = None
    slots: int = 0

    @property
    def present(self) -> np.ndarray:
        return np.array([n is not None for n in self.nodes])

    def values(self) -> np.ndarray:
        """The numbers in float64 or int64, the columns first, of weights those of all slots; 0 where there are none."""
        whole = all(n is None or n.type.dtype.kind in "iu" for n in self.nodes)
        shape = self.places.shape if self.at is None else (*self.places.shape[:-1], self.slots)
        out = np.zeros(shape, np.int64 if whole else np.float64)
        for t, node in enumerate(self.nodes):
            if node is None:
                continue
            numbers = np.asarray(node.value).ravel()[self.places[t]]
            if self.at is None:
                out[t] = numbers
            elif (named := self.at[t]) is not None:
                slots = np.asarray(named.value).ravel()[self.places[t]]
                np.add.at(out[t], (*np.indices(slots.shape)[:-1], slots), numbers)
        return out

    def rows(self, places: np.ndarray, width: int = 0) -> Series:
        """Some of its rows."""
        return replace(self, places=places.astype(np.int64), width=width)

    def over(self, named: Series, slots: int) -> Series:
        """Weights of a few slots, which another value names."""
        nodes = [n if a is not None else None for n, a in zip(self.nodes, named.nodes, strict=True)]
        return replace(self, nodes=nodes, at=named.nodes, slots=slots)


# What a gradient row adds up in each column: items, for the whole gradient of each, and (item, argument), for what reaches it there.
Parts = list[list[int | tuple[int, int]]]


def panels(
    outputs: Sequence[Node], wiring: Wiring, colours: Colours, given: Mapping[str, Any], examples: Sequence[int | None], notes: list[str]
) -> dict[str, Any]:
    """{"groups": [[name, strips]], "memory"} for the script of the page. `notes` gets what is left out."""
    timeline = wiring.timeline
    in_time = timeline.key_of is step_key  # of blocks the first axis need not be the batch: only gradients are shown
    recorded = [_recorded(outputs, wiring, e) if in_time else {} for e in examples]
    if given and not (in_time and timeline.end):
        notes.append(f"{', '.join(map(text.clean, given))}: left out, since there are no steps of time beside which they could stand")
        given = {}
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in (INPUTS, MEMORY, GRADIENT, STATES, HEADS)}
    everywhere = np.ones(timeline.end, bool)
    for name, array in _checked(given, timeline.end).items():
        same = next((r for r in recorded[0].values() if np.array_equal(r.values(), array)), None)
        for k, panel in enumerate(panels_of({name: array})):
            source = same.rows(panels_of({name: same.places})[k].values) if same is not None else None
            groups[INPUTS].append(_strip(Row(panel, everywhere, source), notes))
    if colours.gradient:
        groups[GRADIENT] = _gradients(wiring, colours, notes)
    memory = None
    outer = {"y", *(timeline.items[a].label + timeline.items[a].cut for step in wiring.steps for a in step.inputs)}
    for path in recorded[0]:
        stem = path.rsplit(".", 1)[-1]
        if given and stem in outer:
            continue
        for rows in zip(*(_rows(path, r[path]) for r in recorded), strict=True):
            if rows[0].panel.kind == "memory":
                memory = _memory(rows[0], notes) if memory is None or stem == "M" else memory
                rows = tuple(_norms(row) for row in rows)
            group = INPUTS if stem in outer else _group(path, stem, rows[0].panel.kind)
            whole = np.concatenate([row.panel.values for row in rows])
            for k, row in enumerate(Row(r.panel.on_scale_of(whole), r.present, r.source) for r in rows):
                member = {"member": examples[k], "second": k > 0} if len(rows) > 1 else {}
                groups[group].append({**_strip(row, [] if k else notes), **member})
    groups[MEMORY].sort(key=lambda s: s["order"])
    items = {i.node: i.index for i in timeline.items}
    for strip in (s for strips in groups.values() for s in strips):
        index = _item(strip["source"], items)
        strip["slot"] = "" if index is None else slot(wiring, index)
        strip["state"] = index is not None and wiring.slot.get(index) in wiring.stateful
    return {"groups": [[name, strips] for name, strips in groups.items() if strips], "memory": memory}


def members(wiring: Wiring, examples: Sequence[int | None]) -> list[int | None]:
    """These members of the batch, counted from its first one. Raises SettingError for one that it does not have."""
    lengths = sorted({shape[0] for shape in _shapes(wiring) if len(shape) > 1})
    found: list[int | None] = []
    for example in examples:
        at = example + lengths[0] if example is not None and example < 0 and len(lengths) == 1 else example
        if at is not None and not 0 <= at < min(lengths, default=at + 1):
            many = " or ".join(map(str, lengths)) or "an unknown number of"
            raise SettingError(f"example={example}: values have {many} members of a batch as first axis; None where there is no batch")
        found.append(at)
    return found


def _shapes(wiring: Wiring) -> Iterator[tuple[int, ...]]:
    """The shapes of inputs and named values of the steps."""
    for step in (s for s in wiring.steps if 0 <= s.number < wiring.timeline.end):
        for item in (wiring.items[a] for a in (*step.inputs, *step.items)):
            if isinstance(item.node.value, np.ndarray) and (item.leaf or item.named):
                yield item.node.value.shape[item.whole is not None :]


class Row(NamedTuple):
    """A panel of one member of the batch, in which columns it has a value, and where the values come from."""

    panel: Panel
    present: np.ndarray
    source: Series | None


def _rows(path: str, series: Series) -> Iterator[Row]:
    for panel, places in zip(panels_of({path: series.values()}), panels_of({path: series.places}), strict=True):
        yield Row(panel, series.present, series.rows(places.values))


def _norms(row: Row) -> Row:
    """The norms of the slots of a memory."""
    assert row.source is not None
    values = row.panel.values
    source = row.source.rows(row.source.places.reshape(len(values), -1), values.shape[2])
    norms = row.panel._replace(label=f"‖{row.panel.label}‖ of each slot", kind="values", values=np.linalg.norm(values, axis=2))
    return Row(norms, row.present, source)


def _item(source: Series | Parts | None, items: Mapping[Node, int]) -> int | None:
    """An item whose value, or whose gradient, a strip shows; None where it has none."""
    if source is None:
        return None
    if isinstance(source, Series):
        return next((items[n] for n in source.nodes if n in items), None)
    return next((part for parts in source for part in parts if isinstance(part, int)), None)


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
    """The named values, inputs and states of the steps, by path: write.g."""
    timeline = wiring.timeline
    column = {step_key(i.node): i.column for i in timeline.items if i.column is not None and not i.leaf}
    found: dict[str, dict[int, tuple[Node, np.ndarray]]] = {}

    def add(path: str, at: int | None, node: Node, places: np.ndarray | None = None) -> None:
        if at is not None and 0 <= at < timeline.end and isinstance(node.value, np.ndarray | np.generic):
            found.setdefault(path, {})[at] = node, _places(node.value) if places is None else places

    for step in wiring.steps:
        for index in step.inputs:
            item = timeline.items[index]
            value = item.node.value
            places = _places(value)[0] if item.whole is not None and isinstance(value, np.ndarray) else None
            add(item.label + item.cut, step.number, item.node, places)
    for node in ancestors(outputs):
        key = step_key(node)
        if key is None and node.name and "weights" in node.name:
            for t, row in enumerate(_map(node.value, timeline.end, example)):
                add(node.name, t, node, row)
        if key is None or not node.args or key.gradient:
            continue
        if node.name:
            add(".".join([*(s.name for s in node.origin.scopes[key.depth + 1 :]), node.name]), column.get(key), node)
    for state in wiring.stateful:
        for index in (i for i in range(len(timeline.items)) if wiring.slot.get(i) == state):
            item = timeline.items[index]
            if item.name and not item.named:
                add(item.name, item.column, item.node)
    stems = [k.rsplit(".", 1)[-1] for k in found]
    short = {k: k.rsplit(".", 1)[-1] if stems.count(k.rsplit(".", 1)[-1]) == 1 else k for k in found}
    every = {k: series for k, v in found.items() if (series := _stacked(v, timeline.end, example)) is not None}
    return {short[k]: series for k, series in _over_slots(every).items()}


def _over_slots(found: Mapping[str, Series]) -> dict[str, Series]:
    """The series, with weights of some rows of a memory as weights of all its slots."""
    sparse = over_slots({k: s.places.shape for k, s in found.items()}, lambda path: found[path].values())
    return {**found, **{path: found[path].over(found[rows], slots) for path, (rows, slots) in sparse.items()}}


def _places(value: Any) -> np.ndarray:
    """The place of each number of an array."""
    return np.arange(np.size(value)).reshape(np.shape(value))


def _map(value: Any, length: int, example: int | None) -> np.ndarray:
    """The places of attention weights (…, T, S) of all steps as (T, 1, …, S), one row for each step; no row for another shape."""
    one = _places(value)[0 if example is None else example] if isinstance(value, np.ndarray) and value.ndim > 2 else np.zeros((0, 0))
    return np.moveaxis(one, -2, 0)[:, None] if one.shape[-2] == length else one[:0]


def _stacked(found: Mapping[int, tuple[Node, np.ndarray]], length: int, example: int | None) -> Series | None:
    """The values of one example; None where shapes differ or are empty."""
    shapes = {p.shape for _, p in found.values()}
    if len(shapes) > 1 or 2 * len(found) < length:
        return None
    ones = {t: p[example] if example is not None and p.ndim > 1 else p for t, (_, p) in found.items()}
    first = next(iter(ones.values()))
    if not first.size:
        return None
    places = np.stack([ones.get(t, np.zeros_like(first)) for t in range(length)])
    return Series([found[t][0] if t in found else None for t in range(length)], places)


def _strip(row: Row, notes: list[str]) -> dict[str, Any]:
    """The data of a strip: {"label", "kind", "rows", "data", …}. Curves and classes are float32, heat maps bytes on the panel's scale."""
    panel, flat, present = row.panel, row.panel.rows, row.present
    strip = {"label": panel.label, "kind": panel.kind, "rows": flat.shape[1], "order": _order(panel.label), "source": row.source}
    if panel.kind in ("curves", "classes"):
        known = np.where(np.isfinite(flat), flat, np.inf)  # NaN: no value; infinity: not finite
        return {**strip, "data": packed(np.where(present[:, None], known, np.nan))}
    if flat.shape[1] > WIDEST:
        notes.append(f"{panel.label}: the first {WIDEST} of {flat.shape[1]} rows are shown")
        flat, strip["rows"] = flat[:, :WIDEST], WIDEST
    return {**strip, **_bytes(panel, flat, present)}


def _order(label: str) -> int:
    """The place of a strip in the group of the memory: first what is written, then the memory, then what is read."""
    words = label.split()
    ranks = {"erase": 0, "add": 1, "write": 2, "least": 2, "‖M‖": 3, "read": 4, "r": 5, "usage": 6}
    return next((ranks[w] for w in words if w in ranks), 7)


def _bytes(panel: Panel, flat: np.ndarray, present: np.ndarray) -> dict[str, Any]:
    level = heat.levels(flat, panel.low, panel.high, LEVELS)
    level = np.where(present[:, None], np.where(level < 0, BAD, level), MISSING)
    return {"tone": panel.tone, "low": panel.low, "high": panel.high, "data": packed(level, "u1")}


def _memory(row: Row, notes: list[str]) -> dict[str, Any] | None:
    """The memory (columns, slots, width) as bytes; None where it is too large."""
    panel = row.panel
    _, slots, width = panel.values.shape
    if panel.values.size > HEAVIEST:
        size = f"{panel.values.size / 1e6:.0f} million numbers"
        notes.append(f"{panel.label}: {size} over all steps are too many; the norms of its slots are shown")
        return None
    data = _bytes(panel, panel.rows, row.present)
    return {"label": panel.label, "slots": slots, "width": width, "source": row.source, **data}


# ---- gradients


def _gradients(wiring: Wiring, colours: Colours, notes: list[str]) -> list[dict[str, Any]]:
    """Gradient norms over time: of states, inputs and named values, and of the part of each weight's gradient that one step adds."""
    timeline = wiring.timeline
    rows: dict[tuple[int, str], tuple[np.ndarray, Parts]] = {}

    def add(rank: int, label: str, at: int, norm: float | None, part: int | tuple[int, int]) -> None:
        if norm is not None:
            row, parts = rows.setdefault((rank, label), (np.full(timeline.end, -1.0), [[] for _ in range(timeline.end)]))
            row[at] = norm if row[at] < 0 else math.hypot(row[at], norm)
            parts[at].append(part)

    for step in wiring.steps:
        if not 0 <= step.number < timeline.end:
            continue
        for index in (*step.items, *step.inputs):
            item = timeline.items[index]
            stateful = wiring.slot.get(index) in wiring.stateful
            if stateful or item.leaf or item.named:
                add(
                    STATE if stateful else INPUT if item.leaf else NAMED,
                    text.clean((item.name or item.label) + item.cut, 16),
                    step.number,
                    colours.norms.get(index),
                    index,
                )
        for index, chips in zip(step.items, step.chips, strict=True):
            for position, leaf in chips:
                if timeline.items[leaf].leaf:
                    add(WEIGHT, _weight(wiring, leaf), step.number, colours.edges.get((index, position)), (index, position))
    found = sorted(rows, key=lambda k: k[0])
    if len(found) > GRADIENT_ROWS:
        notes.append(f"gradient over time: the first {GRADIENT_ROWS} of {len(found)} values are shown")
    return [_row(label, *rows[rank, label]) for rank, label in found[:GRADIENT_ROWS]]


def _weight(wiring: Wiring, leaf: int) -> str:
    """The label of a weight's row. Weights of several blocks with one name in each, such as attention.W, are one row."""
    if wiring.timeline.key_of is step_key:
        return f"{wiring.chip(leaf)} at t"
    return text.ending(_IN_BLOCK.sub("", wiring.items[leaf].label), 20)


def _row(label: str, norms: np.ndarray, parts: Parts) -> dict[str, Any]:
    return {"label": label, "kind": "gradient", "rows": 1, "source": parts, "data": packed(norms)}
