"""Files that appear whole or not at all."""

import json
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from ._arguments import Path


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file beside its place, then move it there in one step.

    An error, or a kill, at any moment leaves what was there before.

    Args:
        path: the file.
        write: called with the file, open for writing.

    Raises:
        OSError: the file can't be written.
    """
    target = os.fspath(path)
    # Not the name and more: that may be too long. And each writer's own.
    unfinished = os.path.join(os.path.dirname(target), f".{uuid.uuid4().hex}.part")
    try:
        with open(unfinished, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise


def write_json(path: Path, result: Any) -> None:
    """Write a result as JSON, laid out as imagededup does: keys sorted, two spaces of indent."""
    document = json.dumps(result, indent=2, sort_keys=True).encode() + b"\n"
    write_whole(path, lambda file: file.write(document))
