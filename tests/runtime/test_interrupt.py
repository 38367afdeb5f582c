"""Ctrl-C at an awkward moment."""

import gc
import signal
import time
from collections.abc import Iterator

import pytest

from jaxdedup.runtime import noticing_interrupts, watched


def press(phase: str, info: dict[str, int]) -> None:
    signal.raise_signal(signal.SIGINT)
    gc.callbacks.remove(press)


def work() -> Iterator[int]:
    """Ctrl-C in a callback of the garbage collector, where Python would drop its exception."""
    yield 0
    gc.collect()  # of what others have left, by callbacks of their own
    gc.callbacks.append(press)
    gc.collect(0)
    time.sleep(30)  # which it interrupts
    yield 1


def test_a_loop_is_stopped_in_the_garbage_collector(capfd: pytest.CaptureFixture) -> None:
    stream = watched(work(), None)
    assert next(stream) == 0
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert press not in gc.callbacks
    assert capfd.readouterr().err == ""


def test_and_so_is_all_else(capfd: pytest.CaptureFixture) -> None:
    with noticing_interrupts() as raise_if_pressed:
        stream = watched(work(), None)
        assert next(stream) == 0
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        with pytest.raises(KeyboardInterrupt):
            raise_if_pressed()
    assert capfd.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
