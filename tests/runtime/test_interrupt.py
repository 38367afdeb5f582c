"""Ctrl-C at an awkward moment."""

import gc
import signal
from collections.abc import Iterator

import pytest

from jaxdedup.runtime import watched


def test_ctrl_c_in_a_callback_of_the_garbage_collector(capfd: pytest.CaptureFixture) -> None:
    """Python drops it there and prints a traceback; the loop stops all the same, silently."""
    pressed = []

    def press(phase: str, info: dict[str, int]) -> None:
        if not pressed:
            pressed.append(phase)
            signal.raise_signal(signal.SIGINT)

    def collect() -> Iterator[int]:
        for item in watched((item for item in range(3)), None):
            gc.callbacks.append(press)
            try:
                gc.collect()
            finally:
                gc.callbacks.remove(press)
            yield item

    stream = collect()
    assert next(stream) == 0
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert capfd.readouterr().err == ""
