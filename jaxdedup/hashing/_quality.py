"""How much there is to see in an image, 0 to 100, as PDQ measures it; and hashes that tell it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._method import Array, namespace

_TIED = 128  # in the byte of a quality


class Rated(NamedTuple):
    """Hashes, and the quality of the images that they are of.

    Attributes:
        rows: ``uint8[N, b]``.
        quality: ``uint8[N]``, 0 to 100.
        tied: ``bool[N]``, whether the reference's rounding decided a bit.
    """

    rows: NDArray[Any]
    quality: NDArray[Any]
    tied: NDArray[Any]


def luma_quality(luma: Array) -> Array:
    """How much an image changes from pixel to pixel.

    The sum by which PDQ rates its 64×64 pixels, in 64 rows and 64 columns, of a small image of any
    size, by its number of rows and columns: about as much of one picture, whatever the size.

    Args:
        luma: ``uint8[..., h, w]``, of two pixels or more.

    Returns:
        ``int32[...]``, 0 to 100: 0 of one flat colour.

    Example:
        >>> flat, lines = np.zeros((32, 32), np.uint8), np.eye(32, dtype=np.uint8) * 40
        >>> int(luma_quality(flat)), int(luma_quality(lines))
        (0, 41)
    """
    space, pixels = namespace(luma), luma.astype(np.int32)
    height, width = luma.shape[-2:]
    steps = (100 * abs(space.diff(pixels, axis=axis)) // 255 for axis in (-1, -2))
    total = sum(space.sum(step, axis=(-1, -2), dtype=np.int32) for step in steps)
    # total / 90 of 128 rows and columns; what is above 100 is cut first, and nothing overflows.
    lines = height + width
    enough = -(-100 * 45 * lines // 64)
    return space.minimum(total, enough) * 64 // (45 * lines)


def with_quality(bits: Array, quality: Array, tied: Array = False) -> Array:
    """A hash's bits, in front of them what fills its first byte, and one byte more: the quality.

    Args:
        bits: ``bool[..., count]``.
        quality: of the images, 0 to 100: integers ``[...]``.
        tied: ``bool[...]``, whether the reference's rounding decided a bit.

    Returns:
        ``bool[..., 8·ceil(count / 8) + 8]``.

    Example:
        >>> np.packbits(with_quality(np.ones(4, bool), np.uint8(50))).tolist()
        [15, 50]
    """
    space = namespace(bits)
    front = space.zeros((*bits.shape[:-1], -bits.shape[-1] % 8), bool)
    byte = (quality + space.asarray(tied, np.int32) * _TIED).astype(np.uint8)
    last = space.unpackbits(byte[..., None], axis=-1).astype(bool)
    return space.concatenate([front, bits, last], axis=-1)


def split_quality(rows: NDArray[np.uint8], hashes: int) -> Rated:
    """Rows of packed :func:`with_quality`, taken apart.

    Args:
        rows: ``uint8[N, hashes · (b + 1)]``.
        hashes: how many there are of an image, side by side; the first one's quality counts.

    Example:
        >>> split_quality(np.array([[15, 50 + 128]], np.uint8), 1).quality
        array([50], dtype=uint8)
    """
    each = rows.reshape(len(rows), hashes, -1)
    last = each[:, 0, -1]
    tied = np.any(each[..., -1] >= _TIED, axis=1)
    hash_rows = np.ascontiguousarray(each[..., :-1]).reshape(len(rows), -1)
    return Rated(hash_rows, last & np.uint8(_TIED - 1), np.asarray(tied))
