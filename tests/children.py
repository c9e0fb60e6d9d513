"""Python programs in processes of their own, for what can only be seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

GUARD = 1800.0  # seconds after which a test that hangs fails; one that works comes nowhere near it, however busy the machine


def start(source: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """A process that runs `source`, its output and errors piped."""
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
    pipe: Any = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True)


def run(source: str, *arguments: object, **environment: str) -> str:
    """What it prints; AssertionError with its errors where it fails."""
    process = start(source, *arguments, **environment)
    out, errors = process.communicate(timeout=GUARD)
    assert process.returncode == 0, errors
    return out
