from __future__ import annotations

import gc
import os
import signal
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from minigrad.compiler.runtime.executable import Executable
from minigrad.compiler.runtime.guarded import run_guarded

FAST = "not slow and not sweep"  # the tests of the fast suite, as pyproject.toml chooses them
profile = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=bool(os.environ.get("CI")))
EXAMPLES = 50 if os.environ.get("CI") else 25
settings.register_profile("all", profile, max_examples=EXAMPLES)
settings.register_profile("share", profile, max_examples=EXAMPLES * 2 // 5)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script; child processes would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

plain_run = Executable.run


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("share" if config.getoption("markexpr") == FAST else "all")
    if config.getoption("markexpr") != "slow":  # JAX compiles to compare values, and most of that time is optimisation
        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """The objects that stay to the end are no garbage: to look through them takes a sixth of collecting, and a tenth of a test's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True, scope="session")
def guarded():
    """Every compiled call of this process runs on poisoned memory, between guards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Executable, "run", run_guarded)
        yield


@pytest.fixture
def unguarded(monkeypatch):
    """Compiled calls run on the memory they are given: for what is said of that memory or of their speed."""
    monkeypatch.setattr(Executable, "run", plain_run)


@pytest.fixture
def interpreted(monkeypatch):
    """mg.jit interprets: for what is said of other things than compiled code, where programs would run few times."""
    monkeypatch.setenv("MINIGRAD_JIT", "0")


PROOFS: list[Any] = []  # for the programs that were compiled since the last test


@pytest.fixture(autouse=True, scope="session")
def proofs() -> Iterator[None]:
    """Every compiled program is proved to stay inside its buffers, and two threads of it to keep apart."""
    from minigrad.compiled import Program
    from minigrad.compiler.proof.bounds import prove

    made = Program.__post_init__

    def proved(self: Any) -> None:
        made(self)
        if self.executable is not None:
            PROOFS.append(prove(self.executable.lowered, self.guards))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Program, "__post_init__", proved)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that compiled a program fails if anything of it is unproved; its report carries the figures."""
    try:
        result = yield
    finally:
        found = PROOFS.copy()
        PROOFS.clear()
        if found and item.get_closest_marker("planted") is None:
            counts = sum((p.counts for p in found), Counter())
            item.user_properties.append(("proofs", (len(found), [(kind, int(verdict), n) for (kind, verdict), n in counts.items()])))
    unproved = [line for proof in found for line in proof.unproved]
    if unproved and item.get_closest_marker("planted") is None:
        pytest.fail("\n".join(unproved), pytrace=False)
    return result


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [r for group in terminalreporter.stats.values() for r in group if getattr(r, "when", "") == "call"]
    found = [value for r in reports for name, value in r.user_properties if name == "proofs"]
    if found:
        from minigrad.compiler.proof.bounds import Proof, Verdict

        total = Proof()
        for _, counts in found:
            total.counts.update({(kind, Verdict(verdict)): n for kind, verdict, n in counts})
        terminalreporter.write_line(f"compiled programs: {sum(n for n, _ in found):,}; {total}")
