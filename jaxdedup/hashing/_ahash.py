"""AHash: which pixels of the n×n image are at least as bright as its mean."""

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxdedup.image import Profile
from jaxdedup.runtime import integer_within

from ._method import Array, HashMethod, hash_images, sized_name

MOST = 128  # of a hash_size: 255·128² is far below 2³¹


def _bits(luma: Array) -> Array:
    # p >= Σp/n², without the division.
    pixels = luma.reshape(*luma.shape[:-2], -1).astype(np.int32)
    return pixels.shape[-1] * pixels >= pixels.sum(axis=-1, keepdims=True, dtype=np.int32)


def ahash_method(hash_size: int = 8) -> HashMethod:
    """The average hash of a size as a value.

    Args:
        hash_size: n, 2 to 128.

    Example:
        >>> ahash_method(16).size
        (16, 16)
    """
    n = integer_within("hash_size", hash_size, 2, MOST)
    return HashMethod(sized_name("ahash", (n, 8)), (n, n), n * n, _bits)


def ahash(images: ArrayLike, *, hash_size: int = 8, profile: Profile = "pillow13") -> jax.Array:
    """Average hash of each image.

    Equals ``imagededup.methods.AHash`` bit for bit: one bit for each pixel of the n×n luma,
    8×8 by default, set where the pixel is at least the mean.

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

    Source: N. Krawetz, "Looks Like It", 2011.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import ahash, to_hex
        >>> dark_above_bright = np.repeat([[0], [255]], 20, axis=0).repeat(30, axis=1)
        >>> to_hex(ahash(dark_above_bright.astype(np.uint8)))
        '00000000ffffffff'
    """
    return hash_images(images, ahash_method(hash_size), profile)
