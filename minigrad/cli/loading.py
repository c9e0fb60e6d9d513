"""FILE.py:FUNCTION: a function in a file of the user's, and the errors of that file as one message."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import SettingError


def load(target: str) -> tuple[ModuleType, Callable[..., Any]]:
    """(module, function) of FILE.py:FUNCTION. Raises SettingError where there is no such file or function, or the file fails."""
    file, _, name = target.rpartition(":")
    path = Path(file)
    if not (file and name and path.is_file()):
        problem = f"{file}: no such file" if file and name else f"{target!r} names no function in a file"
        raise SettingError(f"{problem}: give a file that exists and a name in it, as in model.py:loss")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SettingError(f"{file}: no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))  # as `python FILE.py` would have it
    sys.modules[spec.name] = module
    with errors_of(path):
        spec.loader.exec_module(module)
    f = getattr(module, name, None)
    if not callable(f):
        there = [k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__]
        raise SettingError(f"{file} has no function {name!r}; it has {', '.join(there) or 'none'}")
    return module, f


@contextmanager
def errors_of(path: Path) -> Iterator[None]:
    """Errors of code in this file as SettingError with the line."""
    try:
        yield
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path.absolute()]
        place = f"{path}:{lines[-1]}" if lines else path
        raise SettingError(f"{place}: {type(error).__name__}: {error}") from None
