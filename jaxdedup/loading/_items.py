"""Items as they come, from people and from other libraries, made ready for any thread."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

from ._colours import Pixels
from ._decode import Content, DecodeError, Item, Unreadable, decode, read_file, why_damaged


def own(item: Any, decode: Callable[[Any], Pixels] = decode) -> Item:
    """An item that nobody else can change, or touch at the same time, while it is decoded.

    Paths and bytes are so already. Files are read, what has pixels is copied: their owner may fill
    a buffer again, close a file, or give one image twice.

    Args:
        item: as :func:`decode` takes it; or bytes, or a file, as others wrap them: a dict of
            ``"bytes"`` and ``"path"`` (datasets), a scalar or a buffer of pyarrow, an fsspec
            ``OpenFile``, a ``zipfile.Path``.
        decode: that function, or one like it with options of its own.

    Returns:
        The item as a path, bytes or an array; :class:`Unreadable` where reading fails, and for
        None.

    Raises:
        TypeError: it is none of these.

    Example:
        >>> import numpy as np
        >>> buffer = np.zeros((2, 2), np.uint8)
        >>> owned = own(buffer)
        >>> buffer[...] = 9
        >>> owned.max()
        np.uint8(0)
    """
    item = unwrapped(item)
    if item is None:
        return Unreadable("expected an image, got NoneType")
    if isinstance(item, (str, bytes, os.PathLike, Unreadable, Content)):
        return item
    read = _reader(item, decode)
    try:
        return read()
    except DecodeError as error:
        return Unreadable(str(error))
    except Exception as error:
        return Unreadable(why_damaged(error, "can't be read"))


def unwrapped(item: Any) -> Any:
    """What a scalar of pyarrow holds, and a dict of ``"bytes"`` and ``"path"``; else the item.

    Example:
        >>> unwrapped({"bytes": None, "path": "a.png"})
        'a.png'
    """
    if hasattr(item, "as_py"):  # a scalar of pyarrow
        item = item.as_py()
    if isinstance(item, Mapping) and item.keys() & {"bytes", "path"}:
        item = item.get("path") if item.get("bytes") is None else item["bytes"]
    return item


def _reader(item: Any, decode: Callable[[Any], Pixels]) -> Callable[[], Any]:
    """What reads an item; TypeError where nothing does."""
    if hasattr(item, "read"):
        return lambda: read_file(item)
    if isinstance(item, Image.Image) or hasattr(item, "__array__"):
        return lambda: decode(item)
    if hasattr(item, "read_bytes"):  # paths in archives and elsewhere
        return item.read_bytes
    if hasattr(item, "fs"):  # of fsspec
        return lambda: _content(item)
    try:
        view = memoryview(item)
    except TypeError:
        raise TypeError(
            "expected items that are paths, bytes, binary files, Pillow images or arrays, "
            f"got {_told(item)}"
        ) from None
    return lambda: bytes(view)


def _content(item: Any) -> bytes:
    with item as file:
        return read_file(file)


def _told(item: Any) -> str:
    kind = type(item).__name__
    if isinstance(item, Mapping):
        return f"{kind} of {', '.join(map(repr, list(item)[:10])):.200}, without 'bytes' or 'path'"
    return f"{kind}: {item!r:.80}"
