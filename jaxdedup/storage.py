"""Encodings in files, together with what made them: method, profile and version.

========  ==========================================  =========================
suffix    holds                                       methods
========  ==========================================  =========================
.json     one object, encodings by file name          hashes
.csv      a row a file                                hashes
.npz      NumPy arrays ``names`` and ``encodings``    all
.parquet  a row a file (needs pyarrow)                all
========  ==========================================  =========================

A file is written whole or not at all.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import __version__
from .hashing import from_hex, to_hex

Encoding = str | NDArray[np.float32]
Path = str | os.PathLike[str]

DRAFT_SUFFIX = "-draft"


class StoredEncodings(NamedTuple):
    """Encodings, and what made them.

    Attributes:
        encodings: by file name: hex digits, or features ``float32[1, D]``.
        method: ``"phash"``, ``"ahash"``, ``"dhash"``, ``"whash"`` or ``"cnn"``.
        profile: the Pillow whose pixels they come from; with ``DRAFT_SUFFIX`` if they are drafts,
            which are not mixed with exact encodings.
        version: of the jaxdedup that made them.
    """

    encodings: dict[str, Encoding]
    method: str
    profile: str
    version: str = __version__


def save_encodings(path: Path, stored: StoredEncodings) -> None:
    """Write encodings to a file, in the format that its suffix names.

    The file appears whole: an error, or a kill, at any moment leaves what was there before.

    Args:
        path: the file: ``.json``, ``.csv``, ``.npz`` or ``.parquet``.
        stored: the encodings and what made them.

    Raises:
        ValueError: the suffix is not one of these, or the format can't hold the encodings.
        OSError: the file can't be written.

    Example:
        >>> import pathlib, tempfile
        >>> stored = StoredEncodings({"a.png": "00000000000000ff"}, "phash", "pillow13")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "hashes.npz")
        ...     save_encodings(path, stored)
        ...     load_encodings(path) == stored
        True
    """
    write = writer(path, stored.method)
    write_whole(path, lambda file: write(file, stored))


def load_encodings(path: Path) -> StoredEncodings:
    """Read what :func:`save_encodings` wrote.

    Args:
        path: the file.

    Returns:
        The encodings and what made them.

    Raises:
        ValueError: the suffix is unknown, or the file does not hold encodings.
        OSError: the file can't be read.
    """
    suffix = _suffix(path)
    with open(path, "rb") as file:
        try:
            return _checked(_READERS[suffix](file))
        except Exception as error:  # damage of any kind
            raise ValueError(f"expected encodings in {os.fspath(path)!r}: {error}") from error


def writer(path: Path, method: str) -> Callable[[BinaryIO, StoredEncodings], None]:
    """What writes the format of this file; ValueError where it can't hold the method."""
    suffix = _suffix(path)
    if method == "cnn" and suffix in (".json", ".csv"):
        raise ValueError(f"expected .npz or .parquet for the features of cnn, got {suffix!r}")
    if suffix == ".parquet":
        _pyarrow()
    return _WRITERS[suffix]


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file beside its place, then move it there in one step."""
    target = os.fspath(path)
    unfinished = f"{target}.{os.getpid()}.part"
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


def check_writable(path: Path) -> None:
    """OSError unless a file can be made here; for before the work, not after it."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise OSError(f"expected the name of a file, got the folder {os.fspath(path)!r}")
    if not os.access(folder, os.W_OK):
        raise OSError(f"expected a folder that can be written to, got {folder!r}")


def _suffix(path: Path) -> str:
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in _WRITERS:
        raise ValueError(
            f"expected a file name that ends in {', '.join(_WRITERS)}, got {os.fspath(path)!r}"
        )
    return suffix


def _checked(stored: StoredEncodings) -> StoredEncodings:
    """ValueError unless a file held what it should, whatever wrote it."""
    origin = (stored.method, stored.profile, stored.version)
    if not isinstance(stored.encodings, dict) or not all(isinstance(o, str) for o in origin):
        raise ValueError("it lacks encodings, method, profile or version")
    if stored.method != "cnn":
        from_hex([str(encoding) for encoding in stored.encodings.values()], bits=64)
    return stored


def _origin(stored: StoredEncodings) -> dict[str, str]:
    return {"method": stored.method, "profile": stored.profile, "version": stored.version}


def _write_json(file: BinaryIO, stored: StoredEncodings) -> None:
    document = {**_origin(stored), "encodings": stored.encodings}
    file.write(json.dumps(document, indent=2).encode() + b"\n")


def _read_json(file: BinaryIO) -> StoredEncodings:
    return StoredEncodings(**json.load(file))


def _write_csv(file: BinaryIO, stored: StoredEncodings) -> None:
    # File names that are not UTF-8 keep their bytes.
    text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
    rows = csv.writer(text)
    rows.writerow(["name", "encoding", *_origin(stored)])
    origin = _origin(stored).values()
    rows.writerows([name, encoding, *origin] for name, encoding in stored.encodings.items())
    text.detach()


def _read_csv(file: BinaryIO) -> StoredEncodings:
    with io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="") as text:
        rows = list(csv.DictReader(text))
    origins = {(row["method"], row["profile"], row["version"]) for row in rows}
    if not rows:
        raise ValueError("it has no rows, and so doesn't say what its method is")
    if len(origins) != 1:
        raise ValueError(f"it has rows of {len(origins)} methods, profiles or versions")
    return StoredEncodings({row["name"]: row["encoding"] for row in rows}, *origins.pop())


def _columns(stored: StoredEncodings) -> tuple[list[str], NDArray[Any]]:
    """Names, and packed hashes ``uint8[N, 8]`` or features ``float32[N, D]``."""
    names, encodings = list(stored.encodings), list(stored.encodings.values())
    if stored.method != "cnn":
        return names, from_hex([str(encoding) for encoding in encodings], bits=64)
    return names, np.array([np.ravel(np.asarray(e)) for e in encodings], np.float32)


def _from_columns(
    names: list[str], rows: NDArray[Any], origin: Mapping[str, str]
) -> StoredEncodings:
    encodings: dict[str, Encoding]
    if rows.dtype == np.uint8:
        encodings = {n: str(digits) for n, digits in zip(names, to_hex(rows), strict=True)}
    else:
        encodings = {n: row[None] for n, row in zip(names, rows, strict=True)}
    return StoredEncodings(encodings, **origin)


def _write_npz(file: BinaryIO, stored: StoredEncodings) -> None:
    names, rows = _columns(stored)
    arrays: dict[str, Any] = {"names": np.array(names, dtype=str), "encodings": rows}
    arrays |= _origin(stored)
    np.savez(file, **arrays)


def _read_npz(file: BinaryIO) -> StoredEncodings:
    with np.load(file, allow_pickle=False) as arrays:
        origin = {key: str(arrays[key]) for key in ("method", "profile", "version")}
        return _from_columns(arrays["names"].tolist(), arrays["encodings"], origin)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("Parquet files need pyarrow: pip install 'jaxdedup[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _write_parquet(file: BinaryIO, stored: StoredEncodings) -> None:
    pyarrow, parquet = _pyarrow()
    names, rows = _columns(stored)
    flat = pyarrow.array(rows.reshape(-1))
    column = pyarrow.FixedSizeListArray.from_arrays(flat, rows.shape[1] if len(rows) else 8)
    try:
        keys = pyarrow.array(names, pyarrow.string())
    except UnicodeEncodeError:  # names that are not text keep their bytes
        keys = pyarrow.array([os.fsencode(name) for name in names], pyarrow.binary())
    table = pyarrow.table({"name": keys, "encoding": column})
    parquet.write_table(table.replace_schema_metadata(_origin(stored)), file)


def _read_parquet(file: BinaryIO) -> StoredEncodings:
    _, parquet = _pyarrow()
    table = parquet.read_table(file)
    column = table["encoding"].combine_chunks()
    rows = column.flatten().to_numpy().reshape(len(column), -1) if len(column) else np.zeros((0, 8))
    origin = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    return _from_columns([os.fsdecode(name) for name in table["name"].to_pylist()], rows, origin)


_WRITERS = {
    ".json": _write_json,
    ".csv": _write_csv,
    ".npz": _write_npz,
    ".parquet": _write_parquet,
}
_READERS = {
    ".json": _read_json,
    ".csv": _read_csv,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
