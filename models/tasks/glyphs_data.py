"""Sets of drawn characters, read from Omniglot's layout, and their affine resampling."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from minigrad.errors import SettingError

__all__ = ["FINE", "Glyphs", "read", "smoothed", "view"]

FINE = 3  # stored pixels for one pixel of a view, along each side


@dataclass(frozen=True)
class Glyphs:
    """Characters of alphabets, each drawn by several people.

    images    (drawings, side, side) uint8, ink 255, side = FINE × the size of a view, smoothed to that size; the border is blank
    first     (characters,) the number of a character's first drawing
    count     (characters,) the number of its drawings
    alphabet  (characters,) the name of its alphabet
    """

    images: np.ndarray
    first: np.ndarray
    count: np.ndarray
    alphabet: tuple[str, ...]

    @classmethod
    def of(cls, ink: np.ndarray, characters: Sequence[tuple[str, int]]) -> Glyphs:
        """Glyphs from ink (drawings, side, side) in 0 … 1 and the (alphabet, number of drawings) of each character, in the same order."""
        from scipy.ndimage import uniform_filter  # slow to import, and only images need it

        seen = uniform_filter(ink.astype(np.float32), (0, FINE, FINE), mode="constant")
        seen[:, [0, -1]] = seen[:, :, [0, -1]] = 0
        count = np.array([n for _, n in characters])
        images = np.rint(255 * seen / max(seen.max(initial=0), 1e-6)).astype(np.uint8)
        return cls(images, np.cumsum(count) - count, count, tuple(a for a, _ in characters))

    def among(self, names: Sequence[str]) -> np.ndarray:
        """(characters,) which of them are of these alphabets. Raises SettingError that lists what there is."""
        if unknown := set(names) - set(self.alphabet):
            there = ", ".join(sorted(set(self.alphabet)))
            raise SettingError(f"no alphabet {', '.join(sorted(unknown))} to test on: there are {there}. Name some with --test A,B")
        return np.isin(self.alphabet, list(names))


@lru_cache(maxsize=4)
def read(paths: tuple[str, ...], size: int) -> Glyphs:
    """The drawings in folders or zip files with Omniglot's layout, …/alphabet/character/*.png, dark on light.

    A drawing that two of them contain is taken once. Raises FileNotFoundError, or SettingError where there is no such drawing.
    """
    from PIL import Image  # an optional dependency

    side = FINE * size
    found: dict[tuple[str, ...], bytes] = {}
    for path in paths:
        drawings = {name.parts[-3:]: data for name, data in _files(Path(path)) if len(name.parts) >= 3}
        if not drawings:
            raise SettingError(f"{path}: no drawings; they are expected as alphabet/character/name.png")
        found |= drawings
    ink = np.empty((len(found), side, side), np.float32)
    characters: dict[tuple[str, str], int] = {}
    for i, ((alphabet, character, _), data) in enumerate(sorted(found.items())):
        with Image.open(io.BytesIO(data)) as image:
            ink[i] = 1 - np.asarray(image.convert("L").resize((side, side), Image.Resampling.BOX), np.float32) / 255
        characters[alphabet, character] = characters.get((alphabet, character), 0) + 1
    return Glyphs.of(ink, [(alphabet, n) for (alphabet, _), n in characters.items()])


def _files(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """(name, content) of each PNG file in a folder or zip file."""
    if path.is_dir():
        for file in path.rglob("*.png"):
            yield PurePosixPath(path.name, *file.relative_to(path).parts), file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".png"):
                    yield PurePosixPath(name), archive.read(name)
    else:
        raise FileNotFoundError(f"{path} is neither a folder nor a zip file of drawings")


def view(images: np.ndarray, which: np.ndarray, size: int, maps: np.ndarray) -> np.ndarray:
    """Drawings resampled at size × size by affine maps, (n, size, size) float32 in 0 … 1.

    maps (n, 2, 3) takes the position (x, y, 1) of a pixel, x and y in −1 … 1, to a position in the drawing; outside it is blank.
    """
    side = images.shape[1]
    at = (2 * np.arange(size, dtype=np.float32) + 1) / size - 1
    places = np.stack([np.tile(at, size), np.repeat(at, size), np.ones(size * size, np.float32)])
    pixels = maps.astype(np.float32).reshape(-1, 3) @ places
    pixels += 1
    pixels *= side / 2
    np.clip(pixels, 0, side - 1, out=pixels)
    x, y = np.moveaxis(pixels.astype(np.int32).reshape(len(which), 2, -1), 1, 0)
    index = (np.asarray(which, np.int32) * (side * side))[:, None] + y * side + x
    return (images.reshape(-1)[index] * np.float32(1 / 255)).reshape(len(which), size, size)


def smoothed(images: np.ndarray, pixels: float) -> np.ndarray:
    """Images (n, size, size) after a Gaussian blur of this many pixels, scaled so that a straight stroke of one pixel stays as dark."""
    if pixels <= 0:
        return images
    at = np.arange(images.shape[1])
    kernel = np.exp(-(((at[:, None] - at) / pixels) ** 2) / 2)
    kernel /= np.sqrt(kernel[len(at) // 2].sum())
    return kernel.astype(np.float32) @ images @ kernel.T.astype(np.float32)
