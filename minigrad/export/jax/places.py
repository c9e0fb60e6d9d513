"""Where an equation of a jaxpr comes from: the user's line and scopes, the names of functions and arguments."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import CodeType
from typing import Any

import jax
from jax.extend.core import Literal

from ... import origin
from ...origin import Origin, Scope, located
from ...passes.reroll.lines import Frame
from ...tensor import Tensor
from ..steps import Operation, steps

_JAX = os.path.dirname(os.path.abspath(jax.__file__)) + os.sep
_KEY = re.compile(r"\['(\w+)'\]")
_MOVES = {
    *("broadcast_in_dim", "convert_element_type", "copy", "dynamic_slice", "expand_dims", "reshape", "rev", "slice", "split", "squeeze"),
    "transpose",
}

# The steps of the loops that Python wrote out, {id of an equation: the loop's name and the step}.
written_out: ContextVar[Mapping[int, Scope] | None] = ContextVar("written_out", default=None)


@contextmanager
def placed(eqn: Any, library: bool, args: Sequence[Tensor]) -> Iterator[None]:
    """What is made inside comes from the user's line and named scopes of an equation; a call is a scope with the name of its function.

    The equations of a `library` function come from the line that calls it: JAX traced them where it met that function first. Those that
    JAX's differentiation made have no line, since the variables of the user's line are not what they compute. The transposed ones are
    the gradient of what they read.
    """
    stack = [(type(s).__name__, s.name) for s in eqn.source_info.name_stack.stack]
    outer = located(origin.place())
    gradient = outer.vjp_of or (args[0].node if ("Transform", "transpose") in stack and args else None)
    scopes = (*origin.scopes.get(), *_scopes(eqn, [name for kind, name in stack if kind == "Scope"]))
    line = None if library else next(_lines(eqn), None)
    place: Any = outer._replace(scopes=scopes) if line is None else (*line, scopes)
    if outer.code is None or gradient is not None or ("Transform", "jvp") in stack:
        place = Origin(None, 0, scopes, gradient)
    token = origin.scopes.set(scopes)
    try:
        with origin.override(place):
            yield
    finally:
        origin.scopes.reset(token)


def _scopes(eqn: Any, named: Sequence[str]) -> Iterator[Scope]:
    """The scopes that an equation opens: a step of a loop that Python wrote out, the user's named scopes, the function that it calls."""
    step, called = (written_out.get() or {}).get(id(eqn)), str(eqn.params.get("name", ""))
    if step is not None:
        yield step
    yield from map(Scope, named)
    around = named[-1] if named else next((s.name for s in origin.scopes.get()[::-1]), "")
    if called.isidentifier() and not called.startswith("_") and called != around:
        yield Scope(called)


def _lines(eqn: Any) -> Iterator[tuple[Any, int]]:
    """The lines outside JAX and minigrad that made an equation, as code and instruction, the innermost first."""
    traceback = eqn.source_info.traceback
    if traceback is not None:
        yield from ((c, i) for c, i in zip(*traceback.raw_frames(), strict=True) if not _is_inside(c.co_filename))


@cache
def _number(code: CodeType, instruction: int) -> int:
    return located((code, instruction, ())).line


def steps_of(eqns: Sequence[Any]) -> dict[int, Scope]:
    """The steps of the loops that Python wrote out in these equations, by their ids."""
    made = {v: i for i, eqn in enumerate(eqns) for v in eqn.outvars}
    lines = [
        Operation(
            (eqn.primitive.name, *(str(v.aval) for v in (*eqn.invars, *eqn.outvars))),
            tuple(Frame(code, code.co_name, _number(code, at), at) for code, at in _lines(eqn))[::-1],
            [made.get(v, v) for v in eqn.invars if not isinstance(v, Literal)],
            eqn.primitive.name in _MOVES,
        )
        for eqn in eqns
    ]
    return {id(eqns[i]): scope for i, scope in steps(lines).items()}


def _is_inside(filename: str) -> bool:
    return filename.startswith((_JAX, "<")) or origin.is_engine(filename)


def is_library(jaxpr: Any) -> bool:
    """Whether a jaxpr is that of a function of JAX's own."""
    return _JAX in _source(jaxpr)


def function_name(jaxpr: Any) -> str:
    """The name of the function that a jaxpr was traced from; "" where it says nothing."""
    name = _source(jaxpr).partition(" ")[0]
    return name if name.isidentifier() else ""


def _source(jaxpr: Any) -> str:
    info = getattr(jaxpr, "jaxpr", jaxpr).debug_info
    return (info and info.func_src_info) or ""


def argument_paths(jaxpr: Any) -> list[str | None]:
    """The names of the arguments of a jaxpr, as minigrad writes paths: params.W for params['W']."""
    names = jaxpr.debug_info.arg_names if jaxpr.debug_info else None
    return [_KEY.sub(r".\1", name) or None for name in names or [""] * len(jaxpr.invars)]
