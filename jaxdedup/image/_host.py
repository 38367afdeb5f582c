"""Resize on the host, by Pillow: what small jobs take, for which a program is not worth compiling.

Pillow's order of the passes changes with its version, and so one axis is resized at a time, in the
order of the profile. Whether the installed Pillow resizes an axis as planned is tried, not assumed.
"""

from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ._fixed_point import PRECISION_BITS
from ._lanczos import vertical_first, windows
from ._luma import weigh_channels
from ._profiles import Profile

_TRIED = ((17, 40, 32), (301, 5, 8), (90, 33, 8), (3, 50, 20))  # length, other length, outputs


def resize_on_host(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    profile: Profile = "pillow13",
    resample: Image.Resampling = Image.Resampling.LANCZOS,
    *,
    luma_first: bool = False,
) -> NDArray[np.uint8]:
    """Resize of one image, by LANCZOS with the same pixels as :func:`resize`.

    Args:
        image: ``uint8[H, W, 3]`` or ``uint8[H, W]``, C-contiguous.
        size: the target ``(h, w)``.
        profile: the version of Pillow to equal.
        resample: another of Pillow's filters.
        luma_first: whether an RGB image becomes grey before.

    Returns:
        ``uint8[h, w, 3]`` or ``uint8[h, w]``; the image itself, if it is of that size.

    Example:
        >>> resize_on_host(np.full((40, 30), 7, np.uint8), (2, 3))
        array([[7, 7, 7],
               [7, 7, 7]], dtype=uint8)
    """
    if image.shape[:2] == size:  # which Pillow would copy
        return luma_on_host(image, profile) if luma_first else image
    height, width = image.shape[:2]
    pillow = _luma(image, profile) if luma_first else _as_pillow(image)
    if vertical_first(height, width, size, profile=profile):
        between = (width, size[0])
    else:
        between = (size[1], height)
    for axis_size in (between, (size[1], size[0])):
        pillow = pillow.resize(axis_size, resample)
    return np.asarray(pillow)


def luma_on_host(image: NDArray[np.uint8], profile: Profile = "pillow13") -> NDArray[np.uint8]:
    """Luma of one image, with the same pixels as :func:`rgb_to_luma`.

    Args:
        image: ``uint8[H, W, 3]``, or ``uint8[H, W]``, which is its own; C-contiguous.
        profile: the version of Pillow to equal.

    Returns:
        ``uint8[H, W]``.

    Example:
        >>> luma_on_host(np.array([[[255, 0, 0]]], np.uint8))
        array([[76]], dtype=uint8)
    """
    return image if image.ndim == 2 else np.asarray(_luma(image, profile))


def _luma(image: NDArray[np.uint8], profile: Profile) -> Image.Image:
    if image.ndim == 3 and not _pillow_weighs_as(profile):
        return _as_pillow(weigh_channels(image, profile))
    return _as_pillow(image).convert("L")


@cache
def _pillow_weighs_as(profile: Profile) -> bool:
    """Whether the installed Pillow's luma is that of a profile, for some thousand colours."""
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    grey = np.asarray(Image.fromarray(colours).convert("L"))
    return np.array_equal(grey, weigh_channels(colours, profile))


def _as_pillow(image: NDArray[np.uint8]) -> Image.Image:
    mode = "RGB" if image.ndim == 3 else "L"
    shape = (image.shape[1], image.shape[0])
    return Image.frombuffer(mode, shape, cast(Any, image), "raw", mode, 0, 1)


@cache
def pillow_resizes_as_planned() -> bool:
    """Whether the installed Pillow resizes an axis of a few small images as the weights say."""
    random = np.random.default_rng(0)
    for length, other, outputs in _TRIED:
        image = random.integers(0, 256, (other, length), np.uint8)
        for pixels in (image, np.where(image > 127, 255, 0).astype(np.uint8)):
            resized = Image.fromarray(pixels).resize((outputs, other), Image.Resampling.LANCZOS)
            turned = Image.fromarray(pixels.T).resize((other, outputs), Image.Resampling.LANCZOS)
            planned = _resize_rows(pixels, outputs)
            if (np.asarray(resized) != planned).any() or (np.asarray(turned) != planned.T).any():
                return False
    return True


def _resize_rows(image: NDArray[np.uint8], outputs: int) -> NDArray[np.uint8]:
    """``uint8[H, W]`` to ``uint8[H, outputs]``, by the planned weights."""
    first, stop, taps = windows(image.shape[1], outputs)
    dense = np.zeros((outputs, image.shape[1]), np.int64)
    for output, (start, end) in enumerate(zip(first, stop, strict=True)):
        dense[output, start:end] = taps[output, : end - start]
    sums = (image @ dense.T + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS
    return np.clip(sums, 0, 255).astype(np.uint8)
