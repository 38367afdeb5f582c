"""The files of a folder."""

import os
from collections.abc import Iterator
from functools import cached_property

from jaxdedup.runtime import Path

from ._decode import Item, Unreadable
from ._sources import Stamp


class Folder:
    """The files of a folder as a source of images, in sorted order.

    Hidden files and folders, whose names begin with a dot, are left out. Links to files are
    followed, links to folders are not, so that a loop of links can't trap the walk. Whether a
    file is an image is only known once it is opened, so every other entry is listed. Sub-folders
    that can't be read are listed too, with the reason in the place of an image.

    Args:
        path: the folder.
        recursive: whether to list the files of sub-folders too.

    Attributes:
        path: the folder.
        recursive: as given.

    Raises:
        ValueError: the path is not a folder.
        OSError: the folder itself can't be read.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ["b.jpg", "a.png", ".hidden.png"]:
        ...         pathlib.Path(folder, name).touch()
        ...     Folder(folder).names
        ['a.png', 'b.jpg']
    """

    def __init__(self, path: Path, *, recursive: bool = False) -> None:
        if not os.path.isdir(path):
            raise ValueError(f"expected an existing folder, got {os.fspath(path)!r:.300}")
        self.path = os.fspath(path)
        self.recursive = recursive
        self._unreadable: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The folder's own name."""
        return os.path.basename(os.path.abspath(self.path))

    @cached_property
    def names(self) -> list[str]:
        """The paths of the files relative to the folder, with forward slashes: the keys."""
        return sorted(self._walk())

    def __len__(self) -> int:
        return len(self.names) + len(self._unreadable)

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        yield from ((name, self.open(name)) for name in self.names)
        yield from ((name, Unreadable(reason)) for name, reason in self._unreadable.items())

    def __repr__(self) -> str:
        return f"Folder({self.path!r}, recursive={self.recursive})"

    def open(self, key: str) -> str:
        """The path of a file."""
        return os.path.join(self.path, key)

    def stamp(self, key: str) -> Stamp | None:
        """The size and age of a file; None where it can't be looked at."""
        try:
            status = os.stat(self.open(key))
        except OSError:  # a broken link, or a file that has just gone: decoding it will tell
            return None
        return Stamp(status.st_size, status.st_mtime_ns)

    def _walk(self) -> Iterator[str]:
        for folder, subfolders, names in os.walk(self.path, onerror=self._note):
            subfolders[:] = [
                name for name in subfolders if self.recursive and not name.startswith(".")
            ]
            prefix = self._relative(folder) + "/" if folder != self.path else ""
            yield from (prefix + name for name in names if not name.startswith("."))

    def _note(self, error: OSError) -> None:
        if error.filename == self.path:
            raise error
        self._unreadable[self._relative(error.filename)] = error.strerror or str(error)

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.path).replace(os.sep, "/")
