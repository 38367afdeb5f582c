"""Every frame of an animation, or page of a file, as an image of its own."""

import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import cast

from PIL import Image

from ._decode import Item, Unreadable, open_image, opened, why_damaged
from ._sources import ImageSource, Stamp


class Frames:
    """A source whose files with several frames are as many images.

    The first frame has the key of its file, the others ``name#2``, ``name#3``, … (and another
    ``#`` where a file has that name). A file goes with all of its frames or not at all: they share
    its stamp. Frames are read one after the other, by one thread, as their decoders want it.

    Args:
        source: of the files.

    Attributes:
        source: as given.

    Example:
        >>> import pathlib, tempfile
        >>> from jaxdedup.loading import Folder
        >>> red, blue = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     red.save(pathlib.Path(folder, "a.gif"), save_all=True, append_images=[blue])
        ...     Frames(Folder(folder)).names
        ['a.gif', 'a.gif#2']
    """

    def __init__(self, source: ImageSource) -> None:
        self.source = source

    @property
    def name(self) -> str:
        """The source's own name."""
        return self.source.name

    @property
    def recursive(self) -> bool:
        """Whether the source's sub-folders are read."""
        return getattr(self.source, "recursive", True)

    @cached_property
    def names(self) -> Sequence[str]:
        """The keys of all frames, for which each file is opened once."""
        return list(self._places)

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        """Of each key, its file and the number of its frame, from 0."""
        files = set(self.source.names)
        places: dict[str, tuple[str, int]] = {}
        for file in self.source.names:
            places[file] = (file, 0)
            for number in range(1, _frame_count(self.source.open(file))):
                key = f"{file}#{number + 1}"
                while key in files:
                    key = key.replace("#", "##", 1)
                places[key] = (file, number)
        return places

    def __len__(self) -> int:
        return len(self.names) + len(self.source) - len(self.source.names)

    def __iter__(self) -> Iterator[tuple[str, Item]]:
        keys: dict[str, list[str]] = {}
        for key, (file, _) in self._places.items():
            keys.setdefault(file, []).append(key)
        for file, item in self.source:
            if len(keys.get(file, ())) > 1:
                yield from _frames(item, keys[file])
            else:
                yield file, item

    def __repr__(self) -> str:
        return f"Frames({self.source!r})"

    def open(self, key: str) -> Item:
        """A file, or one frame of it, as a Pillow image."""
        file, number = self._places.get(key, (key, 0))
        item = self.source.open(file)
        if _frame_count(item) < 2:
            return item
        try:
            with _opened(item) as image:
                image.seek(number)
                return image.copy()
        except Exception as error:
            return Unreadable(why_damaged(error))

    def stamp(self, key: str) -> Stamp | None:
        """The stamp of the file that a frame is in."""
        return self.source.stamp(self._places.get(key, (key, 0))[0])


def _frames(item: Item, keys: list[str]) -> Iterator[tuple[str, Item]]:
    """One image, shown again and again, at its next frame: to be read before going on."""
    try:
        image = _opened(item)
    except Exception as error:
        yield from ((key, Unreadable(why_damaged(error))) for key in keys)
        return
    with image:
        for number, key in enumerate(keys):
            try:
                image.seek(number)
            except Exception as error:  # decoders raise anything at all on damaged files
                yield key, Unreadable(why_damaged(error))
            else:
                yield key, image


def _frame_count(item: Item) -> int:
    """1 of what is no animation, or no image at all: decoding will tell."""
    try:
        with _opened(item) as image:
            return cast(int, getattr(image, "n_frames", 1))
    except Exception:
        return 1


def _opened(item: Item) -> Image.Image:
    if isinstance(item, Image.Image):
        return item
    with opened(item) as file:
        return open_image(io.BytesIO(file.read()), asked=())
