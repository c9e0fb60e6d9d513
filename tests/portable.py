"""The backend's tests in code for the least x86-64 processor, without AVX: python -m tests.portable [pytest's arguments].

On other processors the code is for the one that runs it. Processes that a test starts compile for the processor as it is.
"""

from __future__ import annotations

import platform
import sys

import pytest

from minigrad.compiler.runtime import assemble

FILES = ["-m", "not slow", "tests/compiler", "tests/test_jit.py", "tests/test_scan.py", "tests/test_elementwise.py", "tests/test_ops.py"]


def main(arguments: list[str]) -> int:
    triple, *_ = assemble.machine()
    if platform.machine().lower() in ("x86_64", "amd64"):
        assemble.machine = lambda: (triple, "x86-64", "")  # type: ignore[assignment]
    print("compiling for {} {} {}".format(*assemble.machine()), flush=True)
    return pytest.main(["-n", "0", "-p", "no:cacheprovider", *(arguments or FILES)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
