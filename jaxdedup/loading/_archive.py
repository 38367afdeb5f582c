"""The images of a zip file."""

import calendar
import os
import weakref
import zipfile
from collections.abc import Iterator

from jaxdedup.runtime import Path, open_regular

from ._decode import Item, Unreadable
from ._sources import Stamp


class Archive:
    """The members of a zip file as a source of images, in sorted order.

    Hidden members, and those of hidden folders, are left out, as :class:`Folder` does. Where a name
    is there twice, the later member counts, as when the archive is unpacked.

    Args:
        path: the file.

    Attributes:
        path: the file.
        names: the full names of the members: the keys.

    Raises:
        ValueError: the file is not a zip file.
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
        opened = open_regular(self.path)
        weakref.finalize(self, opened.close)
        try:
            self._file = zipfile.ZipFile(opened)
        except zipfile.BadZipFile as error:
            raise ValueError(f"expected a zip file, got {self.path!r:.100}: {error}") from None
        self.names = sorted({name for name in self._file.namelist() if _is_listed(name)})

    @property
    def name(self) -> str:
        """The file's own name."""
        return os.path.basename(self.path)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        return ((name, self.open(name)) for name in self.names)

    def __repr__(self) -> str:
        return f"Archive({self.path!r})"

    def __reduce__(self) -> tuple[type["Archive"], tuple[str]]:
        return Archive, (self.path,)

    def open(self, key: str) -> bytes | Unreadable:
        """The content of a member."""
        try:
            return self._file.read(key)
        except KeyError:
            return Unreadable("does not exist")
        except Exception as error:  # damaged, encrypted, or compressed in a way not known here
            return Unreadable(str(error) or type(error).__name__)

    def stamp(self, key: str) -> Stamp | None:
        """The size and age of a member; None where there is none of that name."""
        try:
            member = self._file.getinfo(key)
        except KeyError:
            return None
        return Stamp(member.file_size, calendar.timegm(member.date_time) * 10**9)


def _is_listed(name: str) -> bool:
    is_hidden = any(part.startswith(".") for part in name.split("/"))
    return not name.endswith("/") and not is_hidden
