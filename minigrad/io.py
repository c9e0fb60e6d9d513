"""Checkpoints: trees of tensors in safetensors files that are whole or are refused.

A file appears under its name only when all of it is on the disk. Each tensor has a sha256, the header another; a load gives everything
or raises CheckpointError and gives nothing. Other programs read the files as ordinary safetensors, and ordinary safetensors of other
programs are read too: they have no checksums, but their headers are checked in the same way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import tree
from .errors import CheckpointError
from .graph.nodes import PARAMETER
from .graph.types import BFLOAT16, DTYPES, HALVES
from .ops.creation import is_too_large
from .tensor import Tensor, parameter, tensor

__all__ = ["Checkpoints", "fill", "load", "meta", "save"]

FORMAT = "minigrad/1"
MAX_HEADER = 16 * 2**20  # bytes
CODES = {d: "BOOL" if d.kind == "b" else "BF16" if d == BFLOAT16 else f"{d.kind.upper()}{8 * d.itemsize}" for d in (*DTYPES, *HALVES)}
KINDS = {code: dtype for dtype, code in CODES.items()}
Name = str | os.PathLike[str]


class Entry(NamedTuple):
    """A tensor in a file: bytes start … stop − 1 after the header."""

    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.dtype}({', '.join(map(str, self.shape))})"


class Header(NamedTuple):
    """What a file says of itself; `size` is its length in bytes before the data. A file of another program has no sha256."""

    entries: dict[str, Entry]
    sha256: dict[str, str]
    meta: dict[str, Any]
    size: int


# ---- names


def _names(treedef: tree.TreeDef, prefix: str = "") -> Iterator[str]:
    if treedef.kind is None:
        yield prefix or "tensor"
        return
    pairs = zip(treedef.keys, treedef.children, strict=True)
    yield from treedef.untied([n for key, child in pairs for n in _names(child, f"{prefix}.{key}" if prefix else str(key))])


def names(treedef: tree.TreeDef) -> list[str]:
    """A name for each leaf: 'model.controller.W'. Raises CheckpointError where two leaves would share one."""
    found = list(_names(treedef))
    twice = sorted({n for n in found if found.count(n) > 1 or n == "__metadata__"}) if len(set(found)) < len(found) else []
    if twice or "__metadata__" in found:
        raise CheckpointError(f"these names can't stand in a checkpoint, or stand for two tensors: {', '.join(twice) or '__metadata__'}")
    return found


# ---- writing


def save(path: Name, tree_: Any, meta: dict[str, Any] | None = None) -> Path:
    """Write a tree of tensors or arrays, and what JSON can hold beside it. What stood at the path is replaced whole or not at all.

    A symbolic link stays, and the file it points to is replaced. Raises CheckpointError, which says what became of the earlier file.
    """
    target = Path(os.path.realpath(path))
    leaves, treedef = tree.flatten(tree_)
    arrays = dict(zip(names(treedef), map(_array, leaves), strict=True))
    header, order = _header(arrays, {} if meta is None else meta)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    state = "An earlier file of this name is intact"
    try:
        _write(temporary, [header, *(arrays[n].tobytes() for n in order)])
        os.replace(temporary, target)
        state = "It replaced the earlier file, but may be lost if the machine stops now"
        _sync_folder(target.parent)
    except OSError as error:
        raise CheckpointError(f"{target}: could not be written: {error.strerror or error}. {state}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return Path(path)


def _array(leaf: Any) -> np.ndarray:
    """The leaf as a contiguous little-endian array."""
    value = leaf.numpy() if isinstance(leaf, Tensor) else np.asarray(leaf)
    if value.dtype.newbyteorder("=") not in CODES:
        raise CheckpointError(f"a leaf has dtype {value.dtype}, which checkpoints don't hold; make it a tensor first")
    return np.ascontiguousarray(value, value.dtype.newbyteorder("<")).reshape(value.shape)


def _header(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> tuple[bytes, list[str]]:
    """The bytes before the data, and the order of the data: wide dtypes first, so that all are aligned."""
    order = sorted(arrays, key=lambda n: (-arrays[n].itemsize, n))
    entries, at = {}, 0
    for name in order:
        a = arrays[name]
        entries[name] = {"dtype": CODES[a.dtype.newbyteorder("=")], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    try:
        notes = {
            "format": FORMAT,
            "meta": json.dumps(meta, sort_keys=True, allow_nan=False),
            "sha256": json.dumps({n: hashlib.sha256(arrays[n].tobytes()).hexdigest() for n in order}),
        }
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the metadata is not JSON: {error}") from None
    text = _encode(notes | {"header_sha256": _digest(notes, entries)}, entries)
    if len(text) > MAX_HEADER:
        raise CheckpointError(f"the header would have {len(text):,} bytes, above the limit of {MAX_HEADER:,}; put large things in tensors")
    return len(text).to_bytes(8, "little") + text, order


def _encode(notes: dict[str, str], entries: dict[str, Any]) -> bytes:
    text = json.dumps({"__metadata__": notes, **entries}, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _digest(notes: dict[str, str], entries: dict[str, Any]) -> str:
    return hashlib.sha256(_encode({k: v for k, v in notes.items() if k != "header_sha256"}, entries)).hexdigest()


def _write(path: Path, parts: Sequence[Any]) -> None:
    with open(path, "xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Write a folder's list of names to the disk. Windows has no such call, and writes it itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- reading


def load(path: Name, like: Any = None) -> tuple[Any, dict[str, Any]]:
    """(tree, metadata) of a checkpoint, or of another program's safetensors file. The tree is that of `like`, parameters where it has
    them; without `like` a dict of arrays by name, such as "model.controller.W", which `fill` takes when it is renamed or converted.

    Raises CheckpointError, and gives nothing, for a file that is truncated, altered, no safetensors, or of other names, shapes or dtypes.
    """
    with _reading(path) as (file, header):
        if like is not None:
            found = _mismatch({n: (e.dtype, e.shape) for n, e in header.entries.items()}, _named(like))
            if found:
                raise _fail(path, found)
        arrays = _data(path, file, header)
    return arrays if like is None else fill(like, arrays), header.meta


def fill(like: Any, arrays: Mapping[str, Any]) -> Any:
    """The tree of `like` with arrays by name for its leaves, parameters where it has them.

    Raises CheckpointError, which lists the names that are missing and unexpected, and where shapes or dtypes differ.
    """
    wanted = _named(like)
    found = _mismatch({n: (np.dtype(a.dtype), tuple(a.shape)) for n, a in arrays.items()}, wanted)
    if found:
        raise CheckpointError(found)
    return tree.unflatten(tree.flatten(like)[1], [_as(leaf, np.asarray(arrays[n])) for n, leaf in wanted.items()])


def _named(tree_: Any) -> dict[str, Any]:
    leaves, treedef = tree.flatten(tree_)
    return dict(zip(names(treedef), leaves, strict=True))


def meta(path: Name) -> dict[str, Any]:
    """The metadata alone, checked; the tensors are not read."""
    with _reading(path) as (_, header):
        return header.meta


def _fail(path: Name, problem: str) -> CheckpointError:
    return CheckpointError(f"{os.fspath(path)}: {problem}. Nothing was loaded")


@contextlib.contextmanager
def _reading(path: Name) -> Iterator[tuple[Any, Header]]:
    try:
        with open(path, "rb") as file:
            yield file, _read_header(path, file)
    except OSError as error:
        raise _fail(path, f"could not be read: {error.strerror or error}") from error


def _read_header(path: Name, file: Any) -> Header:
    total = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    if len(prefix) < 8:
        raise _fail(path, f"truncated: a checkpoint starts with 8 bytes of length, the file has {total}")
    size = int.from_bytes(prefix, "little")
    if size > MAX_HEADER or size < 2:
        kind = "a zip archive (npz, or PyTorch's)" if prefix[:2] == b"PK" else "a pickle" if prefix[:1] == b"\x80" else "another format"
        raise _fail(path, f"not a checkpoint: its header would have {size:,} bytes (limit {MAX_HEADER:,}); it may be {kind}")
    if 8 + size > total:
        raise _fail(path, f"truncated: the header takes {8 + size:,} bytes, the file has {total:,}")
    text = file.read(size)
    try:
        found = json.loads(text, object_pairs_hook=_unique)
        notes = found.pop("__metadata__", {})
        entries = {name: _entry(name, e) for name, e in found.items()}
        if _is_foreign(notes):
            header = Header(entries, {}, notes, 8 + size)
        elif _encode(notes, found) != text or _digest(notes, found) != notes.get("header_sha256"):
            raise ValueError("altered: the header does not have its sha256")
        else:
            header = Header(entries, json.loads(notes["sha256"]), json.loads(notes["meta"]), 8 + size)
            if set(header.sha256) != set(entries):
                raise ValueError("not every tensor has a sha256")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _fail(path, f"not a checkpoint: {str(error) or 'its header is nested too deep'}") from None
    _require_tiled(path, header, total)
    return header


def _is_foreign(notes: dict[str, Any]) -> bool:
    """Whether another program wrote the file. One mark of ours that is left is enough for the others to be missed."""
    if not all(isinstance(text, str) for text in notes.values()):
        raise ValueError("its metadata must be texts")
    return notes.get("format") != FORMAT and not {"sha256", "header_sha256"} & set(notes)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key stands twice in its header, among {sorted({k for k, _ in pairs})[:5]}")
    return found


def _entry(name: str, value: dict[str, Any]) -> Entry:
    """The entry, if it is well-formed and its bytes are as many as its shape needs; else ValueError."""
    shape, (start, stop) = value["shape"], value["data_offsets"]
    whole = all(type(n) is int and 0 <= n < 2**63 for n in (*shape, start, stop))
    if not whole or len(shape) > 64 or len(value) != 3 or is_too_large(shape):
        raise ValueError(f"the entry of {name[:80]!r} is malformed")
    if value["dtype"] not in KINDS:
        raise ValueError(f"{name[:80]!r} has dtype {str(value['dtype'])[:80]}, which is not read")
    if stop - start != math.prod(shape) * KINDS[value["dtype"]].itemsize:
        raise ValueError(f"{name[:80]!r} has {stop - start:,} bytes, its shape {shape} and dtype need other")
    return Entry(KINDS[value["dtype"]], tuple(shape), start, stop)


def _require_tiled(path: Name, header: Header, total: int) -> None:
    """Tensors stand side by side, without overlap or gap, to the end of the file."""
    at = 0
    for name, entry in sorted(header.entries.items(), key=lambda pair: (pair[1].start, pair[1].stop)):
        if entry.start != at:
            raise _fail(path, f"hostile: {name!r} starts at byte {entry.start} of the data, where {at} is next: an overlap or a gap")
        at = entry.stop
    if header.size + at != total:
        what = "truncated" if header.size + at > total else "longer than it should be"
        raise _fail(path, f"{what}: its header says {header.size + at:,} bytes, the file has {total:,}")


def _mismatch(have: dict[str, tuple[np.dtype, tuple[int, ...]]], wanted: dict[str, Any]) -> str:
    """A list of all that are missing, unexpected and different; empty if every tensor is there with its type."""
    typed = {n: v if hasattr(v, "dtype") else np.asarray(v) for n, v in wanted.items()}
    want = {n: (np.dtype(v.dtype), tuple(v.shape)) for n, v in typed.items()}
    groups = {
        "missing": [n for n in want if n not in have],
        "unexpected": [n for n in have if n not in want],
        "different": [
            f"{n}: {Entry(*have[n], 0, 0)} in the file, {Entry(*want[n], 0, 0)} here" for n in want if n in have and have[n] != want[n]
        ],
    }
    lines = [f"\n  {what} ({len(found)}): " + "; ".join(found[:20]) + " …" * (len(found) > 20) for what, found in groups.items() if found]
    return "it is not for this model" + "".join(lines) + "\n" if lines else ""


def _data(path: Name, file: Any, header: Header) -> dict[str, np.ndarray]:
    arrays = {}
    for name, entry in header.entries.items():
        file.seek(header.size + entry.start)
        raw = file.read(entry.stop - entry.start)
        if header.sha256 and hashlib.sha256(raw).hexdigest() != header.sha256[name]:
            raise _fail(path, f"altered: {name!r} does not have its sha256")
        arrays[name] = np.frombuffer(raw, entry.dtype.newbyteorder("<")).reshape(entry.shape)
    return arrays


def _as(leaf: Any, array: np.ndarray) -> Any:
    if not isinstance(leaf, Tensor):
        return array.item() if isinstance(leaf, (int, float)) else array.copy()
    return parameter(array, name=leaf.name) if leaf.node.op is PARAMETER else tensor(array, name=leaf.name)


# ---- a folder of them


class Checkpoints:
    """A folder's checkpoints by step, of which the last `keep` stay. One process writes; any may read."""

    def __init__(self, folder: Name, keep: int = 3):
        if keep < 1:
            raise CheckpointError(f"keep must be at least 1, got {keep}")
        self.folder, self.keep = Path(folder), keep

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}.safetensors"

    def steps(self) -> list[int]:
        """The steps that have a file, in order."""
        found = (re.fullmatch(r"step-(\d{9,})\.safetensors", p.name) for p in self.folder.glob("step-*.safetensors"))
        return sorted(int(m[1]) for m in found if m)

    def save(self, step: int, tree_: Any, meta: dict[str, Any]) -> Path:
        """Write one, then remove those beyond the last `keep` and what killed writers left behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = save(self.path(step), tree_, {**meta, "step": step})
        spare = [self.path(s) for s in self.steps()[: -self.keep]]
        for old in (*spare, *self.folder.glob(".step-*.tmp")):
            old.unlink(missing_ok=True)
        return path

    def restore(self, like: Any) -> tuple[Any, dict[str, Any], Path]:
        """(tree, metadata, path) of the newest one that is whole; a warning names those that are not. Raises CheckpointError if none is."""
        errors = []
        for step in reversed(self.steps()):
            try:
                found, notes = load(self.path(step), like)
            except CheckpointError as error:
                errors.append(str(error))
                continue
            if errors:
                warnings.warn(f"going back to step {step}: " + "; ".join(errors), stacklevel=2)
            return found, notes, self.path(step)
        raise CheckpointError("; ".join(errors) or f"{self.folder}: there is no checkpoint")
