"""PDQ on the host, for whole images: as the reference computes it, where it is close.

Two ways to the 64×64 image: products with banded matrices, in any order; or the reference's own
running sums, one after the other in float32, whose rounding noise decides where coefficients are
equal: of images that are constant, striped, mirrored or enlarged, mostly.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from jaxdedup.image import Profile

from ._method import HashMethod
from ._pdq import CLOSE, FEWEST, KEPT, SIDE, box_bounds, dct_matrix, decimated, smoothing
from ._quality import with_quality

Floats = NDArray[np.float32]
_LUMA = (0.299, 0.587, 0.114)


def pdq_method() -> HashMethod:
    """PDQ as a value, with its quality: of whole images, on the host, so that no tie is left open.

    Example:
        >>> pdq_method().count
        256
    """
    return HashMethod("pdq", (), KEPT**2, _bits, near=31, quality=50)


def _bits(image: NDArray[np.uint8], profile: Profile) -> NDArray[np.bool_]:
    bits, quality, tied = pdq_on_host(image)
    return cast(NDArray[np.bool_], with_quality(bits, np.int32(quality), tied))


def pdq_on_host(image: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], int, bool]:
    """The PDQ hash of one image, equal to pdqhash's always.

    Args:
        image: ``uint8[H, W, 3]`` or ``uint8[H, W]``.

    Returns:
        bool[256], the hash, its first digit first; its quality, 0 to 100; and whether the
        reference's rounding decided it.

    Example:
        >>> bits, quality, tied = pdq_on_host(np.zeros((80, 60), np.uint8))
        >>> int(bits.sum()), quality, tied
        (0, 0, True)
    """
    if min(image.shape[:2]) < FEWEST:
        return np.zeros(KEPT**2, bool), 0, False
    small = _small(image)
    coefficients = _coefficients(small)
    median = np.partition(coefficients, KEPT**2 // 2 - 1, axis=None)[KEPT**2 // 2 - 1]
    tied = bool(np.count_nonzero(np.abs(coefficients - median) < CLOSE) > 1)
    if tied:
        small = _small_by_running_sums(image)
        coefficients = _coefficients_in_order(small)
        median = np.sort(coefficients, axis=None)[KEPT**2 // 2 - 1]
    return (coefficients > median).reshape(-1)[::-1], _quality(small), tied


def _small(image: NDArray[np.uint8]) -> Floats:
    """The 64×64 luma, by one weighted sum for each axis."""
    height, width = image.shape[:2]
    weighted = _weigh_rows(image.reshape(height, -1))  # [64, W·C]
    if image.ndim == 3:
        weighted = weighted.reshape(SIDE, width, 3) @ np.array(_LUMA, np.float32)
    return _weigh_rows(np.ascontiguousarray(weighted.T)).T


def _weigh_rows(rows: NDArray[np.uint8] | Floats) -> Floats:
    # Tap by tap. A matrix product would be divided among cores that have images of their own.
    first, taps = smoothing(len(rows))
    weights = taps.astype(np.float32)
    total = np.zeros((SIDE, rows.shape[1]), np.float32)
    for t in range(taps.shape[1]):
        total += weights[:, t, None] * rows[first + t]
    return total


def _coefficients(small: Floats) -> Floats:
    matrix = dct_matrix().astype(np.float32)
    coefficients: Any = matrix @ small @ matrix.T
    return coefficients


def _quality(small: Floats) -> int:
    """How much the 64×64 image changes from pixel to pixel, 0 to 100."""
    hundred, white = np.float32(100), np.float32(255)
    steps = [((a - b) * hundred / white) for a, b in _neighbours(small)]
    return min(sum(int(np.abs(step.astype(np.int32)).sum()) for step in steps) // 90, 100)


def _neighbours(small: Floats) -> list[tuple[Floats, Floats]]:
    return [(small[:-1], small[1:]), (small[:, :-1], small[:, 1:])]


def _small_by_running_sums(image: NDArray[np.uint8]) -> Floats:
    height, width = image.shape[:2]
    red, green, blue = (image[..., c] if image.ndim == 3 else image for c in range(3))
    luma: Any = (red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]).astype(np.float32)
    if (height, width) == (SIDE, SIDE):
        return luma
    for _ in range(2):
        luma = _box(np.ascontiguousarray(luma.T))
        luma = _box(np.ascontiguousarray(luma.T))
    return np.ascontiguousarray(luma[decimated(height)][:, decimated(width)])


def _box(x: Floats) -> Floats:
    """A box filter along the first axis, by a sum that runs along it."""
    start, stop = box_bounds(len(x))
    out, total = np.empty(x.shape, np.float32), np.zeros(x.shape[1], np.float32)
    left = right = 0
    for output, (begin, end) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
        while right < end:
            total = total + x[right]
            right += 1
        while left < begin:
            total = total - x[left]
            left += 1
        out[output] = total / np.float32(end - begin)
    return out


def _coefficients_in_order(small: Floats) -> Floats:
    # The reference rounds the factor first, and then the product.
    factor = np.float64(np.float32(np.sqrt(2 / SIDE)))
    matrix = (dct_matrix() / np.sqrt(2 / SIDE) * factor).astype(np.float32)
    half = _sum_in_order(lambda k: matrix[:, k, None] * small[None, k, :])
    return _sum_in_order(lambda k: half[:, k, None] * matrix[None, :, k])


def _sum_in_order(term: Callable[[int], Floats]) -> Floats:
    total = np.float32(0) * term(0)
    for k in range(SIDE):
        total = total + term(k)
    return total
