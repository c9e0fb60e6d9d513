"""The Python array API standard: constants, exchange with other libraries, and what the namespace says of itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import dtype_error, setting_error
from ..graph.standard import DEVICE, VERSIONS, require_cpu
from ..graph.types import DTYPES, FLOAT, INT
from ..tensor import Tensor, tensor

__all__ = [
    "__array_api_version__", "__array_namespace_info__", "asarray", "e", "from_dlpack", "inf", "nan", "newaxis", "pi",
]  # fmt: skip

MOST_AXES = 64  # NumPy's
__array_api_version__ = VERSIONS[-1]

e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Tensor:
    """A tensor from a tensor, array, number or nested list. Tensors are immutable: one is copied only with copy=True, all else always.

    Raises SettingError with copy=False where a copy is needed."""
    require_cpu("asarray", device)
    found = tensor(obj) if dtype is None else tensor(obj, dtype)
    if copy is False and found is not obj:
        raise setting_error("asarray", "copy=False is impossible: a tensor never shares memory that others may change")
    return tensor(found.numpy()) if copy and found is obj and found.is_concrete and not found.node.tracked else found


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Tensor:
    """A tensor from an array of another library, by the DLPack protocol. It is copied.

    Raises DTypeError for an array on another device or of another dtype, SettingError for copy=False."""
    require_cpu("from_dlpack", device)
    if isinstance(x, Tensor):
        return x
    if copy is False:
        raise setting_error("from_dlpack", "copy=False is impossible: a tensor never shares memory that others may change")
    try:
        found = np.from_dlpack(x)
    except Exception as error:
        name = f"{type(x).__module__.split('.')[0]}.{type(x).__name__}"
        fix = "Give it in float32" if "bfloat16" in str(getattr(x, "dtype", "")) else ""
        raise dtype_error("from_dlpack", f"cannot read a {name} ({str(error).splitlines()[0].rstrip('.')})", fix) from None
    return tensor(found)


class Info:
    """What the namespace says of itself, as the array API standard asks."""

    def capabilities(self) -> dict[str, Any]:
        """Whether boolean indexing and shapes that depend on values are possible (outside jit), and the largest number of axes."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": MOST_AXES}

    def default_device(self) -> str:
        return DEVICE

    def devices(self) -> list[str]:
        return [DEVICE]

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype]:
        """The dtypes of tensors from Python numbers. There is no complex one."""
        require_cpu("default_dtypes", device)
        return {"real floating": FLOAT, "integral": INT, "indexing": INT}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype]:
        """The dtypes by name, all or those of a kind, as of `isdtype`."""
        require_cpu("dtypes", device)
        return {d.name: d for d in DTYPES if kind is None or np.isdtype(d, kind)}


def __array_namespace_info__() -> Info:
    """The devices, dtypes and capabilities of minigrad."""
    return Info()
