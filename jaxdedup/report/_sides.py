"""Where the images of a page come from: one source, or two that were compared."""

import os

from jaxdedup.loading import ImageSource, Item, Several, Stamp, joined, open_source
from jaxdedup.runtime import Path


class Sides:
    """The images of a page by the names that it gives them.

    With one source these are its keys. With two each has its source's path before it, as given, so
    that equal keys stay apart and what the page exports can be found.

    Args:
        source: of what was searched for.
        against: of the corpus where it was searched; None where there is none, or both are in
            ``source``.

    Raises:
        ValueError: the two can't be told apart, or one of them does not exist.
    """

    def __init__(self, source: Path | ImageSource, against: Path | ImageSource | None) -> None:
        self._sources = [open_source(side) for side in (source, against) if side is not None]
        self._prefixes = ["", ""]
        self._images = self._sources[0]
        if against is not None:
            paths = [os.fspath(getattr(side, "path", side.name)) for side in self._sources]
            self._prefixes = [joined(path, "") for path in paths]
            if self._prefixes[0] == self._prefixes[1]:
                raise ValueError(f"expected two different sources, got {self._prefixes[0]!r} twice")
            self._images = Several(dict(zip(paths, self._sources, strict=True)))

    @property
    def are_two(self) -> bool:
        """Whether the corpus has a source of its own."""
        return len(self._sources) > 1

    @property
    def name(self) -> str:
        """Where the duplicates of what are, as a part of a title."""
        if self.are_two:
            return "of {} in {}".format(*(side.name for side in self._sources))
        return f"in {self._sources[0].name}"

    def new(self, key: str) -> str:
        """The name of what was searched for."""
        return self._prefixes[0] + key

    def old(self, key: str) -> str:
        """The name of what is in the corpus."""
        return self._prefixes[1] + key

    def open(self, name: str) -> Item:
        """The image of a name."""
        return self._images.open(name)

    def stamp(self, name: str) -> Stamp | None:
        """The size, age and identity of the file of a name; None where there is none now."""
        return self._images.stamp(name)
