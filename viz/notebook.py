"""What a notebook shows: of a number that was computed from parameters its graph, of a model a tree that opens and closes."""

from __future__ import annotations

from minigrad import Module, Tensor
from minigrad.graph.ir import ancestors
from minigrad.tensor import notebook

from .model_tree import model_html
from .unrolled import unrolled

MOST = 400  # nodes of a graph that is drawn without being asked


def picture(tensor: Tensor) -> dict[str, str]:
    """{"image/svg+xml": its graph}; empty for a tensor without a history, for an array and for a large graph. It never raises."""
    try:
        if tensor.node.args and tensor.size == 1 and len(ancestors([tensor.node])) <= MOST:
            return {"image/svg+xml": unrolled(tensor).svg}
    except Exception:  # a repr never raises
        pass
    return {}


def tree(model: Module) -> dict[str, str]:
    """{"text/html": its tree}. It never raises."""
    try:
        return {"text/html": model_html(model)}
    except Exception:  # a repr never raises
        return {}


notebook["tensor"], notebook["model"] = picture, tree
