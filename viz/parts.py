"""The parts of a step with a memory, as its scopes and names tell: controller, heads, weightings, memory, readout.

The memory is the value named M, (batch, slots, width). Values over its slots with the name of a weighting, such as w_read or
usage, are parts of their own; a scope with weightings is a head, a scope without them a box. An operation without a name
belongs to the part that alone reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from minigrad.graph.ir import Node

from . import text
from .timeline import Item, step_key

WEIGHTS = ("w", "usage", "least", "attention", "weight", "allocation", "precedence", "forward", "backward")
MEMORY = ("M", "memory", "links")
NUMBERS = 8  # a named value of at most so many numbers is a parameter of its head
HEADS, READOUT = "heads", "readout"  # the boxes of operations without a scope: those that lead to a head, and the others


@dataclass(eq=False)
class Part:
    """A part of a step.

    kind     "box", "head" (what its weightings share), "weighting" (over slots), "memory", "links" (slots × slots), "vector" (as wide as
             a slot), "number", or "shared" (computed from one state alone, and read by several parts: it is drawn as that state)
    name     no other part of the step has it;  label    the name of its value, or of its scope
    scope    the scope within the step, "" without one;  value    the item that it shows, None for a box
    """

    kind: str
    name: str
    label: str
    scope: str
    value: int | None = None
    items: list[int] = field(default_factory=list)

    @property
    def slotted(self) -> bool:
        """Whether the slots of the memory are its rows."""
        return self.kind in ("weighting", "memory", "links")


class Memory(NamedTuple):
    """The sizes of a memory, and how many axes stand before them: 1 for a batch, or 0."""

    slots: int
    width: int
    lead: int


def parts_of(items: Sequence[Item], members: Sequence[int]) -> tuple[Memory, list[Part]]:
    """The memory of a step and its parts in the order of computation; no parts for a step without a memory."""
    loops = {key.loop for i in members if (key := step_key(items[i].node))}
    gradient = any(items[i].node.origin.vjp_of is not None for i in members)
    finder = _Finder(items, members)
    if len(loops) != 1 or gradient or finder.memory is None:
        return Memory(0, 0, 0), []
    return finder.sizes, finder.parts()


def is_weighting(name: str) -> bool:
    """Whether a value of this name is a weighting: w_read, usage, allocation."""
    return name.startswith(("w_", "w ")) or any(name == w or (len(w) > 1 and w in name) for w in WEIGHTS)


def inner_scope(node: Node) -> str:
    """The scope of a node within its step; "" where it has none."""
    scopes = node.origin.scopes
    depth = next((i for i, s in enumerate(scopes) if s.step is not None), len(scopes))
    return scopes[depth + 1].name if depth + 1 < len(scopes) else ""


class _Finder:
    def __init__(self, items: Sequence[Item], members: Sequence[int]):
        self.items, self.members = items, members
        self.scope = {i: inner_scope(items[i].node) for i in members}
        self.named = self._named(lambda item: item.named)
        if not self._memories():
            self.named = self._named(lambda item: item.name is not None)
        found = self._memories()
        self.memory = found[-1] if found else None
        if self.memory is not None:
            *lead, slots, width = self._dims(self.memory)
            self.sizes = Memory(slots, width, len(lead))

    def _named(self, counts: object) -> dict[int, str]:
        """The items with a name; of several with one name in one scope, the last."""
        last = {(self.scope[i], self.items[i].name): i for i in self.members if counts(self.items[i])}  # type: ignore[operator]
        return {i: text.plain(name or "") for (_, name), i in last.items()}

    def _memories(self) -> list[int]:
        return [i for i, name in self.named.items() if name in MEMORY[:2] and len(self._dims(i)) in (2, 3)]

    def _dims(self, index: int) -> tuple[int, ...]:
        return tuple(int(n) for n in getattr(self.items[index].node.type, "shape", ()))

    def _kind(self, index: int) -> str:
        """The kind of part that a named value is; "" for none."""
        if index == self.memory:
            return "memory"
        name, dims, (slots, width, lead) = self.named[index], self._dims(index), self.sizes
        if len(dims) - lead not in (1, 2) or not dims:
            return ""
        if name in MEMORY[2:] and dims[-2:] == (slots, slots):
            return "links"
        if dims[-1] == slots and is_weighting(name):
            return "weighting"
        return "vector" if dims[-1] == width else "number" if dims[-1] <= NUMBERS else ""

    def parts(self) -> list[Part]:
        """All parts. Empty where an operation can belong to none."""
        kinds = {i: self._kind(i) for i in self.named}
        self.heads = {self.scope[i] for i, kind in kinds.items() if kind == "weighting"} - {""}
        self.found: dict[str, Part] = {}
        self.owner: dict[int, Part] = {}
        for i in sorted(kinds):
            slotted = kinds[i] in ("memory", "links", "weighting")
            if slotted or (kinds[i] and self.scope[i] in self.heads):
                self._give(i, self._part(kinds[i], f"{self.scope[i]}/{self.named[i]}", self.named[i], self.scope[i], i))
        over_slots = self._over_slots()
        for i in sorted(i for i in kinds if kinds[i] == "vector" and not self.scope[i] and i not in self.owner and over_slots[i]):
            self._give(i, self._part("vector", f"/{self.named[i]}", self.named[i], "", i))
        self._give_rest()
        if len(self.owner) < len(self.members):
            return []
        return sorted(self.found.values(), key=lambda p: max(p.items) if p.value is None else p.value)

    def _part(self, kind: str, name: str, label: str, scope: str, value: int | None = None) -> Part:
        return self.found.setdefault(name, Part(kind, name, label, scope, value))

    def _give(self, index: int, part: Part) -> None:
        self.owner[index] = part
        part.items.append(index)

    def _give_rest(self) -> None:
        """Give each other operation to the part that alone reads it, or else to its head or to a box."""
        readers: dict[int, set[str]] = {i: set() for i in self.members}
        over_slots, states = self._over_slots(), self._states()
        for i in reversed(self.members):
            if i not in self.owner:
                part = self._place(i, readers[i], over_slots[i], states[i])
                if part is None:
                    return
                self._give(i, part)
            for a in self.items[i].args:
                if a in readers:
                    readers[a].add(self.owner[i].name)

    def _over_slots(self) -> dict[int, bool]:
        """Whether an operation reads a value over the slots, of this step or the one before, also through other operations."""
        names = {p.label for p in self.found.values() if p.slotted}
        found: dict[int, bool] = {}
        for i in self.members:
            owner = self.owner.get(i)
            found[i] = owner.slotted if owner else any(found.get(a, self._is_state(a, names)) for a in self.items[i].args)
        return found

    def _states(self) -> dict[int, set[int] | None]:
        """The states from which alone, and from numbers, an operation without a part is computed; None where it reads more."""
        names = {p.label for p in self.found.values() if p.slotted}
        found: dict[int, set[int] | None] = {}
        for i in self.members:
            reads: set[int] | None = None if i in self.owner else set()
            for a in self.items[i].args:
                more = found[a] if a in found else {a} if self._is_state(a, names) else set() if self.items[a].leaf == "number" else None
                reads = None if reads is None or more is None else reads | more
            found[i] = reads
        return found

    def _is_state(self, a: int, names: set[str]) -> bool:
        return self.items[a].leaf in ("", "start") and self.items[a].name in names

    def _place(self, index: int, readers: set[str], over_slots: bool, states: set[int] | None) -> Part | None:
        scope, item = self.scope[index], self.items[index]
        scopes = {self.found[r].scope for r in readers}
        sole = self.found[next(iter(readers))] if len(readers) == 1 else None
        if scope and scope not in self.heads:
            return self._part("box", scope, scope, scope)
        if sole is not None and sole.kind not in ("box", "head") and (scope or over_slots):
            return sole
        if item.kind == "move" and len(item.args) == 1 and item.args[0] in self.owner and self.owner[item.args[0]].slotted:
            return self.owner[item.args[0]]
        if over_slots and states is not None and len(states) == 1:
            return self._part("shared", f"shared {min(states)}", "", "")
        if scope and (over_slots or scopes <= {scope}):
            return self._part("head", scope, scope, scope)
        if over_slots:
            return None
        return self._part("box", READOUT if not readers - {READOUT} else HEADS, "", "")
