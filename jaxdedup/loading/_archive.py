"""The images of a zip or tar file."""

import calendar
import os
import tarfile
import threading
import weakref
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from jaxdedup.runtime import Path

from ._decode import Item, Unreadable
from ._remote import open_any
from ._sources import Stamp, is_hidden

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class Archive:
    """The members of a zip or tar file as a source of images.

    Hidden members, and those of hidden folders, are left out, as :class:`Folder` does. Where a name
    is there twice, the later member counts, as when the archive is unpacked. Members are read in
    the order in which they lie. (For the keys of WebDataset, all members of a sample being one:
    ``((name.partition(".")[0], item) for name, item in Archive("images.tar"))``.)

    Args:
        path: the file, which fsspec may reach.

    Attributes:
        path: the file.
        names: the full names of the members, sorted: the keys.

    Raises:
        ValueError: the file is neither.
        OSError: the file can't be read.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "photos.zip")
        ...     with zipfile.ZipFile(path, "w") as file:
        ...         file.writestr("2024/a.png", b"")
        ...     Archive(path).names
        ['2024/a.png']
    """

    def __init__(self, path: Path) -> None:
        self.path = os.fspath(path)
        opened = open_any(self.path)
        weakref.finalize(self, opened.close)
        try:
            is_zip = self.path.lower().endswith(".zip")
            self._members = _ZipMembers(opened) if is_zip else _TarMembers(opened)
        except (zipfile.BadZipFile, tarfile.TarError) as error:
            kind = "zip" if is_zip else "tar"
            raise ValueError(f"expected a {kind} file, got {self.path!r:.100}: {error}") from None
        self.names = sorted(self._members.stamps)

    @property
    def name(self) -> str:
        """The file's own name."""
        return os.path.basename(self.path)

    def __len__(self) -> int:
        return len(self.names) + (self._members.damage is not None)

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        yield from ((name, self.open(name)) for name in self._members.stamps)
        if self._members.damage is not None:
            yield f"{self.name} (the rest)", Unreadable(self._members.damage)

    def __repr__(self) -> str:
        return f"Archive({self.path!r})"

    def __reduce__(self) -> tuple[type["Archive"], tuple[str]]:
        return Archive, (self.path,)

    def open(self, key: str) -> bytes | Unreadable:
        """The content of a member."""
        if key not in self._members.stamps:
            return Unreadable("does not exist")
        try:
            return self._members.read(key)
        except Exception as error:  # damaged, encrypted, or compressed in a way not known here
            return Unreadable(str(error) or type(error).__name__)

    def stamp(self, key: str) -> Stamp | None:
        """The size and age of a member; None where there is none of that name."""
        return self._members.stamps.get(key)


class _ZipMembers:
    def __init__(self, file: BinaryIO) -> None:
        self.damage: str | None = None
        self._file = zipfile.ZipFile(file)
        names = filter(_is_listed, dict.fromkeys(self._file.namelist()))
        found = sorted(map(self._file.getinfo, names), key=lambda member: member.header_offset)
        self.stamps = {
            member.filename: Stamp(member.file_size, _age(member.date_time)) for member in found
        }

    def read(self, name: str) -> bytes:
        return self._file.read(name)


class _TarMembers:
    def __init__(self, file: BinaryIO) -> None:
        self.damage: str | None = None
        self._file = tarfile.open(fileobj=file)  # noqa: SIM115, it is closed by who opened the file
        self._lock = threading.Lock()  # the members share one position
        self._found: dict[str, tarfile.TarInfo] = {}
        try:
            for member in self._file:
                if (member.isreg() or member.islnk()) and _is_listed(member.name):
                    self._found.pop(member.name, None)
                    self._found[member.name] = member
            if self._is_cut():
                self.damage = "can't be read: it is cut, or damaged"
        except Exception as error:  # it is cut, say; decompressors raise errors of their own
            self.damage = f"can't be read: {error}"
        self.stamps = {
            name: Stamp(member.size, int(member.mtime * 1e9))
            for name, member in self._found.items()
        }

    def _is_cut(self) -> bool:
        """Whether tarfile took for the end what is none: a header that it could not read."""
        file = self._file.fileobj
        assert file is not None
        file.seek(self._file.offset)
        return file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE)

    def read(self, name: str) -> bytes:
        with self._lock:
            file = self._file.extractfile(self._found[name])
            assert file is not None  # of a regular file, or a link to one
            return file.read()


def _is_listed(name: str) -> bool:
    return not name.endswith("/") and not is_hidden(name)


def _age(date_time: tuple[int, ...]) -> int:
    """Nanoseconds since 1970, of a member of a zip; without a date, its month and day are 0."""
    year, month, day, *time = date_time
    return calendar.timegm((year, max(1, month), max(1, day), *time)) * 10**9
