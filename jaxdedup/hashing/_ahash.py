"""AHash: which pixels of the 8×8 image are at least as bright as its mean."""

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxdedup.image import Profile

from ._method import Array, HashMethod, hash_images


def _bits(luma: Array) -> Array:
    # p >= Σp/64, without the division.
    pixels = luma.reshape(*luma.shape[:-2], 64).astype(np.int32)
    return 64 * pixels >= pixels.sum(axis=-1, keepdims=True, dtype=np.int32)


AHASH = HashMethod("ahash", (8, 8), _bits)


def ahash(images: ArrayLike, *, profile: Profile = "pillow13") -> jax.Array:
    """Average hash of each image.

    Equals ``imagededup.methods.AHash`` bit for bit: one bit for each pixel of the 8×8 luma,
    set where the pixel is at least the mean.

    Args:
        images: ``uint8[..., H, W, 3]`` or ``uint8[..., H, W]``.
        profile: the Pillow whose resize and luma are reproduced.

    Returns:
        ``uint8[..., 8]``, 64 bits, most significant first.

    Raises:
        TypeError: the images are not uint8.
        ValueError: they have no pixels, or the wrong number of axes or channels.

    Source: N. Krawetz, "Looks Like It", 2011.

    Example:
        >>> import numpy as np
        >>> from jaxdedup import ahash, to_hex
        >>> dark_above_bright = np.repeat([[0], [255]], 20, axis=0).repeat(30, axis=1)
        >>> to_hex(ahash(dark_above_bright.astype(np.uint8)))
        '00000000ffffffff'
    """
    return hash_images(images, AHASH, profile)
