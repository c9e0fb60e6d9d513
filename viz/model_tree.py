"""A model as a tree in HTML that opens and closes: its parts, their settings and sizes, and the shape of every tensor."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from minigrad import Module, Tensor, tree

FEW = 12  # leaves of a model that is shown open
STYLE = (
    "<style>.minigrad-model{font:13px/1.5 ui-monospace,monospace}.minigrad-model details>*:not(summary){margin-left:1.4em}"
    ".minigrad-model summary{cursor:pointer}.minigrad-model i{font-style:normal;opacity:.65}</style>"
)


class _Leaf(NamedTuple):
    path: str
    trained: bool


def model_html(model: Module) -> str:
    """The tree of a model. The model itself is open; its parts are, where it has few leaves.

    A buffer is marked so. A tied parameter says at its second place where it stood first; it is counted there.
    """
    leaves, treedef = tree.flatten(model)
    found = zip(leaves, tree.paths(treedef), tree.trained(treedef), strict=True)
    first = {id(leaf): _Leaf(path.lstrip("."), trained) for leaf, path, trained in found}
    return f'<div class="minigrad-model">{STYLE}{_item("", model, "", first, is_open=len(leaves) <= FEW)[0]}</div>'


def _item(name: str, value: Any, path: str, known: Mapping[int, _Leaf], is_open: bool) -> tuple[str, int]:
    """A part with what is in it, or a leaf; and how many parameters it has."""
    container = tree.containers[type(value)]
    label = f"<b>{escape(name)}</b> " if name else ""
    if container is None:
        words, size = _leaf(value, path, known[id(value)])
        return f"<div>{label}{words}</div>", size
    keys, children, _ = container.split(value)
    plain = isinstance(value, (list, tuple, dict)) and not hasattr(value, "_fields")
    places = [f"{path}[{key!r}]" if plain else f"{path}.{key}".lstrip(".") for key in keys]
    parts = [_item(str(k), child, place, known, is_open) for k, child, place in zip(keys, children, places, strict=True)]
    size = sum(n for _, n in parts)
    about = f"{label}{escape(_words(value))} <i>{size:,} parameters</i>"
    if not parts:
        return f"<div>{about}</div>", 0
    return f"<details{' open' if is_open or not name else ''}><summary>{about}</summary>{''.join(p for p, _ in parts)}</details>", size


def _words(value: Any) -> str:
    """'LSTM(hidden=8)': the class, with the settings that are short."""
    if not isinstance(value, Module):
        return type(value).__name__
    _, _, settings = value.__tree_flatten__()
    shown = [f"{k}={v!r}" for k, v in settings.plain.items() if isinstance(v, (bool, int, float, str, tuple)) and len(repr(v)) <= 20]
    return f"{type(value).__name__}({', '.join(shown)})"


def _leaf(value: Any, path: str, first: _Leaf) -> tuple[str, int]:
    if first.path != path:
        return f"<i>= {escape(first.path)}</i>", 0
    size = int(value.size) if isinstance(value, Tensor) else 0
    role = "" if first.trained else ", a buffer"
    return f"{escape(str(getattr(value, 'type', value)))} <i>{size:,}{role}</i>", size if first.trained else 0
