"""Files and folders that fsspec reaches: ``s3://…``, ``gs://…``, ``memory://…``."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

from jaxdedup.runtime import Path, open_regular

from ._decode import Content, Item
from ._sources import Stamp, is_hidden


def is_url(path: Path) -> bool:
    """Whether a path is for fsspec.

    Example:
        >>> is_url("s3://bucket/photos"), is_url("photos")
        (True, False)
    """
    return "://" in os.fspath(path)


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        ValueError: fsspec, or its driver, is not installed.
    """
    try:
        import fsspec

        return tuple(fsspec.core.url_to_fs(url))
    except (ImportError, ValueError) as error:
        raise ValueError(f"expected an fsspec driver for {url!r:.100}: {error}") from None


def open_any(path: str) -> BinaryIO:
    """A file for reading, wherever it is."""
    if not is_url(path):
        return open_regular(path)
    files, place = file_system(path)
    opened: BinaryIO = files.open(place)
    return opened


def stamp_of(path: str) -> Stamp | None:
    """The size and age of a file, wherever it is; None where there is none."""
    if is_url(path):
        return _remote_stamp(*file_system(path))
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns)


def _remote_stamp(files: Any, place: str) -> Stamp | None:
    try:
        size = files.size(place) or 0
        try:
            return Stamp(size, int(files.modified(place).timestamp() * 1e9))
        except NotImplementedError:  # by fsspec, of a store that tells no time: older than all
            # others, but another number when it changes.
            return Stamp(size, -int(files.ukey(place)[:15], 16))
    except OSError:
        return None


class Remote:
    """The files of a folder that fsspec reaches, as a source of images, in sorted order.

    Hidden files and folders are left out, as by :class:`Folder`. Each file is read by the thread
    that decodes it.

    Args:
        url: the folder: ``"s3://bucket/photos"``, with the driver of your choice installed.
        recursive: whether to take the images of sub-folders too.

    Attributes:
        path: the URL.
        recursive: as given.
        names: of the files, relative to the folder: the keys.

    Raises:
        ValueError: fsspec, or its driver, is not installed; or there is no such folder.
        OSError: it can't be listed.

    Example:
        >>> import fsspec
        >>> fsspec.filesystem("memory").pipe("/photos/a.png", b"")
        >>> Remote("memory://photos").names
        ['a.png']
    """

    def __init__(self, url: Path, *, recursive: bool = False) -> None:
        self.path = os.fspath(url).rstrip("/")
        self.recursive = recursive
        self._files, self._root = file_system(self.path)
        if not self._files.isdir(self._root):
            raise ValueError(f"expected an existing folder, got {self.path!r:.100}")
        found = self._files.find(self._root, maxdepth=None if recursive else 1)
        names = (place[len(self._root) :].lstrip("/") for place in found)
        self.names = sorted(name for name in names if not is_hidden(name))

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.rsplit("/", 1)[-1]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        return ((name, self.open(name)) for name in self.names)

    def __repr__(self) -> str:
        return f"Remote({self.path!r})"

    def open(self, key: str) -> Item:
        """The content of a file, which is read when it is decoded."""
        return Content(partial(self._files.cat_file, f"{self._root}/{key}"))

    def stamp(self, key: str) -> Stamp | None:
        """The size and age of a file; None where there is none of that name."""
        return _remote_stamp(self._files, f"{self._root}/{key}")
