"""Ctrl-C is postponed while paramiko may hold a lock by half, and comes right after."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from millhand.cli import interrupts
from millhand.cli.interrupts import patient_interrupts

# As paramiko takes its locks; what is compiled here is taken for a part of it by its name.
_TAKES = """
def take(lock, interrupt, work):
    lock.acquire()
    interrupt()
    try:
        work()
    finally:
        lock.release()
"""
Take = Callable[[Any, Callable[[], None], Callable[[], None]], None]


def _press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def take() -> Take:
    names: dict[str, Any] = {"__name__": "paramiko.transport"}
    exec(_TAKES, names)
    made: Take = names["take"]
    return made


def test_without_it_a_lock_is_lost(take: Take) -> None:
    lock = threading.Lock()
    with pytest.raises(KeyboardInterrupt):
        take(lock, _press, lambda: None)
    assert lock.locked()


def test_the_lock_is_given_back_and_the_interrupt_comes_then(take: Take) -> None:
    lock, done = threading.Lock(), list[str]()

    def work() -> None:
        with patient_interrupts():
            take(lock, _press, lambda: done.append("worked"))
            time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["worked"]
    assert not lock.locked()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_wait_in_there_is_interrupted(take: Take) -> None:
    condition = threading.Condition()

    def wait() -> None:
        with condition:
            threading.Timer(0.05, _press_main).start()
            condition.wait(60)

    with pytest.raises(KeyboardInterrupt), patient_interrupts():
        take(threading.Lock(), lambda: None, wait)
    assert condition.acquire(blocking=False)


def _press_main() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_what_hangs_in_there_is_interrupted_in_the_end(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_TRIES", 3)
    lock = threading.Lock()
    with pytest.raises(KeyboardInterrupt), patient_interrupts():
        take(lock, _press, lambda: time.sleep(60))
    assert not lock.locked()


def test_outside_of_it_an_interrupt_comes_at_once() -> None:
    with patient_interrupts(), pytest.raises(KeyboardInterrupt):
        _press()


def test_where_interrupts_are_ignored_they_stay_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with patient_interrupts():
            _press()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_changed() -> None:
    seen = []

    def work() -> None:
        with patient_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
