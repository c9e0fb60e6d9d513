"""Annotations of constructor parameters that several models share: a parameter annotated (kind, help text) can be a setting of a run.

And the check of those that count something."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal, get_args, get_origin

from minigrad.errors import setting_error

Size = tuple[int, int]
Hidden = Annotated[int, "units"]
Layers = Annotated[int, "layers on top of each other"]
Controller = Annotated[Literal["lstm", "ff"], "of a memory network"]
Memory = Annotated[Size, "slots by width"]
Heads = Annotated[int, "heads that attend, or read from a memory (the ntm has as many that write)"]
Weights = Annotated[Literal["orthogonal", "identity", "glorot", "uniform"], "start of the weights from state to state"]
OF_UNITS = "of the units; relu with --W-h identity is the IRNN"
Units = Annotated[Literal["tanh", "relu"], OF_UNITS]
Longest = Annotated[int, "start the forget gates for dependencies of up to so many steps (chrono); 0: their biases at 1"]
Kernel = Annotated[int, "steps that a convolution sees: the present one and those before it"]
Read = Annotated[Literal["after", "before"], "from the memory as it is after the step's write, or before it"]
Convolution = Annotated[bool, "a causal convolution of width 4 of what the inputs are mapped to"]
Norm = Annotated[bool, "normalise what each head reads"]
OutputGate = Annotated[bool, "gate what is read by the input"]
Negative = Annotated[bool, "eigenvalues of the transition from state to state in [−1, 1], else [0, 1]"]
Chunk = Annotated[int, "steps that are computed together; 0: one after the other"]


def annotation(parameter: inspect.Parameter) -> tuple[Any, ...]:
    """(kind, help text, …) of a parameter that is a setting. Without a help text it is the kind alone; without both that of its default."""
    given = parameter.annotation
    if get_origin(given) is Annotated:
        return get_args(given)
    return (type(parameter.default) if given is None or given is parameter.empty else given), ""


def require_at_least(model: str, least: int, **counts: Any) -> None:
    """Raises SettingError for a parameter that is not an integer of at least `least`."""
    for name, count in counts.items():
        if isinstance(count, bool) or not hasattr(count, "__index__") or not count >= least:
            raise setting_error(model, f"{name}={count!r} must be an integer of at least {least}")
