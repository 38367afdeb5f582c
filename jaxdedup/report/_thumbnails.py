"""Thumbnails: small JPEGs of image files, made in threads."""

import io
import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxdedup.loading import DecodeError, decode

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
    paths: Sequence[str],
    side: int,
    *,
    quality: int,
    formats: Collection[str] = (),
    num_workers: int | None = None,
) -> Iterator[Thumbnail]:
    """A thumbnail of each file, in order; a file that can't be loaded gives its reason.

    Args:
        paths: the files.
        side: the longest side of a thumbnail, in pixels.
        quality: of the JPEG.
        formats: suffixes that imageio may open, see :func:`jaxdedup.loading.decode`.
        num_workers: the number of threads; None for one a core.
    """
    make = partial(_make, side=side, quality=quality, formats=formats)
    with ThreadPoolExecutor(num_workers or os.cpu_count()) as threads:
        for start in range(0, len(paths), _READ_AHEAD):
            yield from threads.map(make, paths[start : start + _READ_AHEAD])


def _make(path: str, *, side: int, quality: int, formats: Collection[str]) -> Thumbnail:
    try:
        # The JPEG decoder may scale down as it decodes: a thumbnail need not be exact.
        pixels = decode(path, formats=formats, draft_size=(side, side))
        file_bytes = os.path.getsize(path)
    except (DecodeError, OSError) as error:
        return Thumbnail(failure=str(error))
    height, width = pixels.shape[:2]
    full_width, full_height = _size(path) or (width, height)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=quality, optimize=True)
    return Thumbnail(
        jpeg.getvalue(), image.width, image.height, full_width, full_height, file_bytes
    )


def _size(path: str) -> tuple[int, int] | None:
    """The size in the file's header; None where Pillow doesn't know the format."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError):
        return None
