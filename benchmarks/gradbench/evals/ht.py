"""ht: hand tracking. Distances of points to a skinned hand, and their Jacobian by the pose."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from ..task import Input, Task, array

FINGERS, JOINTS = 5, 4
ANGLES = 4  # of a finger: two at its first joint, one at the next two


def pose_places(bones: int) -> np.ndarray:
    """Where in (theta, 0, 1) the rows of the pose stand: rotation, scale, translation, then three angles of each bone."""
    thetas = 6 + FINGERS * ANGLES
    places = np.full((3 + bones, 3), thetas)
    places[:3] = [[0, 1, 2], [thetas + 1] * 3, [3, 4, 5]]
    for finger in range(FINGERS):
        row, theta = 5 + JOINTS * finger, 6 + ANGLES * finger
        places[row, :2], places[row + 1, 0], places[row + 2, 0] = [theta, theta + 1], theta + 2, theta + 3
    return places


def generations(parents: list[int]) -> list[list[int]]:
    """The bones by their distance from the root."""
    depth: list[int] = []
    for parent in parents:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return [[bone for bone, d in enumerate(depth) if d == level] for level in range(max(depth) + 1)]


def matrix(rows: list[list[Any]]) -> Any:
    return mg.stack([mg.stack(row, -1) for row in rows], -2)


def euler(angles: Any) -> Any:
    """Homogeneous rotations about x, then y, then z, from angles (…, xzy)."""
    (cx, cz, cy), (sx, sz, sy) = (mg.unstack(f(angles), axis=-1) for f in (mg.cos, mg.sin))
    zero, one = mg.zeros_like(cx), mg.ones_like(cx)
    return matrix([
        [cy * cz, sx * sy * cz - cx * sz, sx * sz + cx * sy * cz, zero],
        [cy * sz, cx * cz + sx * sy * sz, cx * sy * sz - sx * cz, zero],
        [-sy, sx * cy, cx * cy, zero],
        [zero, zero, zero, one],
    ])  # fmt: skip


def about_axis(rotation: Any) -> Any:
    """The rotation about an axis by its length; none where it is short."""
    square = mg.sum(mg.square(rotation))
    rotates = square >= 1e-8
    angle = mg.sqrt(mg.where(rotates, square, 1.0))
    axis = rotation / angle
    x, y, z = mg.unstack(axis)
    zero = mg.zeros_like(x)
    across = matrix([[zero, -z, y], [z, zero, -x], [-y, x, zero]])
    identity = mg.eye(3, dtype="float64")
    rotated = mg.cos(angle) * identity + mg.sin(angle) * across + (1 - mg.cos(angle)) * mg.outer(axis, axis)
    return mg.where(rotates, rotated, identity)


def distances(model: Input, correspondences: np.ndarray) -> Callable[..., Any]:
    """The function of theta, us, points, and what of the model are numbers. Without us, a point has a vertex, not a triangle."""
    bones, levels = model["bone_count"], generations(model["parents"])
    order = np.argsort(np.concatenate(levels))
    places, triangles = pose_places(bones), np.array(model["triangles"])

    def vertices(theta: Any, relatives: Any, inverses: Any, skin: Any) -> Any:
        pose = mg.take(mg.concat([theta, mg.tensor(np.array([0.0, 1.0]))]), places)
        relative = relatives @ euler(pose[3:])
        absolute = [mg.take(relative, np.array(levels[0]), 0)]
        for above, level in itertools.pairwise(levels):
            before = [above.index(model["parents"][bone]) for bone in level]
            absolute.append(mg.take(absolute[-1], np.array(before), 0) @ mg.take(relative, np.array(level), 0))
        transform = mg.take(mg.concat(absolute), order, 0) @ inverses
        positions = mg.reshape(mg.swapaxes(transform[:, :3], 0, 1), (3, 4 * bones)) @ skin
        if model["is_mirrored"]:
            positions = positions * mg.tensor(np.array([[-1.0], [1.0], [1.0]]))
        return (about_axis(pose[0]) * pose[1]) @ positions + mg.expand_dims(pose[2], 1)

    def function(theta: Any, us: Any, points: Any, relatives: Any, inverses: Any, weights: Any, base: Any) -> Any:
        skin = mg.reshape(mg.expand_dims(mg.transpose(weights), 1) * mg.transpose(base), (4 * bones, weights.shape[0]))
        found = vertices(theta, relatives, inverses, skin)
        if us is None:
            return points - mg.transpose(mg.take(found, correspondences, 1))
        corners = [mg.transpose(mg.take(found, triangles[correspondences, i], 1)) for i in range(3)]
        shares = [us[:, :1], us[:, 1:], 1 - us[:, :1] - us[:, 1:]]
        return points - sum(share * corner for share, corner in zip(shares, corners, strict=True))

    return function


def jacobian_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Its transpose: the derivatives by u, where each point has its own two, then by theta. Forward mode: the columns are few."""

    def derivatives(theta: Any, us: Any, *rest: Any) -> Any:
        def along(tangent: Any) -> Any:
            return mg.ravel(mg.jvp(lambda t: function(t, us, *rest), (theta,), (tangent,))[1])

        def sideways(tangent: Any) -> Any:
            return mg.ravel(mg.jvp(lambda u: function(theta, u, *rest), (us,), (mg.broadcast_to(tangent, us.shape),))[1])

        by_theta = mg.vmap(along)(mg.eye(theta.shape[0], dtype="float64"))
        return by_theta if us is None else mg.concat([mg.vmap(sideways)(mg.eye(2, dtype="float64")), by_theta])

    return derivatives


def prepared(input: Input) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    data, model = input["data"], input["data"]["model"]
    function = distances(model, np.array(data["correspondences"]))
    numbers = [model[name] for name in ("base_relatives", "inverse_base_absolutes", "weights", "base_positions")]
    us = array(input["us"]) if len(input["us"]) else None
    return function, (array(input["theta"]), us, array(data["points"]), *(array(a) for a in numbers))


def objective(input: Input) -> Task:
    function, arguments = prepared(input)
    return Task(function, arguments, lambda found: np.ravel(found).tolist())


def jacobian(input: Input) -> Task:
    function, arguments = prepared(input)
    return Task(jacobian_of(function), arguments, lambda found: np.transpose(found).tolist())
