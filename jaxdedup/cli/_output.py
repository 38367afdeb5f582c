"""What goes to standard output, whatever that is, and whatever files are called."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jaxdedup.runtime import ESCAPING, escaped, octal

_STANDARD_ERROR = 2


def prepare_output() -> None:
    """Names that the character set of standard output lacks are written all the same."""
    if hasattr(sys.stdout, "reconfigure"):  # neither a notebook's nor a closed one
        sys.stdout.reconfigure(errors=ESCAPING)


def refuse_closed_output() -> None:
    """ValueError where the result would go nowhere."""
    if sys.stdout is None:
        raise ValueError("expected --output FILE, as standard output is closed")


def give(text: str, names: str = "") -> None:
    """Write to standard output.

    Args:
        text: with names that :func:`printable` gave.
        names: ``"raw"`` for names as they are, byte for byte.
    """
    if names == "raw" and hasattr(sys.stdout, "buffer"):
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(text))
        return
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # a notebook's, which can't be told how to treat them
        sys.stdout.write("".join(c if c.isprintable() or c == "\n" else octal(c) for c in text))


def printable(name: str, is_raw: bool) -> str:
    """A name on its line; or as it is, for lines that end in NUL."""
    return name if is_raw else escaped(name)


def tell(text: str) -> None:
    """Write a line to standard error, if there is one."""
    if sys.stderr is not None:
        print(text, file=sys.stderr)


class _Teller(logging.Handler):
    """Writes what is logged as :func:`tell` does."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(record.getMessage())


@contextmanager
def ties_told() -> Iterator[None]:
    """How many ties were decided as a reference rounds is a part of the summary."""
    logger, teller = logging.getLogger("jaxdedup.ties"), _Teller()
    logger.addHandler(teller)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(teller)
        logger.setLevel(logging.NOTSET)


@contextmanager
def decoders_silenced() -> Iterator[None]:
    """What decoders in C print about damaged files, and would tear the progress, goes nowhere.

    What Python prints to standard error goes where it went.
    """
    if not _is_standard_error():
        yield
        return
    ordinary = sys.stderr
    ordinary.flush()
    kept = os.dup(_STANDARD_ERROR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with open(kept, "w", buffering=1, errors="backslashreplace") as sys.stderr:
        os.dup2(nowhere, _STANDARD_ERROR)
        os.close(nowhere)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STANDARD_ERROR)
            sys.stderr = ordinary


def _is_standard_error() -> bool:
    try:
        return sys.stderr.fileno() == _STANDARD_ERROR
    except (AttributeError, OSError, ValueError):  # closed, a notebook's, a test's
        return False


def discard_output() -> None:
    """Lest the interpreter try to flush it once more, at its end."""
    with suppress(OSError, AttributeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
