"""The array API standard: its versions, devices, and the exchange of arrays with other libraries."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from ..errors import dtype_error, message, setting_error
from .types import BFLOAT16

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
DEVICE = "cpu"


def require_cpu(what: str, device: Any) -> None:
    if device is not None and device != DEVICE:
        raise setting_error(what, f"there is one device, 'cpu', got {device!r}")


class Exchange:
    """What the standard asks of arrays beside operators and `mT`."""

    __slots__ = ()

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """minigrad, the namespace of functions for tensors. Raises SettingError for an unknown version of the standard."""
        if api_version is not None and api_version not in VERSIONS:
            raise setting_error("__array_namespace__", f"knows the versions {', '.join(VERSIONS)}, got {api_version!r}")
        return sys.modules[__name__.partition(".")[0]]  # which imports this file

    @property
    def device(self) -> str:
        return DEVICE

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The tensor itself: there is one device, 'cpu'."""
        require_cpu("to_device", device)
        if stream is not None:
            raise setting_error("to_device", f"the CPU has no streams, got {stream!r}")
        return self

    def __dlpack__(self: Any, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None) -> Any:
        """The values for another library: a copy, which it may change. With copy=False a read-only view.

        Raises DTypeError for a tensor with a gradient, BufferError for bfloat16, and for a read-only view where max_version is below
        (1, 0)."""
        if self.node.tracked:
            raise dtype_error("__dlpack__", f"{self.type} would lose its gradient", "Give it as .detach()")
        if self.dtype == BFLOAT16:
            raise BufferError(message("__dlpack__", f"NumPy cannot hand on {self.type}", "Give it as .astype('float32')"))
        value = self.numpy() if copy is False else self.numpy().copy()
        return value.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device)

    def __dlpack_device__(self: Any) -> tuple[int, int]:
        return self.numpy().__dlpack_device__()
