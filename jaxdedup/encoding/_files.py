"""Encodings in files, together with what made them.

========  ==========================================  =========================
suffix    holds                                       methods
========  ==========================================  =========================
.json     one object, encodings by file name          hashes
.csv      a row a file                                hashes
.npz      NumPy arrays                                all
.parquet  a row a file (needs pyarrow)                all
========  ==========================================  =========================

A file is written whole or not at all. Names are looked through for equal ones when it is written;
in the formats of arrays a checksum vouches for that, and for all else, when it is read.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import Path, refuse_unless_writable, write_whole

from ._encodings import Encodings, refuse_twice
from ._method import METHODS, method_named
from ._recipe import Origin, Recipe

_DRAFT_SUFFIX = "-draft"  # of the profile, in files of version 0.1.0
_UTF8 = ("utf-8", "surrogatepass")  # a file name that is not UTF-8 has surrogates


class _Columns(NamedTuple):
    """What the formats of arrays hold: texts by name, and two arrays beside the rows."""

    texts: dict[str, str]
    names: bytes  # one after the other
    lengths: NDArray[np.int32]  # in characters
    rows: NDArray[Any]


def save(path: Path, encodings: Encodings) -> None:
    """Write encodings to a file, in the format that its suffix names.

    The file appears whole: an error, or a kill, at any moment leaves what was there before. What
    could not be loaded (``encodings.failures``) is not kept.

    Args:
        path: the file: ``.json``, ``.csv``, ``.npz`` or ``.parquet``.
        encodings: by file name.

    Raises:
        ValueError: the suffix is not one of these, the format can't hold the encodings, a key is
            no text, or the weights of the network can't be seen.
        OSError: the file can't be written.

    Example:
        >>> import pathlib, tempfile
        >>> origin = Recipe(METHODS["phash"]).origin
        >>> encodings = Encodings.from_map({"a.png": "00000000000000ff"}, origin)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "hashes.npz")
        ...     save(path, encodings)
        ...     load(path) == encodings
        True
    """
    refuse_unsavable(path, encodings.origin.method)
    if encodings.origin.weights is None:
        raise ValueError("expected no file for a model of your own: its weights have no name")
    for name in encodings.names:
        if not isinstance(name, str):
            raise ValueError(f"expected file names as keys, got {name!r:.200}")
    if _suffix(path) == ".csv" and not encodings:
        raise ValueError("expected .json, .npz or .parquet for no encodings, got '.csv'")
    refuse_twice(encodings.names)
    write = _WRITERS[_suffix(path)]
    write_whole(path, lambda file: write(file, encodings))


def load(path: Path) -> Encodings:
    """Read what :func:`save` wrote.

    Args:
        path: the file.

    Returns:
        The encodings and what made them.

    Raises:
        ValueError: the suffix is unknown, or the file does not hold encodings: rows of one width,
            with names of which none is there twice.
        OSError: the file can't be read.
    """
    suffix = _suffix(path)
    with open(path, "rb") as file:
        try:
            return _READERS[suffix](file)
        except Exception as error:  # damage of any kind
            raise ValueError(f"expected encodings in {os.fspath(path)!r}: {error}") from error


def refuse_unsavable(path: Path, method: str) -> None:
    """ValueError or OSError unless :func:`save` can write a method's encodings here.

    Example:
        >>> refuse_unsavable("features.csv", "cnn")
        Traceback (most recent call last):
        ...
        ValueError: expected .npz or .parquet for the features of cnn, got '.csv'
    """
    suffix = _suffix(path)
    is_network = method not in METHODS or METHODS[method].load is not None
    if is_network and suffix in (".json", ".csv"):
        raise ValueError(f"expected .npz or .parquet for the features of {method}, got {suffix!r}")
    if suffix == ".parquet":
        _pyarrow()
    refuse_unless_writable(path)


def _suffix(path: Path) -> str:
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in _WRITERS:
        raise ValueError(
            f"expected a file name that ends in {', '.join(_WRITERS)}, got {os.fspath(path)!r}"
        )
    return suffix


def _from_hex(encodings: Mapping[str, Any], origin: Origin) -> Encodings:
    if origin.dtype != "uint8" or not all(isinstance(value, str) for value in encodings.values()):
        raise ValueError(f"it holds something else than hex digits of {origin.method}")
    return Encodings.from_map(encodings, origin)


def _early_origin(texts: Mapping[str, str]) -> Origin:
    """What version 0.1.0 wrote down: for hashes it was enough."""
    method = method_named(texts["method"])
    if method.load is not None:
        raise ValueError(
            f"version {texts['version']} did not write down the weights of {method.name}: "
            "encode the images again"
        )
    draft = texts["profile"].endswith(_DRAFT_SUFFIX)
    profile: Any = texts["profile"].removesuffix(_DRAFT_SUFFIX)
    return replace(Recipe(method, profile, draft).origin, version=texts["version"])


def _write_json(file: BinaryIO, encodings: Encodings) -> None:
    document = {"origin": encodings.origin.to_dict(), "encodings": encodings.to_dict()}
    file.write(json.dumps(document, indent=2).encode() + b"\n")


def _read_json(file: BinaryIO) -> Encodings:
    document = json.load(file, object_pairs_hook=_each_once)
    if "origin" in document:
        return _from_hex(document["encodings"], Origin.from_dict(document["origin"]))
    return _from_hex(document["encodings"], _early_origin(document))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    refuse_twice([name for name, _ in pairs])
    return dict(pairs)


def _write_csv(file: BinaryIO, encodings: Encodings) -> None:
    # File names that are not UTF-8 keep their bytes.
    text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
    rows = csv.writer(text)
    rows.writerow(["name", "encoding", "origin"])
    origin = json.dumps(encodings.origin.to_dict())
    rows.writerows([name, digits, origin] for name, digits in encodings.to_dict().items())
    text.detach()


def _read_csv(file: BinaryIO) -> Encodings:
    with io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="") as text:
        rows = list(csv.DictReader(text))
    origins = {tuple(value for key, value in row.items() if key in _ORIGIN_COLUMNS) for row in rows}
    if not rows:
        raise ValueError("it has no rows, and so doesn't say what its method is")
    if len(origins) != 1:
        raise ValueError(f"it has rows of {len(origins)} methods, profiles or versions")
    first = rows[0]
    is_early = "origin" not in first
    origin = _early_origin(first) if is_early else Origin.from_dict(json.loads(first["origin"]))
    return _from_hex(_each_once([(row["name"], row["encoding"]) for row in rows]), origin)


_ORIGIN_COLUMNS = ("origin", "method", "profile", "version")


def _columns(encodings: Encodings) -> _Columns:
    names = "".join(encodings.names).encode(*_UTF8)
    lengths = np.fromiter(map(len, encodings.names), np.int32, len(encodings))
    texts = {"origin": json.dumps(encodings.origin.to_dict())}
    columns = _Columns(texts, names, lengths, np.ascontiguousarray(encodings.rows))
    return columns._replace(texts=texts | {"checksum": _checksum(columns)})


def _from_columns(columns: _Columns) -> Encodings:
    origin = Origin.from_dict(json.loads(columns.texts["origin"]))
    checksum = columns.texts.get("checksum")
    if checksum is not None and checksum != _checksum(columns):
        raise ValueError("it is damaged: its checksum is another one")
    names = _split(columns.names, columns.lengths)
    return Encodings(names, columns.rows, origin, vouched_for=checksum is not None)


def _checksum(columns: _Columns) -> str:
    digest = hashlib.sha256(columns.texts["origin"].encode())
    for part in (columns.names, columns.lengths.tobytes(), columns.rows.tobytes()):
        digest.update(part)
    return digest.hexdigest()


def _split(names: bytes, lengths: NDArray[np.int32]) -> list[str]:
    text = names.decode(*_UTF8)
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    if (ends[-1] if ends else 0) != len(text):
        raise ValueError("its names and their lengths do not go together")
    return [text[start:end] for start, end in pairwise([0, *ends])]


def _write_npz(file: BinaryIO, encodings: Encodings) -> None:
    columns = _columns(encodings)
    names = np.frombuffer(columns.names, np.uint8)
    arrays: dict[str, Any] = {"names": names, "lengths": columns.lengths, **columns.texts}
    np.savez(file, encodings=columns.rows, **arrays)


def _read_npz(file: BinaryIO) -> Encodings:
    with np.load(file, allow_pickle=False) as arrays:
        texts = {name: str(arrays[name]) for name in arrays if arrays[name].ndim == 0}
        rows = arrays["encodings"]
        if "origin" not in texts:
            return Encodings(arrays["names"].tolist(), rows, _early_origin(texts))
        return _from_columns(_Columns(texts, arrays["names"].tobytes(), arrays["lengths"], rows))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("Parquet files need pyarrow: pip install 'jaxdedup[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _write_parquet(file: BinaryIO, encodings: Encodings) -> None:
    pyarrow, parquet = _pyarrow()
    columns = _columns(encodings)
    flat = pyarrow.array(columns.rows.reshape(-1))
    rows = pyarrow.FixedSizeListArray.from_arrays(flat, columns.rows.shape[1])
    try:
        names = pyarrow.array(encodings.names, pyarrow.string())
    except UnicodeEncodeError:  # names that are not text keep their bytes
        names = pyarrow.array([os.fsencode(name) for name in encodings.names], pyarrow.binary())
    table = pyarrow.table({"name": names, "encoding": rows})
    parquet.write_table(table.replace_schema_metadata(columns.texts), file)


def _read_parquet(file: BinaryIO) -> Encodings:
    _, parquet = _pyarrow()
    table = parquet.read_table(file)
    column = table["encoding"].combine_chunks()
    width = column.type.list_size
    rows = column.flatten().to_numpy().reshape(-1, width)
    texts = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    names = [os.fsdecode(name) for name in table["name"].to_pylist()]
    if "origin" not in texts:
        return Encodings(names, rows, _early_origin(texts))
    joined: Sequence[str] = names
    lengths = np.fromiter(map(len, joined), np.int32, len(names))
    return _from_columns(_Columns(texts, "".join(names).encode(*_UTF8), lengths, rows))


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
