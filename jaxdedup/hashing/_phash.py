"""PHash: which low frequencies of the small image are at least as strong as their median."""

from dataclasses import dataclass

import jax
from jax.typing import ArrayLike

from jaxdedup.image import Profile
from jaxdedup.runtime import integer_within

from ._dct import FEW_FREQUENCIES, compare_to_median, low_frequencies
from ._method import Array, HashMethod, hash_images, sized_name

MOST = 32  # of a hash_size: the table of the basis grows with its fourth power
_PIXELS = 4  # a frequency, along each axis


@dataclass(frozen=True)
class _Bits:
    count: int  # frequencies an axis

    def __call__(self, luma: Array) -> Array:
        values, places = low_frequencies(luma, self.count)
        greater, equal = compare_to_median(values, but_first=1)  # which is the DC
        return (greater | equal)[..., places]


def phash_method(hash_size: int = 8) -> HashMethod:
    """The perceptual hash of a size as a value.

    Args:
        hash_size: n, 2 to 32.

    Example:
        >>> phash_method(16).size
        (64, 64)
    """
    n = integer_within("hash_size", hash_size, 2, MOST)
    name, side = sized_name("phash", (n, 8)), _PIXELS * n
    return HashMethod(name, (side, side), n * n, _Bits(n), host_is_faster=n > FEW_FREQUENCIES)


def phash(images: ArrayLike, *, hash_size: int = 8, profile: Profile = "pillow13") -> jax.Array:
    """Perceptual hash of each image.

    Equals ``imagededup.methods.PHash`` bit for bit: the n×n lowest frequencies of the DCT-II of
    the 4n×4n luma (8×8 of 32×32 by default), each compared with the median of those that are not
    the mean. Where two
    coefficients are equal in exact arithmetic (an image that equals its own transpose, one made
    of 8×8 blocks), imagededup's bit follows the rounding noise of its FFT; ours follows the tie.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, 2 to 32; imagededup's is 8.
        profile: the Pillow whose resize and luma are reproduced.

    Returns:
        ``uint8[..., ceil(hash_size² / 8)]``: hash_size² bits, the most significant first.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels; or the hash_size
            is out of range.

    Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import phash, to_hex
        >>> to_hex(phash(np.full((40, 30, 3), 200, np.uint8)))
        'ffffffffffffffff'
    """
    return hash_images(images, phash_method(hash_size), profile)
