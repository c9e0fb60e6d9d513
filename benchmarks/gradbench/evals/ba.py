"""ba: bundle adjustment. Reprojection errors of p observations, and their sparse Jacobian, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..task import Input, Task, array

CAMERA = 11  # rotation 3, centre 3, focal length, principal point 2, radial distortion 2
ROW = CAMERA + 3 + 1  # entries of one row of the Jacobian: camera, point, weight


def cross(a: Any, b: Any) -> list[Any]:
    return [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]


def dot(a: Any, b: Any) -> Any:
    return sum(x * y for x, y in zip(a, b, strict=True))


def rotated(rotation: list[Any], x: list[Any]) -> list[Any]:
    """x rotated about an axis by its length, as Rodrigues does; near no rotation, to first order."""
    square = dot(rotation, rotation)
    rotates = square > 0
    angle = mg.sqrt(mg.where(rotates, square, 1.0))
    axis = [r / angle for r in rotation]
    along = dot(axis, x) * (1 - mg.cos(angle))
    found = [mg.cos(angle) * a + mg.sin(angle) * b + along * c for a, b, c in zip(x, cross(axis, x), axis, strict=True)]
    return [mg.where(rotates, t, a + b) for t, a, b in zip(found, x, cross(rotation, x), strict=True)]


def reprojection(own: list[Any], feature: list[Any]) -> list[Any]:
    """The two errors of each observation, from the 15 numbers of its own camera, point and weight."""
    camera, point, w = own[:CAMERA], own[CAMERA:-1], own[-1]
    x, y, z = rotated(camera[:3], [a - b for a, b in zip(point, camera[3:6], strict=True)])
    plane = [x / z, y / z]
    radius = dot(plane, plane)
    distortion = 1 + camera[9] * radius + camera[10] * radius * radius
    return [w * (a * distortion * camera[6] + b - c) for a, b, c in zip(plane, camera[7:9], feature, strict=True)]


def columns(x: Any) -> list[Any]:
    return list(mg.unstack(x, axis=1))


def observed(cameras: Any, points: Any, w: Any, observations: Any) -> list[Any]:
    camera, point = columns(observations)
    return [*columns(mg.take(cameras, camera, 0)), *columns(mg.take(points, point, 0)), w]


def errors(cameras: Any, points: Any, w: Any, observations: Any, features: Any) -> tuple[Any, Any]:
    return mg.stack(reprojection(observed(cameras, points, w, observations), columns(features)), 1), 1 - w * w


def sparse(cameras: Any, points: Any, w: Any, observations: Any, features: Any) -> tuple[Any, Any, Any]:
    """Where each row begins, the column and the value of each entry: two rows an observation, then one a weight."""
    n, m, p = cameras.shape[0], points.shape[0], w.shape[0]
    own, feature = observed(cameras, points, w, observations), columns(features)
    slopes = [s for i in range(2) for s in mg.grad(lambda own, i=i: mg.sum(reprojection(own, feature)[i]))(own)]
    values = mg.concat([mg.ravel(mg.transpose(mg.stack(slopes))), mg.grad(lambda w: mg.sum(1 - w * w))(w)])
    camera, point = columns(observations)
    weight = CAMERA * n + 3 * m + mg.arange(p, dtype="int32")
    begins = [mg.expand_dims(a, 1) for a in (CAMERA * camera, CAMERA * n + 3 * point, weight)]
    row = mg.concat([begin + mg.arange(size, dtype="int32") for begin, size in zip(begins, (CAMERA, 3, 1), strict=True)], 1)
    rows = mg.concat([ROW * mg.arange(2 * p, dtype="int32"), 2 * ROW * p + mg.arange(p + 1, dtype="int32")])
    return rows, mg.concat([mg.ravel(mg.stack([row, row], 1)), weight]), values


def prepared(input: Input) -> tuple[Any, ...]:
    """The one camera, point, weight and feature, as often as the input says."""
    n, m, p = input["n"], input["m"], input["p"]
    observations = np.stack([np.arange(p) % n, np.arange(p) % m], 1).astype(np.int32)
    repeated = [array(np.tile(input[name], (times, 1))) for name, times in (("cam", n), ("x", m), ("feat", p))]
    return repeated[0], repeated[1], array(np.full(p, input["w"])), mg.tensor(observations), repeated[2]


def objective(input: Input) -> Task:
    def answer(found: tuple[Any, Any]) -> Any:
        reprojections, weights = (np.asarray(f) for f in found)
        return {
            "reproj_error": {"elements": reprojections[0].tolist(), "repeated": len(reprojections)},
            "w_err": {"element": float(weights[0]), "repeated": len(weights)},
        }

    return Task(errors, prepared(input), answer)


def jacobian(input: Input) -> Task:
    def answer(found: tuple[Any, Any, Any]) -> Any:
        lists = (np.asarray(f) for f in found)
        return {name: [*a[: 2 * ROW].tolist(), a[-1].item()] for name, a in zip(("rows", "cols", "vals"), lists, strict=True)}

    return Task(sparse, prepared(input), answer)
