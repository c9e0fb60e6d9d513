"""A long call runs in another thread, so that Ctrl-C can end it; all else stays the same."""

import threading

import pytest

from minigrad.compiler.runtime.interrupt import interruptible


def test_a_job_runs_in_another_thread_and_gives_its_result_or_error():
    assert interruptible(threading.current_thread) is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0)


def test_outside_the_main_thread_a_job_runs_where_it_is():
    found = []
    thread = threading.Thread(target=lambda: found.append(interruptible(threading.current_thread)))
    thread.start()
    thread.join()
    assert found == [thread]


def test_where_no_thread_can_start_a_job_runs_where_it_is(monkeypatch):
    def full(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    assert interruptible(threading.current_thread) is threading.main_thread()
