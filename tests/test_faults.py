"""Faults from outside: full disks, interrupts, too little memory, many processes.

Nothing is lost, the message is clear, the next run works.
"""

from __future__ import annotations

import ast
import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from children import GUARD, run, start

import minigrad as mg
from minigrad import io
from minigrad.errors import CheckpointError
from minigrad.train import train

posix = pytest.mark.skipif(os.name != "posix", reason="signals, limits and mounts are POSIX's")


def line(key, step):
    x = mg.random.normal(mg.random.fold_in(key, step), (8,)).numpy()
    return x, 2 * x + 1


def fit(model, x, y):
    return mg.mse(model["a"] * x + model["b"], y), {}


def learn(folder, steps):
    fresh = {"a": mg.parameter(0.0), "b": mg.parameter(0.0)}
    return train(fresh, mg.optim.Adam(0.1), fit, line, folder=folder, steps=steps, key=mg.random.key(1), save_every=10)


# ---- full disks


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MiB that is really full when it is full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(path: Path) -> None:
    """A file that takes all the room there is."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@posix
def test_a_full_disk_refuses_the_checkpoint_and_keeps_the_earlier_one(small_disk):
    path = small_disk / "a.safetensors"
    io.save(path, {"a": np.ones(50_000, "float32")})
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"No space left.*earlier file of this name is intact"):
        io.save(path, {"a": np.ones(500_000, "float32")})
    assert path.read_bytes() == before
    assert os.listdir(small_disk) == [path.name]
    io.save(path, {"a": np.zeros(50_000, "float32")})
    assert not io.load(path)[0]["a"].any()


@posix
def test_training_on_a_disk_that_fills_up_goes_on_later_with_the_same_bits(small_disk, tmp_path):
    whole, broken = tmp_path / "whole", small_disk / "broken"
    learn(whole, 30)
    learn(broken, 10)
    fill(small_disk / "filler")
    with pytest.raises((CheckpointError, OSError), match="No space left"):
        learn(broken, 30)
    (small_disk / "filler").unlink()
    assert learn(broken, 30).step == 30
    name = "checkpoints/step-000000030.safetensors"
    assert (broken / name).read_bytes() == (whole / name).read_bytes()


@posix
def test_a_limit_on_file_sizes_is_an_error_with_its_reason(tmp_path):
    found = run(
        """
        import resource, sys, numpy as np
        from minigrad import io
        from minigrad.errors import CheckpointError
        path = sys.argv[1] + "/a.safetensors"
        io.save(path, {"a": np.ones(1000)})
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        try:
            io.save(path, {"a": np.ones(100_000)})
        except CheckpointError as error:
            print(error)
        print(io.load(path)[0]["a"].sum())
        """,
        tmp_path,
    )
    assert "File too large. An earlier file of this name is intact" in found
    assert found.endswith("1000.0\n")
    assert os.listdir(tmp_path) == ["a.safetensors"]


def test_a_damaged_newest_checkpoint_costs_only_the_steps_since_the_one_before(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    learn(whole, 40)
    learn(broken, 30)
    newest = broken / "checkpoints" / "step-000000030.safetensors"
    damaged = bytearray(newest.read_bytes())
    damaged[-1] ^= 1
    newest.write_bytes(damaged)
    with pytest.warns(UserWarning, match=r"going back to step 20.*step-000000030.*sha256"):
        learn(broken, 40)
    name = "checkpoints/step-000000040.safetensors"
    assert (broken / name).read_bytes() == (whole / name).read_bytes()


# ---- pickles


class Trap:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("wrap", [pickle.dumps, lambda trap: b"\x80\x04" + pickle.dumps([trap]), lambda trap: pickle.dumps({"a": trap}, 0)])
def test_a_pickle_in_the_place_of_a_checkpoint_is_refused_and_not_run(tmp_path, wrap):
    path, touched = tmp_path / "step-000000001.safetensors", tmp_path / "touched"
    path.write_bytes(wrap(Trap(touched)))
    for read in (io.load, io.meta, lambda p: io.Checkpoints(p.parent).restore({})):
        with pytest.raises(CheckpointError):
            read(path)
    assert not touched.exists()


PICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
OWN_TEXT = {
    "straight.py",
    "tree_code.py",
    "to_python.py",
    "programs.py",
    "numba.py",
    "machine_code.py",
}  # these run text that they have made themselves


def test_the_package_neither_pickles_nor_evaluates_what_it_reads():
    root = Path(mg.__file__).parent
    sources = [p for folder in (root, root.parent / "models", root.parent / "viz") for p in folder.rglob("*.py")]
    assert len(sources) > 60
    for path in sources:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        imported = {name.name.split(".")[0] for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom)) for name in n.names}
        imported |= {(n.module or "").split(".")[0] for n in nodes if isinstance(n, ast.ImportFrom)}
        called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        options = {k.arg for n in nodes if isinstance(n, ast.Call) for k in n.keywords}
        assert not imported & PICKLES, path
        assert "allow_pickle" not in options, path
        assert not called & {"eval", "exec"} or path.name in OWN_TEXT, path


# ---- the cache shared by processes

SHARED = """
import sys, warnings, hashlib, numpy as np
warnings.simplefilter("error")
import minigrad as mg
sys.stdin.readline()
number, total = int(sys.argv[1]), hashlib.sha256()
def make(k):
    return mg.jit(lambda w, x: mg.value_and_grad(lambda w: mg.sum(mg.tanh(x @ w) * k))(w))
for k in (1, 2, 3 + number):
    for y in make(k)(mg.tensor(np.ones((3, 3))), np.arange(6.0).reshape(2, 3))[:2]:
        total.update(y.numpy().tobytes()) if k < 3 else None
print(total.hexdigest())
"""


def check_shared(folder, count):
    """All start at once on an empty cache, with programs that are the same and programs of their own."""
    processes = []
    for i in range(count):
        process = subprocess.Popen(
            [os.sys.executable, "-c", SHARED, str(i)],
            env=os.environ | {"MINIGRAD_CACHE_DIR": str(folder), "MINIGRAD_CACHE": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
    results = [p.communicate("\n", timeout=GUARD) for p in processes]
    assert [p.returncode for p in processes] == [0] * count, [errors for _, errors in results]
    assert len({out for out, _ in results}) == 1
    assert not [p.name for p in folder.iterdir() if p.suffix == ".temporary"]


def test_two_processes_fill_one_cache(tmp_path):
    check_shared(tmp_path / "cache", 2)


@pytest.mark.slow
def test_eight_processes_fill_one_cache(tmp_path):
    check_shared(tmp_path / "cache", 8)


@posix
def test_a_read_only_cache_is_read_and_not_written(small_disk, monkeypatch):
    folder = small_disk / "cache"
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(folder))
    monkeypatch.delenv("MINIGRAD_CACHE", raising=False)
    x = np.arange(3.0)
    mg.jit(lambda x: mg.sin(x) * 7)(x)
    before = sorted(folder.iterdir())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with warnings.catch_warnings(action="ignore"):
        np.testing.assert_allclose(mg.jit(lambda x: mg.sin(x) * 7)(x), 7 * np.sin(x))
        np.testing.assert_allclose(mg.jit(lambda x: mg.sin(x) * 8)(x), 8 * np.sin(x))
    assert sorted(folder.iterdir()) == before


# ---- interrupts

LOOP = """
import os, signal, sys, threading, time
import numpy as np
import minigrad as mg
os.environ["MINIGRAD_CHECK"] = "0"  # the interpreter would take days
from minigrad.compiler.runtime.executable import Executable
f = mg.jit(lambda c, n: mg.scan(lambda c, _: (mg.sin(c) + n[0], ()), c, length=10**15)[0])  # it takes months
x, begun = np.ones(2), threading.Event()
def interrupt():
    begun.wait()
    time.sleep(float(sys.argv[1]))
    os.kill(os.getpid(), signal.SIGINT)
def run(*args, run=Executable.run):
    begun.set()
    run(*args)
Executable.run = lambda *args: None
f(x, x)  # compiles
Executable.run = run
threading.Thread(target=interrupt, daemon=True).start()
"""


@posix
def test_ctrl_c_inside_a_compiled_loop_comes_through_and_the_next_call_works():
    found = run(
        LOOP
        + """
try:
    f(x, x)
except KeyboardInterrupt:
    print("interrupted")
print(mg.jit(lambda x: x * 2)(np.ones(3)).numpy())
""",
        0.3,
    )
    assert found == "interrupted\n[2. 2. 2.]\n"


@posix
def test_ctrl_c_inside_a_compiled_loop_ends_a_program_that_does_not_catch_it():
    process = start(LOOP + "f(x, x)", 0.3)
    errors = process.communicate(timeout=GUARD)[1]
    assert process.returncode == -signal.SIGINT
    assert errors.endswith("KeyboardInterrupt\n")


@posix
def test_a_handler_of_the_users_own_runs_while_machine_code_does():
    f = mg.jit(lambda c, n: mg.scan(lambda c, _: (mg.sin(c) + n[0], ()), c, length=3_000_000)[0])
    x, heard = np.ones(2), []
    f(x, x)
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(threading.current_thread()))
    try:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        again = f(x, x)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [threading.main_thread()]
    assert again.numpy().tobytes() == f(x, x).numpy().tobytes()


# ---- memory


@posix
def test_too_little_memory_is_a_memory_error_and_smaller_work_goes_on():
    found = run(
        """
        import resource, numpy as np
        import minigrad as mg
        f = mg.jit(lambda x: mg.sum(mg.cumsum(x[:, None] * x[None, :], 1) * mg.sin(x), 0))
        np.testing.assert_allclose(f(np.ones(4)).numpy(), 4 * np.sin(1.0) * np.arange(1, 5))
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20, resource.RLIM_INFINITY))
        for work in (lambda: mg.zeros((30_000, 30_000)) + 1.0, lambda: f(np.ones(20_000))):
            try:
                work()
                print("done")
            except MemoryError as error:
                print(type(error).__name__, str(error).splitlines()[0])
        print(f(np.ones(4)).numpy().sum().round(6), float(mg.sum(mg.ones(1000))))
        """,
        OPENBLAS_NUM_THREADS="1",
    )
    lines = found.splitlines()
    assert lines[0].startswith("OutOfMemoryError add:")
    assert "GiB" in lines[0]
    assert "MemoryError" in lines[1]
    assert lines[2] == f"{round(40 * float(np.sin(1.0)), 6)} 1000.0"
