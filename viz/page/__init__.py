"""page(...): an unrolled graph as one offline HTML file, with values, gradients and memory on one time axis."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minigrad.errors import SettingError

from .. import gradients, named_parts, text, value_cell
from ..builder import build
from ..colours import Colours
from ..errors import DrawingError
from ..steps import laid_out
from ..timeline import Timeline, step_key
from ..unrolling import Unrolling, unroll
from ..value_cards import Seen
from ..wiring import Wiring
from .document import document
from .graph import graph
from .live import live, program_of
from .panels import members
from .panels import panels as panels_of

FEW = 16  # the level "op" is chosen for steps of at most so many operations
BUSY = 20_000  # for more operations the notes say how many there are


class Page:
    """A page: `.html`, `.save("x.html")`, and `.notes`, which say what is left out. A notebook shows it in a frame."""

    def __init__(self, html: str, title: str, notes: list[str]):
        self.html, self.title, self.notes = html, title, notes

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all. Gives the path. Raises OSError."""
        target = Path(path)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            file.write(self.html.encode())
        os.chmod(file.name, 0o644)
        os.replace(file.name, target)
        return target

    def __repr__(self) -> str:
        return f"<Page {self.title or 'untitled'}: {len(self.html) / 1e6:.1f} MB>"

    def _repr_html_(self) -> str:
        frame = 'sandbox="allow-scripts" style="width:100%;height:720px;border:1px solid #8884"'
        return f'<iframe title="{html.escape(self.title)}" {frame} srcdoc="{html.escape(self.html)}"></iframe>'


def page(
    what: Any,
    *args: Any,
    level: str | None = None,
    steps: int | None = None,
    panels: Mapping[str, Any] | None = None,
    example: int | Sequence[int] | None = 0,
    title: str = "",
) -> Page:
    """Draw time as columns that readers move, zoom, search, open and close. Below stand values, gradients and memory over time.

    Without time, the columns are the numbered blocks of a network, such as those of a transformer, and below stand gradients alone.

    what      as for `unrolled`: a tensor (or several), a Graph, or a function or model, and its arguments
    level     what an open step shows: "cell" (LSTM, GRU and RNN as in textbooks; cells such as a DeltaNet or an S6 by their values, as
              `unrolled` does), "gate" (one box for each source line), "op" (every operation) or "box" (nothing); the default is "cell"
              where every step is such a cell, by its values only if the page computes them, "op" for other steps of few operations, else
              "gate"
    steps     unroll each loop only so far
    panels    {name: array with the steps as first axis}, shown first, such as inputs and targets; left out where there is no time
    example   the member of the batch whose values are shown: an index into the first axis of values with two or more axes; (0, 1) shows
              two members, one below the other; None where there is no batch

    Gradients are shown where the first result is a float scalar. The file needs no network. On it readers

    * point at a slot of the memory: when it was written, from which input, and when it is read
    * take the gradients of any value, or what the loss gets through it, in place of those of the loss, and play them back in time
    * see the entries of a value and of its gradient, change them, cut connections, and have all computed again
    * select a stretch of time and find those whose states are like it
    * show one pane in large type, move the bars between panes, print, and copy an address that restores what is shown and changed

    The page carries the graph with its weights and inputs. A bit of an input, a slot of the memory, a gate or a weight is set or
    multiplied, at one step, in every step, or from a step on; a connection is cut, so that 0 is read there. What is set is a constant: it
    has a gradient, and none passes back through it. The gradient of what is multiplied is that of the product. "Difference from the
    recording" shows in all panes what the changes did. Where the script cannot compute a graph, the notes say why.

    Raises DrawingError for something that cannot be drawn or has no values, and SettingError for an unknown level or member of the batch.
    """
    if level not in (None, "op", "gate", "cell", "box"):
        raise SettingError(f"level={level!r} is unknown: take 'op', 'gate', 'cell' or 'box'")
    examples = [example] if example is None or isinstance(example, int) else list(example)
    if not examples:
        raise SettingError("example=() names no member of the batch: take an index such as 0, or None where there is no batch")
    unrolling = unroll(what, args, steps, values=True)
    first, outputs = unrolling.outputs[0], [o.node for o in unrolling.outputs]
    differentiable = first.is_concrete and first.size == 1 and first.type.is_float
    notes: list[str] = []
    program = program_of(outputs, first.node if differentiable else None, notes)
    wiring = _wiring(unrolling, level, program is not None, notes)
    examples = members(wiring, examples)
    if any(s.fixed is not None and s.fixed.heats for s in wiring.steps):
        notes += value_cell.left_out(wiring, Seen(wiring))
    colours = gradients.colours(wiring.timeline, first) if differentiable else Colours()
    if not differentiable:
        notes.append(f"no gradient: the first result is {first.type}, not a float scalar")
    if len(wiring.items) > BUSY:
        notes.append(f"{len(wiring.items):,} operations; only what is in view is drawn, and open steps in outline when small")
    words = text.clean(title or unrolling.title.strip("<>") or "graph", 80)
    data = {
        "title": words,
        "gradient": colours.gradient,
        "axis": wiring.timeline.axis,
        "unit": "step" if wiring.timeline.key_of is step_key else wiring.timeline.axis,
        "columns": [[c.label, c.step] for c in wiring.timeline.columns],
        **graph(wiring, colours),
        **panels_of(outputs, wiring, colours, panels or {}, examples, notes),
        "notes": notes,
    }
    data["live"] = live(program, wiring, data, examples[0])
    return Page(document(data), words, notes)


def _wiring(unrolling: Unrolling, level: str | None, computed: bool, notes: list[str]) -> Wiring:
    """The wiring at this level, or at the level that suits the graph best. Cards have no numbers where the page does not compute them."""
    if level is not None:
        return laid_out(_timeline(unrolling, level), level)
    drawn = laid_out(_timeline(unrolling, "cell", cards=computed), "cell")
    steps = [s for s in drawn.steps if s.label]
    if steps and all(s.fixed is not None and not s.fixed.entry for s in steps):
        return drawn
    suitable = "op" if max(len(s.items) for s in drawn.steps) <= FEW else "gate"
    try:
        return laid_out(_timeline(unrolling, suitable), suitable)
    except DrawingError as error:
        notes.append(f"steps stay closed: {error}")
        return drawn


def _timeline(unrolling: Unrolling, level: str, cards: bool = True) -> Timeline:
    timeline = build([o.node for o in unrolling.outputs], unrolling.title, unrolling.leaves, level, blocks=True)
    if level == "cell" and cards:
        named_parts.assign(timeline, memories=False)
    return timeline


__all__ = ["Page", "page"]
