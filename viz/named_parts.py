"""The parts of a step by its named values: each with the operations that lead to it alone. The other operations are boxes.

A box is what several parts read: all such operations of one scope within the step, or else each of them by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from . import families, parts
from .families import Known, family_of
from .parts import Part
from .scopes import inner
from .timeline import Item, Timeline


class Parts:
    """The parts of a step in the order of computation.

    through   an operation that only moves elements of one value, for several parts -> that value: it is drawn as it
    """

    def __init__(self, parts: list[Part], through: dict[int, int]):
        self.parts, self.through = parts, through
        self.owner = {i: part for part in parts for i in part.items}

    def source(self, a: int) -> int:
        """The value that is drawn in place of this one."""
        while a in self.through:
            a = self.through[a]
        return a

    def ordered(self, items: Sequence[Item]) -> list[Part]:
        """The parts, each after those that it reads; none where a part depends on itself."""
        reads = {part.name: self._read_by(items, part) for part in self.parts}
        found: list[Part] = []
        while len(found) < len(self.parts):
            free = [p for p in self.parts if p.name in reads and not reads[p.name]]
            if not free:
                return []
            found += free
            names = {p.name for p in free}
            reads = {name: sources - names for name, sources in reads.items() if name not in names}
        return found

    def _read_by(self, items: Sequence[Item], part: Part) -> set[str]:
        sources = (self.owner.get(self.source(a)) for i in part.items for a in items[i].args)
        return {p.name for p in sources if p is not None and p is not part}


def assign(timeline: Timeline, memories: bool = True) -> None:
    """Tell each item of a step of a known family to which part it belongs, and with `memories` of other steps with a memory likewise."""
    known = families.of(timeline)
    for number, column in enumerate(timeline.columns):
        found = of_step(timeline, column.items, known[number]).parts if number in known else []
        if memories and number not in known:
            found = parts.parts_of(timeline.items, column.items)[1]
        for part in found:
            for index in part.items:
                timeline.items[index].part = f"{number}.{part.name}"


def of_step(timeline: Timeline, members: Sequence[int], known: Known) -> Parts:
    """The parts of a step of known families."""
    items, inside = timeline.items, set(members)
    kept = {i for i in members if items[i].named or i in timeline.outputs}
    for item in items:
        if item.index not in inside and item.node.origin.vjp_of is None:
            kept.update(a for a in item.args if a in inside)
    for by_scope in (True, False):
        found = _Divider(items, members, kept, known, by_scope).found()
        found.parts = found.ordered(items)
        if found.parts:
            break
    return found


class _Divider:
    """Divides a step into parts. `kept` are parts of their own, but those in scopes that are one box each."""

    def __init__(self, items: Sequence[Item], members: Sequence[int], kept: Collection[int], known: Known, by_scope: bool):
        self.items, self.members, self.kept, self.known, self.by_scope = items, members, kept, known, by_scope
        self.paths = {i: tuple(inner(items[i])) for i in members}
        self.readers: dict[int, dict[str, Part]] = {i: {} for i in members}
        self.parts: dict[str, Part] = {}

    def found(self) -> Parts:
        owner: dict[int, Part] = {}
        through: dict[int, int] = {}
        for i in reversed(self.members):
            item, readers = self.items[i], self.readers[i]
            args = [a for a in item.args if a in self.readers]
            if i not in self.kept and len(readers) > 1 and item.kind == "move" and len(item.args) == 1:
                through[i], owner[i] = item.args[0], next(iter(readers.values()))
                for a in args:
                    self.readers[a] |= readers
                continue
            owner[i] = self._part(i, list(readers.values()))
            for a in args:
                self.readers[a][owner[i].name] = owner[i]
        for i in self.members:
            if i in through:
                owner[i] = owner.get(through[i], owner[i])
            owner[i].items.append(i)
        return Parts(list(self.parts.values()), through)

    def _part(self, i: int, readers: Sequence[Part]) -> Part:
        path = self.paths[i]
        whole = path[:1] if self.by_scope and path and path[0] in family_of(self.known, self.items[i]).boxes.split() else ()
        if i in self.kept and not whole:
            return self.parts.setdefault(f"v{i}", Part("value", f"v{i}", self.items[i].called or self.items[i].label, ".".join(path), i))
        if len(readers) == 1 and not whole and not (self.by_scope and path and ".".join(path) != readers[0].scope):
            return readers[0]
        scope = ".".join(whole or path) if self.by_scope else ""
        return self.parts.setdefault(f"box {scope or i}", Part("box", f"box {scope or i}", (whole or path)[-1] if scope else "", scope))
