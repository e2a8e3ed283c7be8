"""Waiting ends when a signal comes, whatever the moment and whatever thread the kernel gives it to."""

from __future__ import annotations

import os
import select
import signal
import threading
import time

import pytest

from lamina.sandbox.waiting import wait_for


class Woken(Exception):
    """What the handler raises."""


def test_a_signal_that_does_not_interrupt_the_call() -> None:
    def handler(*_: object) -> None:
        raise Woken

    def elsewhere() -> None:
        time.sleep(0.05)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)  # the call below goes on undisturbed

    reader, writer = os.pipe()
    late = threading.Timer(5, os.write, (writer, b"!"))  # so that a fault fails, and hangs nobody
    before = signal.signal(signal.SIGUSR1, handler)
    thread = threading.Thread(target=elsewhere)
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    try:
        late.start()
        thread.start()
        with pytest.raises(Woken):
            wait_for(poller)
        assert select.select([reader], [], [], 0)[0] == [], "only the late byte ended the call"
    finally:
        late.cancel()
        thread.join()
        signal.signal(signal.SIGUSR1, before)
        os.close(reader)
        os.close(writer)


def test_what_is_ready_is_returned() -> None:
    reader, writer = os.pipe()
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    os.write(writer, b"!")
    assert wait_for(poller) == [(reader, select.POLLIN)]
    os.close(reader)
    os.close(writer)
