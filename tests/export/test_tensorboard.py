"""Event files for TensorBoard, read by Google's protocol buffers and a checksum of known values."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.export.tensorboard import _checksum

pytest.importorskip("google.protobuf")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

KINDS = {"double": 1, "float": 2, "int64": 3, "string": 9, "message": 11}
MESSAGES = {  # tensorflow/core/util/event.proto and framework/summary.proto: (field, kind, number, message)
    "Event": [
        ("wall_time", "double", 1, ""),
        ("step", "int64", 2, ""),
        ("file_version", "string", 3, ""),
        ("summary", "message", 5, "Summary"),
        ("session_log", "message", 7, "SessionLog"),
    ],
    "Summary": [("value", "message", 1, "Value")],
    "Value": [("tag", "string", 1, ""), ("simple_value", "float", 2, "")],
    "SessionLog": [("status", "int64", 1, "")],
}


def event_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="events.proto", package="events", syntax="proto3")
    for name, fields in MESSAGES.items():
        made = file.message_type.add(name=name)
        for field, kind, number, of in fields:
            label = 3 if name == "Summary" else 1
            made.field.add(name=field, number=number, type=KINDS[kind], label=label, type_name=f".events.{of}" if of else None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("events.Event"))


EVENT = event_class()


def read(path: Path) -> list[Any]:
    """The events of a file; AssertionError where a length or checksum is wrong."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        head, (n,) = data[at : at + 8], struct.unpack("<Q", data[at : at + 8])
        body = data[at + 12 : at + 12 + n]
        assert data[at + 8 : at + 12] == _checksum(head)
        assert data[at + 12 + n : at + 16 + n] == _checksum(body)
        found.append(EVENT.FromString(body))
        at += 16 + n
    return found


def scalars(events: list[Any]) -> list[tuple[int, dict[str, float]]]:
    return [(e.step, {v.tag: v.simple_value for v in e.summary.value}) for e in events if e.summary.value]


def test_the_checksum_is_the_masked_crc32c():
    """Of RFC 3720's examples; TFRecords rotate it by 15 bits and add a constant."""
    for data, crc in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)):
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        assert _checksum(data) == struct.pack("<I", masked)


numbers = st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.just(np.float32(0.1)).map(float))


@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.dictionaries(st.text("loss/ä", min_size=1), numbers, min_size=1)), min_size=1, max_size=4)
)
def test_every_number_is_read_back(tmp_path_factory, events):
    folder = tmp_path_factory.mktemp("events")
    report = mg.export.TensorBoard(folder)
    for step, values in events:
        report({"step": step, "time": 1.5, **values})
    first, begin, *rest = read(next(folder.iterdir()))
    assert first.file_version == "brain.Event:2"
    assert (begin.session_log.status, begin.step) == (1, events[0][0])
    assert all(e.wall_time == 1.5 for e in rest)
    for (step, found), (at, values) in zip(scalars(rest), events, strict=True):
        assert (step, found.keys()) == (at, values.keys())
        for k, v in values.items():
            with np.errstate(over="ignore"):
                np.testing.assert_equal(np.float32(found[k]), np.float32(v))


def test_an_evaluations_numbers_stand_under_its_name_and_flags_are_left_out(tmp_path):
    report = mg.export.TensorBoard(tmp_path / "run")
    report({"step": 3, "seconds": 0.5, "evaluation": {"bits": 2, "learned": False, "words": "no"}})
    (path,) = (tmp_path / "run").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    assert scalars(read(path)) == [(3, {"seconds": 0.5, "evaluation/bits": 2.0})]


def test_a_run_that_goes_on_begins_a_session_at_its_first_step(tmp_path):
    for start in (10, 30):
        report = mg.export.TensorBoard(tmp_path)
        report({"step": start, "loss": math.nan})
    files = [read(path) for path in sorted(tmp_path.iterdir())]
    assert [events[1].step for events in files] == [10, 30]
