"""Encodings in files, together with what made them.

========  ==========================================  =========================
suffix    holds                                       methods
========  ==========================================  =========================
.json     one object, encodings by file name          hashes
.csv      a row a file                                hashes
.npz      NumPy arrays                                all
.parquet  a row a file (needs pyarrow)                all
========  ==========================================  =========================

The quality of the images, where it was told, is a column more. A file is written whole or not at
all. Names are looked through for equal ones when it is written; a checksum vouches for that, and
for all else, when it is read. Text of others may come without one.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import Path, open_regular, refuse_unless_writable, write_whole

from ._encodings import Encodings, refuse_twice
from ._names import PackedNames
from ._recipe import Origin

_FLOAT16_ERROR = 2.0**-11  # of a number, in proportion
_ROWS_AT_ONCE = 4096
_UTF8 = ("utf-8", "surrogatepass")  # a file name that is not UTF-8 has surrogates


def save(path: Path, encodings: Encodings, *, float16: bool = False) -> None:
    """Write encodings to a file, in the format that its suffix names.

    The file appears whole: an error, or a kill, at any moment leaves what was there before. What
    could not be loaded (``encodings.failures``) is not kept.

    Args:
        path: the file: ``.json``, ``.csv``, ``.npz`` or ``.parquet``.
        encodings: by file name.
        float16: whether features take half the room. Each number is rounded to 11 binary digits,
            so that a similarity changes by less than 0.001; what is found among loaded features
            is exact for the numbers that were stored.

    Raises:
        ValueError: the suffix is not one of these, the format can't hold the encodings, a key is
            no text, the weights of the network can't be seen, or ``float16`` is asked for hashes,
            or for features that it does not hold within the bound (the message names the first).
        OSError: the file can't be written.

    Example:
        >>> import pathlib, tempfile
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> origin = Recipe(METHODS["phash"]).origin
        >>> encodings = Encodings.from_map({"a.png": "00000000000000ff"}, origin)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "hashes.npz")
        ...     save(path, encodings)
        ...     load(path) == encodings
        True
    """
    refuse_unsavable(path, encodings.origin, float16=float16)
    if encodings.origin.weights is None:
        raise ValueError("expected no file for a model of your own without a name: see CustomModel")
    for name in encodings.names:
        if not isinstance(name, str):
            raise ValueError(f"expected file names as keys, got {name!r:.200}")
    suffix = _suffix(path)
    if suffix == ".csv" and not encodings:
        raise ValueError("expected .json, .npz or .parquet for no encodings, got '.csv'")
    refuse_twice(encodings.names)
    rows = _halved(encodings) if float16 else encodings.rows
    write, _ = _FORMATS[suffix]
    write_whole(path, lambda file: write(file, encodings, rows))


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
    _, read = _FORMATS[_suffix(path)]
    with open_regular(path) as file:
        try:
            return read(file)
        except Exception as error:  # damage of any kind
            told = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"expected encodings in {os.fspath(path)!r:.100}: {told}") from error


def refuse_unsavable(path: Path, origin: Origin, *, float16: bool = False) -> None:
    """ValueError or OSError unless :func:`save` can write encodings of an origin here.

    Example:
        >>> origin = Origin("cnn", (224, 224), 1024, "pillow13", dtype="float32")
        >>> refuse_unsavable("features.csv", origin)
        Traceback (most recent call last):
        ...
        ValueError: expected .npz or .parquet for the features of cnn, got '.csv'
    """
    suffix = _suffix(path)
    if origin.dtype != "uint8" and suffix in (".json", ".csv"):
        raise ValueError(
            f"expected .npz or .parquet for the features of {origin.method}, got {suffix!r}"
        )
    if float16 and origin.dtype == "uint8":
        raise ValueError(f"expected features where float16 is asked for, got {origin.method}")
    if suffix == ".parquet":
        _pyarrow()
    refuse_unless_writable(path)


def _suffix(path: Path) -> str:
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in _FORMATS:
        raise ValueError(
            f"expected a file name that ends in {', '.join(_FORMATS)}, got {os.fspath(path)!r:.100}"
        )
    return suffix


def _halved(encodings: Encodings) -> NDArray[np.float16]:
    """Rows as float16, none further from itself than rounding of its numbers takes it.

    Two rows that turn by at most asin(2⁻¹¹) each change their cosine by less than 0.001. It takes
    numbers that are too large, or nearly all below float16's smallest normal one, to miss that.
    """
    with np.errstate(over="ignore"):
        halved = encodings.rows.astype(np.float16)
    for start in range(0, len(halved), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        rows = encodings.rows[some].astype(np.float64)
        error = np.linalg.norm(halved[some] - rows, axis=1)
        too_far = error > _FLOAT16_ERROR * np.linalg.norm(rows, axis=1)
        if too_far.any():
            name = encodings.names[start + int(too_far.argmax())]
            raise ValueError(f"expected features that float16 holds, got others for {name!r:.200}")
    return halved


def _origin(texts: Mapping[str, Any]) -> Origin:
    if "origin" not in texts:
        early = "version" in texts and "method" in texts
        told = ": it is of an early version; encode the images again" if early else ""
        raise ValueError(f"it does not say what made them{told}")
    return Origin.from_dict(json.loads(texts["origin"]))


def _from_hex(
    encodings: Mapping[str, Any], texts: Mapping[str, str], quality: Sequence[Any] | None
) -> Encodings:
    origin = _origin(texts)
    if origin.dtype != "uint8" or not all(isinstance(value, str) for value in encodings.values()):
        raise ValueError(f"it holds something else than hex digits of {origin.method}")
    found = Encodings.from_map(encodings, origin)
    qualities = None if quality is None else np.array(quality, np.uint8)
    return _unsealed(texts, PackedNames.of(found.names), found.rows, qualities)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    refuse_twice([name for name, _ in pairs])
    return dict(pairs)


def _write_json(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    sealed = {**_sealed(encodings, rows), "origin": encodings.origin.to_dict()}
    document = {**sealed, "encodings": encodings.to_dict()}
    if encodings.quality is not None:
        document["quality"] = dict(zip(encodings.names, encodings.quality.tolist(), strict=True))
    file.write(json.dumps(document, indent=2).encode() + b"\n")


def _read_json(file: BinaryIO) -> Encodings:
    document = json.load(file, object_pairs_hook=_each_once)
    if not isinstance(document, dict):
        raise ValueError("it holds no object")
    texts = {name: document[name] for name in ("version", "method", "checksum") if name in document}
    if "origin" in document:
        texts["origin"] = json.dumps(document["origin"])
    encodings, quality = document.get("encodings", {}), document.get("quality")
    return _from_hex(encodings, texts, quality and [quality[name] for name in encodings])


def _write_csv(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    # File names that are not UTF-8 keep their bytes.
    text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
    lines = csv.writer(text)
    columns = {"name": encodings.names, "encoding": encodings.to_dict().values()}
    if encodings.quality is not None:
        columns["quality"] = encodings.quality.tolist()
    sealed = _sealed(encodings, rows)
    lines.writerow([*columns, *sealed])
    lines.writerows([*line, *sealed.values()] for line in zip(*columns.values(), strict=True))
    text.detach()


def _read_csv(file: BinaryIO) -> Encodings:
    with io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="") as text:
        rows = list(csv.DictReader(text))
    if not rows:
        raise ValueError("it has no rows, and so doesn't say what its method is")
    if len({row.get("origin") for row in rows}) != 1:
        raise ValueError("it has rows that were made in several ways")
    encodings = _each_once([(row["name"], row["encoding"]) for row in rows])
    quality = [row["quality"] for row in rows] if "quality" in rows[0] else None
    return _from_hex(encodings, rows[0], quality)


def _checksum(names: PackedNames, origin: str, *columns: NDArray[Any] | None) -> str:
    digest = hashlib.sha256(origin.encode())
    digest.update(names.text.encode(*_UTF8))
    for column in (names.lengths, *columns):
        if column is not None:
            digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


def _sealed(encodings: Encodings, rows: NDArray[Any]) -> dict[str, Any]:
    """What files hold beside their columns."""
    origin = json.dumps(encodings.origin.to_dict())
    names = PackedNames.of(encodings.names)
    return {"origin": origin, "checksum": _checksum(names, origin, rows, encodings.quality)}


def _unsealed(
    texts: Mapping[str, str],
    names: PackedNames,
    rows: NDArray[Any],
    quality: NDArray[Any] | None,
) -> Encodings:
    origin, checksum = _origin(texts), texts.get("checksum")
    if checksum is not None and checksum != _checksum(names, texts["origin"], rows, quality):
        raise ValueError("it is damaged: its checksum is another one")
    if rows.dtype == np.float16:
        rows = rows.astype(np.float32)
    return Encodings(names, rows, origin, quality=quality, vouched_for=checksum is not None)


def _write_npz(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    names = PackedNames.of(encodings.names)
    text = np.frombuffer(names.text.encode(*_UTF8), np.uint8)
    arrays = {"names": text, "lengths": names.lengths, **_sealed(encodings, rows)}
    if encodings.quality is not None:
        arrays["quality"] = encodings.quality
    np.savez(file, encodings=rows, **arrays)


def _read_npz(file: BinaryIO) -> Encodings:
    with np.load(file, allow_pickle=False) as arrays:
        texts = {name: str(arrays[name]) for name in ("origin", "checksum") if name in arrays}
        early = {name: "" for name in ("method", "version") if name in arrays}
        _origin(texts | early)
        names = PackedNames(arrays["names"].tobytes().decode(*_UTF8), arrays["lengths"])
        quality = arrays.get("quality")
        return _unsealed(texts, names, arrays["encodings"], quality)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("Parquet files need pyarrow: pip install 'jaxdedup[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _write_parquet(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    pyarrow, parquet = _pyarrow()
    flat = pyarrow.array(rows.reshape(-1))
    column = pyarrow.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    try:
        names = pyarrow.array(encodings.names, pyarrow.string())
    except UnicodeEncodeError:  # names that are not text keep their bytes
        names = pyarrow.array([os.fsencode(name) for name in encodings.names], pyarrow.binary())
    table = pyarrow.table({"name": names, "encoding": column})
    if encodings.quality is not None:
        table = table.append_column("quality", pyarrow.array(encodings.quality))
    parquet.write_table(table.replace_schema_metadata(_sealed(encodings, rows)), file)


def _read_parquet(file: BinaryIO) -> Encodings:
    _, parquet = _pyarrow()
    table = parquet.read_table(file)
    column = table["encoding"].combine_chunks()
    rows = column.flatten().to_numpy().reshape(-1, column.type.list_size)
    texts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    names = [os.fsdecode(name) for name in table["name"].to_pylist()]
    quality = table["quality"].to_numpy() if "quality" in table.column_names else None
    return _unsealed(texts, PackedNames.of(names), rows, quality)


_FORMATS = {
    ".json": (_write_json, _read_json),
    ".csv": (_write_csv, _read_csv),
    ".npz": (_write_npz, _read_npz),
    ".parquet": (_write_parquet, _read_parquet),
}

SUFFIXES = tuple(_FORMATS)  # of the files that hold encodings
