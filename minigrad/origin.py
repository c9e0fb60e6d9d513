"""The origin of a node: the user's file and line, the scopes, the time step, and for a gradient the node that is differentiated."""

from __future__ import annotations

import linecache
import os
import sys
from contextvars import ContextVar
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .graph.ir import Node

_ENGINE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_USER_SIDE = (_ENGINE + "models" + os.sep, _ENGINE + "viz" + os.sep)
_folders = [_ENGINE]
_is_engine: dict[str, bool] = {}


class Scope(NamedTuple):
    """One level of naming: a layer, a cell, a head; `step` is its index in time or None."""

    name: str
    step: int | None = None

    def __str__(self) -> str:
        return self.name if self.step is None else f"{self.name}[{self.step}]"


class Origin(NamedTuple):
    """The origin of a node. Two nodes may be merged although their origins differ. `at` is the instruction within the code."""

    code: CodeType | None = None
    line: int = 0
    scopes: tuple[Scope, ...] = ()
    vjp_of: Node | None = None
    at: int = 0

    def describe(self) -> str:
        """'train.py:41 `h = x @ W`, in rnn[3]'."""
        if self.code is None:
            return "an unknown line"
        source = linecache.getline(self.code.co_filename, self.line).strip()
        text = f"{os.path.basename(self.code.co_filename)}:{self.line}"
        text += f" `{source}`" if source else ""
        text += f", in {self.scope}" if self.scopes else ""
        return text + (", in the gradient" if self.vjp_of is not None else "")

    @property
    def scope(self) -> str:
        """The path of scopes, 'ntm[3]/read'."""
        return "/".join(map(str, self.scopes))

    @property
    def step(self) -> int | None:
        """The time step: that of the innermost scope which has one."""
        return next((s.step for s in reversed(self.scopes) if s.step is not None), None)


# What an origin is worked out from when someone asks for it: an origin, (code, instruction, scopes), or the node that is differentiated.
Place = Any

scopes: ContextVar[tuple[Scope, ...]] = ContextVar("scopes", default=())  # those of mg.scope that are open
_override: ContextVar[Place] = ContextVar("origin", default=None)


def add_engine(folder: str) -> None:
    """The lines of a library that calls the engine for the user are no more the user's than the engine's own."""
    _folders.append(folder + os.sep)
    _is_engine.clear()


def is_engine(filename: str) -> bool:
    known = _is_engine.get(filename)
    if known is None:
        path = os.path.abspath(filename)
        known = path.startswith(tuple(_folders)) and not path.startswith(_USER_SIDE)
        _is_engine[filename] = known
    return known


def place(depth: int = 1) -> Place:
    """The place of what is made now: the innermost line outside the engine, and the current scopes. The `depth` innermost frames are known
    to be the engine's."""
    fixed = _override.get()
    if fixed is not None:
        return fixed
    try:
        frame: Any = sys._getframe(depth)
    except ValueError:  # no function in Python has called the engine: a thread began there
        frame = None
    while frame is not None:
        code = frame.f_code
        engine = _is_engine.get(code.co_filename)
        if engine is None:
            engine = is_engine(code.co_filename)
        if not engine:
            return code, frame.f_lasti, scopes.get()
        frame = frame.f_back
    return Origin(scopes=scopes.get())


def located(place: Place) -> Origin:
    """The origin of a place."""
    if type(place) is Origin:
        return place
    if type(place) is tuple:
        code, at, open_scopes = place
        line = next((n for start, end, n in code.co_lines() if start <= at < end and n is not None), code.co_firstlineno)
        return Origin(code, line, open_scopes, at=at)
    return place.origin._replace(vjp_of=place)


def here() -> Origin:
    """The origin of a node that is made now."""
    return located(place())


def caller() -> Origin:
    """The innermost line of the user's own code: outside the engine, the models and the drawings."""
    frame = sys._getframe(1)
    while frame is not None and (frame.f_globals.get("__name__", "").split(".")[0] == "minigrad" or is_engine(frame.f_code.co_filename)):
        frame = frame.f_back  # type: ignore[assignment]
    return Origin() if frame is None else Origin(frame.f_code, frame.f_lineno)


class override:
    """Nodes made inside have this place. Passes keep origins with it, and a gradient has the origin of its forward node."""

    __slots__ = ("place", "token")

    def __init__(self, place: Place):
        self.place = place

    def __enter__(self) -> None:
        self.token = _override.set(self.place)

    def __exit__(self, *_: object) -> None:
        _override.reset(self.token)
