"""What a source of images is: keyed items, that can be looked at again by key."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ._decode import Item


class Stamp(NamedTuple):
    """What tells that a file has changed: its size in bytes, and its modification time in ns.

    Attributes:
        size, mtime_ns: these.
        file: which file it is, whatever its paths: paths of one inode are one file. None where
            each key is a file for itself.
    """

    size: int
    mtime_ns: int
    file: tuple[int, int] | None = None


def is_hidden(name: str) -> bool:
    """Whether a file of a source, or a folder that it is in, is hidden.

    Example:
        >>> is_hidden("./photos/a.png"), is_hidden("photos/.cache/a.png")
        (False, True)
    """
    return any(part.startswith(".") and part != "." for part in name.split("/"))


class ImageSource(Protocol):
    """Keyed images that can be read more than once.

    Any iterable of ``(key, item)`` can be encoded. One that is a source can also be cached, shown
    in a report, and asked for the largest or the newest of several duplicates.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def names(self) -> Sequence[str]:
        """The keys of what can be opened."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[str, Item]]: ...

    def open(self, key: str) -> Item:
        """The image of a key, whether or not it was listed; `Unreadable` where there is none."""

    def stamp(self, key: str) -> Stamp | None:
        """The size, age and identity of the file of a key; None where there is none now."""


def check_source(source: Any) -> None:
    """TypeError unless it is a source.

    Example:
        >>> check_source("photos")
        Traceback (most recent call last):
        ...
        TypeError: expected a source of images, as open_source(path) makes one, got 'photos'
    """
    if not hasattr(source, "stamp"):  # `names` of a folder would be looked for now
        raise TypeError(
            f"expected a source of images, as open_source(path) makes one, got {source!r:.80}"
        )
