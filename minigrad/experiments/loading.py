"""FILE.py:NAME: a function or class in a file of the user's, and the errors of that file as one message."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import SettingError


def load(target: str) -> tuple[ModuleType, Callable[..., Any]]:
    """(module, function or class) of FILE.py:NAME. Raises SettingError where there is no such file or name, or the file fails."""
    file, _, name = target.rpartition(":")
    path = Path(file)
    if not (file and name and path.is_file()):
        problem = f"{file}: no such file" if file and name else f"{target!r} names no function in a file"
        raise SettingError(f"{problem}: give a file that exists and a name in it, as in model.py:loss")
    module = _executed(path, digest(path))
    f = getattr(module, name, None)
    if not callable(f):
        there = [k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        raise SettingError(f"{file} has no function {name!r}; it has {', '.join(there) or 'none'}")
    return module, f


@cache
def _executed(path: Path, digest: str) -> ModuleType:
    """The module of a file with this content: one, so that its classes are one."""
    taken = path.stem in sys.stdlib_module_names or path.stem in sys.modules
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{digest[:8]}" if taken else path.stem, path)
    if spec is None or spec.loader is None:
        raise SettingError(f"{path}: no Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as `python FILE.py` would have it
    sys.modules[spec.name] = module
    with errors_of(path):
        spec.loader.exec_module(module)
    return module


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_target(name: str) -> bool:
    """Whether a name is FILE.py:NAME."""
    return name.rpartition(":")[0].endswith(".py")


def file_of(target: str) -> Path:
    """FILE.py of FILE.py:NAME. Raises SettingError where there is none."""
    path = Path(target.rpartition(":")[0])
    if not path.is_file():
        raise SettingError(f"{path}: no such file: give a file that exists and a name in it, as in model.py:Cell")
    return path


def absolute(name: str) -> str:
    """FILE.py:NAME with the whole path of the file; any other name as it is."""
    file, _, own = name.rpartition(":")
    return f"{Path(file).expanduser().resolve()}:{own}" if is_target(name) else name


def brief(name: str) -> str:
    """NAME of FILE.py:NAME; any other name as it is."""
    return name.rpartition(":")[2] if is_target(name) else name


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Errors of code in this file as SettingError with the line."""
    try:
        yield
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path.absolute()]
        place = f"{path}:{lines[-1]}" if lines else path
        raise SettingError(f"{place}: {type(error).__name__}: {error}") from None
