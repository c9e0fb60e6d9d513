"""The compiler: a graph becomes loops (`lower`), loops become LLVM text (`llvm`), which is assembled, kept and called (`runtime`).

`loop_ir` is the language of loops, `verify` its rules, `to_python` prints it to be read. `proof` shows that no loop leaves its buffers.
"""

from .runtime.cache import CacheWarning
from .runtime.link import Kernel
from .to_python import run_python

__all__ = ["CacheWarning", "Kernel", "run_python"]
