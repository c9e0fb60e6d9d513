"""The disk cache: whatever happens to it, the right code runs."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from unittest import mock

import numpy as np
import pytest

from minigrad.compiler import CacheWarning, compile_function
from minigrad.compiler import loop_ir as L
from minigrad.compiler.runtime import cache, link

N, i = L.Size("n"), L.LoopVar("i")
posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    compile_function(add(0.0))  # with the built-in functions that call it
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warned", set())
    return tmp_path / "cache"


def add(amount):
    x, y = L.Buffer("x", "float64", N), L.Buffer("y", "float64", N)
    store = L.Store(y, i, L.Binary("add", L.Load(x, i), L.Const("float64", amount)))
    return L.Function("f", (x,), (y,), (N,), (), (L.For(i, N, (store,)),))


def works(amount=1.0):
    y = np.zeros(5)
    with mock.patch.dict(link._linked, clear=True):  # as in another process
        compile_function(add(amount)).run({"x": np.arange(5.0), "y": y}, {"n": 5})
    return (y == np.arange(5.0) + amount).all()


def test_an_entry_is_made_once_and_found_again(folder, monkeypatch):
    assert works()
    (entry,) = cache.entries()
    content = entry.read_bytes()
    monkeypatch.setattr("minigrad.compiler.runtime.assemble.assemble", lambda *unit: pytest.fail("compiled again"))
    assert works()
    assert cache.entries() == [entry]
    assert entry.read_bytes() == content
    cache.clear()
    assert cache.entries() == []


def test_other_code_versions_and_machines_have_other_keys(folder, monkeypatch):
    assert works(1.0)
    assert works(2.0)
    assert len(cache.entries()) == 2
    monkeypatch.setattr("minigrad.compiler.runtime.link._versions", lambda: ("another",))
    assert works(1.0)
    assert len(cache.entries()) == 3
    assert cache.key("ab", "c") != cache.key("a", "bc")


@pytest.mark.parametrize("damage", ["empty", "half", "header", "flip", "longer", "other entry"])
def test_a_damaged_entry_is_replaced(folder, damage):
    assert works()
    (entry,) = cache.entries()
    content = entry.read_bytes()
    assert works(2.0)
    (other,) = set(cache.entries()) - {entry}
    damaged = {
        "empty": b"",
        "half": content[: len(content) // 2],
        "header": content[: len(cache.MAGIC) + 32],
        "flip": content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
        "longer": content + b"x",
        "other entry": other.read_bytes(),
    }
    entry.write_bytes(damaged[damage])
    with pytest.warns(CacheWarning, match="damaged"):
        assert works()
    assert entry.read_bytes() == content


def test_every_flipped_byte_is_noticed(folder):
    data = bytes(range(64))
    cache.save("name", data)
    entry = folder / "name.object"
    content = entry.read_bytes()
    with warnings.catch_warnings(action="ignore"):
        for position in range(len(content)):
            entry.write_bytes(content[:position] + bytes([content[position] ^ 0x40]) + content[position + 1 :])
            assert cache.load("name") is None
    entry.write_bytes(content)
    assert cache.load("name") == data


@posix
@pytest.mark.parametrize("mode", [0o777, 0o755, 0o770])
def test_a_folder_open_to_others_is_not_used(folder, mode):
    folder.mkdir()
    folder.chmod(mode)
    with pytest.warns(CacheWarning, match="0700"):
        assert works()
    assert list(folder.iterdir()) == []
    with warnings.catch_warnings(action="error"):
        assert works(3.0)  # warned once


@posix
def test_a_foreign_folder_link_or_entry_is_not_used(folder, tmp_path, monkeypatch):
    assert works()
    (entry,) = cache.entries()
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "link"))
    with pytest.warns(CacheWarning):
        assert cache.directory() is None
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(folder))
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    assert cache.load(entry.stem) is None
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.warns(CacheWarning):
        assert cache.directory() is None


def test_no_folder_no_home_or_turned_off(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.warns(CacheWarning, match="no directory"):
        assert works()
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(folder))
    monkeypatch.setenv("MINIGRAD_CACHE", "0")
    assert works()
    assert not folder.exists()


def test_a_full_disk_is_a_warning(folder, monkeypatch):
    def full(name, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_checksum", full)
    with pytest.warns(CacheWarning, match="No space left"):
        assert works()
    assert cache.entries() == []
    assert list(folder.iterdir()) == []


def test_the_least_recently_used_entries_go_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 3_500)
    for age, name in enumerate("abc"):
        cache.save(name, bytes(1_000))
        os.utime(folder / f"{name}.object", (age, age))
    assert cache.load("a") is not None  # now the most recent
    cache.save("d", bytes(1_000))
    assert {path.stem for path in cache.entries()} == {"a", "c", "d"}


def test_a_folder_is_looked_through_once_in_a_share_of_the_limit(folder, monkeypatch):
    """In a full folder that takes three times as long as to compile a small program."""
    looks = []
    evict = cache._evict
    monkeypatch.setattr(cache, "LIMIT", 64_000)
    monkeypatch.setattr(cache, "_evict", lambda folder: (looks.append(1), evict(folder)))
    for n in range(320):
        cache.save(str(n), bytes(250))
    assert sum(path.stat().st_size for path in cache.entries()) == pytest.approx(cache.LIMIT, abs=cache.LIMIT / cache.SHARE + 300)
    assert len(looks) in (80, 81)


def test_what_killed_writers_left_is_removed(folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 1_000)
    cache.save("a", b"1")
    old, new = folder / "x.temporary", folder / "y.temporary"
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    cache.save("b", bytes(20))
    assert not old.exists()
    assert new.exists()


def run_script(source, folder, **options):
    code = textwrap.dedent(source)
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"MINIGRAD_CACHE_DIR": str(folder)}, **options)


def test_four_processes_write_at_once(folder):
    writer = """
        from minigrad.compiler.runtime import cache, link
        cache.LIMIT = 1_000_000
        for round in range(15):
            for name in "abc":
                cache.save(name, name.encode() * 50_000)
                assert cache.load(name) == name.encode() * 50_000
    """
    processes = [run_script(writer, folder) for _ in range(4)]
    assert [p.wait() for p in processes] == [0, 0, 0, 0]
    assert sorted(path.name for path in folder.iterdir()) == ["a.object", "b.object", "c.object", "lock"]
    assert all(cache.load(name) == name.encode() * 50_000 for name in "abc")


@posix
def test_a_killed_writer_leaves_no_bad_entry(folder):
    writer = """
        from minigrad.compiler.runtime import cache, link
        print("ready", flush=True)
        while True:
            cache.save("a", b"payload" * 100_000)
    """
    for pause in (0.0, 0.01, 0.03):
        process = run_script(writer, folder, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with warnings.catch_warnings(action="error"):
            assert cache.load("a") in (None, b"payload" * 100_000)
    cache.save("a", b"new")  # the dead writer's lock is gone
    assert cache.load("a") == b"new"


@posix
def test_a_stopped_writer_holds_nobody_up(folder, monkeypatch):
    import fcntl

    monkeypatch.setattr(cache, "LIMIT", 200)
    cache.save("a", b"x" * 90)
    with open(folder / "lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cache.save("b", b"y" * 90)
        assert cache.load("a") is not None, "only who is alone clears up"
        assert cache.load("b") == b"y" * 90
    cache.save("b", b"z" * 90)
    assert cache.load("a") is None
    assert cache.load("b") == b"z" * 90
