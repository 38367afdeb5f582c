"""Folders of Parquet files, anywhere that fsspec reaches, and the rows in their shards."""

import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxdedup.encoding import Origin, is_shard, origin_of, rows_of
from jaxdedup.runtime import Path

_READERS = 32  # footers of shards that are read at a time


@dataclass(frozen=True)
class Folder:
    """A folder of Parquet files, anywhere that fsspec reaches; it pickles."""

    url: str

    @classmethod
    def at(cls, path: Path) -> "Folder":
        """A folder by its URL or path; a relative one is this process' own."""
        import fsspec

        fs, root = fsspec.core.url_to_fs(os.fspath(path))
        return cls(fs.unstrip_protocol(root))

    def names(self) -> list[str]:
        """The files, in order."""
        fs, root = self._opened
        fs.invalidate_cache()
        if not fs.isdir(root):
            return []
        names = (path.rsplit("/", 1)[1] for path in fs.ls(root, detail=False))
        return sorted(name for name in names if is_shard(name))

    def schema(self, name: str) -> Any:
        """The schema of a file."""
        return self.file(name).schema_arrow

    def file(self, name: str) -> Any:
        """A ``pyarrow.parquet.ParquetFile``; ValueError, with its name, where it is none."""
        import pyarrow.parquet

        fs, root = self._opened
        try:
            return pyarrow.parquet.ParquetFile(fs.open(f"{root}/{name}"))
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"expected Parquet in {self.url}/{name}: {error}") from error

    def read(self, name: str, columns: list[str]) -> Any:
        """Some columns of a file."""
        with self.file(name) as file:
            return file.read(columns)

    @contextmanager
    def writing(self, name: str) -> Iterator[str]:
        """A path on this machine; what is written there appears under the name, whole."""
        fs, root = self._opened
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "shard.parquet")
            yield path
            fs.makedirs(root, exist_ok=True)
            unfinished = f"{root}/.{uuid.uuid4().hex}.part"
            fs.put_file(path, unfinished)
            fs.mv(unfinished, f"{root}/{name}")

    @property
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        return fsspec.core.url_to_fs(self.url)


@dataclass(frozen=True)
class Shards:
    """The rows of a folder of shards, numbered through."""

    folder: Folder

    @cached_property
    def _footers(self) -> list[tuple[str, int, Origin, str]]:
        def footer(name: str) -> tuple[str, int, Origin, str]:
            with self.folder.file(name) as file:
                seal = (file.schema_arrow.metadata or {}).get(b"checksum", b"").decode()
                return name, file.metadata.num_rows, origin_of(file.schema_arrow), seal

        names = self.folder.names()
        if not names:
            raise ValueError(f"expected shards in {self.folder.url!r:.100}, got none")
        with ThreadPoolExecutor(_READERS) as pool:
            footers = list(pool.map(footer, names))
        for name, _, origin, _ in footers:
            footers[0][2].refuse_unless_same(origin, f"{names[0]!r:.100} and {name!r:.100}")
        return footers

    @property
    def origin(self) -> Origin:
        """What made all of them."""
        return self._footers[0][2]

    @cached_property
    def count(self) -> int:
        """The number of rows, failures included."""
        return sum(count for _, count, _, _ in self._footers)

    @property
    def identity(self) -> dict[str, str]:
        """What tells these rows from others."""
        told = json.dumps([(name, count, seal) for name, count, _, seal in self._footers])
        return {"rows": hashlib.sha256(told.encode()).hexdigest()[:16]}

    def block(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The rows from a number to another that are no failures: their numbers, and they."""
        numbers, rows = [], []
        for name, first, count in self._places():
            if first < stop and start < first + count:
                places, found = rows_of(self.folder.read(name, ["row"]))
                wanted = slice(*np.searchsorted(places, [start - first, stop - first]))
                numbers.append(first + places[wanted])
                rows.append(found[wanted])
        return np.concatenate(numbers), np.concatenate(rows)

    def keys(self, numbers: NDArray[np.int64]) -> Any:
        """The keys of rows, of which the numbers rise."""
        import pyarrow

        parts = []
        for name, first, count in self._places():
            wanted = slice(*np.searchsorted(numbers, [first, first + count]))
            if wanted.start < wanted.stop:
                column = self.folder.read(name, ["key"])["key"]
                parts.append(column.take(numbers[wanted] - first).combine_chunks())
        return pyarrow.chunked_array(parts, None if parts else pyarrow.string())

    def _places(self) -> Iterator[tuple[str, int, int]]:
        first = 0
        for name, count, _, _ in self._footers:
            yield name, first, count
            first += count
