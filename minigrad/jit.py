"""mg.jit: a Python function traced once per structure of its arguments, optimised, and run as one program."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from . import tree
from .interpret import run
from .tensor import Tensor, tensor
from .trace import argument_names, trace_types


def jit(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as one compiled function of trees of tensors or arrays."""
    graphs: dict[Any, Any] = {}

    @wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        given = [tensor(leaf) for leaf in leaves]
        key = (in_tree, tuple(t.type for t in given))
        if key not in graphs:
            graphs[key] = trace_types(f, [t.type for t in given], in_tree, argument_names(f, args, kwargs), f.__name__)
        graph = graphs[key]
        return tree.unflatten(graph.out_tree, [tensor(np.asarray(v)) for v in run(graph, [t.numpy() for t in given])])

    return wrapped
