"""Exceptions. Each also derives from the builtin that fits, and each message names the op, the types, the user's line and the fix."""

from __future__ import annotations

from . import origin


class MinigradError(Exception):
    """Base of every error that minigrad raises."""


class ShapeError(MinigradError, ValueError):
    """Shapes that do not fit each other or the operation."""


class AxisError(ShapeError, IndexError):
    """An axis that the tensor does not have, or an index that does not fit its axis."""


class BoundsError(MinigradError, IndexError):
    """An index outside its axis."""


class DTypeError(MinigradError, TypeError):
    """A dtype that the operation does not take."""


class RangeError(MinigradError, OverflowError):
    """A number that its dtype does not hold."""


class SettingError(MinigradError, ValueError):
    """A setting is not valid: a number out of range, an unknown name, or settings that contradict each other."""


class OutOfMemoryError(MinigradError, MemoryError):
    """A result larger than can be allocated."""


class GraphError(MinigradError, RuntimeError):
    """A graph, or a call that makes one, is not valid."""


class EmptyError(MinigradError, ValueError):
    """A reduction without an identity, over no elements."""


class UndecidedSizeError(GraphError):
    """A question about a run-time size whose answer depends on the size, asked where no guard can be kept."""


class AbstractValueError(MinigradError, TypeError):
    """Python asked for the value of a tensor that has none yet (inside trace, jit, scan or vmap)."""


class KernelError(MinigradError, RuntimeError):
    """A kernel of the user (mg.kernel) that does not fit its arguments or raised an exception."""


class NonFiniteError(MinigradError, FloatingPointError):
    """A value is NaN or infinite."""


class MemoryFault(MinigradError, RuntimeError):
    """Compiled code wrote outside its buffers or into an argument. This is a fault of minigrad, not of the user."""


class CheckError(MinigradError, AssertionError):
    """Compiled code and the interpreter differ (MINIGRAD_CHECK). This is a fault of minigrad, not of the user."""


class CheckpointError(MinigradError, ValueError):
    """A checkpoint is damaged, was not written by minigrad, or belongs to another model."""


def at(place: origin.Origin | None) -> str:
    """' (at file.py:12 `h = x @ W`)' for a message, or '' where the place is unknown."""
    return f"\n  at {place.describe()}" if place is not None and place.code is not None else ""


def message(what: str, problem: str, fix: str = "", place: origin.Origin | None = None) -> str:
    """One message: 'what: problem. fix', and the line; for one in our models also that of the user who called it."""
    text = f"{what}: {problem}" + (f". {fix}" if fix else "")
    if place is not None:
        return text + at(place)
    inner, user = origin.here(), origin.caller()
    called = f"\n  called at {user.describe()}" if user.code is not None and user.code is not inner.code else ""
    return text + at(inner) + called


def shape_error(what: str, problem: str, fix: str = "") -> ShapeError:
    return ShapeError(message(what, problem, fix))


def dtype_error(what: str, problem: str, fix: str = "") -> DTypeError:
    return DTypeError(message(what, problem, fix))


def setting_error(what: str, problem: str, fix: str = "") -> SettingError:
    return SettingError(message(what, problem, fix))


def require_callable(what: str, f: object) -> None:
    if not callable(f):
        raise dtype_error(what, f"takes a function, got {f!r}")
