"""The compiler. `lower` translates a graph to loops, `llvm` translates loops to LLVM IR, `runtime` compiles, caches and calls the result.

`loop_ir` defines the loops and `verify` checks that they are well formed; `to_python` prints them as Python. `proof` proves that no loop
reads or writes outside its buffers.
"""

from .runtime.cache import CacheWarning
from .runtime.kernel import compile_function
from .to_python import run_python

__all__ = ["CacheWarning", "compile_function", "run_python"]
