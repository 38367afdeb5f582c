"""Ctrl-C that is not lost."""

import _thread
import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SOON = 0.01  # seconds

_pressed = threading.Event()


@contextmanager
def noticing_interrupts() -> Iterator[Callable[[], None]]:
    """Gives a function that raises KeyboardInterrupt if Ctrl-C was pressed since.

    Python raises it in whatever the main thread is doing, and drops it, with a traceback on the
    terminal, where that is a callback of the garbage collector, as JAX has one. There it is raised
    a little later; and should it be dropped elsewhere, a long loop that asks now and then stops all
    the same. Handlers that others have installed are left alone.
    """
    handler = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and handler is signal.default_int_handler:
        _pressed.clear()
        signal.signal(signal.SIGINT, _interrupt)
        try:
            yield _raise_if_pressed
        finally:
            signal.signal(signal.SIGINT, handler)
    elif in_main and handler is _interrupt:  # inside another of these
        yield _raise_if_pressed
    else:
        yield lambda: None


def _raise_if_pressed() -> None:
    if _pressed.is_set():
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    if _collects_garbage(frame):
        later = threading.Timer(_SOON, _interrupt_main)
        later.daemon = True
        later.start()
    else:
        _pressed.set()
        signal.default_int_handler(number, frame)


def _interrupt_main() -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)  # wakes it, whatever it waits for
    else:
        _thread.interrupt_main()


def _collects_garbage(frame: FrameType | None) -> bool:
    """Whether the frame is a callback of the garbage collector, or called by one."""
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks:
            return True
        frame = frame.f_back
    return False
