"""record(...): the values of all named values of a loop, at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.ir import ancestors

from .errors import DrawingError
from .timeline import step_key
from .unrolling import unroll


def record(what: Any, *args: Any, names: Sequence[str] | None = None, example: int | None = 0) -> dict[str, np.ndarray]:
    """Record named values of a loop as arrays with time as first axis, for `memory`: {"write.g": (T, heads, 1), "M": (T, slots, width)}.

    what      a function or Graph and its arguments, or a tensor computed in steps (as for `unrolled`)
    names     only these, in this order; a name includes the values of inner scopes: "g" gives "write.g" and "read.g"
    example   the member of the batch, which is the first axis of each value; None keeps the whole batch

    Only values that have a name, given by `.named(...)`, in every step are recorded. Raises DrawingError if there are none.
    """
    outputs = unroll(what, args, values=True).outputs
    found: dict[str, dict[int, np.ndarray]] = {}
    for node in ancestors([o.node for o in outputs], lambda n: False):
        key = step_key(node)
        if key is None or node.name is None or not node.args or key[2] or not isinstance(node.value, np.ndarray):
            continue
        depth = next(i for i, s in enumerate(node.origin.scopes) if s.step is not None)
        path = ".".join([*(s.name for s in node.origin.scopes[depth + 1 :]), node.name])
        found.setdefault(path, {})[key[1]] = node.value
    length = max((len(v) for v in found.values()), default=0)
    whole = {
        k: np.stack([v[t] for t in sorted(v)]) for k, v in found.items() if len(v) == length and len({a.shape for a in v.values()}) == 1
    }
    if example is not None:
        whole = {k: v[:, example] if v.ndim > 1 else v for k, v in whole.items()}
    stems = [k.rsplit(".", 1)[-1] for k in whole]
    if names is not None:
        whole = {k: whole[k] for n in names for k in whole if k == n or k.endswith("." + n)}
    if not whole:
        raise DrawingError("record: no value is named in every step; name them in the step with .named('w_read')")
    return {k.rsplit(".", 1)[-1] if stems.count(k.rsplit(".", 1)[-1]) == 1 else k: v for k, v in whole.items()}
