"""Encodings of a folder that outlast the process: only what is new or changed is encoded again.

One SQLite file a folder, with a row a file: name, size and modification time when it was encoded,
the encoding, and a checksum of them all and of what made the encodings; a cache is used by nothing
else. SQLite's journal makes every commit whole or void, so the process may die at any moment and
loses what it encoded in the last second. Damage costs the damaged rows. A cache that fails costs
the cache: whoever uses it goes on without.
"""

import hashlib
import json
import logging
import os
import sqlite3
import time
from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from jaxdedup.loading import ImageSource, Stamp
from jaxdedup.runtime import Path, open_regular, path_text

from ._recipe import Origin

_COMMIT_SECONDS = 1.0
# In SQLite's header, to tell our files from other people's. The last digit is to be raised when the
# tables, or the encodings of the same image, change.
_APPLICATION_ID = 0x6A6464_03
_ID_PLACE = slice(68, 72)  # in the file
_MAGIC = b"SQLite format 3\0"
_FAILURES = (sqlite3.Error, UnicodeError, TypeError)  # of a file, the latter two of damaged ones
_NONE = -1  # the size of no file
_MOST = 2**63  # of what SQLite holds in an INTEGER
_BESIDE = ("-journal", "-wal", "-shm")

logger = logging.getLogger("jaxdedup")


class EncodingCache:
    """The cache of a folder's encodings; a context manager.

    Args:
        path: the file, which is made where it doesn't exist. Its folder must exist.
        origin: what the encodings depend on beside the files.
        row_bytes: how many a row has; None where only its network knows.

    Raises:
        ValueError: the file is something else, or a cache of another origin, or the weights of the
            network can't be seen.
        FileNotFoundError, IsADirectoryError: there can be no such file.
        OSError: the file can't be opened, made or written, or another process uses it.
    """

    def __init__(self, path: Path, origin: Origin, row_bytes: int | None = None) -> None:
        refuse_impossible(path, origin)
        self._path = os.fspath(path)
        self._origin = origin
        self._row_bytes = row_bytes
        self._made_by = b""
        self._stamps = _Stamps((), ())
        self._refuse_other_files()
        self._connect()

    def _refuse_other_files(self) -> None:
        """ValueError for a file that is neither ours nor empty, which is left alone."""
        if not os.path.exists(self._path):
            return
        with open_regular(self._path) as file:
            head = file.read(100)
        ours = _APPLICATION_ID.to_bytes(4, "big")
        is_database, is_ours = head.startswith(_MAGIC), head[_ID_PLACE] == ours
        if head and not is_database and not is_ours:
            raise ValueError(f"expected a cache of encodings, got {self._path!r:.300}")

    def _connect(self) -> None:
        """Open the file; where it is ours and damaged, in its place an empty one."""
        for attempt in range(2):
            self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            self._connection.text_factory = bytes  # damaged text may be no UTF-8
            try:
                self._open()
                break
            except _FAILURES as error:
                self._connection.close()
                if attempt or not _is_damage(error):
                    raise self._translated(error) from error
                self._delete()
            except BaseException:
                self._connection.close()
                raise
        self._committed = time.monotonic()

    def _open(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")  # for as long as it is open
        execute("BEGIN IMMEDIATE")
        is_empty = execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        application = execute("PRAGMA application_id").fetchone()[0]
        if is_empty and application == 0:
            self._make_tables()
        elif application != _APPLICATION_ID:
            raise ValueError(
                "expected a cache of encodings that this version can read, got "
                f"{self._path!r:.300}: choose another file, or delete it if it is a cache of an "
                "earlier version"
            )
        self._refuse_other_origin()
        execute("COMMIT")
        execute("BEGIN IMMEDIATE")

    def _make_tables(self) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        execute("CREATE TABLE origin (json TEXT NOT NULL, checksum BLOB NOT NULL)")
        execute(
            "CREATE TABLE encodings (name BLOB PRIMARY KEY, size INTEGER NOT NULL, "
            "mtime_ns INTEGER NOT NULL, encoding BLOB NOT NULL, checksum BLOB NOT NULL"
            ") WITHOUT ROWID"
        )
        text = json.dumps(self._origin.to_dict())
        execute("INSERT INTO origin VALUES (?, ?)", (text, _checksum(text.encode())))

    def _refuse_other_origin(self) -> None:
        found = self._connection.execute("SELECT json, checksum FROM origin").fetchall()
        if len(found) != 1 or _checksum(found[0][0]) != found[0][1]:
            raise sqlite3.DatabaseError("what made the encodings is damaged")
        made = json.loads(found[0][0])
        try:
            different = self._origin.differences(Origin.from_dict(made))
        except ValueError as error:  # none that this version makes
            different = str(error)
        if different:
            raise ValueError(
                f"the cache {self._path!r:.200} holds other encodings, {different}: "
                "choose another file"
            )
        # As far as it was told when the file was made: a later version may have more to tell.
        told = {name: self._origin.to_dict()[name] for name in made if name != "version"}
        self._made_by = json.dumps(told, sort_keys=True).encode()

    def _delete(self) -> None:
        logger.warning("the cache %r is damaged, and is made anew", self._path)
        for suffix in ("", *_BESIDE):
            with suppress(FileNotFoundError):
                os.unlink(self._path + suffix)

    def reuse(self, source: ImageSource) -> dict[str, bytes]:
        """The rows of the files that have not changed; those of vanished files are dropped.

        Args:
            source: the files that are there. Where it leaves out sub-folders, nothing is known
                about those, and what the cache has of them stays.

        Returns:
            By name, in any order.
        """
        # From before the files are read: one that changes meanwhile will not match.
        self._stamps = _Stamps(source.names, map(source.stamp, source.names))
        recursive = getattr(source, "recursive", True)
        fresh: dict[str, bytes] = {}
        useless: list[tuple[bytes]] = []
        try:
            for key, encoding in self._sound_rows(useless):
                name = os.fsdecode(key)
                if encoding is not None:
                    fresh[self._stamps.own(name)] = encoding
                elif self._stamps.get(name) is None and (recursive or "/" not in name):
                    useless.append((key,))
            self._connection.executemany("DELETE FROM encodings WHERE name = ?", useless)
        except _FAILURES as error:
            if not _is_damage(error):
                raise self._translated(error) from error
            self._begin_anew(fresh)
        self._stamps.forget(fresh)
        return fresh

    def _sound_rows(self, damaged: list[tuple[bytes]]) -> Iterator[tuple[bytes, bytes | None]]:
        """Name and encoding of what is as it was written, None of a file that has changed."""
        for row in self._connection.execute("SELECT * FROM encodings"):
            name, size, mtime_ns, encoding, checksum = row
            expected = self._row_checksum(*row[:-1])
            if expected is None or checksum != expected:
                damaged.append((name,))
                continue
            stamp = self._stamps.get(os.fsdecode(name))
            yield name, encoding if stamp == (size, mtime_ns) else None

    def _row_checksum(self, name: bytes, size: int, mtime_ns: int, encoding: bytes) -> bytes | None:
        """None for what is no row at all."""
        try:
            numbers = b"%d %d %d" % (len(name), size, mtime_ns)
            is_whole = self._row_bytes in (None, len(encoding))
            return _checksum(self._made_by, numbers, name, encoding) if is_whole else None
        except TypeError:
            return None

    def _begin_anew(self, rows: dict[str, bytes]) -> None:
        """An empty cache in the place of a damaged one, but for what could still be read."""
        self._connection.close()
        self._delete()
        self._connect()
        for name, encoding in rows.items():
            self.put(name, encoding)

    def put(self, name: str, encoding: bytes) -> None:
        """Remember the encoding of a file that :meth:`reuse` was told of and had none of."""
        stamp = self._stamps.get(name)
        if stamp is None:  # it appeared after we looked
            return
        row = (os.fsencode(name), *stamp, encoding)
        values = (*row, self._row_checksum(*row))
        try:
            self._connection.execute(
                "INSERT OR REPLACE INTO encodings VALUES (?, ?, ?, ?, ?)", values
            )
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
            with suppress(sqlite3.Error):
                self._connection.close()

    def _translated(self, error: Exception) -> Exception:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            return BlockingIOError(f"another process uses the cache {self._path!r:.300}")
        return OSError(f"the cache {self._path!r:.300}: {error}")


class _Stamps:
    """Sizes and modification times by name, in columns: of a million files, a fifth of the memory.

    Args:
        names: of the files.
        stamps: of each its stamp; None where there is no file. Times after 2262 are none.
    """

    def __init__(self, names: Sequence[str], stamps: Iterable[Stamp | None]) -> None:
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._numbers = array("q")  # of each name two
        for stamp in stamps:
            if stamp is None or abs(stamp.mtime_ns) >= _MOST:
                self._numbers.extend((_NONE, 0))
            else:
                self._numbers.extend(stamp[:2])

    def get(self, name: str) -> tuple[int, int] | None:
        """Size and time in ns; None where there is no file."""
        place = 2 * self._places.get(name, -1)
        if place < 0 or self._numbers[place] == _NONE:
            return None
        return self._numbers[place], self._numbers[place + 1]

    def own(self, name: str) -> str:
        """The source's own string of a name, which is there anyway."""
        return self._names[self._places[name]]

    def forget(self, names: Container[str]) -> None:
        """Whatever nobody will ask for any more."""
        self._places = {name: n for name, n in self._places.items() if name not in names}


def refuse_impossible(path: Path, origin: Origin) -> None:
    """ValueError or OSError where there can be no such cache."""
    origin.refuse_unstorable("cache")
    path = path_text(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"expected the folder of the cache to exist, got {folder!r:.300}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"expected a file as the cache, got the folder {path!r:.300}")


def _is_damage(error: Exception) -> bool:
    """Whether it is the file's content that is wrong, as far as SQLite, or Python, can tell."""
    name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT")
    return name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR", "SQLITE_TOOBIG"))


def _checksum(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.digest()
