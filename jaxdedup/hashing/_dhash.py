"""DHash: which pixels of the 9×8 image are brighter than their left neighbour."""

import jax
from jax.typing import ArrayLike

from jaxdedup.image import Profile

from ._method import Array, HashMethod, hash_images


def _bits(luma: Array) -> Array:
    brighter = luma[..., 1:] > luma[..., :-1]
    return brighter.reshape(*luma.shape[:-2], 64)


DHASH = HashMethod("dhash", (8, 9), _bits)


def dhash(images: ArrayLike, *, profile: Profile = "pillow13") -> jax.Array:
    """Difference hash of each image.

    Equals ``imagededup.methods.DHash`` bit for bit: one bit for each pair of neighbours in a row
    of the luma, 8 rows of 9, set where the right one is brighter.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        profile: the Pillow whose resize and luma are reproduced.

    Returns:
        ``uint8[..., 8]``, 64 bits, most significant first.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels.

    Source: N. Krawetz, "Kind of Like That", 2013.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import dhash, to_hex
        >>> to_hex(dhash(np.tile(np.arange(200, dtype=np.uint8), (100, 1))))
        'ffffffffffffffff'
    """
    return hash_images(images, DHASH, profile)
