"""The operations outside the steps of loops as blocks: attention, sublayers, readouts.

An operation without a name becomes part of the value that alone is computed from it. What several values read, and what is added to a
value that it is computed from itself (a residual connection), is a block of its own, with the names of the weights in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import text
from .timeline import Item, Timeline

BLOCK = "block"  # the part of an item that stands for a block
FEW = 3  # so many names of weights are a label


def assign(timeline: Timeline) -> None:
    """Make blocks of the operations before and after the steps, and say in the notes how many."""
    many = len(timeline.before) + len(timeline.after)
    for members in (timeline.before, timeline.after):
        folded = _Folder(timeline, members)
        members[:] = [i for i in members if folded.root[i] == i]
        for root in members:
            folded.merge(root)
        folded.close()
    few = len(timeline.before) + len(timeline.after)
    if few < many:
        timeline.notes.append(f"{many} operations outside the steps are drawn as {few} blocks; level='gate' or 'op' draws them")


class _Folder:
    def __init__(self, timeline: Timeline, members: Sequence[int]):
        self.timeline, self.items, self.members = timeline, timeline.items, list(members)
        inside = set(members)
        self.readers: dict[int, list[int]] = {i: [] for i in members}
        for item in self.items:
            for a in item.args:
                if a in inside:
                    self.readers[a].append(item.index)
        kept = {i for i in members if self.items[i].named or i in timeline.outputs} | self._added()
        self.root: dict[int, int] = {}
        for i in reversed(self.members):
            roots = {self.root.get(r, -1) for r in self.readers[i]}
            sole = roots.pop() if len(roots) == 1 else -1
            self.root[i] = sole if i not in kept and sole >= 0 and self._folds(sole) else i
        self.group: dict[int, list[int]] = {}
        for i in self.members:
            self.group.setdefault(self.root[i], []).append(i)

    def _folds(self, root: int) -> bool:
        """Whether operations become part of this value: a named one, one with weights, or a shared one, but no residual sum or loss."""
        return root not in self.sums and root not in self.losses

    def _added(self) -> set[int]:
        """What is added to a value from which it is computed."""
        self.sums: set[int] = set()
        self.losses = self._losses()
        found: set[int] = set()
        for i in self.members:
            args = [a for a in self.items[i].args if a in self.readers]
            if self.items[i].node.op.name == "add" and len(args) == 2:
                a, b = sorted(args)
                if a != b and self._computed_from(b, a):
                    self.sums.add(i)
                    found |= {i, b}
        return found

    def _losses(self) -> set[int]:
        """The operations after the last value with a name or a weight: they make the loss, and stay as they are."""
        found: set[int] = set()
        for i in reversed(self.members):
            leaves = any(self.items[a].leaf == "parameter" for a in self.items[i].args)
            if not self.items[i].named and not leaves and all(r in found for r in self.readers[i]):
                found.add(i)
        return found

    def _computed_from(self, value: int, other: int) -> bool:
        reached = {value}
        for i in reversed(self.members[: self.members.index(value) + 1]):
            if i in reached:
                if i == other:
                    return True
                reached.update(self.items[i].args)
        return False

    def merge(self, root: int) -> None:
        """Give a block the arguments of all its operations, each once, with all edges by which they arrive, and its label."""
        group, item = self.group[root], self.items[root]
        found: dict[int, list[tuple[object, int]]] = {}
        for i in group:
            for a, edges in zip(self.items[i].args, self.items[i].edges, strict=True):
                target = self.root.get(a, a)
                if target != root:
                    found.setdefault(target, []).extend(edges)
        if len(group) == 1:
            item.part = BLOCK * item.named
            item.args = [self.root.get(a, a) for a in item.args]
            return
        item.args, item.edges = list(found), list(found.values())  # type: ignore[arg-type]
        item.folded, item.part = True, BLOCK
        item.kind = "layer" if any(self.items[i].kind == "affine" for i in group) else item.kind
        item.label = self._label(item, group)

    def close(self) -> None:
        """Take the operations for which blocks stand out of the drawing."""
        for i in self.members:
            if self.root[i] != i:
                self.items[i].leaf, self.items[i].args, self.items[i].edges = "block", [], []

    def _label(self, item: Item, group: Sequence[int]) -> str:
        names = [self.items[a].label for i in group for a in self.items[i].args if self.items[a].leaf == "parameter"]
        stems = list(dict.fromkeys(name.rpartition(".")[0].rpartition(".")[2] or name for name in names))
        scopes = item.node.origin.scopes
        words = text.clean(" · ".join(stems), 40) if len(stems) <= FEW else ""
        if item.named and item.name:
            return f"{item.called} = {words}" if words else item.called or ""
        if words:
            return words
        return text.clean(scopes[-1].name if scopes else item.name or item.label, 24)
