"""PHash: which low frequencies of a 32×32 image are at least as strong as their median.

"At least the median" is a question about order, and order is decided exactly here: the DCT basis
is held in fixed point and the sums over it are exact integers. A floating-point DCT leaves noise
where a symmetric image has coefficients of exactly zero, and noise decides those bits.
"""

from functools import cache

import jax
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxdedup.image import Profile

from ._method import Array, HashMethod, hash_images, namespace

_SIDE = 32  # of the image
_KEPT = 8  # frequencies an axis
_FRACTION_BITS = 32
# 33 bits and a sign are five signed digits of 7 bits. A sum of 1,024 products of an 8-bit pixel
# and such a digit stays below 2²⁴, so that float32 holds it exactly, whatever the order.
_DIGIT_BITS = 7
_DIGITS = 5


def _cosine(angle: NDArray[np.int64]) -> NDArray[np.int64]:
    """cos(π·angle/64) in fixed point; equal and opposite cosines are so to the last bit."""
    angle = abs(angle) % 128
    angle = np.minimum(angle, 128 - angle)
    first_quadrant = np.cos(np.pi * np.minimum(angle, 64 - angle) / 64)
    return np.where(angle > 32, -1, 1) * np.rint(first_quadrant * 2.0**_FRACTION_BITS).astype(int)


@cache
def _basis_digits() -> NDArray[np.float32]:
    """Twice the 2-D DCT-II basis in fixed point: ``float32[5, 1024, 64]``, least digit first."""
    # 2 cos(a) cos(b) = cos(a + b) + cos(a − b), both a multiple of π/64, of which only those
    # below π/2 are rounded. They are linearly independent over the rationals, so that whatever
    # coefficients are equal are equal sums of the same terms, and stay equal when rounded.
    angle = np.outer(np.arange(_KEPT), 2 * np.arange(_SIDE) + 1)
    rows, columns = angle.T[:, None, :, None], angle.T[None, :, None, :]
    basis = _cosine(rows + columns) + _cosine(rows - columns)
    rest = basis.reshape(_SIDE**2, _KEPT**2)

    half = 1 << (_DIGIT_BITS - 1)
    digits = []
    for _ in range(_DIGITS):
        digit = (rest + half) % (2 * half) - half
        rest = (rest - digit) >> _DIGIT_BITS
        digits.append(digit)
    if rest.any() or 255 * np.abs(digits).sum(axis=1).max() >= 2**24:
        raise ValueError("the DCT basis does not fit its digits")
    return np.stack(digits).astype(np.float32)


def _coefficients(luma: Array) -> tuple[Array, Array]:
    """The exact 8×8 DCT, as ``high·2²⁸ + low``: two ``int32[..., 64]``, low in [0, 2²⁸)."""
    digits = _basis_digits()
    pixels = luma.reshape(*luma.shape[:-2], _SIDE**2).astype(np.float32)
    # One product for all digits, side by side.
    columns = digits.transpose(1, 0, 2).reshape(_SIDE**2, -1)
    with jax.default_matmul_precision("highest"):  # float32 in truth, on every device
        sums = (pixels @ columns).astype(np.int32)
    sums = sums.reshape(*sums.shape[:-1], _DIGITS, _KEPT**2)

    low = carry = namespace(sums).zeros_like(sums[..., 0, :])
    for k in range(_DIGITS - 1):
        total = sums[..., k, :] + carry
        low = low + ((total & (2**_DIGIT_BITS - 1)) << (k * _DIGIT_BITS))
        carry = total >> _DIGIT_BITS
    return sums[..., _DIGITS - 1, :] + carry, low


def _bits(luma: Array) -> Array:
    high, low = _coefficients(luma)
    # c is at least the median of the 63 coefficients beside the DC (which is number 0) where at
    # most 31 of them are greater.
    rival_high, rival_low = high[..., None, 1:], low[..., None, 1:]
    high, low = high[..., :, None], low[..., :, None]
    greater = (rival_high > high) | ((rival_high == high) & (rival_low > low))
    return greater.sum(axis=-1, dtype=np.int32) <= 31


PHASH = HashMethod("phash", (_SIDE, _SIDE), _bits)


def phash(images: ArrayLike, *, profile: Profile = "pillow13") -> jax.Array:
    """Perceptual hash of each image.

    Equals ``imagededup.methods.PHash`` bit for bit: the 8×8 lowest frequencies of the DCT-II of
    the 32×32 luma, each compared with the median of the 63 that are not the mean. Where two
    coefficients are equal in exact arithmetic (an image that equals its own transpose, one made
    of 8×8 blocks), imagededup's bit follows the rounding noise of its FFT; ours follows the tie.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        profile: the Pillow whose resize and luma are reproduced.

    Returns:
        ``uint8[..., 8]``, 64 bits, most significant first.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels.

    Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import phash, to_hex
        >>> to_hex(phash(np.full((40, 30, 3), 200, np.uint8)))
        'ffffffffffffffff'
    """
    return hash_images(images, PHASH, profile)
