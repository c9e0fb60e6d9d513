"""Rows of a drawing: loops that run backwards in time, and gradients, stand below the forward loop.

Each row is a timeline of its own. A value of another row is a labelled leaf in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from . import text
from .timeline import BEFORE, Column, Item, Timeline, step_key

MANY = 3  # of more values of one name from another row, one leaf shows all


@dataclass(frozen=True)
class Row:
    """A timeline with one direction of time. `backwards`: it is drawn from right to left; `gradient`: it is drawn upside down."""

    timeline: Timeline
    backwards: bool = False
    gradient: bool = False


def split(timeline: Timeline) -> list[Row]:
    """The rows of a timeline, from the top. Operations after rows that run backwards are the last row, without steps."""
    kinds = [kind for kind, _ in groupby((c.gradient, c.backwards) for c in timeline.columns)]
    if len(kinds) < 2 and not any(backwards for _, backwards in kinds):
        return [Row(timeline)]
    return _Splitter(timeline, kinds).rows()


class _Splitter:
    """Splits a timeline. The stage of an operation is 3·row before the steps of its row, 3·row + 1 in them, 3·row + 2 after them."""

    def __init__(self, timeline: Timeline, kinds: Sequence[tuple[bool, bool]]):
        self.timeline, self.items, self.kinds = timeline, timeline.items, kinds
        self.row: list[int] = []
        for n, (_, group) in enumerate(groupby((c.gradient, c.backwards) for c in timeline.columns)):
            self.row += [n] * len(list(group))
        self.both = self._both_directions()
        self.stage = [-1] * len(self.items)
        self._stages()

    def _both_directions(self) -> set[str | None]:
        """The names that values of forward loops and of backward loops have."""
        names: dict[bool, set[str | None]] = {False: set(), True: set()}
        for c in self.timeline.columns:
            if not c.gradient:
                names[c.backwards].update(self.items[i].called for i in c.items)
        return (names[False] & names[True]) - {None}

    def _stages(self) -> None:
        readers = self._first_readers()
        for item in self.items:
            if item.leaf:
                continue
            if step_key(item.node) is not None and item.column is not None:
                self.stage[item.index] = 3 * self.row[item.column] + 1
                continue
            after = max((self.stage[a] for a in item.args), default=-1)
            self.stage[item.index] = self._stage(item, after, readers[item.index])

    def _first_readers(self) -> list[int]:
        """For each item, the first row whose steps read it; the number of rows where no row does."""
        found = [len(self.kinds)] * len(self.items)
        for item in reversed(self.items):
            inside = not item.leaf and step_key(item.node) is not None and item.column is not None
            use = self.row[item.column] if inside and item.column is not None else found[item.index]
            for a in item.args:
                found[a] = min(found[a], use)
        return found

    def _stage(self, item: Item, after: int, use: int) -> int:
        """The stage of an operation without a step. `after`: the last stage it reads; `use`: the first row that reads it."""
        count = len(self.kinds)
        if after < 0:
            return 3 * (use if use < count else 0)
        at = after // 3
        if at == count:
            return after
        gradient, backwards = self.kinds[at]
        in_step = item.column is not None and 0 <= item.column < self.timeline.end
        if in_step and self.row[item.column or 0] == at and (use == at or at == count - 1):
            return 3 * at + 1
        if use < count and use > at and (item.node.origin.vjp_of is not None or backwards):
            return 3 * use
        if not gradient and use == count and (backwards or any(not g for g, _ in self.kinds[at + 1 :])):
            return 3 * count
        return after if after % 3 != 1 else after + 1

    # ---- the timelines of the rows

    def rows(self) -> list[Row]:
        found = [Row(self._timeline(n), backwards, gradient) for n, (gradient, backwards) in enumerate(self.kinds)]
        if any(s // 3 == len(self.kinds) for s in self.stage):
            found.append(Row(self._timeline(len(self.kinds))))
        return found

    def _timeline(self, n: int) -> Timeline:
        numbers = [c for c, row in enumerate(self.row) if row == n]
        place = {c: k for k, c in enumerate(numbers)}
        members = [i for i in self.items if not i.leaf and self.stage[i.index] // 3 == n]
        items = list(self.items)
        columns = [Column(c.label, c.loop, c.step, [], c.gradient, c.backwards) for c in (self.timeline.columns[k] for k in numbers)]
        before, after = [], []
        for item in members:
            stage = self.stage[item.index] % 3
            column = (BEFORE, place.get(item.column or 0, 0), len(numbers))[stage]
            (before, columns[column].items if stage == 1 else [], after)[stage].append(item.index)
            items[item.index] = replace(item, column=column, args=list(item.args))
        title = self.timeline.title if numbers else "after"
        made = Timeline(items, columns, before, after, self._outputs(n, members), title, self.timeline.notes)
        self._leaves(made, [i.index for i in members], n)
        return made

    def _outputs(self, n: int, members: Sequence[Item]) -> list[int]:
        """The results of the row, and the values of its steps that other rows read, gradients excepted."""
        inside = {i.index for i in members if self.stage[i.index] % 3 == 1}
        taken = {
            a
            for item in self.items
            if not item.leaf and self.stage[item.index] // 3 != n and not self._is_gradient(item)
            for a in item.args
            if a in inside
        }
        return [i.index for i in members if i.index in self.timeline.outputs or i.index in taken]

    def _is_gradient(self, item: Item) -> bool:
        row = self.stage[item.index] // 3
        return item.node.origin.vjp_of is not None or (row < len(self.kinds) and self.kinds[row][0])

    def _leaves(self, timeline: Timeline, members: Sequence[int], n: int) -> None:
        """Make the leaves of the row: those of the whole timeline, with columns of this row, and values of other rows."""
        items = timeline.items
        stands: dict[int, int] = self._together(members, n)
        used: dict[int, set[int]] = {}
        for index in members:
            item = items[index]
            item.args = [stands.get(a, a) for a in item.args]
            for a in item.args:
                if self.items[a].leaf or a in stands:
                    used.setdefault(a, set()).add(item.column if item.column is not None else BEFORE)
        several = {a: [b for b, c in stands.items() if c == a] for a in set(stands.values())}
        for a, columns in used.items():
            column = columns.pop() if len(columns) == 1 else None
            gradient = n < len(self.kinds) and self.kinds[n][0]
            if self.items[a].leaf == "start" and gradient:
                steps = [c.step for c in timeline.columns]
                before = min(steps) - 1 if timeline.columns[0].backwards else max(steps) + 1
                items[a] = replace(self.items[a], leaf="input", kind="reference", label=self.items[a].name or "start", at=str(before))
            elif self.items[a].leaf:
                items[a] = replace(self.items[a], column=column)
            else:
                items[a] = self._reference(a, several[a], None if gradient else column)

    def _together(self, members: Sequence[int], n: int) -> dict[int, int]:
        """The leaf that shows each value of another row: the value itself, or the first of many values of one name."""
        found: dict[int, int] = {}
        for index in members:
            foreign = [a for a in self.items[index].args if not self.items[a].leaf and self.stage[a] // 3 != n]
            kinds: dict[object, list[int]] = {}
            for a in foreign:
                kinds.setdefault((self.items[a].called or self.items[a].label, self.stage[a]), []).append(a)
            for group in kinds.values():
                for a in group:
                    found.setdefault(a, group[0] if len(group) > MANY else a)
        return found

    def _reference(self, a: int, members: Sequence[int], column: int | None) -> Item:
        """The leaf that shows a value of another row, or all these members."""
        item = self.items[a]
        name = text.clean(item.called or item.given or item.label, 16)
        if item.called in self.both and self.kinds[min(self.stage[a] // 3, len(self.kinds) - 1)] == (False, True):
            name += "←"
        if len(members) > MANY:
            steps = sorted(self.timeline.columns[self.items[m].column or 0].step for m in members)
            return replace(item, leaf="input", kind="reference", label=f"{text.indexed(name, steps[0])} … {text.indexed(name, steps[-1])}",
                           args=[], edges=[], column=column, at="")  # fmt: skip
        timed = item.column is not None and 0 <= item.column < self.timeline.end and self.stage[a] % 3 == 1
        at = str(self.timeline.columns[item.column or 0].step) if timed else ""
        return replace(item, leaf="input", kind="reference", label=name, args=[], edges=[], column=column, at=at)
