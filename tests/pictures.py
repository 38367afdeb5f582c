"""Pictures that were not made by us: crops of those that scikit-image brings along.

They need no network: scikit-image's wheel holds these files.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from skimage import data

Pixels = NDArray[np.uint8]

_COLOUR = ("astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry", "hubble_deep_field")
_GREY = ("camera", "coins", "moon", "page", "brick", "grass", "gravel", "clock", "text")


@cache
def colour_pictures() -> tuple[Pixels, ...]:
    return tuple(np.asarray(getattr(data, name)()) for name in _COLOUR)


@cache
def grey_pictures() -> tuple[Pixels, ...]:
    return tuple(np.asarray(getattr(data, name)()) for name in _GREY)


def crops(count: int, *shape: int, seed: int = 0) -> Pixels:
    """``count`` random crops ``uint8[count, *shape]``; every second one is mirrored."""
    pictures = colour_pictures() if len(shape) == 3 else grey_pictures()
    rng = np.random.default_rng([seed, *shape])
    result = np.empty((count, *shape), np.uint8)
    for i in range(count):
        picture = pictures[i % len(pictures)]
        top, left = rng.integers(np.subtract(picture.shape[:2], shape[:2]) + 1)
        crop = picture[top : top + shape[0], left : left + shape[1]]
        result[i] = crop[:, ::-1] if i % 2 else crop
    return result


def crops_of_any_size(count: int, seed: int = 0) -> list[Pixels]:
    """``count`` random crops, of 41 pixels a side to the whole picture; every fourth is grey."""
    rng = np.random.default_rng(seed)
    result = []
    for i in range(count):
        pictures = grey_pictures() if i % 4 == 3 else colour_pictures()
        picture = pictures[rng.integers(len(pictures))]
        height, width = (int(rng.integers(41, side + 1)) for side in picture.shape[:2])
        top = rng.integers(picture.shape[0] - height + 1)
        left = rng.integers(picture.shape[1] - width + 1)
        result.append(np.ascontiguousarray(picture[top : top + height, left : left + width]))
    return result
