"""A training run for TensorBoard: its event files, which are TFRecords of Event messages. They are written here, in little more lines than
it takes to call a library for them; the one without TensorFlow loads PyTorch, which takes seconds."""

from __future__ import annotations

import math
import os
import struct
import time
from pathlib import Path
from typing import Any

HELD = ("step", "time")  # what an event has in places of their own


class TensorBoard:
    """A report for `train`: every number of the run as a scalar. Look at it with `tensorboard --logdir` and the folder, or one above it.

        train(…, folder="runs/a", report=mg.export.TensorBoard("runs/a"))

    A run that goes on has another file, and takes the place of what was written after the step where it begins.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        self.file: Any = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Write the numbers of an event of `train`."""
        step, when = int(event["step"]), float(event.get("time", time.time()))
        if self.file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.file = open(self.folder / f"events.out.tfevents.{time.time_ns()}.minigrad", "wb", buffering=0)  # noqa: SIM115
            self.file.write(_record(_event(when, 0, _bytes(3, b"brain.Event:2"))))
            self.file.write(_record(_event(when, step, _bytes(7, b"\x08\x01"))))  # a session begins at this step
        named = {**event, **{f"evaluation/{k}": v for k, v in event.get("evaluation", {}).items()}}
        scalars = {k: float(v) for k, v in named.items() if k not in HELD and isinstance(v, (int, float)) and not isinstance(v, bool)}
        values = b"".join(_bytes(1, _bytes(1, k.encode()) + b"\x15" + _float32(v)) for k, v in scalars.items())
        self.file.write(_record(_event(when, step, _bytes(5, values))))


def _float32(x: float) -> bytes:
    """x, or infinity where float32 does not hold it."""
    try:
        return struct.pack("<f", x)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, x))


# ---- protocol buffers: a field is its number and kind, then its value


def _event(when: float, step: int, what: bytes) -> bytes:
    return b"\x09" + struct.pack("<d", when) + b"\x10" + _varint(step) + what


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _varint(n: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the upper bit."""
    found = b""
    while n > 127:
        found, n = found + bytes([n & 127 | 128]), n >> 7
    return found + bytes([n])


# ---- TFRecords: a length and data, each with a masked CRC-32C


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    found = 0xFFFFFFFF
    for byte in data:
        found = _TABLE[(found ^ byte) & 255] ^ found >> 8
    found ^= 0xFFFFFFFF
    return struct.pack("<I", ((found >> 15 | found << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _remainder(n: int) -> int:
    for _ in range(8):
        n = n >> 1 ^ 0x82F63B78 * (n & 1)
    return n


_TABLE = [_remainder(n) for n in range(256)]
