"""Several folders, or archives, as one."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from ._decode import Item, Unreadable
from ._sources import ImageSource, Stamp


class Several:
    """Several sources as one, in which equal names stay apart: each key begins with its source's.

    Args:
        sources: by what their keys are to begin with, before a slash: their paths, say, and then
            the keys are paths too.

    Attributes:
        sources: as given.

    Example:
        >>> import pathlib, tempfile
        >>> from jaxdedup.loading import Folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ["new", "old"]:
        ...         pathlib.Path(folder, name).mkdir()
        ...         pathlib.Path(folder, name, "a.png").touch()
        ...     Several({name: Folder(f"{folder}/{name}") for name in ["new", "old"]}).names
        ['new/a.png', 'old/a.png']
    """

    def __init__(self, sources: Mapping[str, ImageSource]) -> None:
        self.sources = dict(sources)

    @property
    def name(self) -> str:
        """The names of all."""
        return ", ".join(source.name for source in self.sources.values())

    @property
    def recursive(self) -> bool:
        """Whether the sub-folders of all are read."""
        return all(getattr(source, "recursive", True) for source in self.sources.values())

    @cached_property
    def names(self) -> list[str]:
        """The keys of all, one source after the other."""
        return [
            joined(start, key) for start, source in self.sources.items() for key in source.names
        ]

    def __len__(self) -> int:
        return sum(map(len, self.sources.values()))

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        for start, source in self.sources.items():
            yield from ((joined(start, key), item) for key, item in source)

    def __repr__(self) -> str:
        return f"Several({self.sources!r})"

    def open(self, key: str) -> Item:
        """The image of a key."""
        source, own = self._place(key)
        return Unreadable("does not exist") if source is None else source.open(own)

    def stamp(self, key: str) -> Stamp | None:
        """The stamp that its source has of a key."""
        source, own = self._place(key)
        return None if source is None else source.stamp(own)

    def _place(self, key: str) -> tuple[ImageSource | None, str]:
        """The source of a key, and its key there: of paths within each other, the longest."""
        for start in sorted(self.sources, key=len, reverse=True):
            if key.startswith(joined(start, "")):
                return self.sources[start], key[len(joined(start, "")) :]
        return None, key


def joined(start: str, key: str) -> str:
    """The key of a source as one of several.

    Example:
        >>> joined("photos/", "a.png"), joined("/", "a.png")
        ('photos/a.png', '/a.png')
    """
    return f"{start.rstrip('/')}/{key}"
