"""The bottom half of the compiler: a loop IR, printed as Python or compiled through LLVM, with a disk cache.

It imports nothing else of minigrad. `loops` is the language, `to_python` and `to_llvm` print it, a `Kernel` runs it.
"""

from .cache import CacheWarning
from .link import Kernel
from .to_python import run_python

__all__ = ["CacheWarning", "Kernel", "run_python"]
