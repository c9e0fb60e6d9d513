"""Checkpoints: what goes in comes out, or nothing does and the error says why."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from counting import calls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shares import swept

import minigrad as mg
from minigrad import io, tree
from minigrad.errors import CheckpointError
from minigrad.graph.types import DTYPES
from minigrad.io import MAX_HEADER, Checkpoints


def example():
    rng = np.random.default_rng(0)
    model = {"W": mg.parameter(rng.standard_normal((3, 4), dtype="float32"), name="W"), "b": mg.parameter(np.ones(4), name="b")}
    return {"model": model, "optimizer": mg.optim.Adam().init(model), "key": mg.random.key(7), "mask": np.array([True, False])}


def same(a, b):
    left, right = tree.flatten(a), tree.flatten(b)
    tree.require_same(left[1], right[1], "test")
    pairs = zip(map(np.asarray, left[0]), map(np.asarray, right[0]), strict=True)
    return all(x.tobytes() == y.tobytes() and (x.dtype, x.shape) == (y.dtype, y.shape) for x, y in pairs)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.safetensors"
    io.save(path, example(), {"step": 3, "config": {"name": "ü"}})
    return path


def test_round_trip(saved):
    found, meta = io.load(saved, example())
    assert same(found, example())
    assert meta == {"step": 3, "config": {"name": "ü"}} == io.meta(saved)
    assert found["model"]["W"].name == "W"
    mg.sum(found["model"]["W"]).backward()
    assert isinstance(found["mask"], np.ndarray)
    arrays, _ = io.load(saved)
    assert set(arrays) >= {"model.W", "optimizer.step", "optimizer.slots.mean.W", "key", "mask"}


def test_the_same_tree_gives_the_same_bytes(saved, tmp_path):
    io.save(tmp_path / "b", example(), {"config": {"name": "ü"}, "step": 3})
    assert saved.read_bytes() == (tmp_path / "b").read_bytes()


def test_the_safetensors_package_reads_it(saved):
    numpy = pytest.importorskip("safetensors.numpy")
    theirs, ours = numpy.load_file(saved), io.load(saved)[0]
    assert theirs.keys() == ours.keys()
    assert all(np.array_equal(theirs[k], ours[k]) and theirs[k].dtype == ours[k].dtype for k in ours)


NAMES = st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0)))))
def test_any_arrays(tmp_path, arrays):
    path = tmp_path / "any"
    io.save(path, arrays)
    assert same(io.load(path, arrays)[0], arrays)


def test_non_contiguous_and_big_endian(tmp_path):
    a = np.arange(12, dtype="float32").reshape(3, 4)
    io.save(tmp_path / "a", {"t": a.T, "s": a[:, ::2], "e": a.astype(">f4")})
    found, _ = io.load(tmp_path / "a")
    np.testing.assert_array_equal(found["t"], a.T)
    np.testing.assert_array_equal(found["s"], a[:, ::2])
    np.testing.assert_array_equal(found["e"], a)


# ---- damage


def refused(path, *words):
    with pytest.raises(CheckpointError) as caught:
        io.load(path, example())
    text = str(caught.value)
    assert "Nothing was loaded" in text
    assert str(path) in text
    assert all(w in text for w in words), text
    with pytest.raises(CheckpointError):
        io.load(path)
    return text


def test_a_flipped_bit_anywhere_is_found(saved):
    whole = saved.read_bytes()
    rng = np.random.default_rng(1)
    positions = {*range(8), *rng.choice(len(whole), min(1000, len(whole)), replace=False).tolist(), len(whole) - 1}
    for i in sorted(positions):
        damaged = bytearray(whole)
        damaged[i] ^= 1 << int(rng.integers(8))
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="Nothing was loaded"):
            io.load(saved, example())


def test_truncation_anywhere_is_found(saved):
    whole = saved.read_bytes()
    for n in {*range(20), *range(0, len(whole), 37), len(whole) - 1}:
        saved.write_bytes(whole[:n])
        refused(saved)
    saved.write_bytes(whole + b"\0")
    refused(saved, "longer")
    saved.write_bytes(whole[:-1])
    refused(saved, "truncated", f"{len(whole):,}")


def test_what_is_missing_unexpected_or_different_is_listed(saved):
    like = example()
    like["model"]["W"] = mg.parameter(np.zeros((3, 5), "float32"))
    del like["mask"]
    like["extra"] = mg.zeros(2)
    with pytest.raises(CheckpointError) as caught:
        io.load(saved, like)
    text = str(caught.value)
    for line in (
        "missing (1): extra",
        "unexpected (1): mask",
        "model.W: float32(3, 4) in the file, float32(3, 5) here",
        "Nothing was loaded",
    ):
        assert line in text
    like = example()
    like["model"]["b"] = mg.parameter(np.ones(4, "float32"))
    with pytest.raises(CheckpointError, match=r"different \(1\): model.b: float64\(4\) in the file, float32\(4\) here"):
        io.load(saved, like)


def raw(path, header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if size is None else size).to_bytes(8, "little") + text + data)


def entry(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


HOSTILE = {
    "huge header": (b"{}", 2**63, "header would have"),
    "header above the limit": (b"{}", MAX_HEADER + 1, "limit"),
    "deep": (b'{"a":' * 100_000, None, "not a checkpoint"),
    "duplicate key": (b'{"__metadata__":{},"a":1,"a":2}', None, "stands twice"),
    "not an object": (b"[1, 2]", None, "not a checkpoint"),
    "not text": (b"\xff\xfe\x00\x00", None, "not a checkpoint"),
    "long number": (b'{"__metadata__":{},"a":' + b"9" * 10_000 + b"}", None, "not a checkpoint"),
    "metadata that is no text": ({"__metadata__": {"a": 1}, "a": entry([1], [0, 4])}, None, "must be texts"),
    "a gap": ({"a": entry([1], [4, 8])}, None, "hostile"),
    "too short": ({"a": entry([2], [0, 8])}, None, "truncated"),
    "72 TiB": ({"__metadata__": {}, "a": entry([2**44], [0, 2**46])}, None, "truncated"),
    "shape and bytes": ({"__metadata__": {}, "a": entry([2**30, 2**29], [0, 4])}, None, "need other"),
    "huge but empty": ({"__metadata__": {}, "a": entry([2**40, 2**40, 0], [0, 0])}, None, "malformed"),
    "negative": ({"__metadata__": {}, "a": entry([-1], [0, 4])}, None, "malformed"),
    "unknown dtype": ({"__metadata__": {}, "a": entry([1], [0, 4], "F8")}, None, "has dtype F8, which is not read"),
    "many axes": ({"__metadata__": {}, "a": entry([1] * 65, [0, 4])}, None, "malformed"),
    "bool as a length": ({"__metadata__": {}, "a": entry([True], [0, 4])}, None, "malformed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused_with_little_work_and_memory(tmp_path, name):
    resource = pytest.importorskip("resource")  # POSIX
    header, size, word = HOSTILE[name]
    path = tmp_path / "h"
    raw(path, header, b"\0" * 4, size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert calls(lambda: refused(path, word)) < 2000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_overlapping_offsets_are_refused_even_with_checksums(tmp_path):
    path = tmp_path / "o"
    entries = {"a": entry([1], [0, 4]), "b": entry([1], [0, 4])}
    notes = {"format": io.FORMAT, "meta": "{}", "sha256": json.dumps({"a": "", "b": ""})}
    raw(path, io._encode(notes | {"header_sha256": io._digest(notes, entries)}, entries), b"\0" * 4)
    refused(path, "overlap")


def test_a_tensor_without_a_checksum_is_refused(tmp_path):
    path, entries = tmp_path / "o", {"a": entry([1], [0, 4])}
    notes = {"format": io.FORMAT, "meta": "{}", "sha256": "{}"}
    raw(path, io._encode(notes | {"header_sha256": io._digest(notes, entries)}, entries), b"\0" * 4)
    refused(path, "not every tensor has a sha256")


def test_other_formats_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    refused(tmp_path / "a.npz", "zip")
    (tmp_path / "p").write_bytes(pickle.dumps({"a": list(range(100))}))
    refused(tmp_path / "p", "pickle")
    refused(tmp_path / "none", "No such file")
    refused(tmp_path, "directory")


# ---- files of other programs


def ordinary():
    names = ["W", "b.0", "b.1", "deep.er.k"]
    return {
        n: (np.arange(6).reshape(2, 3) % 2 * 1.5).astype(d) for n, d in zip(names, ["float32", "float64", "int16", "bool"], strict=True)
    }


def test_a_file_of_another_program_is_a_dict_of_arrays_by_name(tmp_path):
    for metadata in (None, {"format": "pt", "note": "ü"}):
        numpy = pytest.importorskip("safetensors.numpy")
        numpy.save_file(ordinary(), tmp_path / "a", metadata=metadata)
        found, notes = io.load(tmp_path / "a")
        assert same(found, ordinary())
        assert notes == io.meta(tmp_path / "a") == (metadata or {})


def test_it_fills_a_model_by_names(tmp_path):
    pytest.importorskip("safetensors.numpy").save_file(ordinary(), tmp_path / "a")
    values = ordinary()
    model = {
        "W": mg.parameter(np.zeros((2, 3), "float32")),
        "b": [np.zeros((2, 3)), values["b.1"]],
        "deep": {"er": {"k": values["deep.er.k"]}},
    }
    found, _ = io.load(tmp_path / "a", model)
    assert found["W"].node.op is model["W"].node.op
    assert same(found, io.fill(model, values))
    np.testing.assert_array_equal(found["b"][0], values["b.0"])
    with pytest.raises(CheckpointError, match=r"missing \(1\): W.*\n.*unexpected \(1\): weight") as caught:
        io.fill(model, {"weight": values.pop("W"), **values})
    assert "W" in str(caught.value)
    model["W"] = mg.parameter(np.zeros((3, 2), "float32"))
    with pytest.raises(CheckpointError, match=r"W: float32\(2, 3\) in the file, float32\(3, 2\) here"):
        io.load(tmp_path / "a", model)


def test_pytorch_and_minigrad_read_each_others_files(tmp_path):
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("safetensors.torch")
    layer = torch.nn.Linear(3, 2)
    theirs.save_file(layer.state_dict(), tmp_path / "a", metadata={"format": "pt"})
    found, _ = io.load(tmp_path / "a", {"weight": mg.parameter(np.zeros((2, 3), "float32")), "bias": mg.parameter(np.zeros(2, "float32"))})
    np.testing.assert_array_equal(found["weight"].numpy(), layer.weight.detach().numpy())
    io.save(tmp_path / "b", {"weight": found["weight"] * 2, "bias": found["bias"]})
    layer.load_state_dict(theirs.load_file(tmp_path / "b"))
    np.testing.assert_array_equal(layer.weight.detach().numpy(), found["weight"].numpy() * 2)


def test_what_can_not_be_saved_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="dtype complex128"):
        io.save(tmp_path / "a", {"z": np.ones(2, complex)})
    with pytest.raises(CheckpointError, match=r"a\.b"):
        io.save(tmp_path / "a", {"a.b": np.ones(2), "a": {"b": np.ones(2)}})
    with pytest.raises(CheckpointError, match="JSON"):
        io.save(tmp_path / "a", {"a": np.ones(2)}, {"x": float("nan")})
    with pytest.raises(CheckpointError, match=r"the header would have .* above the limit"):
        io.save(tmp_path / "a", {"a": np.ones(2)}, {"long": "x" * MAX_HEADER})
    with pytest.raises(CheckpointError, match="could not be written"):
        io.save(tmp_path / "no" / "a", {"a": np.ones(2)})
    assert not list(tmp_path.iterdir())


# ---- faults while writing


def test_a_full_disk_leaves_the_earlier_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*intact"):
        io.save(saved, {"a": np.ones(3)})
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_folder_that_cannot_be_synchronised_is_no_intact_file(saved, monkeypatch):
    def broken(folder):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(io, "_sync_folder", broken)
    with pytest.raises(CheckpointError, match=r"Input/output error\. It replaced the earlier file"):
        io.save(saved, {"a": np.ones(3)})
    assert io.load(saved)[0]["a"].tolist() == [1, 1, 1]


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path):
    real, link = tmp_path / "runs" / "real.safetensors", tmp_path / "latest.safetensors"
    real.parent.mkdir()
    link.symlink_to(real)
    for value in (1, 2):
        assert io.save(link, {"a": np.full(2, value)}) == link
        assert link.is_symlink()
        assert io.load(real)[0]["a"].tolist() == [value, value]
    assert os.listdir(real.parent) == [real.name]


WRITER = """
import sys, numpy as np
from minigrad import io
store = io.Checkpoints(sys.argv[1], keep=2)
step = (store.steps() or [0])[-1]
while True:
    step += 1
    store.save(step, {"a": np.full(200_000, step, "float32")}, {})
    print("saved", flush=True)
"""


@pytest.mark.parametrize("kills", [2, swept(8)])
def test_sigkill_while_saving_leaves_whole_files(tmp_path, kills):
    rng = np.random.default_rng(2)
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(float(rng.uniform(0.02, 0.2)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = Checkpoints(tmp_path)
        for step in store.steps():
            found, meta = io.load(store.path(step))
            assert meta["step"] == step
            assert (found["a"] == step).all()
    assert store.steps()


def test_the_last_few_are_kept_and_leftovers_removed(tmp_path):
    store = Checkpoints(tmp_path, keep=2)
    (tmp_path / ".step-1.tmp").write_bytes(b"half")
    (tmp_path / "step-notes.safetensors").write_bytes(b"not a step")
    for step in (1, 2, 10):
        store.save(step, {"a": np.full(2, step)}, {"position": step * 8})
    assert store.steps() == [2, 10]
    assert not list(tmp_path.glob(".*"))
    found, meta, path = store.restore({"a": np.zeros(2, int)})
    assert (found["a"][0], meta, path) == (10, {"position": 80, "step": 10}, store.path(10))


def test_a_damaged_newest_one_is_passed_over_aloud(tmp_path):
    store = Checkpoints(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        store.restore({})
    for step in (1, 2):
        store.save(step, {"a": np.full(2, step)}, {})
    store.path(2).write_bytes(b"")
    with pytest.warns(UserWarning, match=r"back to step 1.*truncated"):
        assert store.restore({"a": np.zeros(2, int)})[0]["a"][0] == 1
    store.path(1).write_bytes(b"")
    with pytest.raises(CheckpointError, match="step-000000001"):
        store.restore({"a": np.zeros(2, int)})


def test_numbers_in_a_tree_are_saved_and_loaded_as_numbers(tmp_path):
    state = {"w": np.ones(2), "epoch": 3, "best": 2.5, "done": True}
    found = io.load(io.save(tmp_path / "a", state), state)[0]
    assert [(type(found[k]), found[k]) for k in state if k != "w"] == [(type(v), v) for k, v in state.items() if k != "w"]
