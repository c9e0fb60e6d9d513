"""Geometry of layouts: placement that keeps an order, polylines, crossings."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]
SEP = 14.0  # between neighbours in a layer


def place(desired: Sequence[float], weights: Sequence[float], halves: Sequence[float], sep: float = SEP) -> list[float]:
    """The positions nearest to the desired ones (weighted least squares) that keep the order and leave `sep` between neighbours.

    `halves` are half the widths. The solution is exact, in linear time: isotonic regression by pooling adjacent violators.
    """
    offsets, total = [], 0.0
    for i, half in enumerate(halves):
        total += 0.0 if i == 0 else halves[i - 1] + half + sep
        offsets.append(total)
    blocks: list[list[float]] = []  # [mean, weight, count]
    for want, weight, offset in zip(desired, weights, offsets, strict=True):
        blocks.append([want - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, w, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * w) / (last[1] + w)
            last[1] += w
            last[2] += count
    flat = [mean for mean, _, count in blocks for _ in range(int(count))]
    return [z + offset for z, offset in zip(flat, offsets, strict=True)]


def simplify(points: list[Point]) -> tuple[Point, ...]:
    """The polyline without points in the middle of straight segments."""
    out = [points[0]]
    for i in range(1, len(points) - 1):
        a, b, c = out[-1], points[i], points[i + 1]
        if b == a or a[0] == b[0] == c[0] or a[1] == b[1] == c[1]:
            continue
        out.append(b)
    out.append(points[-1])
    return tuple(out)


def inversions(values: list[int]) -> int:
    """The number of pairs out of order, counted with a binary indexed tree."""
    size = max(values, default=0) + 2
    tree, total = [0] * (size + 1), 0
    for seen, value in enumerate(values):
        i, smaller = value + 2, 0
        while i > 0:
            smaller += tree[i] if i <= size else 0
            i -= i & -i
        total += seen - smaller
        i = value + 2
        while i <= size:
            tree[i] += 1
            i += i & -i
    return total
