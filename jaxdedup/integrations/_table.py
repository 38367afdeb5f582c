"""One batch, from Arrow to Arrow."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxdedup.encoding import Encodings, Recipe, encode, pyarrow_modules, to_arrow
from jaxdedup.loading import unwrapped


def encode_table(
    table: Any,
    recipe: Recipe,
    *,
    key: str = "key",
    image: str = "image",
    num_workers: int | None = None,
) -> Any:
    """Encode the images of an Arrow table, row for row.

    Equals :func:`jaxdedup.encoding.encode`, in the order of the table.

    Args:
        table: a ``pyarrow.Table`` or ``RecordBatch`` of N rows.
        recipe: what is made of the images.
        key: the column of what the images are called.
        image: the column of the images: the bytes of files, their paths, or Hugging Face's
            ``{"bytes", "path"}``.
        num_workers: as of :func:`jaxdedup.encoding.encode`.

    Returns:
        ``pyarrow.Table`` of N rows: ``key`` as it was, ``row`` (binary) and ``failure`` as of
        :func:`jaxdedup.encoding.to_arrow`, either of which is null, and ``quality`` if it is told.
        :func:`jaxdedup.encoding.from_arrow` reads it.

    Raises:
        ValueError: there is no such column, or pyarrow is not there.
        TypeError: the images are of another type.

    Example:
        >>> import pyarrow
        >>> from jaxdedup.encoding import METHODS
        >>> table = pyarrow.table({"id": [7], "jpg": [b"no image"]})
        >>> encode_table(table, Recipe(METHODS["phash"]), key="id", image="jpg").to_pylist()
        [{'key': 7, 'row': None, 'failure': 'is not an image of a known format'}]
    """
    _check_columns(table, key, image)
    stream = encode(_numbered(table[image]), recipe, num_workers=num_workers)
    encodings = Encodings.collect(stream, recipe)
    order = np.argsort([int(place) for place in (*encodings.names, *encodings.failures)])
    result = to_arrow(encodings).take(order)
    origin = {b"origin": result.schema.metadata[b"origin"]}
    # Not every engine knows of bytes of one length.
    row = result["row"].cast(pyarrow_modules()[0].binary())
    told = {name: result[name] for name in result.column_names if name not in ("key", "row")}
    return type(result).from_pydict({"key": table[key], "row": row, **told}, metadata=origin)


def items_of(table: Any, key: str, image: str) -> Iterator[tuple[str, Any]]:
    """The images of a table by their keys, as text; ValueError if there is no such column."""
    _check_columns(table, key, image)
    keys = map(str, table[key].to_pylist())
    return zip(keys, (item for _, item in _numbered(table[image])), strict=True)


def _check_columns(table: Any, *names: str) -> None:
    for name in names:
        if name not in table.schema.names:
            raise ValueError(f"expected a column {name!r:.80}, got {table.schema.names}")


def _numbered(column: Any) -> Iterator[tuple[str, Any]]:
    for place, scalar in enumerate(column):
        value = unwrapped(scalar)
        if value is not None and not isinstance(value, (bytes, str)):
            raise TypeError(f"expected images as bytes or paths, got {scalar.type}")
        yield str(place), b"" if value is None else value
