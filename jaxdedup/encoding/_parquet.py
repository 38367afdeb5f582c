"""Encodings as Arrow tables, which Parquet files hold: a row an image, with why there is none."""

import json
import os
from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.runtime import some

from ._encodings import Encodings, check_encodings
from ._recipe import Origin, check_origin
from ._sealed import sealed, stored_origin, unsealed


def pyarrow_modules() -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet; ValueError with what to install where they are not there."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError("Parquet files need pyarrow: pip install 'jaxdedup[parquet]'") from None
    return pyarrow, pyarrow.parquet


def to_arrow(encodings: Encodings, rows: NDArray[Any] | None = None) -> Any:
    """Encodings as a ``pyarrow.Table``, failures after all others.

    Args:
        encodings: N of them and F failures, with keys that are text.
        rows: ``float16[N, D]``, in place of their own.

    Returns:
        N + F rows of ``key``; ``row``, the bytes of ``uint8[b]``, ``float32[D]`` or
        ``float16[D]``, null where there is a ``failure``, which is null elsewhere; and
        ``quality``, where it was told. The metadata holds what made them.

    Raises:
        TypeError: these are no ``Encodings``.
        ValueError: pyarrow is not there.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe, encode
        >>> recipe = Recipe(METHODS["ahash"])
        >>> stream = encode([("a", np.eye(8, dtype=np.uint8)), ("b", b"")], recipe)
        >>> for row in to_arrow(Encodings.collect(stream, recipe)).to_pylist():
        ...     print(row)
        {'key': 'a', 'row': b'\\x80@ \\x10\\x08\\x04\\x02\\x01', 'failure': None}
        {'key': 'b', 'row': None, 'failure': 'is empty'}
    """
    pyarrow, _ = pyarrow_modules()
    failures = check_encodings(encodings).failures
    rows = encodings.rows if rows is None else rows
    count, total = len(encodings), len(encodings) + len(failures)
    if not rows.shape[1]:  # nothing tells how many features there are, and Parquet has to know
        rows = np.zeros((0, 1), rows.dtype)
    # Arrow and Parquet can't hold lists of one length of which some are null.
    kind = pyarrow.binary(rows.shape[1] * rows.itemsize)
    valid = np.packbits(np.arange(total) < count, bitorder="little")
    content = np.pad(rows, ((0, len(failures)), (0, 0)))
    buffers = [pyarrow.py_buffer(valid), pyarrow.py_buffer(content)]
    columns = {
        "key": _keys(pyarrow, [*encodings.names, *failures]),
        "row": pyarrow.Array.from_buffers(kind, total, buffers),
        "failure": pyarrow.array([None] * count + list(failures.values()), pyarrow.string()),
    }
    if encodings.quality is not None:
        quality = [*encodings.quality.tolist(), *[None] * len(failures)]
        columns["quality"] = pyarrow.array(quality, pyarrow.uint8())
    return pyarrow.table(columns).replace_schema_metadata(sealed(encodings, rows, failures))


def _keys(pyarrow: Any, names: Sequence[str]) -> Any:
    try:
        return pyarrow.array(names, pyarrow.string())
    except UnicodeEncodeError:  # names that are not text keep their bytes
        return pyarrow.array([os.fsencode(name) for name in names], pyarrow.binary())


def from_arrow(table: Any, origin: Origin | None = None) -> Encodings:
    """The inverse of :func:`to_arrow`.

    Args:
        table: a ``pyarrow.Table`` of text keys.
        origin: what made it, where its metadata got lost on the way, or rows were left out or
            added; None to ask the metadata.

    Raises:
        TypeError: it is no table, or the origin is none.
        ValueError: it does not say what made it, says something else than ``origin``, lacks a
            column, or is damaged.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> origin = Recipe(METHODS["phash"]).origin
        >>> from_arrow(to_arrow(Encodings.from_map({"a.png": "00000000000000ff"}, origin)))
        <Encodings: 1 of phash>
    """
    if not isinstance(table, pyarrow_modules()[0].Table):
        raise TypeError(f"expected a pyarrow.Table, got {type(table).__name__}")
    if origin is not None:
        table = _made_by(table, origin)
    origin_of(table.schema)
    for name in ("key", "row", "failure"):
        if table.column_names.count(name) != 1:
            raise ValueError(f"expected one column {name!r}, got {some(table.column_names)}")
    names = list(map(os.fsdecode, _column(table, "key", str, bytes)))
    failures = _column(table, "failure", str, NoneType)
    places, rows = _stored_rows(table)
    failed = np.delete(np.arange(len(names)), places).tolist()
    quality = table["quality"].drop_null() if "quality" in table.column_names else None
    return unsealed(
        _texts(table.schema),
        [names[place] for place in places.tolist()],
        rows,
        None if quality is None else quality.to_numpy(),
        {names[place]: failures[place] or "" for place in failed},
    )


def _made_by(table: Any, origin: Origin) -> Any:
    """The table with what made it and no checksum; ValueError where it says something else."""
    check_origin(origin)
    if "origin" in _texts(table.schema):
        made = origin_of(table.schema)
        if different := origin.differences(made):
            raise ValueError(f"the table was made in another way: {different}")
        origin = made
    return table.replace_schema_metadata({"origin": json.dumps(origin.to_dict())})


def _column(table: Any, name: str, *kinds: type) -> list[Any]:
    try:
        values: list[Any] = table[name].to_pylist()
    except UnicodeDecodeError:
        raise ValueError(f"expected column {name!r} as text, got no UTF-8") from None
    if not set(map(type, values)) <= set(kinds):
        place, value = next(row for row in enumerate(values) if type(row[1]) not in kinds)
        raise ValueError(f"expected column {name!r} as text, got {value!r:.80} in row {place}")
    return values


def rows_of(table: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The rows of a table of encodings that are no failures: ``int64[N]``, where; and ``[N, …]``.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> origin = Recipe(METHODS["ahash"]).origin
        >>> rows_of(to_arrow(Encodings.from_map({"a": "00000000000000ff"}, origin)))
        (array([0]), array([[  0,   0,   0,   0,   0,   0,   0, 255]], dtype=uint8))
    """
    places, rows = _stored_rows(table)
    return places, rows.astype(origin_of(table.schema).row.dtype, copy=False)


def _stored_rows(table: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    row = origin_of(table.schema).row
    column = table["row"].combine_chunks()
    places = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    column = column.drop_null()
    width: int = row.width or 0
    dtype: np.dtype[Any] = row.dtype
    first = column[0].as_py() if len(column) else bytes(width * dtype.itemsize)
    if row.dtype == np.float32 and isinstance(first, bytes) and len(first) == 2 * width:
        dtype = np.dtype(np.float16)
    size = width * dtype.itemsize
    if len(column) and not size:
        raise ValueError("expected an origin that has the count of the features, got None")
    if size:
        column = _of_size(column, size)
    content = np.frombuffer(column.buffers()[1] or b"", np.uint8)
    content = content[column.offset * size :][: len(column) * size]
    return places, content.view(dtype).reshape(len(places), width)


def _of_size(column: Any, size: int) -> Any:
    """Rows of bytes as so many bytes each, for engines may drop the width."""
    pyarrow, _ = pyarrow_modules()
    try:
        return column.cast(pyarrow.binary(size))
    except pyarrow.ArrowException:
        raise ValueError(f"expected rows of {size} bytes each, got other {column.type}") from None


def origin_of(schema: Any) -> Origin:
    """What made the encodings of a table or Parquet file, by its ``pyarrow.Schema``.

    Raises:
        ValueError: it does not say.

    Example:
        >>> from jaxdedup.encoding import METHODS, Recipe
        >>> origin = Recipe(METHODS["ahash"]).origin
        >>> origin_of(to_arrow(Encodings.from_map({}, origin)).schema) == origin
        True
    """
    return stored_origin(_texts(schema))


def _texts(schema: Any) -> dict[str, str]:
    metadata = schema.metadata or {}
    return {
        key.decode(errors="replace"): text.decode(errors="replace")
        for key, text in metadata.items()
    }
