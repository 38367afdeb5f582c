"""Thumbnails: small JPEGs of image files, made in threads."""

import io
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxdedup.loading import DecodeError, ImageSource, decode, image_size
from jaxdedup.runtime import core_count

_READ_AHEAD = 64  # files


class Thumbnail(NamedTuple):
    """A small picture of a file, or the reason why there is none.

    Attributes:
        jpeg: the picture; None where the file can't be loaded.
        width, height: of the JPEG, in pixels.
        full_width, full_height: of the image in the file, in pixels.
        file_bytes: the size of the file.
        failure: why the file can't be loaded.
    """

    jpeg: bytes | None = None
    width: int = 0
    height: int = 0
    full_width: int = 0
    full_height: int = 0
    file_bytes: int = 0
    failure: str | None = None


def make_thumbnails(
    source: ImageSource,
    names: Sequence[str],
    side: int,
    *,
    quality: int,
    formats: Collection[str] = (),
    num_workers: int | None = None,
    turns: Sequence[str] | None = None,
) -> Iterator[Thumbnail]:
    """A thumbnail of each file, in order; a file that can't be loaded gives its reason.

    Args:
        source: of the files.
        names: their keys.
        side: the longest side of a thumbnail, in pixels.
        quality: of the JPEG.
        formats: suffixes that imageio may open, see :func:`jaxdedup.loading.decode`.
        num_workers: the number of threads; None for one a core.
        turns: of each, how it is turned, of :data:`jaxdedup.encoding.TURNS`; None for not at all.
    """
    turns = turns or ["none"] * len(names)
    make = partial(_make, source=source, side=side, quality=quality, formats=formats)
    with ThreadPoolExecutor(num_workers or core_count()) as threads:
        for start in range(0, len(names), _READ_AHEAD):
            some = slice(start, start + _READ_AHEAD)
            yield from threads.map(make, names[some], turns[some])


def _make(
    name: str, turn: str, *, source: ImageSource, side: int, quality: int, formats: Collection[str]
) -> Thumbnail:
    item = source.open(name)
    try:
        # The JPEG decoder may scale down as it decodes: a thumbnail need not be exact.
        pixels = decode(item, formats=formats, draft_size=(side, side))
    except DecodeError as error:
        return Thumbnail(failure=str(error))
    stamp = source.stamp(name)
    file_bytes = 0 if stamp is None else stamp.size
    height, width = pixels.shape[:2]
    full_width, full_height = image_size(item) or (width, height)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if turn != "none":
        image = image.transpose(Image.Transpose[turn.upper()])
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=quality, optimize=True)
    return Thumbnail(
        jpeg.getvalue(), image.width, image.height, full_width, full_height, file_bytes
    )
