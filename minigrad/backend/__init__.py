"""The bottom half of the compiler: a loop IR, printed as Python or compiled through LLVM, with a disk cache.

It imports nothing else of minigrad. `loops` is the language; `to_python` reads; `Kernel` runs.
"""

from .cache import CacheWarning
from .link import Kernel
from .to_llvm import to_llvm
from .to_python import run_python, to_python

__all__ = ["CacheWarning", "Kernel", "run_python", "to_llvm", "to_python"]
