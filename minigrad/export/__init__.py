"""Bridges to other libraries. Each is loaded when it is first used, and needs its own extra: importing minigrad imports none of them."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import message

# {public name: (its module, the name in that module; None for the module itself)}
_PLACES: dict[str, tuple[str, str | None]] = {
    "numba": ("numba", None),
    "torch": ("torch", None),
    "jax": ("jax", None),
    "to_jax": ("jax", "to_jax"),
    "from_jax": ("jax", "from_jax"),
    "onnx": ("onnx_model", "onnx"),
    "TensorBoard": ("tensorboard", "TensorBoard"),
}

__all__ = sorted(_PLACES)


def missing(extra: str, error: ModuleNotFoundError) -> ImportError:
    """The error for a bridge whose library is not installed, and what to install. Of minigrad's own modules, the error itself."""
    library = (error.name or "").split(".")[0]
    if library == "minigrad":
        return error
    return ImportError(message(f"mg.export.{extra}", f"{library} is not installed", f"pip install 'minigrad[{extra}]'"), name=library)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PLACES[name]
    found = importlib.import_module(f".{module}", __name__)
    return found if attribute is None else getattr(found, attribute)


def __dir__() -> list[str]:
    return __all__
