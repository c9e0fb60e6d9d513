"""One-shot classification of drawn characters (Santoro et al. 2016, §4): learn the labels of classes within an episode.

An episode shows `ways` characters, `shots` drawings of each, in random order; T = ways · shots. The input at step t is the image x_t and
the label y_{t−1} of the image before; the target is the label of x_t. Labels are assigned at random in every episode, so a model can only
guess the label of a class that is new in the episode. Training and test use different alphabets.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

import minigrad as mg
from minigrad import Tensor
from minigrad.errors import SettingError

from ..attention import causal
from .classes import given
from .draw import Draw, Words
from .glyphs_data import Glyphs, read, smoothed, view
from .metrics import chosen, mean, total
from .strokes import ALPHABETS, alphabets

__all__ = ["baselines", "batch", "first_guess", "given", "harder", "loss", "measures", "nearest", "sizes"]

DOMAIN = 21
LETTERS = 5  # a label in strings has five letters, each one of five (§4.2)
PRESENTATIONS = (1, 2, 5, 10)  # the numbers k for which accuracy@k is measured

Labels = Literal["one-hot", "strings"]


def sizes(ways: int = 5, labels: Labels = "one-hot", size: int = 20, **_: Any) -> tuple[int, int]:
    """(inputs, outputs) of a model for this task: an image and a label; the logits of a label."""
    label = ways if labels == "one-hot" else LETTERS * LETTERS
    return size * size + label, label


def batch(
    seed: Any,
    step: int,
    batch: int,
    ways: Annotated[int, "classes in an episode"] = 5,
    shots: Annotated[int, "drawings of each class"] = 10,
    labels: Annotated[Labels, "a label is one of WAYS, or a string of five letters a to e"] = "one-hot",
    data: Annotated[Words, "folders or zip files of alphabet/character/*.png, as Omniglot's; none: synthetic strokes"] = (),
    test: Annotated[Words, "alphabets kept for the test"] = ALPHABETS[-4:],
    split: Annotated[Literal["train", "test"], "which alphabets are shown"] = "train",
    size: Annotated[int, "pixels of an image's side"] = 20,
    blur: Annotated[float, "pixels that images are smoothed by: strokes a little apart then look alike"] = 1.0,
    turn: Annotated[float, "random rotation of each drawing, degrees either way"] = 11.25,
    shift: Annotated[float, "random translation of each drawing, parts of the side either way"] = 0.05,
    warp: Annotated[float, "random mirror, stretch and shear of each class in training: classes without end"] = 0.2,
    easy: Annotated[int, "updates at first in which episodes grow from easy ones: half as long, the same drawing of a class again"] = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inputs (T, batch, size² + label), targets, mask (T, batch)), float32 and bool; a pure function of (seed, step).

    targets are one-hot: (T, batch, ways), or (T, batch, 5, 5) for strings. In training a class is a character turned by a multiple of 90°
    (§4.1) and changed by `warp`; in the test it is as drawn. Raises SettingError where there are too few characters or drawings.
    """
    draw, training = Draw(seed, step, DOMAIN), split == "train"
    hard = min(1.0, step / easy) if easy and training else 1.0
    least = min(shots, max(2, shots // 2))
    shown = least + round(hard * (shots - least))
    glyphs, known = _known(data, test, training, size)
    fewest = glyphs.count[known].min(initial=10**9)
    if len(known) < ways or fewest < shots:
        found = f"{len(known)} characters" + (f" of {fewest} drawings at least" if len(known) else "")
        raise SettingError(f"ways={ways} and shots={shots}, but the alphabets to {split} have {found}")
    rows, classes = np.arange(batch)[:, None], known[draw.order(batch, len(known))[:, :ways]]
    nth, order = np.divmod(draw.order(batch, ways * shown), ways)  # at each step: drawing `nth` of class `order`
    nth = np.where(draw.uniform((batch, 1)) < hard, nth, 0)
    drawings = _some(draw, glyphs.first[classes], glyphs.count[classes], shown)[rows, order, nth]
    maps = _class_maps(draw, (batch, ways), warp, training)[rows, order]
    maps = _moved(draw, maps, hard * np.deg2rad(turn), hard * shift)
    images = view(glyphs.images, drawings.ravel(), size, maps.reshape(-1, 2, 3))
    images = smoothed(images, blur).reshape(batch, ways * shown, -1)
    targets = np.ascontiguousarray(_labels(draw, batch, ways, labels)[rows, order].swapaxes(0, 1))
    last = np.roll(targets, 1, 0).reshape(*order.T.shape, -1)
    last[0] = 0
    return np.concatenate([images.swapaxes(0, 1), last], -1), targets, np.ones(order.T.shape, bool)


def _known(data: Words, test: Words, training: bool, size: int) -> tuple[Glyphs, np.ndarray]:
    """A set of glyphs, and the numbers of its characters that are for training, or for the test."""
    if data:
        glyphs = read(tuple(data), size)
        held = glyphs.among(test)
        return glyphs, np.flatnonzero(~held if training else held)
    glyphs = alphabets(tuple(test) if not training else tuple(a for a in ALPHABETS if a not in test), size)
    return glyphs, np.arange(len(glyphs.count))


def _some(draw: Draw, first: np.ndarray, count: np.ndarray, n: int) -> np.ndarray:
    """n random drawings of each class, (batch, ways, n). first and count are the number of its first drawing and how many it has."""
    u = draw.uniform((*count.shape, count.max()))
    u[np.arange(count.max()) >= count[..., None]] = 1
    return first[..., None] + np.argsort(u, -1, kind="stable")[..., :n]


def _class_maps(draw: Draw, shape: tuple[int, ...], warp: float, training: bool) -> np.ndarray:
    """A linear map of the plane for each class, (…, 2, 2): in training a rotation by a multiple of 90° and a random distortion."""
    if not training:
        return np.broadcast_to(np.eye(2), (*shape, 2, 2))
    maps = _rotation(draw.integers(0, 3, shape) * (np.pi / 2))
    if warp > 0:
        maps = maps + warp * (2 * draw.uniform((*shape, 2, 2)) - 1)
        maps[..., 0] *= 1 - 2 * draw.integers(0, 1, (*shape, 1))
    return maps


def _moved(draw: Draw, maps: np.ndarray, angle: float, shift: float) -> np.ndarray:
    """Affine maps (…, 2, 3) for `view`: the class's map with a random rotation and translation of each drawing."""
    u = 2 * draw.uniform((3, *maps.shape[:-2])) - 1
    maps = maps @ _rotation(angle * u[0])
    return np.concatenate([maps, maps @ (2 * shift * np.moveaxis(u[1:], 0, -1)[..., None])], -1)


def _rotation(angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (…, 2, 2) for angles (…)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c, -s, s, c], -1).reshape(*angle.shape, 2, 2)


def _labels(draw: Draw, batch: int, ways: int, labels: Labels) -> np.ndarray:
    """Different one-hot labels for the classes of an episode: (batch, ways, ways), or (batch, ways, letters, 5) for strings."""
    if labels == "one-hot":
        return np.eye(ways, dtype=np.float32)[draw.order(batch, ways)]
    numbers = draw.order(batch, LETTERS**LETTERS)[:, :ways, None] // LETTERS ** np.arange(LETTERS) % LETTERS
    return np.eye(LETTERS, dtype=np.float32)[numbers]


# ---- loss and measures


def loss(logits: Any, targets: Any, mask: Any) -> Tensor:
    """The training loss, a scalar in nats: the sum over all labels (and their letters) of an episode, and the mean over the batch."""
    return mg.mean(total(_nats(logits, targets, mask), mask))


def measures(logits: Any, targets: Any, mask: Any) -> dict[str, Tensor]:
    """accuracy: the fraction of right labels (of a string, all letters); accuracy@k: of the k-th drawings of the classes; nats: the mean
    −log p of a label. Each (batch,); accuracy@k is NaN where no class has k drawings."""
    wanted, nth = mg.tensor(targets), presentation(targets)
    right = mg.equal(chosen(_by_letter(logits, wanted)), mg.argmax(wanted, -1))
    right = mg.astype(right if wanted.ndim == 3 else mg.all(right, -1), "float32")
    at = {f"accuracy@{k}": mean(right, mg.logical_and(mg.tensor(mask), mg.equal(nth, k))) for k in PRESENTATIONS}
    return {"accuracy": mean(right, mask), **at, "nats": mean(_nats(logits, wanted, mask), mask)}


def presentation(targets: Any) -> Tensor:
    """The number of each drawing among those of its class in the episode, from 1: (T, batch)."""
    t = mg.tensor(targets)
    flat = mg.permute_dims(mg.reshape(t, (*t.shape[:2], -1)), (1, 0, 2))
    same = mg.equal(flat @ flat.mT, mg.expand_dims(mg.sum(flat * flat, -1), -1))
    return mg.permute_dims(mg.sum(mg.astype(mg.logical_and(same, causal(t.shape[0])), "int64"), -1), (1, 0))


def _by_letter(logits: Any, targets: Tensor) -> Tensor:
    """The logits in the shape of the targets."""
    return mg.reshape(mg.tensor(logits), targets.shape)


def _nats(logits: Any, targets: Any, mask: Any) -> Tensor:
    """−log p of each label, 0 of those that are not scored: (T, batch)."""
    t, scored = mg.tensor(targets), mg.tensor(mask)
    if t.ndim == 4:
        scored = mg.expand_dims(scored, -1)
    nats = mg.cross_entropy(_by_letter(logits, t), t, weights=scored, reduction="none")
    return nats if t.ndim == 3 else mg.sum(nats, -1)


# ---- baselines


def first_guess(ways: int = 5) -> float:
    """The accuracy at the first drawing of a class when guessing only among unused labels: H(ways) / ways, H the harmonic number."""
    return sum(1 / k for k in range(1, ways + 1)) / ways


def baselines(ways: int = 5, shots: int = 10, labels: Labels = "one-hot", **_: Any) -> dict[str, float]:
    """The accuracy of guessing, and the optimum: `first_guess` at the first drawing of a class, then always right."""
    guess = {"one-hot": (1 / ways, first_guess(ways)), "strings": (LETTERS**-LETTERS, LETTERS**-LETTERS)}[labels]
    return {"chance": guess[0], "optimum": (shots - 1 + guess[1]) / shots}


def harder(**_: Any) -> dict[str, Any]:
    """The test alphabets, without random rotation and translation."""
    return {"split": "test", "turn": 0.0, "shift": 0.0}


def nearest(inputs: Any, targets: Any) -> np.ndarray:
    """The label of the nearest earlier image of the episode (Euclidean distance), in the shape of targets; 0 at the first step."""
    x, y = np.swapaxes(inputs, 0, 1), np.swapaxes(targets, 0, 1)
    x = x[..., : x.shape[-1] - y[0, 0].size]
    squares = (x**2).sum(-1)
    distance = squares[:, None, :] - 2 * x @ x.swapaxes(1, 2)
    found = np.where(np.tri(x.shape[1], k=-1, dtype=bool), distance, np.inf).argmin(-1)
    said = y[np.arange(len(y))[:, None], found]
    said[:, 0] = 0
    return np.swapaxes(said, 0, 1)
