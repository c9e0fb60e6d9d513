"""kmeans: the cost of k centroids, and Newton's direction: the gradient over the diagonal of the Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..task import Input, Task, array


def scores(centroids: Any, points: Any) -> Any:
    """Half the squared distance of each centroid to each point, but for half the point's square."""
    return mg.expand_dims(0.5 * mg.sum(mg.square(centroids), 1), 1) - centroids @ mg.transpose(points)


def least(centroids: Any, points: Any) -> Any:
    """The sum of squared distances of points to the nearest centroid."""
    return 2 * mg.sum(mg.min(scores(centroids, points), 0)) + mg.sum(mg.square(points))


def nearest(centroids: Any, points: Any) -> Any:
    """The number of the centroid nearest to each point: one centroid after the other, all points at once."""

    def closer(at: tuple[Any, Any, Any], score: Any) -> tuple[tuple[Any, Any, Any], None]:
        best, place, j = at
        near = score < best
        return (mg.where(near, score, best), mg.where(near, j, place), j + 1), None

    n = points.shape[0]
    start = mg.full(n, np.inf, dtype="float64"), mg.zeros(n, dtype="int64"), mg.tensor(0)
    return mg.scan(closer, start, scores(centroids, points))[0][1]


def chosen(centroids: Any, points: Any) -> Any:
    """The same sum. Its derivatives are sparse: only the nearest centroid of a point moves its distance."""
    return mg.sum(mg.square(mg.take(centroids, nearest(centroids, points), 0) - points))


def direction(centroids: Any, points: Any) -> Any:
    slope, bend = mg.jvp(lambda c: mg.grad(chosen)(c, points), (centroids,), (mg.ones_like(centroids),))
    return slope / bend


def cost(input: Input) -> Task:
    return Task(least, (array(input["centroids"]), array(input["points"])))


def dir(input: Input) -> Task:
    return Task(direction, (array(input["centroids"]), array(input["points"])))
