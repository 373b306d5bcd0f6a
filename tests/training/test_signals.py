"""A signal is answered while the main thread is inside compiled code, and a second one ends the process."""

import os
import signal
import subprocess
import sys
import time

import pytest

from logpi.training.signals import FIRST, ending_at_once, stop_on_signal

# A main thread that does not return to the interpreter, as inside XLA: a C function holds it and frees the GIL.
BUSY = """
import ctypes, sys
from logpi.training.signals import stop_on_signal
libc = ctypes.CDLL(None)
with stop_on_signal(lambda *_: None, lambda text: print(text, flush=True)) as stop:
    print("ready", flush=True)
    wait = libc.usleep
    for _ in range(int(sys.argv[1])):
        wait(999_000)
    print("over", bool(stop), flush=True)
"""


def busy(seconds):
    return subprocess.Popen(
        [sys.executable, "-c", BUSY, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_wherever_it_is(number):
    process = busy(60)
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(number)
    assert process.stdout.readline() == f"{FIRST}\n"
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "ended at once" in error


def test_a_signal_asks_for_a_stop_and_the_handlers_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    shown = []
    with stop_on_signal(lambda *_: None, shown.append) as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        until = time.monotonic() + 10
        while not shown and time.monotonic() < until:
            time.sleep(0.01)
        assert stop
        assert stop.watch("update", 1, 2)
    assert shown == [FIRST]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


EARLY = """
import ctypes
from logpi.training.signals import ending_at_once
with ending_at_once("nothing had begun"):
    print("ready", flush=True)
    wait = ctypes.CDLL(None).usleep
    for _ in range(60):
        wait(999_000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_training_begins_the_first_signal_ends_the_process_wherever_it_is(number):
    command = [sys.executable, "-c", EARLY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert (process.returncode, error) == (130, "\nlogpi: nothing had begun\n")


def test_training_takes_the_signals_over_and_gives_them_back_as_they_were():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with ending_at_once("ended"):
        with stop_on_signal(lambda *_: None, lambda text: None) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            until = time.monotonic() + 10
            while not stop and time.monotonic() < until:
                time.sleep(0.01)
            assert stop
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before, "a film may be left"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1
