"""Files of an index: mapped, checked, written by one at a time.

A file is a safetensors file: the length of the header, the header in JSON, the arrays. The header
vouches for itself and for the length of the file when that is opened, and for each array when it
is first used.
"""

import json
import math
import mmap
import os
import sys
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import Origin
from jaxdedup.runtime import (
    Path,
    open_regular,
    path_text,
    refuse_unless_writable,
    write_whole,
)

if sys.platform != "win32":
    import fcntl

_FORMAT = "jaxdedup index 1"
_LENGTH = 8  # bytes that hold the length of the header
_ALIGNED = 64
_TYPES = {"U8": np.uint8, "U32": np.uint32, "I32": np.int32, "I64": np.int64, "F32": np.float32}
_NAMES = {np.dtype(dtype): name for name, dtype in _TYPES.items()}


class IndexFile(Mapping[str, NDArray[Any]]):
    """The arrays of a file that is mapped; ValueError where it is no index, or damaged.

    Attributes:
        path: where it is.
        origin: what made the rows.
        writing: another name for each time that an index is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = os.path.abspath(path_text(path))
        with open_regular(path) as file:
            length = os.fstat(file.fileno()).st_size
            try:
                self._header, self._start = _read_header(file)
                told = self._header["__metadata__"]
                self.origin = Origin.from_dict(json.loads(told["origin"]))
                self.writing: str = told["writing"]
                self._checksums: dict[str, int] = json.loads(told["checksums"])
                ends = [self._header[name]["data_offsets"][1] for name in self._checksums]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"expected an index in {self.path!r:.200}: {error}") from error
            if length != self._start + max(ends):
                raise ValueError(
                    f"expected an index of {self._start + max(ends):,} bytes in "
                    f"{self.path!r:.200}, got {length:,}"
                )
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._checked: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        """An array, in the file; ValueError where it is not what was written."""
        if name not in self._checked:
            entry = self._header[name]
            start, end = (self._start + offset for offset in entry["data_offsets"])
            if zlib.crc32(memoryview(self._map)[start:end]) != self._checksums[name]:
                raise ValueError(f"expected an index in {self.path!r:.200}: its {name} are damaged")
            dtype, shape = np.dtype(_TYPES[entry["dtype"]]), entry["shape"]
            array = np.frombuffer(self._map, dtype, math.prod(shape), start)
            self._checked[name] = array.reshape(shape)
        return self._checked[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._checksums)

    def __len__(self) -> int:
        return len(self._checksums)


def write_index(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    origin: Origin,
    before: IndexFile | None,
) -> IndexFile:
    """Writes arrays, whole or not at all, and maps them.

    Args:
        path: a new file, or that of ``before``, as it was.
        arrays: by name.
        origin: what made the rows.
        before: what was last read or written.

    Raises:
        FileExistsError: there is another file, or another writer has changed it.
    """
    refuse_unless_writable(path)
    folder, target = os.path.split(os.path.abspath(path))
    with _alone_in(folder):
        if os.path.exists(path):
            same = before is not None and before.path == os.path.join(folder, target)
            if before is None or not same:
                raise FileExistsError(
                    f"expected a new file, or that which the index was opened from, got "
                    f"{os.fspath(path)!r:.200}"
                )
            if IndexFile(path).writing != before.writing:
                raise FileExistsError(
                    f"expected {os.fspath(path)!r:.200} as it was opened: another writer has "
                    f"changed it; open it again"
                )
        # Wide types first: so all are aligned.
        ordered = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))
        header = _header(ordered, origin)

        def write(file: BinaryIO) -> None:
            file.write(len(header).to_bytes(_LENGTH, "little") + header)
            for array in ordered.values():
                file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")

        write_whole(path, write)
        return IndexFile(path)


def _header(arrays: Mapping[str, NDArray[Any]], origin: Origin) -> bytes:
    entries: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        entries[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": array.shape,
            "data_offsets": [start, end],
        }
    entries["__metadata__"] = {
        "format": _FORMAT,
        "writing": uuid.uuid4().hex,
        "origin": json.dumps(origin.to_dict()),
        "checksums": json.dumps({name: _checksum(array) for name, array in arrays.items()}),
    }
    entries["__metadata__"]["header"] = str(zlib.crc32(_text(entries)))
    text = _text(entries)
    return text + b" " * (-(len(text) + _LENGTH) % _ALIGNED)


def _read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The header, and where the arrays start."""
    length = int.from_bytes(file.read(_LENGTH), "little")
    if length > os.fstat(file.fileno()).st_size:
        raise ValueError("it is something else, or cut short")
    header = json.loads(file.read(length))
    metadata = header["__metadata__"]
    if metadata["format"] != _FORMAT:
        raise ValueError(f"it is of the format {metadata['format']!r:.100}")
    checksum = metadata.pop("header")
    if str(zlib.crc32(_text(header))) != checksum:
        raise ValueError("its header is damaged")
    return header, _LENGTH + length


def _text(entries: Mapping[str, Any]) -> bytes:
    return json.dumps(entries, separators=(",", ":")).encode()


def _checksum(array: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).data.cast("B")) if array.size else 0


@contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Waits until nobody else writes an index in a folder.

    Windows can't lock one: there, two writers are told apart but for the moment of writing.
    """
    if sys.platform == "win32":
        yield
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)  # which unlocks it
