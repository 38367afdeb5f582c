"""An image turned as EXIF says, and without its border."""

import numpy as np

from ._colours import Pixels

TOLERANCE = 24  # of 255, within which a row of pixels is of one colour


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """An image turned as an EXIF orientation says, as a view.

    Equals ``PIL.ImageOps.exif_transpose``.

    Args:
        pixels: ``uint8[H, W, ...]``.
        orientation: 1 to 8; others stand for 1.

    Example:
        >>> upright(np.array([[1, 2]], np.uint8), 6).tolist()
        [[1], [2]]
    """
    if not 1 <= orientation <= 8:
        return pixels
    pixels = pixels.swapaxes(0, 1) if lies(orientation) else pixels
    down, across = ((1, 1), (1, -1), (-1, -1), (-1, 1))[(orientation - 1) % 4]
    return pixels[::down, ::across]


def lies(orientation: int) -> bool:
    """Whether an EXIF orientation exchanges height and width.

    Example:
        >>> lies(3), lies(6)
        (False, True)
    """
    return 5 <= orientation <= 8


def trimmed(pixels: Pixels) -> Pixels:
    """An image without the rows and columns at its edges that are of one colour, as a view.

    Such are those in which no channel varies by more than 24 of 255. What is left, when none of the
    four edges is one, does not depend on the order in which they are cut: turning an image and
    trimming it commute, and a plain border added to an image is cut again. An image of which
    nothing would be left stays as it is.

    Args:
        pixels: ``uint8[H, W, 3]`` or ``uint8[H, W]``.

    Example:
        >>> framed = np.zeros((4, 6), np.uint8)
        >>> framed[1:3, 2:4] = [[90, 180], [180, 90]]
        >>> trimmed(framed).tolist()
        [[90, 180], [180, 90]]
    """
    left, turns, passed = pixels, 0, 0
    while passed < 4 and left.size:
        edge = left[0]
        if np.ptp(edge, axis=0).max() <= TOLERANCE:
            left, passed = left[1:], 0
        else:
            left, turns, passed = np.rot90(left), turns + 1, passed + 1
    return np.rot90(left, -turns) if left.size else pixels
