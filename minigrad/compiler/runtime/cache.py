"""A disk cache of object code, content-addressed and checksummed. A fault of the cache is a cache miss, never an exception.

`MINIGRAD_CACHE=0` turns the cache off, `MINIGRAD_CACHE_DIR` sets its directory. Since machine code is loaded from it, the directory must
belong to the user and be closed to others.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

LIMIT = 256 * 2**20
SHARE = 64  # a process writes LIMIT / SHARE before it looks again what to delete: that takes 0.1 s in a full folder
MAGIC = b"minigrad object 1\n"
_SUFFIX = ".object"
_TEMPORARY = ".temporary"
_warned: set[str] = set()
_written = secrets.randbelow(LIMIT // SHARE)  # bytes since this process looked; so some of those that write little look, too


class CacheWarning(UserWarning):
    """The disk cache is not used, or an entry was damaged. Results are not affected."""


def key(*parts: str) -> str:
    """The name of an entry: a hash of `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def load(name: str) -> bytes | None:
    """The object code stored under `name`, or None."""
    folder = directory()
    if folder is None:
        return None
    path = folder / (name + _SUFFIX)
    try:
        content = _read(path)
        if content is None:
            return None
        head = MAGIC + _checksum(name, content[len(MAGIC) + 32 :])
        if content.startswith(head):
            os.utime(path)
            return content[len(head) :]
        _warn(f"damaged cache entry {path}: compiling again")
        path.unlink()
    except OSError:
        pass
    return None


def save(name: str, data: bytes) -> None:
    """Stores object code under `name`, atomically."""
    folder = directory()
    if folder is None:
        return
    temporary = folder / f"{name}-{os.getpid()}-{secrets.token_hex(8)}{_TEMPORARY}"
    try:
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(MAGIC + _checksum(name, data) + data)  # without fsync: the checksum tells what was lost with the power
            os.replace(temporary, folder / (name + _SUFFIX))
        finally:
            temporary.unlink(missing_ok=True)
        _make_room(folder, len(data))
    except OSError as error:
        _warn(f"cannot write to the cache in {folder}: {error.strerror}")


def directory() -> Path | None:
    """The cache's directory, created if it is missing. None if the cache is off or loading code from the directory is not safe."""
    if os.environ.get("MINIGRAD_CACHE") == "0":
        return None
    try:
        folder = _chosen()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = os.lstat(folder)
    except (OSError, RuntimeError):  # read-only, a file of that name, no home directory
        _warn("no directory for the cache: compiling without it")
        return None
    if not stat.S_ISDIR(info.st_mode) or not _ours(info) or (os.name == "posix" and info.st_mode & 0o077):
        _warn(f"{folder} is not a directory of mode 0700 that belongs to you: compiling without a cache")
        return None
    return folder


def entries() -> list[Path]:
    """The cached files, the least recently used first."""
    folder = directory()
    return [Path(path) for path in _by_age(folder, _SUFFIX)] if folder else []


def clear() -> None:
    """Deletes every entry."""
    for path in entries():
        with contextlib.suppress(OSError):
            path.unlink()


def _chosen() -> Path:
    if chosen := os.environ.get("MINIGRAD_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "minigrad" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "minigrad"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minigrad"


def _ours(info: os.stat_result) -> bool:
    return os.name != "posix" or info.st_uid == os.geteuid()


def _read(path: Path) -> bytes | None:
    """The content of a plain file that belongs to the user, else None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(info.st_mode) and _ours(info) else None


def _checksum(name: str, data: bytes) -> bytes:
    return hashlib.sha256(name.encode() + data).digest()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Takes the lock for deleting entries, if no other process holds it; yields whether it does."""
    from filelock import FileLock, Timeout  # it takes long to import, and few processes come here

    try:
        with FileLock(folder / "lock", timeout=0):
            yield True
    except Timeout:
        yield False


def _by_age(folder: Path, suffix: str) -> dict[str, os.stat_result]:
    """Files with their status, the oldest first. Files that other processes delete meanwhile are left out."""
    found = {}
    with os.scandir(folder) as files:
        for file in files:
            if file.name.endswith(suffix):
                with contextlib.suppress(OSError):
                    found[file.path] = file.stat(follow_symlinks=False)
    return dict(sorted(found.items(), key=lambda item: (item[1].st_mtime, item[0])))


def _make_room(folder: Path, size: int) -> None:
    """Called after each write of so many bytes: deletes what is over the limit, now and then."""
    global _written
    _written += size
    if _written >= LIMIT // SHARE:
        with _alone(folder) as alone:
            if alone:
                _written = 0
                _evict(folder)


def _evict(folder: Path) -> None:
    """Deletes temporary files of processes that were killed, and the least recently used entries above the size limit."""
    for path, info in _by_age(folder, _TEMPORARY).items():
        if info.st_mtime < time.time() - 3600:
            Path(path).unlink(missing_ok=True)
    kept = _by_age(folder, _SUFFIX)
    excess = sum(info.st_size for info in kept.values()) - LIMIT
    for path, info in kept.items():
        if excess <= 0:
            break
        Path(path).unlink(missing_ok=True)
        excess -= info.st_size


def _warn(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, CacheWarning, stacklevel=3)
