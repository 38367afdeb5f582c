"""``python -m jaxdedup``: the command line."""

import os
import sys

_INTERRUPTED = 130


def run() -> None:
    """Run the command line as a process: Ctrl-C ends it at any moment, with one line."""
    _open_the_standard_streams()
    try:
        from .cli import main  # takes a second, in which Ctrl-C may be pressed

        code = main()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("interrupted", file=sys.stderr)
        code = _INTERRUPTED
    if code == _INTERRUPTED:  # without waiting for threads that decode or compile
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _open_the_standard_streams() -> None:
    """So that no other file gets the number of one that is closed, and what is printed there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    run()
