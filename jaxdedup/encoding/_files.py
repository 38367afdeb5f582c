"""Encodings in files, together with what made them.

========  ==========================================  =========================
suffix    holds                                       methods
========  ==========================================  =========================
.json     one object, encodings by file name          hashes
.csv      a row a file                                hashes
.npz      NumPy arrays                                all
.parquet  a row a file (needs pyarrow)                all, and failures
========  ==========================================  =========================

The quality of the images, where it was told, is a column more. A folder of Parquet files stands for
all of them. A file is written whole or not at all. Names are looked through for equal ones when it
is written; a checksum vouches for that, and for all else, when it is read. Text of others may come
without one.
"""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import (
    Path,
    open_regular,
    path_text,
    refuse_unless_writable,
    write_whole,
)

from ._encodings import Encodings, check_encodings, refuse_twice
from ._names import PackedNames
from ._parquet import from_arrow, pyarrow_modules, to_arrow
from ._recipe import Origin
from ._sealed import UTF8, each_once, parsed, sealed, stored_origin, unsealed

_FLOAT16_ERROR = 2.0**-11  # of a number, in proportion
_ROWS_AT_ONCE = 4096
_TEXTS = ("origin", "checksum", "method", "version")  # the latter two of early versions
_ARRAYS = ("names", "lengths", "encodings")


def save(path: Path, encodings: Encodings, *, float16: bool = False) -> None:
    """Write encodings to a file, in the format that its suffix names.

    The file appears whole: an error, or a kill, at any moment leaves what was there before. What
    could not be loaded (``encodings.failures``) is kept by Parquet files alone.

    Args:
        path: the file: ``.json``, ``.csv``, ``.npz`` or ``.parquet``.
        encodings: by file name.
        float16: whether features take half the room. Each number is rounded to 11 binary digits,
            so that a similarity changes by less than 0.001; what is found among loaded features
            is exact for the numbers that were stored.

    Raises:
        TypeError: these are no ``Encodings``.
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
    refuse_unsavable(path, check_encodings(encodings).origin, float16=float16)
    suffix = _suffix(path)
    failures = encodings.failures if suffix == ".parquet" else ()
    for name in chain(encodings.names, failures):
        if not isinstance(name, str):
            raise ValueError(f"expected file names as keys, got {name!r:.200}")
    if suffix == ".csv" and not encodings:
        raise ValueError("expected .json, .npz or .parquet for no encodings, got '.csv'")
    refuse_twice(encodings.names)
    rows = _halved(encodings) if float16 else encodings.rows
    write, _ = _FORMATS[suffix]
    write_whole(path, lambda file: write(file, encodings, rows))


def load(path: Path) -> Encodings:
    """Read what :func:`save` wrote.

    Args:
        path: the file, or a folder of Parquet files, the shards of one run.

    Returns:
        The encodings and what made them.

    Raises:
        ValueError: the suffix is unknown, or the file does not hold encodings: rows of one width,
            with names of which none is there twice; or shards were made in several ways.
        OSError: the file can't be read.
    """
    path = path_text(path)
    if os.path.isdir(path):
        return _load_shards(path)
    _, read = _FORMATS[_suffix(path)]
    with open_regular(path) as file:
        try:
            return read(file)
        except Exception as error:  # damage of any kind
            raise ValueError(f"expected encodings in {path!r:.100}: {error}") from error


def _load_shards(folder: str) -> Encodings:
    names = sorted(name for name in os.listdir(folder) if is_shard(name))
    if not names:
        raise ValueError(f"expected .parquet files in {folder!r:.100}, got none")
    shards = [load(os.path.join(folder, name)) for name in names]
    origin = shards[0].origin
    for name, shard in zip(names, shards, strict=True):
        origin.refuse_unless_same(shard.origin, f"{names[0]!r:.100} and {name!r:.100}")
    qualities = [shard.quality for shard in shards if shard.quality is not None]
    return Encodings(
        PackedNames.of([key for shard in shards for key in shard.names]),
        np.concatenate([shard.rows for shard in shards]),
        origin,
        {key: reason for shard in shards for key, reason in shard.failures.items()},
        np.concatenate(qualities) if len(qualities) == len(shards) else None,
    )


def is_shard(name: str) -> bool:
    """Whether a file of a folder of shards is one: not where it is hidden, as unfinished ones are.

    Example:
        >>> is_shard("000.parquet"), is_shard(".000.parquet")
        (True, False)
    """
    return name.endswith(".parquet") and not name.startswith(".")


def holds_shards(folder: Path) -> bool:
    """Whether a folder has shards, and nothing else that can be seen.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     before = holds_shards(folder)
        ...     pathlib.Path(folder, "000.parquet").touch()
        ...     before, holds_shards(folder)
        (False, True)
    """
    names = [os.fsdecode(name) for name in os.listdir(folder)]
    seen = [name for name in names if not name.startswith(".")]
    return bool(seen) and all(map(is_shard, seen))


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
    origin.refuse_unstorable("file")
    if suffix == ".parquet":
        pyarrow_modules()
    refuse_unless_writable(path)


def _suffix(path: Path) -> str:
    name = path_text(path)
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in _FORMATS:
        raise ValueError(
            f"expected a file name that ends in {', '.join(_FORMATS)}, got {name!r:.100}"
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


def _from_hex(encodings: Any, texts: Mapping[str, str], quality: Any) -> Encodings:
    """The encodings of a file of text, once it is clear that it holds dicts of what it should."""
    origin = stored_origin(texts)
    is_map = isinstance(encodings, dict) and all(isinstance(v, str) for v in encodings.values())
    if origin.dtype != "uint8" or not is_map:
        raise ValueError(f"it holds something else than hex digits of {origin.method}")
    found = Encodings.from_map(encodings, origin)
    qualities = None if quality is None else _qualities(quality, encodings)
    return unsealed(texts, found.names, found.rows, qualities)


def _qualities(told: Any, encodings: Mapping[str, Any]) -> NDArray[np.uint8]:
    if not isinstance(told, dict) or told.keys() != encodings.keys():
        raise ValueError("it holds something else than the quality of each of its images")
    for name, value in told.items():
        text = str(value)  # of JSON a number, of CSV digits
        if not text.isdecimal() or len(text) > 3 or int(text) > 100:
            raise ValueError(f"expected quality 0 to 100 for {name!r:.200}, got {value!r:.80}")
    return np.array([int(told[name]) for name in encodings], np.uint8)


def _write_json(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    texts = {**sealed(encodings, rows), "origin": encodings.origin.to_dict()}
    document = {**texts, "encodings": encodings.to_dict()}
    if encodings.quality is not None:
        document["quality"] = dict(zip(encodings.names, encodings.quality.tolist(), strict=True))
    file.write(json.dumps(document, indent=2).encode() + b"\n")


def _read_json(file: BinaryIO) -> Encodings:
    document = parsed(file.read())
    if not isinstance(document, dict):
        raise ValueError("it holds no object")
    texts = {name: document[name] for name in _TEXTS if name in document}
    if "origin" in document:
        texts["origin"] = json.dumps(document["origin"])
    return _from_hex(document.get("encodings", {}), texts, document.get("quality"))


def _write_csv(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    # File names that are not UTF-8 keep their bytes.
    text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
    lines = csv.writer(text)
    columns = {"name": encodings.names, "encoding": encodings.to_dict().values()}
    if encodings.quality is not None:
        columns["quality"] = encodings.quality.tolist()
    longest, most = max(encodings.names, key=len), csv.field_size_limit()
    if len(longest) > most:  # it could not be read
        raise ValueError(
            f"expected keys of at most {most:,} characters in .csv, got {longest:.80}…"
        )
    texts = sealed(encodings, rows)
    lines.writerow([*columns, *texts])
    lines.writerows([*line, *texts.values()] for line in zip(*columns.values(), strict=True))
    text.detach()


def _read_csv(file: BinaryIO) -> Encodings:
    with io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="") as text:
        try:
            rows = list(csv.DictReader(text))
        except csv.Error as error:
            raise ValueError("it is no CSV, or damaged") from error
    if not rows:
        raise ValueError("it has no rows, and so doesn't say what its method is")
    _refuse_lacking(rows[0], ("name", "encoding"))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("it has rows that are longer or shorter than its first line")
    if len({row.get("origin") for row in rows}) != 1:
        raise ValueError("it has rows that were made in several ways")
    encodings = each_once((row["name"], row["encoding"]) for row in rows)
    quality = {row["name"]: row["quality"] for row in rows} if "quality" in rows[0] else None
    return _from_hex(encodings, rows[0], quality)


def _refuse_lacking(there: Mapping[str, Any], names: Sequence[str]) -> None:
    if lacking := [name for name in names if name not in there]:
        raise ValueError(f"it lacks {', '.join(lacking)}")


def _write_npz(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    names = PackedNames.of(encodings.names)
    text = np.frombuffer(names.text.encode(*UTF8), np.uint8)
    arrays = {"names": text, "lengths": names.lengths, **sealed(encodings, rows)}
    if encodings.quality is not None:
        arrays["quality"] = encodings.quality
    np.savez(file, encodings=rows, **arrays)


def _read_npz(file: BinaryIO) -> Encodings:
    arrays = _arrays_of(file)
    texts = {name: str(array) for name, array in arrays.items() if name in _TEXTS}
    stored_origin(texts)
    _refuse_lacking(arrays, _ARRAYS)
    try:
        text = str(arrays["names"].data, *UTF8)
    except UnicodeDecodeError:
        raise ValueError("its names are no UTF-8") from None
    names = PackedNames(text, arrays["lengths"])
    return unsealed(texts, names, arrays["encodings"], arrays.get("quality"))


def _arrays_of(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays of an archive that are ours; NumPy's own errors would speak of pickles."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            wanted = (*_TEXTS, *_ARRAYS, "quality") if "origin" in archive else _TEXTS
            return {name: archive[name] for name in wanted if name in archive}
    except Exception as error:
        raise ValueError("it is no archive of NumPy's, or damaged") from error


def _write_parquet(file: BinaryIO, encodings: Encodings, rows: NDArray[Any]) -> None:
    pyarrow_modules()[1].write_table(to_arrow(encodings, rows), file)


def _read_parquet(file: BinaryIO) -> Encodings:
    parquet = pyarrow_modules()[1]
    try:
        table = parquet.read_table(file)
    except Exception as error:
        raise ValueError("it is no Parquet, or damaged") from error
    return from_arrow(table)


_FORMATS = {
    ".json": (_write_json, _read_json),
    ".csv": (_write_csv, _read_csv),
    ".npz": (_write_npz, _read_npz),
    ".parquet": (_write_parquet, _read_parquet),
}

SUFFIXES = tuple(_FORMATS)  # of the files that hold encodings
