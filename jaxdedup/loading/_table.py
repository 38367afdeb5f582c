"""Images in a column of a Parquet file."""

import bisect
import os
import threading
import weakref
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, BinaryIO, cast

from jaxdedup.runtime import Path

from ._decode import Item, Unreadable
from ._items import unwrapped
from ._remote import open_any, stamp_of
from ._sources import Stamp

_ROWS_AT_ONCE = 64


class Table:
    """A column of images in a Parquet file as a source, in the order of its rows.

    The column holds bytes, or the structs of bytes and path that Hugging Face's datasets write.

    Args:
        path: the file, which fsspec may reach.
        column: the column of images; None where only one holds bytes.
        key: the column of keys, all different; None for the numbers of the rows, from 0.

    Attributes:
        path, column: of these.
        names: the keys, as text.

    Raises:
        ValueError: it is no Parquet file, pyarrow is not installed, there is no such column, or it
            holds no bytes, or a key is there twice.
        OSError: the file can't be read.
    """

    def __init__(self, path: Path, column: str | None = None, key: str | None = None) -> None:
        self.path = os.fspath(path)
        self._key = key
        opened = open_any(self.path)
        weakref.finalize(self, opened.close)
        self._file = _parquet(self.path, opened)
        images = [field.name for field in self._file.schema_arrow if _holds_bytes(field.type)]
        if column is None and len(images) == 1:
            column = images[0]
        if column not in images:
            shown = ", ".join(map(repr, images[:10])) or "none"
            raise ValueError(
                f"expected a column of bytes ({shown}) in {self.path!r:.100}, got {column!r:.100}"
            )
        self.column = column
        self.names = self._names()
        self._rows = {name: row for row, name in enumerate(self.names)}
        if len(self._rows) != len(self.names):
            raise ValueError(f"expected each key once, got some twice in column {key!r:.100}")
        groups = range(self._file.num_row_groups)
        sizes = (self._file.metadata.row_group(group).num_rows for group in groups)
        self._starts = list(accumulate(sizes, initial=0))
        self._group, self._column = -1, cast(Any, None)  # what was read last
        self._lock = threading.Lock()  # rows are read from one position

    @property
    def name(self) -> str:
        """The file's own name."""
        return os.path.basename(self.path)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        names = iter(self.names)
        try:
            for some in self._file.iter_batches(_ROWS_AT_ONCE, columns=[self.column]):
                yield from zip(names, map(_item, some.column(0)), strict=False)
        except (OSError, ValueError) as error:  # of pyarrow: damage
            yield from ((name, Unreadable(f"can't be read: {error}")) for name in names)

    def __repr__(self) -> str:
        return f"Table({self.path!r}, column={self.column!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Table, (self.path, self.column, self._key)

    def open(self, key: str) -> Item:
        """The content of a row."""
        row = self._rows.get(key)
        if row is None:
            return Unreadable("does not exist")
        group = bisect.bisect_right(self._starts, row) - 1
        try:
            with self._lock:
                if group != self._group:
                    found = self._file.read_row_group(group, columns=[self.column])
                    self._group, self._column = group, found.column(0)
                return _item(self._column[row - self._starts[group]])
        except (OSError, ValueError) as error:
            return Unreadable(f"can't be read: {error}")

    def stamp(self, key: str) -> Stamp | None:
        """The size and age of the file; None where there is no such row."""
        return stamp_of(self.path) if key in self._rows else None

    def _names(self) -> list[str]:
        if self._key is None:
            return list(map(str, range(self._file.metadata.num_rows)))
        if self._key not in self._file.schema_arrow.names:
            known = ", ".join(map(repr, self._file.schema_arrow.names[:10]))
            raise ValueError(f"expected a column of keys ({known}), got {self._key!r:.100}")
        return list(map(str, self._file.read(columns=[self._key]).column(0).to_pylist()))


def _parquet(path: str, opened: BinaryIO) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ValueError("Parquet files need pyarrow: pip install 'jaxdedup[parquet]'") from None
    try:
        return ParquetFile(opened)
    except ValueError as error:  # pyarrow's errors are
        raise ValueError(f"expected a Parquet file, got {path!r:.100}: {error}") from None


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _item(scalar: Any) -> Item:
    """A row's bytes, or the path that stands for them."""
    value = unwrapped(scalar)
    return Unreadable("is missing") if value is None else value
