"""Encodings of a folder that outlast the process: only what is new or changed is encoded again.

One SQLite file a folder, with a row a file: name, size and modification time when it was encoded,
and the encoding. What made the encodings is written beside them, and a cache is used by nothing
else. SQLite's journal makes every commit whole or void, so the process may die at any moment and
loses what it encoded in the last second.
"""

import json
import os
import sqlite3
import time
from types import TracebackType
from typing import Self

from jaxdedup.loading import ImageSource, Stamp
from jaxdedup.runtime import Path

from ._recipe import Origin

_COMMIT_SECONDS = 1.0
# In SQLite's header, to tell our files from other people's. The last digit is to be raised when the
# tables, or the encodings of the same image, change.
_APPLICATION_ID = 0x6A6464_02


class EncodingCache:
    """The cache of a folder's encodings; a context manager.

    Args:
        path: the file, which is made where it doesn't exist. Its folder must exist.
        origin: what the encodings depend on beside the files.

    Raises:
        ValueError: the file is something else, or a cache of another origin, or the weights of the
            network can't be seen.
        OSError: the file can't be opened or made, or another process uses it.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        if origin.weights is None:
            raise ValueError("expected no cache for a model of your own: its weights have no name")
        self._path = os.fspath(path)
        self._stamps: dict[str, Stamp] = {}
        folder = os.path.dirname(os.path.abspath(self._path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"expected the folder of the cache to exist, got {folder!r}")
        self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        try:
            self._open(origin)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._translated(error) from error
        except BaseException:
            self._connection.close()
            raise
        self._committed = time.monotonic()

    def _open(self, origin: Origin) -> None:
        execute = self._connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")  # for as long as it is open
        execute("BEGIN IMMEDIATE")
        is_empty = execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        application = execute("PRAGMA application_id").fetchone()[0]
        if is_empty and application == 0:
            execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            execute("CREATE TABLE origin (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            execute(
                "CREATE TABLE encodings (name BLOB PRIMARY KEY, size INTEGER NOT NULL, "
                "mtime_ns INTEGER NOT NULL, encoding BLOB NOT NULL) WITHOUT ROWID"
            )
            items = [(key, json.dumps(value)) for key, value in origin.to_dict().items()]
            self._connection.executemany("INSERT INTO origin VALUES (?, ?)", items)
        elif application != _APPLICATION_ID:
            raise ValueError(
                f"expected a cache of encodings that this version can read, got {self._path!r}: "
                "choose another file, or delete it if it is a cache of an earlier version"
            )
        found = {key: json.loads(value) for key, value in execute("SELECT key, value FROM origin")}
        if different := origin.differences(Origin.from_dict(found)):
            raise ValueError(
                f"the cache {self._path!r} holds other encodings, {different}: choose another file"
            )
        execute("COMMIT")
        execute("BEGIN IMMEDIATE")

    def reuse(self, source: ImageSource) -> dict[str, bytes]:
        """The rows of the files that have not changed; those of vanished files are dropped.

        Args:
            source: the files that are there. Where it leaves out sub-folders, nothing is known
                about those, and what the cache has of them stays.

        Returns:
            By name, in any order.
        """
        # From before the files are read: one that changes meanwhile will not match.
        self._stamps = {
            name: stamp for name in source.names if (stamp := source.stamp(name)) is not None
        }
        recursive = getattr(source, "recursive", True)
        fresh: dict[str, bytes] = {}
        vanished: list[tuple[bytes]] = []
        try:
            rows = self._connection.execute("SELECT name, size, mtime_ns, encoding FROM encodings")
            for encoded_name, size, mtime_ns, encoding in rows:
                name = os.fsdecode(encoded_name)
                if (stamp := self._stamps.get(name)) and stamp[:2] == (size, mtime_ns):
                    fresh[name] = encoding
                elif name not in self._stamps and (recursive or "/" not in name):
                    vanished.append((encoded_name,))
            self._connection.executemany("DELETE FROM encodings WHERE name = ?", vanished)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return fresh

    def put(self, name: str, encoding: bytes) -> None:
        """Remember the encoding of one of the files that :meth:`reuse` was told of."""
        stamp = self._stamps.get(name)
        if stamp is None:  # it appeared after we looked
            return
        row = (os.fsencode(name), stamp.size, stamp.mtime_ns, encoding)
        try:
            self._connection.execute("INSERT OR REPLACE INTO encodings VALUES (?, ?, ?, ?)", row)
            if time.monotonic() - self._committed >= _COMMIT_SECONDS:
                self._connection.execute("COMMIT")
                self._connection.execute("BEGIN IMMEDIATE")
                self._committed = time.monotonic()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Keep what there is, whatever ended the run."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except sqlite3.Error as failure:
            raise self._translated(failure) from failure
        finally:
            self._connection.close()

    def _translated(self, error: sqlite3.Error) -> Exception:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_BUSY"):
            return BlockingIOError(f"another process uses the cache {self._path!r}")
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            return ValueError(f"expected a cache of encodings, got {self._path!r}: {error}")
        return OSError(f"the cache {self._path!r}: {error}")
