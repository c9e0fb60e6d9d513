from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from minigrad.backend.guarded import run_guarded
from minigrad.backend.native import Native

settings.register_profile("dev", deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
settings.register_profile("ci", settings.get_profile("dev"), max_examples=50, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script; child processes would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

plain_run = Native.run


@pytest.fixture(autouse=True, scope="session")
def guarded():
    """Every compiled call of this process runs on poisoned memory, between guards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Native, "run", run_guarded)
        yield


@pytest.fixture
def unguarded(monkeypatch):
    """Compiled calls run on the memory they are given: for what is said of that memory or of their speed."""
    monkeypatch.setattr(Native, "run", plain_run)
