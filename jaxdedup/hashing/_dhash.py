"""DHash: which pixels of the small image are brighter than their left neighbour."""

import jax
from jax.typing import ArrayLike

from jaxdedup.image import Profile
from jaxdedup.runtime import integer_within

from ._method import Array, HashMethod, hash_images, sized_name

MOST = 128  # of a hash_size


def _bits(luma: Array) -> Array:
    brighter = luma[..., 1:] > luma[..., :-1]
    return brighter.reshape(*luma.shape[:-2], -1)


def dhash_method(hash_size: int = 8) -> HashMethod:
    """The difference hash of a size as a value.

    Args:
        hash_size: n, 2 to 128.

    Example:
        >>> dhash_method(16).size
        (16, 17)
    """
    n = integer_within("hash_size", hash_size, 2, MOST)
    return HashMethod(sized_name("dhash", (n, 8)), (n, n + 1), n * n, _bits)


def dhash(images: ArrayLike, *, hash_size: int = 8, profile: Profile = "pillow13") -> jax.Array:
    """Difference hash of each image.

    Equals ``imagededup.methods.DHash`` bit for bit: one bit for each pair of neighbours in a row
    of the luma, n rows of n + 1 (8 of 9 by default), set where the right one is brighter.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        hash_size: n, 2 to 128; imagededup's is 8.
        profile: the Pillow whose resize and luma are reproduced.

    Returns:
        ``uint8[..., ceil(hash_size² / 8)]``: hash_size² bits, the most significant first.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels; or the hash_size
            is out of range.

    Source: N. Krawetz, "Kind of Like That", 2013.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import dhash, to_hex
        >>> to_hex(dhash(np.tile(np.arange(200, dtype=np.uint8), (100, 1))))
        'ffffffffffffffff'
    """
    return hash_images(images, dhash_method(hash_size), profile)
