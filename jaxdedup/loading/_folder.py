"""The files of a folder."""

import os
import stat
from collections import deque
from collections.abc import Iterator
from functools import cached_property

from jaxdedup.runtime import Path

from ._decode import Item, Unreadable
from ._sources import Stamp

_PASSED_OVER = "is a link to a folder: follow_links=True (--follow-links) follows it"


class Folder:
    """The files of a folder as a source of images, in sorted order.

    Hidden files and folders, whose names begin with a dot, are left out. Links to files are
    followed. Whether a file is an image is only known once it is opened, so every other entry is
    listed. Sub-folders that can't be read, or are links that are not followed, are listed too, with
    the reason in the place of an image.

    Args:
        path: the folder.
        recursive: whether to list the files of sub-folders too.
        follow_links: whether sub-folders may be links. Each folder is listed once, by its own path
            rather than by a link, and so loops of links end.

    Attributes:
        path: the folder.
        recursive, follow_links: as given.

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

    def __init__(self, path: Path, *, recursive: bool = False, follow_links: bool = False) -> None:
        if not os.path.isdir(path):
            raise ValueError(f"expected an existing folder, got {os.fspath(path)!r:.300}")
        self.path = os.fspath(path)
        self.recursive = recursive
        self.follow_links = follow_links
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
        settings = f"recursive={self.recursive}, follow_links={self.follow_links}"
        return f"Folder({self.path!r}, {settings})"

    def open(self, key: str) -> str:
        """The path of a file."""
        return os.path.join(self.path, key)

    def stamp(self, key: str) -> Stamp | None:
        """The size, age and identity of a file; None where there is no regular one."""
        try:
            status = os.stat(self.open(key))
        except (OSError, ValueError):  # a broken link, or a file that has gone: decoding will tell
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        file = (status.st_dev, status.st_ino) if status.st_ino else None  # not every system tells
        return Stamp(status.st_size, status.st_mtime_ns, file)

    def _walk(self) -> Iterator[str]:
        walked: set[tuple[int, int]] = set()
        waiting = deque([self.path])  # and links, which wait until all real folders are walked
        while waiting:
            for folder, subfolders, names in os.walk(waiting.popleft(), onerror=self._note):
                if self.follow_links and not _is_new(folder, walked):
                    subfolders.clear()
                    continue
                subfolders[:] = [
                    name for name in subfolders if self.recursive and not name.startswith(".")
                ]
                links = [os.path.join(folder, name) for name in subfolders]
                links = [link for link in links if os.path.islink(link)]
                if self.follow_links:
                    waiting += sorted(links)
                else:
                    self._unreadable |= {self._relative(link): _PASSED_OVER for link in links}
                prefix = self._relative(folder) + "/" if folder != self.path else ""
                yield from (prefix + name for name in names if not name.startswith("."))

    def _note(self, error: OSError) -> None:
        if error.filename == self.path:
            raise error
        self._unreadable[self._relative(error.filename)] = error.strerror or str(error)

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self.path).replace(os.sep, "/")


def _is_new(folder: str, walked: set[tuple[int, int]]) -> bool:
    """Whether a folder, by whatever path, has not been walked yet. It is now."""
    try:
        status = os.stat(folder)
    except OSError:
        return False
    is_new = (status.st_dev, status.st_ino) not in walked
    walked.add((status.st_dev, status.st_ino))
    return is_new
