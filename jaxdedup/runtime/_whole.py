"""Files that appear whole or not at all."""

import json
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from ._arguments import Path, path_text


def refuse_unless_writable(path: Path) -> None:
    """OSError unless a file can be made here; for before the work, not after it."""
    path = path_text(path)
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise OSError(f"expected the name of a file, got the folder {path!r:.100}")
    trial = _beside(path)
    try:
        open(trial, "xb").close()  # what may be done isn't told by permissions alone
        os.unlink(trial)
    except OSError:
        kind = PermissionError if os.path.isdir(folder) else FileNotFoundError
        raise kind(f"expected a folder that can be written to, got {folder!r:.100}") from None
    with suppress(FileNotFoundError):
        os.lstat(path)  # a name that is too long, say


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file beside its place, then move it there in one step.

    An error, or a kill, at any moment leaves what was there before.

    Args:
        path: the file.
        write: called with the file, open for writing.

    Raises:
        OSError: the file, which it names, can't be written.
    """
    target, unfinished = path_text(path), _beside(path)
    try:
        with open(unfinished, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(unfinished)
        if isinstance(error, OSError) and error.errno and error.filename in (None, unfinished):
            raise OSError(error.errno, error.strerror, target) from None
        raise


def _beside(path: Path) -> str:
    """A name for one writer alone. Not the path and more: that may be too long."""
    return os.path.join(os.path.dirname(os.fspath(path)), f".{uuid.uuid4().hex}.part")


def write_json(path: Path, result: Any) -> None:
    """Write a result as JSON, laid out as imagededup does: keys sorted, two spaces of indent."""
    document = json.dumps(result, indent=2, sort_keys=True).encode() + b"\n"
    write_whole(path, lambda file: file.write(document))
