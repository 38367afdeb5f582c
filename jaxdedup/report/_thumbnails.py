"""Thumbnails: small JPEGs of image files, made in threads."""

import io
import os
from collections.abc import Collection, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxdedup.loading import (
    DecodeError,
    Item,
    Stamp,
    decode,
    image_size,
    lies,
    orientation_of,
    upright,
)
from jaxdedup.runtime import core_count

from ._sides import Sides

_READ_AHEAD = 64  # files
_FLAT = 8  # of 255: what differs less is one colour, saved as a JPEG


class Thumbnail(NamedTuple):
    """A small picture of a file, or the reason why there is none.

    Attributes:
        jpeg: the picture; empty where there is no room for it, or the file can't be loaded.
        width, height: of the JPEG, in pixels.
        full_width, full_height: of the image in the file, in pixels.
        file_bytes: the size of the file.
        file: which file it is, where that is known.
        path: of the file, where it has one.
        is_blank: whether it is of one colour, as its decoder sees it.
        failure: why the file can't be loaded.
    """

    jpeg: bytes = b""
    width: int = 0
    height: int = 0
    full_width: int = 0
    full_height: int = 0
    file_bytes: int = 0
    file: tuple[int, int] | None = None
    path: str | None = None
    is_blank: bool = False
    failure: str | None = None


def make_thumbnails(
    source: Sides,
    names: Sequence[str],
    side: int,
    *,
    quality: int,
    formats: Collection[str] = (),
    num_workers: int | None = None,
    turned: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    exif_orientation: bool = False,
) -> Generator[Thumbnail]:
    """A thumbnail of each file, in order; a file that can't be loaded gives its reason.

    Args:
        source: of the images.
        names: of the images.
        side: the longest side of a thumbnail, in pixels.
        quality: of the JPEG.
        formats: suffixes that imageio may open, see :func:`jaxdedup.loading.decode`.
        num_workers: the number of threads; None for one a core.
        turned: by key, how an image is turned (of :data:`jaxdedup.encoding.TURNS`) to look like
            which other one.
        exif_orientation: whether that is said of images that EXIF data has turned already.
    """
    make = partial(
        _make,
        source=source,
        side=side,
        quality=quality,
        formats=formats,
        turned=turned,
        exif_orientation=exif_orientation,
    )
    threads = ThreadPoolExecutor(num_workers or core_count())
    try:
        for start in range(0, len(names), _READ_AHEAD):
            yield from threads.map(make, names[start : start + _READ_AHEAD])
    finally:  # whoever stops does not wait for what was read ahead
        threads.shutdown(wait=False, cancel_futures=True)


def _make(
    name: str,
    *,
    source: Sides,
    side: int,
    quality: int,
    formats: Collection[str],
    turned: Mapping[str, tuple[str, str]],
    exif_orientation: bool,
) -> Thumbnail:
    item = source.open(name)
    turns_first = exif_orientation or name not in turned
    try:
        # The JPEG decoder may scale down as it decodes: a thumbnail need not be exact.
        size = (side, side)
        pixels = decode(item, formats=formats, draft_size=size, exif_orientation=turns_first)
    except DecodeError as error:
        return Thumbnail(failure=str(error))
    stamp = source.stamp(name) or Stamp(0, 0)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    full_size = _full_size(item, image)
    if name in turned:
        turn, other = turned[name]
        image = image.transpose(Image.Transpose[turn.upper()])
        if not exif_orientation:
            image = _as_shown(image, source.open(other))
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Thumbnail(
        _jpeg(image, quality),
        *image.size,
        *full_size,
        stamp.size,
        stamp.file,
        os.fspath(item) if isinstance(item, (str, os.PathLike)) else None,
        int(np.ptp(np.asarray(image), axis=(0, 1)).max()) <= _FLAT,
    )


def _full_size(item: Item, image: Image.Image) -> tuple[int, int]:
    """``(w, h)`` of what every viewer shows."""
    width, height = image_size(item) or image.size
    return (height, width) if lies(orientation_of(item)) else (width, height)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


def _as_shown(image: Image.Image, file: Item) -> Image.Image:
    """As every viewer shows a file that holds the same pixels."""
    shown = upright(np.asarray(image), orientation_of(file))
    return Image.fromarray(np.ascontiguousarray(shown))
