"""Files that are opened without waiting for anybody."""

import errno
import io
import os
import stat
from typing import BinaryIO

from ._arguments import Path

# Opening a pipe waits for its writer, a terminal for its line. Windows has neither flag nor wait.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_MOST_AT_ONCE = 1 << 20  # bytes


class RegularFile(io.BufferedReader):
    """A file that is open for reading; a small one takes one read, however it is looked at.

    Attributes:
        size: in bytes, when it was opened.
    """

    def __init__(self, number: int, size: int) -> None:
        self.size = size
        super().__init__(io.FileIO(number), min(size + 1, _MOST_AT_ONCE))


def open_regular(path: Path) -> RegularFile:
    """Open a file for reading, and nothing else: never a pipe, a device or a folder.

    What a path is may change between two looks. This looks at what it has opened, and opens without
    waiting, so that a pipe in the place of a file can hold nobody up.

    Raises:
        OSError: it is not a regular file, or can't be opened.

    Example:
        >>> open_regular(os.curdir)
        Traceback (most recent call last):
        ...
        IsADirectoryError: [Errno 21] is a folder: '.'
    """
    return RegularFile(*_opened(path))


def read_regular(path: Path) -> BinaryIO:
    """As :func:`open_regular`, but a small file is in memory, and closed.

    Each call of the system lets other threads have the interpreter, and waits to get it back. Of
    many threads that read small files, a file object's calls are what takes longest.
    """
    number, size = _opened(path)
    if size > _MOST_AT_ONCE:
        return RegularFile(number, size)
    try:
        content = os.read(number, size + 1)
        while len(content) != size and (more := os.read(number, _MOST_AT_ONCE)):
            content += more
    finally:
        os.close(number)
    return io.BytesIO(content)


def _opened(path: Path) -> tuple[int, int]:
    """An open file's number, and its size."""
    try:
        number = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _not_regular(path) from None
        raise
    try:
        found = os.fstat(number)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder", os.fspath(path))
        if not stat.S_ISREG(found.st_mode):
            raise _not_regular(path)
    except BaseException:
        os.close(number)
        raise
    return number, found.st_size


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
