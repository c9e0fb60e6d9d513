"""Equal blocks that follow each other, as the layers of a transformer do, are drawn once, with ×N in the name of their scope."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .scopes import inner
from .timeline import NUMBERED, Item, Timeline

FEW = 3  # so many blocks are folded without being asked
Path = tuple[str, ...]


def fold(timeline: Timeline, least: int) -> None:
    """Draw the first block of each chain of at least so many equal ones, outside the steps, and say so in the notes."""
    for group in (timeline.before, timeline.after):
        for paths, blocks in _numbered(timeline, group):
            for first, last in _chains(timeline, blocks):
                if last - first + 1 >= least:
                    _keep_first(timeline, group, paths[first : last + 1], blocks[first : last + 1])


def _numbered(timeline: Timeline, group: Sequence[int]) -> Iterator[tuple[list[Path], list[list[int]]]]:
    """The scopes that differ in a number only, in order, and the items in each."""
    found: dict[tuple[Path, str], dict[int, tuple[Path, list[int]]]] = {}
    for i in group:
        path = tuple(inner(timeline.items[i]))
        at = next((k for k, name in enumerate(path) if NUMBERED.fullmatch(name)), None)
        if at is not None and (match := NUMBERED.fullmatch(path[at])):
            members = found.setdefault((path[:at], match[1]), {}).setdefault(int(match[2]), (path[: at + 1], []))
            members[1].append(i)
    for numbers in found.values():
        ordered = [numbers[n] for n in sorted(numbers)]
        yield [path for path, _ in ordered], [members for _, members in ordered]


def _chains(timeline: Timeline, blocks: Sequence[list[int]]) -> Iterator[tuple[int, int]]:
    """(first, last) of the blocks that are equal, each reading the one before, and of which others read only the last."""
    first = 0
    for k in range(1, len(blocks) + 1):
        if k < len(blocks) and _alike(timeline, blocks[first], blocks[k - 1], blocks[k]):
            continue
        if k - 1 > first and _closed(timeline, blocks[first:k]):
            yield first, k - 1
        first = k


def _alike(timeline: Timeline, first: list[int], before: list[int], block: list[int]) -> bool:
    """Whether a block computes from the one before it what the first one computes from something else."""
    if len(first) != len(block):
        return False
    start, old, place = ({a: k for k, a in enumerate(b)} for b in (first, before, block))
    reads = False
    for a, b in zip(first, block, strict=True):
        x, y = timeline.items[a], timeline.items[b]
        if (x.node.op, x.node.type, x.kind, len(x.args)) != (y.node.op, y.node.type, y.kind, len(y.args)):
            return False
        for p, q in zip(x.args, y.args, strict=True):
            reads |= q in old
            fits = p not in start if q in old else place[q] == start.get(p) if q in place else _same(timeline.items[p], timeline.items[q])
            if not fits:
                return False
    return reads


def _same(p: Item, q: Item) -> bool:
    """Whether two blocks read the same value, or weights of one shape."""
    if p is q or not p.leaf or (p.leaf, p.node.type) != (q.leaf, q.node.type):
        return p is q
    a, b = (re.sub(r"\d+", "", i.label) if i.leaf == "argument" else i.label for i in (p, q))
    return p.leaf == "parameter" or (p.leaf != "input" and a == b)


def _closed(timeline: Timeline, blocks: Sequence[list[int]]) -> bool:
    """Whether what stands outside reads the last block alone, and each block only the one before."""
    number = {i: k for k, block in enumerate(blocks) for i in block}
    last = len(blocks) - 1
    inside = all(
        number[a] == k or number[a] == k - 1 for k, block in enumerate(blocks) for i in block for a in timeline.items[i].args if a in number
    )
    outside = all(number[a] == last for item in timeline.items if item.index not in number for a in item.args if a in number)
    return inside and outside and all(number.get(o, last) == last for o in timeline.outputs)


def _keep_first(timeline: Timeline, group: list[int], paths: Sequence[Path], blocks: Sequence[list[int]]) -> None:
    stands: dict[int, int] = dict(zip(blocks[-1], blocks[0], strict=True))
    gone = {i for block in blocks[1:] for i in block}
    for item in timeline.items:
        if item.index not in gone:
            item.args = [stands.get(a, a) for a in item.args]
    for i in gone:
        timeline.items[i].leaf, timeline.items[i].args, timeline.items[i].edges = "block", [], []
    match = NUMBERED.fullmatch(paths[0][-1])
    name = f"{match[1] if match else ''} ×{len(blocks)}".strip()
    for i in blocks[0]:
        timeline.items[i].repeated = len(paths[0]) - 1, name
    group[:] = [i for i in group if i not in gone]
    timeline.outputs = list(dict.fromkeys(stands.get(o, o) for o in timeline.outputs))
    words = f"{paths[0][-1]} to {paths[-1][-1]} compute alike, each from the one before: one is drawn"
    timeline.notes.append(f"{words}, ×{len(blocks)}; fold=False draws all")
