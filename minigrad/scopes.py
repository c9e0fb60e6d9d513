"""mg.scope: names for parts of a computation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import dtype_error
from .origin import Scope, scopes


@contextmanager
def scope(name: str, step: int | None = None) -> Iterator[None]:
    """Nodes made inside belong to a scope: `with mg.scope("rnn", step=t): ...`. Scopes nest; drawings group and order nodes by them.

    `step` is an integer, the index in time. Raises DTypeError for anything else.
    """
    if not isinstance(name, str) or not (step is None or hasattr(step, "__index__")):
        raise dtype_error("scope", f"takes a text and an integer step, got {name!r} and {step!r}", "Number the steps, as in enumerate(xs)")
    token = scopes.set((*scopes.get(), Scope(name, None if step is None else step.__index__())))
    try:
        yield
    finally:
        scopes.reset(token)
