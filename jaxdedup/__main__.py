"""``python -m jaxdedup``: the command line."""

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

_INTERRUPTED = 130


def run() -> None:
    """Run the command line as a process: Ctrl-C ends it at any moment, with one line."""
    _open_the_standard_streams()
    # An exception in the middle of what is imported here, in a second or two, may crash it.
    ordinary = signal.signal(signal.SIGINT, lambda *_: _leave("interrupted"))
    from .cli import main
    from .runtime import noticing_interrupts

    signal.signal(signal.SIGINT, ordinary)
    try:
        with noticing_interrupts():
            code = main()
    except KeyboardInterrupt:
        _leave("interrupted")
    if code == _INTERRUPTED:
        _leave("")
    sys.exit(code)


def _leave(message: str) -> NoReturn:
    """End at once, without waiting for threads that decode or compile."""
    if message and sys.stderr is not None:
        print(message, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
    os._exit(_INTERRUPTED)


def _open_the_standard_streams() -> None:
    """So that no other file gets the number of one that is closed, and what is printed there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    run()
